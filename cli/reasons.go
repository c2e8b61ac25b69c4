package cli

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/view/filter"
	"github.com/bouncetail/bouncetail/view/report"
	"github.com/bouncetail/bouncetail/view/table"
)

// reasons is the command that explains the words of the other commands.
func (a *app) reasons() *cobra.Command {
	var flags listFlags
	c := &cobra.Command{
		Use:       "reasons [REASON]",
		Short:     "Explain the reasons of failures, and what to do about each",
		Example:   "  bouncetail reasons ip-blocklisted\n  bouncetail reasons --format csv",
		Args:      cobra.MaximumNArgs(1),
		ValidArgs: filter.Reasons(),
	}
	flags.add(c, report.ReasonColumns)
	c.RunE = func(_ *cobra.Command, args []string) error {
		flags.All, flags.Drop = true, []string{"advice"}
		some := bounce.Reasons
		if len(args) == 1 {
			some = slices.DeleteFunc(slices.Clone(some), func(m bounce.ReasonMeaning) bool { return string(m.Reason) != args[0] })
		}
		switch {
		case len(some) == 0:
			return usageError{fmt.Errorf("there is no reason %q%s; bouncetail reasons lists them", args[0], text.Near(args[0], filter.Reasons()))}
		case len(args) == 1 && !flags.JSON:
			return a.say("%s", report.ReasonSentence(&some[0]))
		}
		l, err := flags.open(a, report.ReasonColumns)
		if err != nil {
			return err
		}
		if err := table.Rows(l, some, nil, report.ReasonCells); err != nil {
			return err
		}
		if err := l.End(""); err != nil || l.Format != "table" || flags.Wide || flags.Columns != nil {
			return err
		}
		return a.say("bouncetail reasons REASON says what to do about it.")
	}
	return c
}
