package cli

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/daemon"
	"github.com/bouncetail/bouncetail/sqlite/incidents"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/filter"
	"github.com/bouncetail/bouncetail/view/report"
)

// choice are the flags that choose recipients.
type choice struct {
	filter.Words
	incident string // see readIncident
}

// parse checks the flags.
func (f *choice) parse(now time.Time) (query.Filter, error) {
	parsed, err := f.Parse(now)
	return parsed, usage(err)
}

// incidentFlag adds the flag that chooses by an incident.
func (f *choice) incidentFlag(c *cobra.Command) {
	c.Flags().StringVar(&f.incident, "incident", "", "only those hit by the incident with `NUMBER`, with --fleet HOST/NUMBER")
}

// readIncident completes a filter with the failures of the incident that was named.
func (f *choice) readIncident(ctx context.Context, from daemon.Answers, chosen *query.Filter) error {
	if f.incident == "" {
		return nil
	}
	host, id, err := incidents.ParseName(f.incident, daemon.InFleet(from))
	if err != nil {
		return usageError{err}
	}
	chosen.Incident, chosen.IncidentArgs, err = from.FailuresOfIncident(ctx, host, id)
	return err
}

// complete offers fixed values to the completion of a shell.
func complete(c *cobra.Command, flag string, values []string) { filter.Complete(c, flag, values) }

func (a *app) recipients() *cobra.Command {
	var chosen choice
	var flags listFlags
	c := &cobra.Command{
		Use:   "recipients [ADDRESS]",
		Short: "List the addresses that failed, the last first",
		Long: "Recipients lists the addresses that ever failed, the last failure first. With an\n" +
			"ADDRESS it explains that one, as bouncetail explain does.",
		Example: "  bouncetail recipients --state bad --since 7d\n" +
			"  bouncetail recipients --domain example.com --category mailbox-full\n" +
			"  bouncetail recipients --provider google --bad-since yesterday\n" +
			"  bouncetail recipients --state bad --json | jq -r .recipient",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && !strings.Contains(args[0], "@") {
				return usageError{fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())}
			}
			if len(args) == 1 {
				a.asJSON = flags.JSON
				return a.explainAddress(cmd, args[0], 20)
			}
			f, err := chosen.parse(a.now())
			if err != nil {
				return err
			}
			flags.All = cmd.Flags().Changed("limit")
			for column, chosen := range map[string]string{"state": f.State, "category": f.Category} {
				if chosen != "" {
					flags.Drop = append(flags.Drop, column)
				}
			}
			return a.ask(cmd, func(r daemon.Answers, _ func(bounce.Address) (bounce.Address, error)) error {
				l, err := flags.open(a, report.RecipientColumns)
				if err != nil {
					return err
				}
				f.Limit = cmp.Or(f.Limit, l.Enough())
				if err := chosen.readIncident(cmd.Context(), r, &f); err != nil {
					return err
				}
				if _, err := r.Recipients(cmd.Context(), f, func(row *bounce.Recipient) error { return l.Row(row, report.RecipientCells(row)...) }); err != nil {
					return err
				}
				return l.End("No address matches.")
			})
		},
	}
	c.AddCommand(a.allow(), a.block(), a.unset(), a.decisions(), a.release(), a.releases(), a.crowds(), a.confirm(), a.confirms(), a.rebuild())
	chosen.Flags(c)
	chosen.incidentFlag(c)
	fleetFlag(c)
	flags.add(c, report.RecipientColumns)
	return c
}
