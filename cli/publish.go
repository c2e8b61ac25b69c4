package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/daemon"
)

func (a *app) publish() *cobra.Command {
	var folder string
	var warn bool
	c := &cobra.Command{
		Use:   "publish",
		Short: "Write maps for the mail server to refuse mail by",
		Long: "Publish writes the bad addresses into maps for Postfix and Exim. Each map is\n" +
			"written to a temporary file and renamed, so that the mail server never sees half\n" +
			"of one. The daemon does the same after changes if publish.directory is set, or with\n" +
			"publish.from: fleet, for the bad addresses of all hosts, bouncetail fleet send.\n\n" +
			"Publish once before you configure the mail server: it defers all mail while a map\n" +
			"is missing. Try --warn first: Postfix then accepts the mail and logs a warning.\n" +
			"docs/mta.md describes the set-up step by step.",
		Args: cobra.NoArgs,
	}
	c.Flags().StringVarP(&folder, "output", "o", "", "write into `DIR` (default: the setting publish.directory)")
	c.Flags().BoolVar(&warn, "warn", false, "monitor mode, as the setting publish.action: warn")
	return a.withReport(c, func(ctx context.Context, settings config.Config, _ []string) (any, func() error, error) {
		if err := daemon.PublishFlags(&settings.Publish, folder, warn); err != nil {
			return nil, nil, usageError{err}
		}
		result, err := daemon.Publish(ctx, settings, versionText(), a.logger(settings.Log))
		if err != nil {
			return nil, nil, err
		}
		object := did{"addresses": result.Addresses, "left_out": result.LeftOut, "changed": result.Changed, "files": append([]string{}, result.Files...)}
		return object, func() error { return result.Print(a.stdout, settings.Publish.Directory) }, nil
	})
}
