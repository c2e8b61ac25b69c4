package cli

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/internal/when"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/report"
	"github.com/bouncetail/bouncetail/view/table"
)

func (a *app) incidents() *cobra.Command {
	var since string
	var asJSON bool
	f := query.IncidentFilter{}
	c := &cobra.Command{
		Use:   "incidents",
		Short: "Show your own problems, and what hit many addresses at once",
		Long: "Incidents gathers the failures that are not about the recipient: your IP on a\n" +
			"blocklist, a provider that limits you, a domain that cannot be reached. Each is\n" +
			"shown once, however many addresses it hit. None of it makes an address bad.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.Now = a.now()
			from, err := when.Past(since, f.Now)
			if err != nil {
				return usageError{fmt.Errorf("--since: %w", err)}
			}
			if f.Addresses < 1 {
				return usageError{fmt.Errorf("--addresses: %d is less than 1", f.Addresses)}
			}
			if f.Gap <= 0 {
				return usageError{errors.New("--gap: name a span such as 6h")}
			}
			f.Since = bounce.Stamp(from)
			r, err := a.reader(cmd.Context())
			if err != nil {
				return err
			}
			defer r.Close()
			found, err := r.Incidents(cmd.Context(), f)
			if err != nil {
				return err
			}
			if asJSON {
				return table.PrintObjects(a.stdout, found)
			}
			if len(found) == 0 {
				_, err := fmt.Fprintf(a.stdout, "No problem of your own, and nothing that hit %s or more at once, since %s.\n", text.Amount(f.Addresses, "address"), a.zone().Short(f.Since))
				return err
			}
			for i := range found {
				if err := report.PrintIncident(a.screen(), a.zone(), &found[i]); err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.Flags().StringVar(&since, "since", "7d", "failures since `TIME`: "+when.Forms)
	c.Flags().IntVar(&f.Addresses, "addresses", 10, "only what hit at least `N` addresses; problems of your own need 3, and a blocklist 1")
	c.Flags().DurationVar(&f.Gap, "gap", 6*time.Hour, "how `LONG` a pause ends an incident")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return c
}
