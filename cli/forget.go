package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/bouncetail/bouncetail/address"
	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/logparse"
	"github.com/bouncetail/bouncetail/queue"
	"github.com/bouncetail/bouncetail/sqlite"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/report"
	"github.com/bouncetail/bouncetail/view/table"
)

func (a *app) forget() *cobra.Command {
	var from string
	var dryRun, leaveNothing, yes bool
	var asJSON bool
	c := &cobra.Command{
		Use:   "forget ADDRESS…",
		Short: "Delete every trace of a person",
		Long: "Forget deletes what is stored of an address, takes it out of what is stored of\n" +
			"others, and overwrites its bytes in the files of the database. Counts by day and\n" +
			"domain stay. A hash is kept, so that a log of before that is imported again does\n" +
			"not bring the address back; what happens later is kept as ever.\n\n" +
			"The daemon has the address in its memory too: stop it first, and start it again\n" +
			"afterwards. It goes on in the log where it was. The log itself, copies of the\n" +
			"database and what was exported are yours to clean.",
	}
	c.Flags().StringVar(&from, "from-file", "", "read addresses from `FILE`, one a line; - is standard input")
	c.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be deleted")
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask on a terminal")
	c.Flags().BoolVar(&leaveNothing, "leave-nothing", false, "keep no hash either: logs of before must not be imported again")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if from != "" {
			listed, err := a.listedIn("--from-file", from)
			if err != nil {
				return err
			}
			args = append(args, listed...)
		}
		settings, h, err := a.hashing()
		if err != nil {
			return err
		}
		f := sqlite.Forgetting{Queue: queue.Scrub, Parser: h.Sealed(logparse.ScrubState), LeaveNothing: leaveNothing, DryRun: dryRun, Now: a.now()}
		seen, who := make(map[string]bool), ""
		for _, arg := range args {
			to, err := personIn(arg)
			if err != nil {
				return usageError{err}
			}
			if seen[to.Normal] {
				continue
			}
			seen[to.Normal] = true
			who = text.Printable(to.Normal)
			spelled := []string{to.Normal, address.Unicode(to)}
			if h != nil {
				to = h.Hashed(to)
				spelled = append(spelled, address.Unicode(to))
			}
			f.People = append(f.People, to)
			for _, s := range spelled {
				if s != to.Normal {
					f.Spellings = append(f.Spellings, s)
				}
			}
		}
		if len(f.People) == 0 {
			return usageError{errors.New("no address; give one such as jane@example.com, or --from-file")}
		}
		if len(f.People) > 1 {
			who = text.Thousands(int64(len(f.People))) + " addresses"
		}
		if !yes && !dryRun && from != "-" && !a.agreed("Delete every trace of "+who+"? This cannot be undone.") {
			return errors.New("nothing was deleted")
		}
		store, err := a.existingStore(cmd.Context(), settings)
		if err != nil {
			return err
		}
		var found []query.Count
		if err = store.UseKey(cmd.Context(), h.ID()); err == nil {
			found, err = store.Forget(cmd.Context(), &f)
		}
		if err = errors.Join(err, store.Close()); err != nil {
			return err
		}
		if asJSON {
			return table.Objects(a.stdout).Encode(report.Deleted(found, dryRun))
		}
		return a.tellForgotten(&f, who, found)
	}
	jsonFlag(c, &asJSON)
	return c
}

// listedIn returns the lines of a file that are neither empty nor begin with
// a #. The flag is the one that named it.
func (a *app) listedIn(flag, path string) ([]string, error) {
	in := a.input
	if path != "-" {
		f, err := os.Open(path)
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("%s: %s does not exist; check the spelling", flag, path)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", flag, err)
		}
		defer f.Close()
		in = f
	}
	var lines []string
	scanner := bufio.NewScanner(in)
	for scanner.Scan() {
		if line := strings.TrimSpace(scanner.Text()); line != "" && line[0] != '#' {
			lines = append(lines, line)
		}
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("%s: %s: %w", flag, path, err)
	}
	return lines, nil
}

// personIn reads an address that a person wrote. Nothing is deleted for what
// is none.
func personIn(arg string) (bounce.Address, error) {
	to := address.Parse(strings.Trim(arg, "<> "))
	local := strings.TrimSuffix(strings.TrimSuffix(to.Normal, to.Domain), "@")
	if local == "" || strings.ContainsAny(to.Normal, " \t,;") || to.Domain == "" && strings.Contains(to.Normal, "@") {
		return to, fmt.Errorf("%q is no address; give one such as jane@example.com, or the name of a local user", arg)
	}
	return to, nil
}

func (a *app) tellForgotten(f *sqlite.Forgetting, who string, found []query.Count) error {
	switch {
	case len(found) == 0:
		fmt.Fprintf(a.stdout, "Nothing is stored of %s.\n", who)
	case f.DryRun:
		fmt.Fprintf(a.stdout, "Would forget %s:\n", who)
	default:
		fmt.Fprintf(a.stdout, "Forgot %s:\n", who)
	}
	if err := report.PrintCounts(a.screen(), found); err != nil || f.DryRun {
		return err
	}
	remark := "A hash stays, which keeps logs of before from bringing it back."
	if f.LeaveNothing {
		remark = "No hash was kept: a log of before that is imported again brings it back."
	}
	_, err := io.WriteString(a.stdout, remark+"\nYour mail logs, backups and exports are not touched.\n")
	return err
}

// agreed asks a question on a terminal. Without one the answer is yes: scripts mean
// what they say.
func (a *app) agreed(question string) bool {
	f, ok := a.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return true
	}
	fmt.Fprintf(a.stderr, "%s [y/N] ", question)
	line, _ := bufio.NewReader(a.input).ReadString('\n') // no answer is no
	line = strings.ToLower(strings.TrimSpace(line))
	return line == "y" || line == "yes"
}
