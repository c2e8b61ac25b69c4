package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/daemon"
	"github.com/bouncetail/bouncetail/internal/when"
	"github.com/bouncetail/bouncetail/view/filter"
	"github.com/bouncetail/bouncetail/view/report"
)

func (a *app) top() *cobra.Command {
	var since, until string
	var chosen choice
	var flags listFlags
	c := &cobra.Command{
		Use:   "top [" + strings.Join(report.TopNames(), "|") + "]",
		Short: "Show who most attempts fail for, or by",
		Long: "Top shows for whom, by whom or why most delivery attempts failed in a period.\n" +
			"Domains are counted by whole days (UTC), with what was delivered to them; a sender\n" +
			"and a provider are known only from failures. \"bad\" is how many addresses are bad\n" +
			"today. Shares are between 0 and 1 in a pipe. With a filter only failures are counted,\n" +
			"also of domains: nothing is known of what was delivered. Without an argument it\n" +
			"shows domains.",
		Example: "  bouncetail top\n" +
			"  bouncetail top reasons --since 7d --provider google",
		ValidArgs: report.TopNames(),
		Args:      cobra.MaximumNArgs(1),
	}
	c.Flags().StringVar(&since, "since", "30d", "from `TIME` on: "+when.Forms)
	c.Flags().StringVar(&until, "until", "", "up to `TIME`, without it (default: now)")
	c.Flags().IntVar(&chosen.Limit, "limit", 20, "at most `N`; 0 is all")
	chosen.FailureFlags(c)
	chosen.incidentFlag(c)
	fleetFlag(c)
	flags.add(c, report.TopKinds[0].Columns)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		list := report.TopList{TopKind: report.TopKinds[0]}
		if len(args) == 1 {
			var err error
			if list.TopKind, err = report.TopNamed(args[0]); err != nil {
				return usageError{err}
			}
		}
		f, err := chosen.parse(a.now())
		if err != nil {
			return err
		}
		if list.Since, list.Until, err = filter.Span(since, until, a.now()); err != nil {
			return usageError{err}
		}
		return a.ask(cmd, func(r daemon.Answers, _ func(bounce.Address) (bounce.Address, error)) error {
			if err := chosen.readIncident(cmd.Context(), r, &f); err != nil {
				return err
			}
			if err := list.Read(cmd.Context(), r, f); err != nil {
				return err
			}
			if len(list.Rows) == 0 {
				none, err := list.None(cmd.Context(), r, a.zone())
				if err == nil {
					a.remark("%s", none)
				}
				return err
			}
			flags.All = true // --limit has a default
			out, err := flags.open(a, list.Columns)
			if err != nil {
				return err
			}
			return list.Print(out, a.stdout, a.stderr, a.zone())
		})
	}
	return c
}
