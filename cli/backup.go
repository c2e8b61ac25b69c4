package cli

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/sqlite/dbfile"
)

func (a *app) backup() *cobra.Command {
	return a.withResult(&cobra.Command{
		Use:   "backup FILE",
		Short: "Write a copy of the database, also while the daemon writes",
		Long: "Backup writes a copy of the database to a new file, with the positions in the logs:\n" +
			"after bouncetail restore the daemon continues in the logs where the copy was made.",
		Example: "  sudo bouncetail backup /var/backups/bouncetail-$(date +%F).db",
		Args:    cobra.ExactArgs(1),
	}, func(ctx context.Context, settings config.Config, args []string) (any, string, error) {
		if err := dbfile.Backup(ctx, settings.Database, args[0]); err != nil {
			return nil, "", err
		}
		info, err := os.Stat(args[0])
		if err != nil {
			return nil, "", err
		}
		return did{"file": args[0], "bytes": info.Size()}, fmt.Sprintf("%s written, %s bytes.", text.Printable(args[0]), text.Thousands(info.Size())), nil
	})
}

func (a *app) restore() *cobra.Command {
	return a.withResult(&cobra.Command{
		Use:   "restore FILE",
		Short: "Replace the database with a backup",
		Long: "Restore checks a copy that bouncetail backup has written and replaces the database\n" +
			"with it. Stop the daemon first: systemctl stop bouncetail. Its next start reads the\n" +
			"later lines again that the logs still hold.",
		Example: "  sudo systemctl stop bouncetail\n  sudo bouncetail restore /var/backups/bouncetail-2026-11-01.db\n  sudo systemctl start bouncetail",
		Args:    cobra.ExactArgs(1),
	}, func(ctx context.Context, settings config.Config, args []string) (any, string, error) {
		err := dbfile.Restore(ctx, args[0], settings.Database)
		return did{"database": settings.Database, "file": args[0]},
			fmt.Sprintf("%s is restored from %s. Start the daemon: systemctl start bouncetail", text.Printable(settings.Database), text.Printable(args[0])), err
	})
}
