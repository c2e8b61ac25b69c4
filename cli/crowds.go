package cli

import (
	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/daemon"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/report"
	"github.com/bouncetail/bouncetail/view/table"
)

// confirm is the subcommand of recipients for a crowd that is no outage.
func (a *app) confirm() *cobra.Command {
	return a.mark(marking{
		use: recipient.KindConfirm, short: "Make the suspects of a crowd bad",
		long: "Confirm says that a crowd of refused addresses is no outage: the addresses are gone,\n" +
			"such as those of a company that has closed. They become bad, and so do those whose\n" +
			"failures of that time are read later. The daemon may be running.",
		noun: "confirmation", list: "confirms",
	})
}

// confirms is the subcommand of recipients that lists what was confirmed.
func (a *app) confirms() *cobra.Command {
	return a.releaseList("confirms", "List the crowds whose failures were confirmed", "Nothing was confirmed.", (*query.Reader).Confirms)
}

// crowds is the subcommand of recipients that lists the crowds.
func (a *app) crowds() *cobra.Command {
	var flags listFlags
	var chosen choice
	c := &cobra.Command{
		Use:   "crowds",
		Short: "List the outages that made addresses suspect",
		Args:  cobra.NoArgs,
	}
	flags.addWithLimit(c, report.CrowdColumns)
	c.Flags().StringVar(&chosen.Since, "since", "", "only those that ended since `TIME`: 24h, 7d, 2026-11-01, or RFC 3339")
	fleetFlag(c)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		f, err := chosen.parse(a.now())
		if err != nil {
			return err
		}
		return a.ask(cmd, func(r daemon.Answers, _ func(bounce.Address) (bounce.Address, error)) error {
			l, err := flags.open(a, report.CrowdColumns)
			if err != nil {
				return err
			}
			all, err := report.ReadCrowds(cmd.Context(), r, f.Since, a.now())
			if err := table.Rows(l, all, err, report.CrowdCells); err != nil {
				return err
			}
			return l.End("No crowd of refused addresses was found.")
		})
	}
	return c
}
