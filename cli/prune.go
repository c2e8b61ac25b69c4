package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/daemon"
	"github.com/bouncetail/bouncetail/sqlite"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/report"
	"github.com/bouncetail/bouncetail/view/table"
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
			if settings.Retention == (config.Retention{}) {
				if asJSON {
					return table.Objects(a.stdout).Encode(report.Deleted(nil, dryRun))
				}
				_, err := fmt.Fprintln(a.stdout, "The settings keep everything for ever (retention); nothing was deleted.")
				return err
			}
			var counts []query.Count
			if dryRun {
				counts, err = a.prunable(cmd.Context(), settings)
			} else {
				counts, err = new(daemon.Prune).Run(cmd.Context(), settings, a.logger(settings.Log))
			}
			if err != nil {
				return interrupted(cmd.Context(), err, "What was deleted so far is gone; run the same command again for the rest.")
			}
			if asJSON {
				return table.Objects(a.stdout).Encode(report.Deleted(counts, dryRun))
			}
			what := "Deleted"
			if dryRun {
				what = "Would delete"
			}
			if len(counts) == 0 {
				_, err := fmt.Fprintln(a.stdout, what+" nothing.")
				return err
			}
			fmt.Fprintln(a.stdout, what+":")
			return report.PrintCounts(a.screen(), counts)
		},
	}
	c.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be deleted")
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) prunable(ctx context.Context, c config.Config) ([]query.Count, error) {
	r, err := a.reader(ctx)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return sqlite.Prunable(ctx, r, sqlite.Retention(c.Retention), a.now())
}
