package daemon

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bouncetail/bouncetail/internal/control"
	"github.com/bouncetail/bouncetail/internal/openfile"
)

// Found is the daemon of a database, as another process sees it.
type Found struct {
	PID      string   `json:"pid"`      // of the process that writes the database; empty if there is none
	Unknown  string   `json:"unknown"`  // why it could not be found out; empty if it could
	Troubles []string `json:"troubles"` // what it cannot do at present
}

// Find looks for the daemon of a database: it holds a lock on a file.
func Find(ctx context.Context, database string) Found {
	f, err := openfile.Open(database + ".lock")
	if errors.Is(err, os.ErrNotExist) {
		return Found{Troubles: []string{}}
	}
	if err != nil {
		return Found{Unknown: err.Error(), Troubles: []string{}}
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
		return Found{Troubles: []string{}}
	}
	line, _ := bufio.NewReader(f).ReadString('\n') // only a name
	pid := strings.TrimSpace(line)
	troubles, err := askTroubles(ctx, database)
	if err != nil { // only root and its own user may ask it; an import takes no questions
		troubles = troublesOf(ctx, pid)
	}
	return Found{PID: pid, Troubles: troubles}
}

// Reading reports whether the daemon reads the logs, as far as is known.
func (f Found) Reading() bool {
	if f.Unknown != "" {
		return true
	}
	return f.PID != "" && !slices.ContainsFunc(f.Troubles, stopsReading)
}

// stopsReading reports whether the daemon cannot read or store lines as long as a trouble
// lasts.
func stopsReading(trouble string) bool {
	return strings.HasPrefix(trouble, "cannot read") ||
		strings.HasPrefix(trouble, "cannot open the database") ||
		strings.HasPrefix(trouble, "cannot save") ||
		trouble == silent
}

// Trouble describes in a line what is wrong with the daemon, "" if nothing is.
func (f Found) Trouble() string {
	switch {
	case len(f.Troubles) > 0:
		return "The daemon " + strings.Join(f.Troubles, "; ")
	case f.Unknown != "":
		return "It is not known whether the daemon runs: " + f.Unknown
	case f.PID == "":
		return "No daemon reads the logs."
	}
	return ""
}

// answerPatience is how long a daemon on a busy machine is waited for.
const answerPatience = 5 * time.Second

// silent is the trouble of a daemon that hangs or is stopped.
const silent = "does not answer"

// askTroubles returns what the daemon of a database cannot do at present.
func askTroubles(ctx context.Context, database string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, answerPatience)
	defer cancel()
	client, err := control.Dial(ctx, control.SocketOf(database))
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return []string{silent}, nil
	}
	if err != nil {
		return nil, err
	}
	defer client.Close()
	return append([]string{}, client.Troubles...), nil
}

// troublesOf returns what the daemon with a process ID cannot do at present. Systemd
// keeps the status of the units that it started.
func troublesOf(ctx context.Context, pid string) []string {
	list := []string{}
	out, err := exec.CommandContext(ctx, "systemctl", "show", "bouncetail", "--property=MainPID", "--property=StatusText").Output()
	if err != nil {
		return list // not a machine with systemd
	}
	fields := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			fields[name] = value
		}
	}
	if fields["MainPID"] != pid {
		return list
	}
	for part := range strings.SplitSeq(fields["StatusText"], "; ") {
		if strings.HasPrefix(part, "cannot ") {
			list = append(list, part)
		}
	}
	return list
}
