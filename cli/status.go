package cli

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/daemon"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/sqlite"
	"github.com/bouncetail/bouncetail/view/report"
	"github.com/bouncetail/bouncetail/view/table"
)

// Exit codes of status and check, as monitoring systems expect them.
const (
	exitYours      = 1 // something is yours to solve
	exitNotReading = 2 // no daemon reads the logs
	exitUnknown    = 3 // the question could not be answered
)

// answer is an error that only carries an exit code: the command has said why.
type answer int

func (answer) Error() string { return "" }

func (a *app) status() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Show how your mail is doing, in ten lines",
		Long: "Status shows when the log last grew, how many mails were delivered, deferred and\n" +
			"bounced, what you have to solve now, and how many addresses are bad.\n\n" +
			"The exit code is 0 if all is well, 1 if a problem of yours is going on, such as an\n" +
			"entry on a blocklist, 2 if no daemon reads the logs, and 3 if it could not be found\n" +
			"out: for cron, Icinga and Nagios.",
		Example: "  bouncetail status\n  bouncetail status --json | jq .yours",
		Args:    cobra.NoArgs,
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		settings, err := a.settings()
		if err != nil {
			return err
		}
		r, err := sqlite.OpenReader(cmd.Context(), settings.Database)
		if err != nil {
			return err
		}
		defer r.Close()
		s, err := report.ReadStatus(cmd.Context(), r, a.now())
		if err != nil {
			return err
		}
		d := daemon.Find(cmd.Context(), settings.Database)
		if asJSON {
			if err := table.Objects(a.stdout).Encode(struct {
				*report.Status
				Daemon daemon.Found `json:"daemon"`
			}{s, d}); err != nil {
				return err
			}
		} else if err := a.printStatus(s, d); err != nil {
			return err
		}
		switch {
		case !d.Reading():
			return answer(exitNotReading)
		case len(s.Yours) > 0:
			return answer(exitYours)
		}
		return nil
	}
	return c
}

// printStatus prints at most ten lines that fit 80 columns.
func (a *app) printStatus(s *report.Status, d daemon.Found) error {
	out := a.screen()
	width := out.Width
	if width == 0 {
		width = 80
	}
	var b strings.Builder
	line := func(style, format string, args ...any) {
		shown := strings.TrimRight(text.Printable(fmt.Sprintf(format, args...)), " ")
		b.WriteString(out.Paint(style, text.Cut(shown, width)) + "\n")
	}
	line(table.Bold, "%s", s.Headline(a.now()))
	line("", "%-12s %10s %10s %10s   bounced in 30 days", "", "delivered", "deferred", "bounced")
	for _, row := range []struct {
		name string
		day  sqlite.Day
		tail string
	}{{"today (UTC)", s.Today, ""}, {"yesterday", s.Previous, report.Sparkline(s.Bounced)}, {"30 days", s.Month, ""}} {
		line("", "%-12s %10s %10s %10s   %s", row.name, text.Thousands(row.day.Delivered), text.Thousands(row.day.Deferred), text.Thousands(row.day.Bounced), row.tail)
	}
	if trouble := d.Trouble(); trouble != "" {
		line(table.Red, "%s", trouble)
	}
	next := "bouncetail recipients --state bad"
	switch n := len(s.Yours); {
	case n == 0:
		line(table.Green, "Nothing of yours to solve.")
	default:
		i := &s.Yours[0]
		line(table.Red, "Yours to solve: %s%s, %s since %s", i.Reason, with(i.With), text.Amount(i.Failures, "failure"), a.zone().Short(i.Since))
		if n > 1 {
			line(table.Red, "                and %d more", n-1)
		}
		next = "bouncetail incidents"
	}
	line("", "Addresses: %s bad (%s new today), %s suspect, %s failing", inState(s, "bad"), text.Thousands(int64(s.NewBad)), inState(s, "suspect"), inState(s, "failing"))
	if !d.Reading() {
		next = "systemctl status bouncetail"
	}
	line("", "Next: %s", next)
	_, err := fmt.Fprint(a.stdout, b.String())
	return err
}

func inState(s *report.Status, state string) string { return text.Thousands(int64(s.States[state])) }

func with(who string) string {
	if who == "" {
		return ""
	}
	return " at " + who
}

// hasDatabase reports whether the settings name a database that exists.
func (a *app) hasDatabase() bool {
	c, err := a.settings()
	if err != nil {
		return false
	}
	_, err = os.Stat(c.Database)
	return !errors.Is(err, os.ErrNotExist)
}

// zone is the time zone in which people read times.
func (a *app) zone() table.Zone {
	if a.utc {
		return table.Zone{Location: time.UTC}
	}
	return table.Zone{Location: time.Local}
}
