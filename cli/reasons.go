package cli

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/view/filter"
	"github.com/bouncetail/bouncetail/view/table"
)

// reasons is the command that explains the words of the other commands.
func (a *app) reasons() *cobra.Command {
	var flags listFlags
	c := &cobra.Command{
		Use:     "reasons [REASON]",
		Short:   "Explain the reasons of failures, and what to do about each",
		Example: "  bouncetail reasons ip-blocklisted\n  bouncetail reasons --format csv",
		Args:    cobra.MaximumNArgs(1),
	}
	for _, slug := range filter.Reasons() {
		c.ValidArgs = append(c.ValidArgs, slug)
	}
	flags.add(c, reasonColumns)
	c.RunE = func(_ *cobra.Command, args []string) error {
		flags.All = true
		some := bounce.Reasons
		if len(args) == 1 {
			some = slices.DeleteFunc(slices.Clone(some), func(m bounce.ReasonMeaning) bool { return string(m.Reason) != args[0] })
		}
		switch {
		case len(some) == 0:
			return usageError{fmt.Errorf("there is no reason %q%s; bouncetail reasons lists them", args[0], filter.Near(args[0], filter.Reasons()))}
		case len(args) == 1 && !flags.JSON:
			bad := "The address may be good."
			if some[0].AddressBad {
				bad = "The address is bad."
			}
			return a.say("%s: %s. %s %s", some[0].Reason, some[0].Means, bad, some[0].Advice)
		}
		l, err := flags.open(a, reasonColumns)
		if err != nil {
			return err
		}
		for _, m := range some {
			if err := l.Row(nil, string(m.Reason), m.Means, m.AddressBad, m.Advice); err != nil {
				return err
			}
		}
		return l.End("")
	}
	return c
}

// reasonColumns are the columns of the list of reasons.
var reasonColumns = []table.Column{{Key: "reason"}, {Key: "means", Wrap: true}, {Key: "address_bad", Keep: 1}, {Key: "advice", Wrap: true}}
