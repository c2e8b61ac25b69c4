package cli

import (
	"cmp"
	"context"
	"errors"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/daemon"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/report"
)

func (a *app) importLogs() *cobra.Command {
	var mta, zone string
	c := &cobra.Command{
		Use:   "import [FILE…]",
		Short: "Read logs to their end, compressed or not, or standard input",
		Long: "Import reads logs to their end, in any order and any number of times: a line that\n" +
			"was read before changes nothing. A daemon started later goes on behind them.\n\n" +
			"Without a FILE it reads this machine's mail log, with what rotation made of it:\n" +
			"those of the settings, else of the default logs all that hold lines of a mail server:\n" + strings.Join(config.DefaultLogPaths, ", ") + ".",
		Example: "  sudo bouncetail import\n" +
			"  bouncetail import --db /tmp/b.db --timezone Europe/Berlin /backup/mail.log*.gz\n" +
			"  journalctl -o short-iso SYSLOG_FACILITY=2 | bouncetail import --db /tmp/j.db -",
		RunE: func(cmd *cobra.Command, files []string) error {
			c, err := a.settings()
			if err != nil {
				return err
			}
			source := config.Source{MTA: mta, Timezone: zone}
			if err := daemon.CheckSource(source); err != nil {
				return usageError{err}
			}
			if len(files) == 0 {
				if files, err = daemon.LogsOf(c); err != nil {
					return err
				}
				if source, err = daemon.CommonSource(c, source, cmd.Flags().Changed); err != nil {
					return err
				}
				a.remark("Reading %s", text.Printable(strings.Join(files, ", ")))
			}
			c.Sources = []config.Source{source}
			return a.importFiles(cmd.Context(), c, files)
		},
	}
	a.logFlags(c)
	a.jsonFlag(c, "the summary as one JSON object, for cron")
	c.Flags().StringVar(&mta, "mta", "auto", "the `SERVER` that wrote the logs: "+strings.Join(config.MTAs, ", "))
	complete(c, "mta", config.MTAs)
	c.Flags().StringVar(&zone, "timezone", "local", "`ZONE` of stamps that name none, such as Europe/Berlin")
	return c
}

// importFiles imports files and prints the summary.
func (a *app) importFiles(ctx context.Context, c config.Config, files []string) error {
	im := daemon.Import{Config: c, Files: files, Stdin: a.stdin, Log: a.logger(c.Log)}
	clear := func() {}
	if f, ok := a.stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		im.Progress, clear = report.ProgressLine(ctx, f)
	}
	said := make(chan struct{})
	finished := context.AfterFunc(ctx, func() { a.remark("Stopping: what was read is being saved."); close(said) })
	done, err := im.Run(ctx)
	if !finished() {
		<-said // before what follows
	}
	clear()
	if ctx.Err() != nil && err != nil {
		return interrupted(ctx, err, im.Kept(done))
	}
	if errors.Is(err, daemon.ErrNoLines) && !slices.Contains(files, "-") {
		// Rotation leaves empty files behind.
		a.remark("Nothing to import: there is no line in %s.", text.Printable(strings.Join(files, ", ")))
		return a.show(cmp.Or(done, &daemon.Imported{}), func() error { return nil })
	}
	if err != nil {
		return im.Explain(done, err)
	}
	for _, path := range done.Unrecognised {
		a.remark("%s: no line of a mail server in it", text.Printable(path))
	}
	if err := a.summary(ctx, c.Database, done); err != nil {
		return err
	}
	if n := done.Unparsed; n > 0 {
		a.remark("%s not parsed; the table unparsed_lines has an example of each form; compare them with docs/sources.md, and please report them",
			text.Amount(int(n), "delivery line"))
	}
	return nil
}

// summary prints what was read, and what the database holds now.
func (a *app) summary(ctx context.Context, path string, done *daemon.Imported) error {
	r, err := query.OpenReader(ctx, path)
	if err != nil {
		return err
	}
	defer r.Close()
	f, err := report.SummarizeWith(ctx, r, done.Problems)
	if err != nil {
		return err
	}
	return a.show(done.Object(f), func() error {
		if err := done.Print(ctx, a.screen(), r, f, path); err != nil {
			return err
		}
		return report.PrintNext(a.stdout, f.Next(done.Unparsed > 0), a.dbPath)
	})
}
