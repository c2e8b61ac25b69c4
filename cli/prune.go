package cli

import (
	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/daemon"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/report"
)

func (a *app) prune() *cobra.Command {
	var dryRun bool
	var asJSON bool
	c := &cobra.Command{
		Use:   "prune",
		Short: "Delete what is older than the settings keep it",
		Long: "Prune deletes the records that are older than retention in the settings says. The\n" +
			"daemon does the same once a day; where it runs, --dry-run alone is of use. No state\n" +
			"of an address changes by it.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := a.settings()
			if err != nil {
				return err
			}
			var counts []query.Count
			switch {
			case settings.Retention == (config.Retention{}):
			case dryRun:
				counts, err = daemon.Prunable(cmd.Context(), settings, a.now())
			default:
				counts, err = new(daemon.Prune).Run(cmd.Context(), settings, a.logger(settings.Log))
			}
			if err != nil {
				return interrupted(cmd.Context(), err, "What was deleted so far is gone; run the same command again for the rest.")
			}
			return a.show(asJSON, report.Deleted(counts, dryRun), func() error {
				if settings.Retention == (config.Retention{}) {
					return a.say("The settings keep everything for ever (retention); nothing was deleted.")
				}
				return report.PrintDeleted(a.screen(), counts, dryRun)
			})
		},
	}
	c.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be deleted")
	jsonFlag(c, &asJSON)
	return c
}
