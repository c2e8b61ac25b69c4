package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/address"
	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/daemon"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/view/report"
)

func (a *app) check() *cobra.Command {
	c := &cobra.Command{
		Use:   "check ADDRESS…",
		Short: "Say whether addresses may be written to",
		Long: "Check says for each address whether it may be written to, a line each in the order\n" +
			"given: its state, or unknown for an address that never failed.\n\n" +
			"The exit code is 0 if all may be written to, 1 if one is bad, and 3 if it could not\n" +
			"be found out.",
		Example: "  bouncetail check jane@example.com && mail -s hello jane@example.com\n" +
			"  bouncetail check --from-file subscribers --json | jq .recipient",
	}
	from := fromFile(c)
	a.jsonFlag(c, "one JSON object a line")
	fleetFlag(c)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		on, err := a.givenAddresses(args, *from)
		if err != nil {
			return err
		}
		return a.ask(cmd, func(r daemon.Answers, stored func(bounce.Address) (bounce.Address, error)) error {
			bad := false
			for _, to := range on {
				kept, err := stored(to)
				if err != nil {
					return err
				}
				row, known, err := r.Recipient(cmd.Context(), kept.Normal)
				if doubt := address.Unusual(to); err == nil && !known && doubt != nil {
					err = usageError{doubt}
				}
				if err != nil {
					return err
				}
				checked := report.NewChecked(to, &row, known)
				bad = bad || checked.Bad
				err = a.show(checked, func() error {
					_, err := fmt.Fprintln(a.stdout, text.Wrap(checked.Line(a.zone()), a.screen().ProseWidth(), 2))
					return err
				})
				if err != nil {
					return err
				}
			}
			if bad {
				return exitCode(exitBad)
			}
			return nil
		})
	}
	return c
}
