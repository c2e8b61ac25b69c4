package cli

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/sqlite/dbfile"
)

func (a *app) backup() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "backup FILE",
		Short: "Write a copy of the database, also while the daemon writes",
		Long: "Backup writes a copy of the database to a new file, with the positions in the logs:\n" +
			"after bouncetail restore the daemon continues in the logs where the copy was made.",
		Example: "  sudo bouncetail backup /var/backups/bouncetail-$(date +%F).db",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			settings, err := a.settings()
			if err != nil {
				return err
			}
			if err := dbfile.Backup(cmd.Context(), settings.Database, args[0]); err != nil {
				return err
			}
			info, err := os.Stat(args[0])
			if err != nil {
				return err
			}
			return a.result(asJSON, map[string]any{"file": args[0], "bytes": info.Size()}, "%s written, %s bytes.\n", text.Printable(args[0]), text.Thousands(info.Size()))
		},
	}
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) restore() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "restore FILE",
		Short: "Replace the database with a backup",
		Long: "Restore checks a copy that bouncetail backup has written and replaces the database\n" +
			"with it. Stop the daemon first: systemctl stop bouncetail. Its next start reads the\n" +
			"later lines again that the logs still hold.",
		Example: "  sudo systemctl stop bouncetail\n  sudo bouncetail restore /var/backups/bouncetail-2026-11-01.db\n  sudo systemctl start bouncetail",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			settings, err := a.settings()
			if err != nil {
				return err
			}
			if err := dbfile.Restore(cmd.Context(), args[0], settings.Database); err != nil {
				return err
			}
			return a.result(asJSON, map[string]any{"database": settings.Database, "file": args[0]}, "%s is restored from %s. Start the daemon: systemctl start bouncetail\n", text.Printable(settings.Database), text.Printable(args[0]))
		},
	}
	jsonFlag(c, &asJSON)
	return c
}
