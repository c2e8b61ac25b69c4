package report

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/table"
)

// TopKind is one of the lists of top.
type TopKind struct {
	Name, of string
	column   query.FailureColumn
	unknown  string // shown for a name that is not known
	Columns  []table.Column
	cells    func(t *Top, failed int) []any // behind the name
}

var (
	domainColumns   = topColumns("domain", "failed", "share", "sent", "failure_rate", "bad")
	providerColumns = topColumns("provider", "failed", "share", "bad", "mostly", "of_these")
	categoryColumns = topColumns("category", "failed", "share", "permanent", "suppress")
	reasonColumns   = topColumns("reason", "failed", "share", "permanent", "suppress", "category")
	senderColumns   = topColumns("sender", "failed", "share", "permanent", "suppress", "mostly", "of_these")
)

// TopKinds are the lists of top.
var TopKinds = []TopKind{
	{"domains", "domain", query.ByDomain, "(none)", domainColumns, func(t *Top, failed int) []any {
		return []any{t.Failed, part(t.Failed, failed), t.Sent, part(t.Failed, t.Failed+t.Sent), t.Dead}
	}},
	{"providers", "provider", query.ByProvider, "(other)", providerColumns, func(t *Top, failed int) []any {
		return []any{t.Failed, part(t.Failed, failed), t.Dead, mostly(t), part(t.MostFailed, t.Failed)}
	}},
	{"categories", "category", query.ByCategory, "(none)", categoryColumns, func(t *Top, failed int) []any {
		return []any{t.Failed, part(t.Failed, failed), t.Permanent, t.Suppress}
	}},
	{"reasons", "reason", query.ByReason, "(none)", reasonColumns, func(t *Top, failed int) []any {
		return []any{t.Failed, part(t.Failed, failed), t.Permanent, t.Suppress, t.Category}
	}},
	{"senders", "sender", query.BySender, "(not known)", senderColumns, func(t *Top, failed int) []any {
		return []any{t.Failed, part(t.Failed, failed), t.Permanent, t.Suppress, mostly(t), part(t.MostFailed, t.Failed)}
	}},
}

// TopNames are the names of TopKinds.
func TopNames() (names []string) {
	for _, k := range TopKinds {
		names = append(names, k.Name)
	}
	return names
}

// TopNamed returns the list with a name.
func TopNamed(name string) (TopKind, error) {
	for _, k := range TopKinds {
		if k.Name == name {
			return k, nil
		}
	}
	return TopKind{}, text.OneOf(name, TopNames())
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

func mostly(t *Top) string { return t.MostCategory + " / " + t.MostReason }

// TopList is a list with the period that it is of.
type TopList struct {
	TopKind
	Since, Until time.Time
	Rows         []Top
	Failed       int // of all, also of those that are not shown
}

// Period says what was counted.
func (l *TopList) Period(zone table.Zone) string {
	if l.Name == "domains" {
		return fmt.Sprintf(
			"from %s to %s, whole days in UTC",
			l.Since.UTC().Format(time.DateOnly), l.Until.UTC().Add(-1).Format(time.DateOnly),
		)
	}
	const minute = "2006-01-02 15:04"
	return fmt.Sprintf("from %s to %s %s", l.Since.In(zone.Location).Format(minute), l.Until.In(zone.Location).Format(minute), zone.Name())
}

func (l *TopList) nameOf(t *Top) string {
	switch {
	case t.Name == nil || *t.Name == "" && l.Name == "domains":
		return l.unknown
	case *t.Name == "":
		return "<>" // the null sender
	}
	return *t.Name
}

// None says that there is no row, and when the last attempt failed.
func (l *TopList) None(ctx context.Context, r TopReader, zone table.Zone) (string, error) {
	last := "there is none at all"
	at, err := r.LastFailure(ctx)
	if at != "" {
		last = fmt.Sprintf("the last that did is of %s, see --since %s", zone.Short(at), at[:len(time.DateOnly)])
	}
	return fmt.Sprintf("No attempt failed %s; %s", l.Period(zone), last), err
}

// Print prints the rows below what was counted, which is a remark in a file for programs.
// JSON has the period in each object.
func (l *TopList) Print(out *table.List, stdout, stderr io.Writer, zone table.Zone) (err error) {
	heading := fmt.Sprintf("%s failed %s.\n", text.Amount(l.Failed, "attempt"), l.Period(zone))
	switch out.Format {
	case "table":
		_, err = fmt.Fprintln(stdout, heading)
	case "tsv", "csv":
		_, err = fmt.Fprint(stderr, heading)
	}
	if err != nil {
		return err
	}
	for i := range l.Rows {
		t := &l.Rows[i]
		cells := l.cells(t, l.Failed)
		const seconds = "2006-01-02T15:04:05Z"
		object := map[string]any{l.of: t.Name, "since": l.Since.UTC().Format(seconds), "until": l.Until.UTC().Format(seconds)}
		for k, cell := range cells {
			object[l.Columns[k+1].Key] = cell
		}
		if err := out.Row(object, append([]any{l.nameOf(t)}, cells...)...); err != nil {
			return err
		}
	}
	return out.End("")
}
