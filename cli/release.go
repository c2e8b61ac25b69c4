package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/internal/when"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/report"
	"github.com/bouncetail/bouncetail/view/table"
)

// release is the subcommand of recipients for what an outage leaves behind.
func (a *app) release() *cobra.Command {
	return a.mark(marking{
		use: "release", short: "Let the failures of an outage no longer count",
		long: "Release lets no state follow any more from the failures of some hours, such as those\n" +
			"in which a provider answered \"no such user\" to everything. The failures stay on\n" +
			"record, and those of that time that are read later are released as well. The daemon\n" +
			"may be running.",
		noun: "release", list: "releases", do: (*sqlite.Editor).Release, undo: (*sqlite.Editor).WithdrawRelease,
		would: "%s would no longer count", done: "Release %d, %s no longer counted", undone: "%s counted again",
	})
}

// marking is what release and confirm differ in.
type marking struct {
	use, short, long, noun, list string
	would, done, undone          string // the answers
	do                           func(*sqlite.Editor, context.Context, recipient.Release, bool) (sqlite.Released, error)
	undo                         func(*sqlite.Editor, context.Context, int64) (sqlite.Released, error)
}

// mark returns a command that decides about the failures of some time.
func (a *app) mark(m marking) *cobra.Command {
	var chosen choice
	var note string
	var dry, asJSON bool
	var undo int64
	c := &cobra.Command{Use: m.use, Short: m.short, Long: m.long, Args: cobra.NoArgs}
	c.Flags().StringVar(&chosen.Words.Since, "since", "", "failures since `TIME`: "+when.Forms)
	c.Flags().StringVar(&chosen.Until, "until", "", "and before `TIME` (default: now)")
	chosen.reasonFlags(c)
	c.Flags().StringVar(&note, "note", "", "why, as `TEXT` that is kept with it")
	c.Flags().BoolVar(&dry, "dry-run", false, "only say how many it would be")
	c.Flags().Int64Var(&undo, "undo", 0, "take the "+m.noun+" with this `NUMBER` back; recipients "+m.list+" lists them")
	jsonFlag(c, &asJSON)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		var r recipient.Release
		if undo == 0 {
			var err error
			if r, err = chosen.Outage(a.now()); err != nil {
				return usageError{err}
			}
			r.Note = note
		} else if chosen.Words.Since != "" || dry {
			return usageError{errors.New("--undo takes a " + m.noun + " back as it was made; leave the other flags out")}
		}
		settings, err := a.settings()
		if err != nil {
			return err
		}
		e, err := sqlite.OpenEditor(cmd.Context(), settings.Database)
		if err != nil {
			return err
		}
		defer e.Close()
		var done sqlite.Released
		if undo != 0 {
			done, err = m.undo(e, cmd.Context(), undo)
		} else {
			done, err = m.do(e, cmd.Context(), r, dry)
		}
		if err != nil {
			return err
		}
		if asJSON {
			return table.Objects(a.stdout).Encode(struct {
				ID       int64 `json:"id"`
				Failures int   `json:"failures"`
				Of       int   `json:"recipients"`
				report.Changes
				DryRun bool `json:"dry_run"`
				Undone bool `json:"undone"`
			}{done.ID, done.Failures, done.Recipients, report.Changes(done.Changes), dry, undo != 0})
		}
		what := text.Amount(done.Failures, "failure") + " of " + text.Amount(done.Recipients, "address")
		effect := report.Effect(done.Changes)
		switch {
		case dry:
			_, err = fmt.Fprintf(a.stdout, m.would+": %s Nothing was changed.\n", what, effect)
		case undo != 0:
			_, err = fmt.Fprintf(a.stdout, m.undone+": %s\n", what, effect)
		default:
			_, err = fmt.Fprintf(a.stdout, m.done+": %s\n", done.ID, what, effect)
		}
		return err
	}
	return c
}

// releases is the subcommand of recipients that lists what was released.
func (a *app) releases() *cobra.Command {
	return a.releaseList("releases", "List the outages whose failures were released", "Nothing was released.", (*query.Reader).Releases)
}

// releaseList lists releases or confirmations.
func (a *app) releaseList(use, short, none string, read func(*query.Reader, context.Context) ([]recipient.Release, error)) *cobra.Command {
	var flags listFlags
	c := &cobra.Command{
		Use:   use,
		Short: short,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.list(cmd.Context(), &flags, report.ReleaseColumns, none, func(r *query.Reader, l *table.List) error {
				all, err := read(r, cmd.Context())
				for i := range all {
					if err == nil {
						err = l.Row(&all[i], report.ReleaseCells(&all[i])...)
					}
				}
				return err
			})
		},
	}
	flags.addWithLimit(c, report.ReleaseColumns)
	return c
}
