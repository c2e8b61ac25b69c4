package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/daemon"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/report"
)

func (a *app) prune() *cobra.Command {
	var dryRun bool
	c := &cobra.Command{
		Use:   "prune",
		Short: "Delete what is older than the settings keep it",
		Long: "Prune deletes the records that are older than retention in the settings says. The\n" +
			"daemon does the same once a day. If it runs, it does the work of this command. No\n" +
			"state of an address changes.",
		Args: cobra.NoArgs,
	}
	c.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be deleted")
	return a.withReport(c, func(ctx context.Context, settings config.Config, _ []string) (any, func() error, error) {
		var counts []query.Count
		var err error
		switch {
		case settings.Retention == (config.Retention{}):
			return report.Deleted(nil, dryRun), func() error {
				return a.say("The settings keep everything for ever (retention); nothing was deleted.")
			}, nil
		case dryRun:
			counts, err = daemon.Prunable(ctx, settings, a.now())
		default:
			counts, err = new(daemon.Prune).Run(ctx, settings, a.logger(settings.Log))
		}
		err = interrupted(ctx, err, "What was deleted so far is gone; run the same command again for the rest.")
		return report.Deleted(counts, dryRun), func() error { return report.PrintDeleted(a.screen(), counts, dryRun) }, err
	})
}
