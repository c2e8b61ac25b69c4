package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/address"
	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/daemon"
	"github.com/bouncetail/bouncetail/internal/cmdline"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/view/report"
)

func (a *app) explain() *cobra.Command {
	var limit int
	c := &cobra.Command{
		Use:     "explain ADDRESS",
		Short:   "Show what happened to an address, and what would clear it",
		Example: "  bouncetail explain jane@example.com",
		Args:    cmdline.OneArgument("an ADDRESS, such as bouncetail explain jane@example.com"),
	}
	a.jsonFlag(c, "one JSON object")
	c.Flags().IntVar(&limit, "limit", 20, "the last `N` attempts")
	fleetFlag(c)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		return a.explainAddress(cmd, args[0], limit)
	}
	return c
}

// explainAddress shows what happened to an address in its last attempts.
func (a *app) explainAddress(cmd *cobra.Command, given string, limit int) error {
	to := address.Asked(strings.Trim(given, "<> "))
	given = to.Normal
	if limit < 1 {
		return usageError{fmt.Errorf("--limit: %d is less than 1", limit)}
	}
	return a.ask(cmd, func(r daemon.Answers, stored func(bounce.Address) (bounce.Address, error)) error {
		doubt := address.Doubt(to)
		to, err := stored(to)
		if err != nil {
			return err
		}
		row, known, err := r.Recipient(cmd.Context(), to.Normal)
		switch {
		case err != nil:
			return err
		case !known && doubt != nil:
			return usageError{doubt}
		case !known:
			return fmt.Errorf("%s has not failed in what was read so far, or is spelled otherwise; bouncetail recipients --domain %s lists other addresses of the domain",
				given, text.ShellQuote(to.Domain))
		}
		l, err := report.ReadHistory(cmd.Context(), r, to, &row, limit, a.zone(), a.now())
		if err != nil {
			return err
		}
		return a.show(l, func() error { return l.Print(a.screen()) })
	})
}
