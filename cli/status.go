package cli

import (
	"errors"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/daemon"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/report"
	"github.com/bouncetail/bouncetail/view/table"
)

func (a *app) status() *cobra.Command {
	c := &cobra.Command{
		Use:   "status",
		Short: "Show how your mail is doing, in ten lines",
		Long: "Status shows the age of the last line of the log, how many mails were delivered,\n" +
			"deferred and bounced, what you have to fix now, and how many addresses are bad.\n\n" +
			"The exit code is for cron, Icinga and Nagios: 0 if all is well; 1 if there is a\n" +
			"problem to fix on your side, such as an entry on a blocklist; 2 if the daemon does\n" +
			"not read the logs or cannot save what it reads, unless the database was only ever\n" +
			"filled by bouncetail import; 3 if there is no answer: the database is missing or\n" +
			"cannot be read, the settings are broken, or the command was called wrongly.\n\n" +
			"What the daemon cannot do at present is shown to root and to its own user, and to\n" +
			"others if systemd started it.",
		Example: "  bouncetail status\n  bouncetail status --json | jq .yours",
		Args:    cobra.NoArgs,
	}
	a.jsonFlag(c, "one JSON object")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		return a.read(cmd.Context(), func(settings config.Config, r *query.Reader) error {
			s, err := report.ReadStatus(cmd.Context(), r, a.now())
			if err != nil {
				return err
			}
			if settings.Fleet.Configured() {
				if err := s.ReadSending(cmd.Context(), r, a.now()); err != nil {
					return err
				}
			}
			d := daemon.Find(cmd.Context(), settings.Database)
			object := struct {
				*report.Status
				Daemon daemon.Found `json:"daemon"`
			}{s, d}
			err = a.show(object, func() error { return s.Print(a.screen(), a.zone(), a.now(), d.Reading(), d.Trouble()) })
			switch {
			case err != nil:
				return err
			case !d.Reading() && s.Followed:
				return exitCode(exitNotReading)
			case len(s.Yours) > 0:
				return exitCode(exitYours)
			}
			return nil
		})
	}
	return c
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
