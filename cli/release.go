package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/daemon"
	"github.com/bouncetail/bouncetail/internal/when"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/report"
	"github.com/bouncetail/bouncetail/view/table"
)

// release is the subcommand of recipients for what an outage leaves behind.
func (a *app) release() *cobra.Command {
	return a.mark(marking{
		use: recipient.KindRelease, short: "Let the failures of an outage no longer count",
		long: "Release lets no state follow any more from the failures of some hours, such as those\n" +
			"in which a provider answered \"no such user\" to everything. The failures stay on\n" +
			"record, and those of that time that are read later are released as well. The daemon\n" +
			"may be running.",
		noun: "release", list: "releases",
	})
}

// marking is what release and confirm differ in.
type marking struct {
	use, short, long, noun, list string
}

// mark returns a command that decides about the failures of some time.
func (a *app) mark(m marking) *cobra.Command {
	var chosen choice
	var note string
	var dry bool
	var undo int64
	c := &cobra.Command{Use: m.use, Short: m.short, Long: m.long, Args: cobra.NoArgs}
	c.Flags().StringVar(&chosen.Since, "since", "", "failures since `TIME`: "+when.Forms)
	c.Flags().StringVar(&chosen.Until, "until", "", "and before `TIME` (default: now)")
	chosen.ReasonFlags(c)
	c.Flags().StringVar(&note, "note", "", "why, as `TEXT` that is kept with it")
	c.Flags().BoolVar(&dry, "dry-run", false, "only say how many it would be")
	c.Flags().Int64Var(&undo, "undo", 0, "take the "+m.noun+" with this `NUMBER` back; recipients "+m.list+" lists them")
	return a.withResult(c, func(ctx context.Context, settings config.Config, _ []string) (any, string, error) {
		var r recipient.Release
		if undo == 0 {
			var err error
			if r, err = chosen.Outage(a.now()); err != nil {
				return nil, "", usageError{err}
			}
			r.Note = note
		} else if chosen.Since != "" || dry {
			return nil, "", usageError{errors.New("--undo takes a " + m.noun + " back as it was made; leave the other flags out")}
		}
		order := daemon.Mark{Kind: m.use, Of: r, DryRun: dry, Undo: undo}
		marked, err := order.Run(ctx, settings)
		return marked, marked.Sentence(m.use), err
	})
}

// releases is the subcommand of recipients that lists what was released.
func (a *app) releases() *cobra.Command {
	return a.releaseList("releases", "List the outages whose failures were released", "Nothing was released.", (*query.Reader).Releases)
}

// releaseList lists releases or confirmations.
func (a *app) releaseList(use, short, none string, read func(*query.Reader, context.Context) ([]recipient.Release, error)) *cobra.Command {
	return a.withList(&cobra.Command{Use: use, Short: short, Args: cobra.NoArgs}, report.ReleaseColumns, none, func(ctx context.Context, r *query.Reader, l *table.List) error {
		all, err := read(r, ctx)
		return table.Rows(l, all, err, report.ReleaseCells)
	})
}
