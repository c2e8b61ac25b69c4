package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/address"
	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/internal/when"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/report"
	"github.com/bouncetail/bouncetail/view/table"
)

// outage holds the flags that choose failures.
type outage struct {
	recipient.Release
	since, until string
}

func (o *outage) flags(c *cobra.Command) {
	c.Flags().StringVar(&o.since, "since", "", "failures since `TIME`: 24h, 7d, 2026-11-01, or RFC 3339")
	c.Flags().StringVar(&o.until, "until", "", "and before `TIME`; else up to now")
	c.Flags().StringVar(&o.Category, "category", "", "only of `CATEGORY`: "+categorySlugs())
	c.Flags().StringVar(&o.Domain, "domain", "", "only of addresses of `DOMAIN`")
	c.Flags().StringVar(&o.Reason, "reason", "", "only for `REASON`, such as no-such-user")
	complete(c, "category", strings.Split(categorySlugs(), ", "))
	complete(c, "reason", reasonSlugs())
	c.Flags().StringVar(&o.Note, "note", "", "why, as `TEXT` that is kept with it")
}

// parse checks the flags.
func (o *outage) parse(now time.Time) (recipient.Release, error) {
	if o.since == "" {
		return o.Release, errors.New("--since: say when the outage began, such as 6h or 2026-11-20T08:00:00+01:00")
	}
	from, err := when.Past(o.since, now)
	if err != nil {
		return o.Release, fmt.Errorf("--since: %w", err)
	}
	end := now
	if o.until != "" {
		if end, err = when.Past(o.until, now); err != nil {
			return o.Release, fmt.Errorf("--until: %w", err)
		}
	}
	if end.After(now) {
		return o.Release, fmt.Errorf("--until: %s is to come; failures can be released once they have happened", o.until)
	}
	if !from.Before(end) {
		return o.Release, errors.New("--since: the outage ends before it begins")
	}
	if o.Category != "" && !slices.ContainsFunc(bounce.Categories, func(m bounce.Meaning) bool { return m.Slug == o.Category }) {
		return o.Release, fmt.Errorf("--category: %q is not one of %s", o.Category, categorySlugs())
	}
	if o.Reason != "" && !slices.ContainsFunc(bounce.Reasons, func(m bounce.ReasonMeaning) bool { return string(m.Reason) == o.Reason }) {
		return o.Release, fmt.Errorf("--reason: %q is none; docs/categories.md lists them, such as no-such-user", o.Reason)
	}
	o.Domain = address.Domain(o.Domain)
	o.Since, o.Until = bounce.Stamp(from), bounce.Stamp(end)
	return o.Release, nil
}

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
	var chosen outage
	var dry, asJSON bool
	var undo int64
	c := &cobra.Command{Use: m.use, Short: m.short, Long: m.long, Args: cobra.NoArgs}
	chosen.flags(c)
	c.Flags().BoolVar(&dry, "dry-run", false, "only say how many it would be")
	c.Flags().Int64Var(&undo, "undo", 0, "take the "+m.noun+" with this `NUMBER` back; recipients "+m.list+" lists them")
	jsonFlag(c, &asJSON)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		var r recipient.Release
		if undo == 0 {
			var err error
			if r, err = chosen.parse(a.now()); err != nil {
				return usageError{err}
			}
		} else if chosen.since != "" || dry {
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

// releaseColumns are the columns of the list of releases.
var releaseColumns = []table.Column{
	{Key: "id"}, {Key: "since", Time: true}, {Key: "until", Keep: 3, Time: true}, {Key: "of", Long: true}, {Key: "released_at", Keep: 2, Time: true}, {Key: "withdrawn_at", Keep: 4, Time: true}, {Key: "note", Keep: 1, Long: true},
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
			r, err := a.reader(cmd.Context())
			if err != nil {
				return err
			}
			defer r.Close()
			all, err := read(r, cmd.Context())
			if err != nil {
				return err
			}
			l, err := flags.open(a, releaseColumns)
			if err != nil {
				return err
			}
			for i := range all {
				o := &all[i]
				of := strings.Join(slices.DeleteFunc([]string{o.Category, o.Reason, o.Domain}, func(s string) bool { return s == "" }), " ")
				if err := l.Row(o, o.ID, table.Stamp(o.Since), table.Stamp(o.Until), cmp.Or(of, "all"), table.Stamp(o.ReleasedAt), table.StampOf(o.WithdrawnAt), o.Note); err != nil {
					return err
				}
			}
			return l.End(none)
		},
	}
	flags.addWithLimit(c, releaseColumns)
	return c
}
