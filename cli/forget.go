package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/bouncetail/bouncetail/address"
	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/daemon"
	"github.com/bouncetail/bouncetail/view/report"
)

func (a *app) forget() *cobra.Command {
	var from string
	var dryRun, leaveNothing, yes bool
	c := &cobra.Command{
		Use:   "forget ADDRESS…",
		Short: "Delete every trace of a person",
		Long: "Forget deletes what is stored of an address, takes it out of what is stored of\n" +
			"others, and overwrites its bytes in the files of the database. Counts by day and\n" +
			"domain stay. A hash is kept, so that a log of before that is imported again does\n" +
			"not bring the address back; what happens later is kept as ever.\n\n" +
			"If the daemon runs, it does the work, and clears its own memory too. The log itself,\n" +
			"copies of the database and what was exported are yours to clean.",
	}
	c.Flags().StringVar(&from, "from-file", "", "read addresses from `FILE`, one a line; - is standard input")
	c.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be deleted")
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask on a terminal")
	c.Flags().BoolVar(&leaveNothing, "leave-nothing", false, "keep no hash either: logs of before must not be imported again")
	return a.withReport(c, func(ctx context.Context, settings config.Config, args []string) (any, func() error, error) {
		if from != "" {
			if err := address.FileLines("--from-file", from, a.input, func(_ string, _ int, line string) error { args = append(args, line); return nil }); err != nil {
				return nil, nil, err
			}
		}
		f := daemon.Forget{LeaveNothing: leaveNothing, DryRun: dryRun}
		if err := f.Parse(args); err != nil {
			return nil, nil, usageError{err}
		}
		if !yes && !dryRun && from != "-" && !a.agreed("Delete every trace of "+f.Who()+"? This cannot be undone.") {
			return nil, nil, errors.New("nothing was deleted")
		}
		found, err := f.Run(ctx, settings, a.logger(settings.Log))
		kept := "Nothing was deleted."
		if found != nil {
			kept = "The rows are deleted, but their remains may be in the file: run the same command again."
		}
		people := func() error { return report.PrintForgotten(a.screen(), f.Who(), found, dryRun, leaveNothing) }
		return report.Deleted(found, dryRun), people, interrupted(ctx, err, kept)
	})
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
