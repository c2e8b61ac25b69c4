package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/daemon"
	"github.com/bouncetail/bouncetail/internal/text"
)

// rebuild is a subcommand of recipients.
func (a *app) rebuild() *cobra.Command {
	return a.withResult(&cobra.Command{
		Use:   "rebuild",
		Short: "Make the table recipients from the stored records again",
		Args:  cobra.NoArgs,
	}, func(ctx context.Context, settings config.Config, _ []string) (any, string, error) {
		n, err := new(daemon.Rebuild).Run(ctx, settings, a.logger(settings.Log))
		if err != nil {
			return nil, "", interrupted(ctx, err, "Nothing was changed.")
		}
		return did{"changed": n}, text.Amount(n, "row") + " corrected.", nil
	})
}
