package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/daemon"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/view/table"
)

func (a *app) run() *cobra.Command {
	c := &cobra.Command{
		Use:   "run [FILE…]",
		Short: "Follow the logs until told to stop (the daemon)",
		Long: "Run follows the logs that the settings name, or the files and globs given here,\n" +
			"through rotation and restarts, until SIGTERM. Everything read so far is saved\n" +
			"then. SIGHUP reloads settings and rules and keeps the old ones if the new are bad.\n\n" +
			"Without settings and files it follows, of the logs that mail servers write by\n" +
			"default, all that hold lines of a mail server, else the journal. A first start\n" +
			"also reads the rotated files. The default logs are\n" + strings.Join(config.DefaultLogPaths, ", ") + ".",
		Example: "  systemctl enable --now bouncetail\n" +
			"  bouncetail run --db /tmp/b.db '/var/log/exim4/mainlog'",
		RunE: func(cmd *cobra.Command, files []string) error {
			d := daemon.Daemon{NewLogger: a.logger, Version: versionText(), Stdin: a.stdin, Settings: a.settings}
			d.Load = func() (config.Config, error) {
				c, err := a.settings()
				if err != nil {
					return c, err
				}
				return c, daemon.ResolveSources(&c, files, a.logger(c.Log))
			}
			if terminal := table.ScreenOf(a.stderr); terminal.Width > 0 {
				// The next line overwrites this one.
				d.Show = func(line string) { fmt.Fprint(a.stderr, "\r\x1b[K"+text.Cut(line, terminal.Width-1)+"\r") }
			}
			err := d.Run(cmd.Context())
			// A stop is how the daemon ends, also while it starts.
			if cmd.Context().Err() != nil && errors.Is(err, context.Canceled) {
				return nil
			}
			return err
		},
	}
	a.logFlags(c)
	return c
}
