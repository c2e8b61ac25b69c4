package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/internal/openfile"
	"github.com/bouncetail/bouncetail/logparse"
	"github.com/bouncetail/bouncetail/tailer"
)

// ThisMachine answers the questions of config.Resolve for a machine; root is "" for
// this one.
func ThisMachine(root string) config.Machine {
	_, err := exec.LookPath("journalctl")
	return config.Machine{Root: root, HoldsMail: holdsMail, HasJournal: err == nil && root == ""}
}

// holdsMail reports whether a log, or the last file that rotation made of it, holds
// a line of a mail server at its head or tail. A compressed file holds none here.
func holdsMail(path string) (bool, error) {
	paths := []string{path}
	if _, rotated := tailer.Files(path); len(rotated) > 0 {
		paths = append(paths, rotated[len(rotated)-1])
	}
	for _, path := range paths {
		head, tail, _, err := Ends(path)
		if err != nil {
			return false, err
		}
		p, err := logparse.New(logparse.Options{Zone: time.Local, Anchor: time.Now()})
		if err != nil {
			return false, err
		}
		for _, sample := range [][]byte{head, tail} {
			p.Parse(string(sample), func(*bounce.Event) {})
		}
		if n := p.Counts(); n.Recognised+n.Unparsed > 0 {
			return true, nil
		}
	}
	return false, nil
}

// sampleSize is how much of either end of a log is read to see what it is.
const sampleSize = 256 << 10

// Ends returns the whole lines at the head and the tail of a file, and its size.
func Ends(path string) (head, tail []byte, size int64, err error) {
	f, err := openfile.Open(path)
	if err != nil {
		return nil, nil, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, 0, err
	}
	size = info.Size()
	head = make([]byte, min(sampleSize, size))
	if _, err := io.ReadFull(f, head); err != nil {
		return nil, nil, 0, err
	}
	if size > sampleSize {
		tail = make([]byte, min(sampleSize, size-sampleSize))
		if _, err := f.ReadAt(tail, size-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
			return nil, nil, 0, err
		}
		_, tail, _ = bytes.Cut(tail, []byte{'\n'})
	}
	return head[:bytes.LastIndexByte(head, '\n')+1], tail, size, nil
}

// ResolveSources puts the logs to follow into the settings: the files given, or what
// config.Resolve finds. It logs a choice that the settings did not make.
func ResolveSources(c *config.Config, files []string, log *slog.Logger) error {
	warnOfZone(log)
	if len(files) > 0 {
		c.Sources = nil
		for _, f := range files {
			c.Sources = append(c.Sources, config.Source{Path: f, MTA: "auto"})
		}
		return nil
	}
	found := c.Resolve(ThisMachine(""))
	c.Sources = found.List
	switch {
	case len(found.List) == 0:
		return fmt.Errorf(
			"no mail log found (looked for %s, and the journal); name the log in the settings, or as an argument",
			strings.Join(config.DefaultLogPaths, ", "),
		)
	case !found.ByDefault:
	case found.List[0].Path == config.Journal:
		log.Info("no source is configured and there is no mail log, following the journal", "looked_for", config.DefaultLogPaths)
	case found.NoMail:
		log.Warn("no source is configured, and no default log holds a line of a mail server", "following", paths(found.List))
	default:
		log.Info("no source is configured, following the mail logs of this machine", "logs", paths(found.List), "skipped", found.Skipped)
	}
	return nil
}

// warnOfZone logs that the local zone is not known, in which stamps without a zone are read.
func warnOfZone(log *slog.Logger) {
	if problem := config.LocalZoneProblem(); problem != "" {
		log.Warn("the time zone of this process is not known", "problem", problem)
	}
}

func paths(sources []config.Source) []string {
	var list []string
	for _, s := range sources {
		list = append(list, s.Path)
	}
	return list
}
