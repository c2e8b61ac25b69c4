package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/internal/when"
	"github.com/bouncetail/bouncetail/sqlite"
	"github.com/bouncetail/bouncetail/view/table"
)

// topKind is one of the lists of top.
type topKind struct {
	name, of string
	unknown  string // stands for a name that is not known
	columns  []table.Column
	cells    func(t *sqlite.Top, failed int) []any // behind the name
}

var topKinds = []topKind{
	{"domains", "domain", "(none)", topColumns("domain", "failed", "share", "sent", "failing", "dead"), func(t *sqlite.Top, failed int) []any {
		return []any{t.Failed, part(t.Failed, failed), t.Sent, part(t.Failed, t.Failed+t.Sent), t.Dead}
	}},
	{"providers", "provider", "(other)", topColumns("provider", "failed", "share", "dead", "mostly", "of_these"), func(t *sqlite.Top, failed int) []any {
		return []any{t.Failed, part(t.Failed, failed), t.Dead, mostly(t), part(t.MostFailed, t.Failed)}
	}},
	{"categories", "category", "(none)", topColumns("category", "failed", "share", "permanent", "suppress"), func(t *sqlite.Top, failed int) []any {
		return []any{t.Failed, part(t.Failed, failed), t.Permanent, t.Suppress}
	}},
	{"reasons", "reason", "(none)", topColumns("reason", "failed", "share", "permanent", "suppress", "category"), func(t *sqlite.Top, failed int) []any {
		return []any{t.Failed, part(t.Failed, failed), t.Permanent, t.Suppress, t.Category}
	}},
	{"senders", "sender", "(not known)", topColumns("sender", "failed", "share", "permanent", "suppress", "mostly", "of_these"), func(t *sqlite.Top, failed int) []any {
		return []any{t.Failed, part(t.Failed, failed), t.Permanent, t.Suppress, mostly(t), part(t.MostFailed, t.Failed)}
	}},
}

// topColumns returns the columns of a list. On a narrow terminal the last go first.
func topColumns(names ...string) []table.Column {
	cols := make([]table.Column, len(names))
	for i, name := range names {
		cols[i] = table.Column{Key: name, Keep: len(names) - i, Long: i == 0 || name == "mostly"}
	}
	cols[0].Keep, cols[1].Keep = 0, 0
	return cols
}

func part(n, of int) table.Share { return table.Share(float64(n) / float64(of)) }

func mostly(t *sqlite.Top) string { return t.MostCategory + " / " + t.MostReason }

func (a *app) top() *cobra.Command {
	var since, until string
	var limit int
	var flags listFlags
	var names []string
	for _, k := range topKinds {
		names = append(names, k.name)
	}
	c := &cobra.Command{
		Use:   "top " + strings.Join(names, "|"),
		Short: "Show who most attempts fail for, or by",
		Long: "Top shows for whom, by whom or why most delivery attempts failed in a period.\n" +
			"Domains are counted by whole days (UTC), with what was delivered to them; a sender\n" +
			"and a provider are known of failures alone. \"dead\" is how many addresses are bad\n" +
			"today. Shares are between 0 and 1 in a pipe.",
		ValidArgs: names,
		Args:      cobra.ExactArgs(1),
	}
	c.Flags().StringVar(&since, "since", "30d", "from `TIME` on: "+when.Forms)
	c.Flags().StringVar(&until, "until", "", "up to `TIME`, without it (default: now)")
	c.Flags().IntVar(&limit, "limit", 20, "at most `N`; 0 is all")
	flags.add(c, topKinds[0].columns)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		i := slices.IndexFunc(topKinds, func(k topKind) bool { return k.name == args[0] })
		if i < 0 {
			return usageError{fmt.Errorf("%q is none of %s", args[0], strings.Join(names, ", "))}
		}
		if limit < 0 {
			return usageError{fmt.Errorf("--limit: %d is less than 0", limit)}
		}
		list := topList{topKind: topKinds[i]}
		var err error
		if list.since, err = when.Past(since, a.now()); err != nil {
			return usageError{fmt.Errorf("--since: %w", err)}
		}
		// The failure of this very second is in.
		list.until = a.now().Add(time.Second).Truncate(time.Second)
		if until != "" {
			if list.until, err = when.Past(until, a.now()); err != nil {
				return usageError{fmt.Errorf("--until: %w", err)}
			}
		}
		if !list.since.Before(list.until) {
			return usageError{errors.New("--since is not before --until")}
		}
		r, err := a.reader(cmd.Context())
		if err != nil {
			return err
		}
		defer r.Close()
		if list.rows, list.failed, err = r.Top(cmd.Context(), list.name, list.since, list.until, limit); err != nil {
			return err
		}
		if len(list.rows) == 0 {
			last, err := r.LastFailure(cmd.Context())
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(a.stderr, "No attempt failed %s; %s\n", list.period(a), a.lastFailure(last))
			return err
		}
		return list.print(a, &flags)
	}
	return c
}

func (a *app) lastFailure(at string) string {
	if at == "" {
		return "there is none at all"
	}
	return fmt.Sprintf("the last that did is of %s, see --since %s", a.zone().Short(at), at[:len("2026-11-01")])
}

// topList is a list with the period that it is of.
type topList struct {
	topKind
	since, until time.Time
	rows         []sqlite.Top
	failed       int // of all, also of those that are not shown
}

// period says what was counted.
func (l *topList) period(a *app) string {
	if l.name == "domains" {
		return fmt.Sprintf("from %s to %s, whole days in UTC", l.since.UTC().Format(time.DateOnly), l.until.UTC().Add(-1).Format(time.DateOnly))
	}
	const minute = "2006-01-02 15:04"
	return fmt.Sprintf("from %s to %s %s", l.since.In(a.zone().Location).Format(minute), l.until.In(a.zone().Location).Format(minute), a.zone().Name())
}

func (l *topList) nameOf(t *sqlite.Top) string {
	switch {
	case t.Name == nil || *t.Name == "" && l.name == "domains":
		return l.unknown
	case *t.Name == "":
		return "<>" // the null sender
	}
	return *t.Name
}

// print prints the list. JSON has the period in each object.
func (l *topList) print(a *app, flags *listFlags) error {
	flags.All = true // --limit has a default
	out, err := flags.open(a, l.columns)
	if err != nil {
		return err
	}
	heading := a.stderr
	if out.Format == "table" {
		heading = a.stdout
	}
	if out.Format != "json" {
		if _, err := fmt.Fprintf(heading, "%s failed %s.\n", text.Amount(l.failed, "attempt"), l.period(a)); err != nil {
			return err
		}
	}
	if out.Format == "table" {
		fmt.Fprintln(a.stdout)
	}
	for i := range l.rows {
		t := &l.rows[i]
		cells := l.cells(t, l.failed)
		const seconds = "2006-01-02T15:04:05Z"
		object := map[string]any{l.of: t.Name, "since": l.since.UTC().Format(seconds), "until": l.until.UTC().Format(seconds)}
		for k, cell := range cells {
			object[l.columns[k+1].Key] = cell
		}
		if err := out.Row(object, append([]any{l.nameOf(t)}, cells...)...); err != nil {
			return err
		}
	}
	return out.End("")
}
