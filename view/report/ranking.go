package report

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/bouncetail/bouncetail/sqlite/query"
)

// Top is one of those that most attempts failed for, over a period.
type Top struct {
	Name      *string // nil if it is not known
	Category  string  // of a reason
	Failed    int     // attempts that failed in the period
	Permanent int     // of these, by disposition; not of a domain
	Suppress  int     // of these, those that make the address bad; not of a domain
	Sent      int     // attempts that succeeded in the period; of a domain only
	Dead      int     // addresses that are bad at present; of a domain or a provider
	// MostCategory and MostReason are why most attempts failed, and MostFailed
	// how many; not of a domain.
	MostCategory, MostReason string
	MostFailed               int
}

// TopReader counts failures: in the database, or in a fleet.
type TopReader interface {
	DomainCounts(ctx context.Context, first, last time.Time) ([]query.DomainCount, error)
	FailureGroups(ctx context.Context, column query.FailureColumn, since, until time.Time, f query.Filter) ([]query.FailureGroup, error)
	BadByDomain(ctx context.Context) ([]query.Count, error)
	BadByProvider(ctx context.Context) ([]query.Count, error)
	LastFailure(ctx context.Context) (at string, err error)
}

// Read fills the list with those that most attempts failed for, at most f.Limit of
// them; 0 is all. The filter is about failures: its state and times are not used.
// Without a filter, domains are counted by whole days in UTC.
func (l *TopList) Read(ctx context.Context, r TopReader, f query.Filter) error {
	if l.column == query.ByDomain && !f.ChoosesFailures() {
		counts, err := r.DomainCounts(ctx, l.Since, l.Until.Add(-1))
		if err != nil {
			return err
		}
		for i := range counts {
			c := &counts[i]
			l.Rows = append(l.Rows, Top{Name: &c.Domain, Failed: c.Failed, Sent: c.Sent})
		}
	} else {
		groups, err := r.FailureGroups(ctx, l.column, l.Since, l.Until, f)
		if err != nil {
			return err
		}
		l.Rows = foldGroups(groups, l.column == query.ByReason)
	}
	l.rank(f.Limit)
	var bad []query.Count
	var err error
	switch l.column {
	case query.ByDomain:
		bad, err = r.BadByDomain(ctx)
	case query.ByProvider:
		bad, err = r.BadByProvider(ctx)
	case query.ByCategory, query.ByReason, query.BySender:
	}
	l.countBad(bad)
	return err
}

// foldGroups joins the groups of a name. With byCategory, those of one category only:
// a reason may be in several.
func foldGroups(groups []query.FailureGroup, byCategory bool) []Top {
	type name struct {
		text     string
		known    bool
		category string
	}
	var rows []Top
	index := make(map[name]int)
	for _, g := range groups {
		n := name{text: nameText(g.Name), known: g.Name != nil}
		if byCategory {
			n.category = g.Category
		}
		i, known := index[n]
		if !known {
			i = len(rows)
			index[n] = i
			rows = append(rows, Top{Name: g.Name, Category: n.category})
		}
		t := &rows[i]
		t.Failed += g.Failed
		t.Permanent += g.Permanent
		t.Suppress += g.Suppress
		if g.Failed > t.MostFailed {
			t.MostCategory, t.MostReason, t.MostFailed = g.Category, g.Reason, g.Failed
		}
	}
	return rows
}

// rank sorts the rows, most failures first, counts all of them and keeps the first.
func (l *TopList) rank(limit int) {
	for i := range l.Rows {
		l.Failed += l.Rows[i].Failed
	}
	slices.SortFunc(l.Rows, func(a, b Top) int {
		return cmp.Or(cmp.Compare(b.Failed, a.Failed), cmp.Compare(nameText(a.Name), nameText(b.Name)), cmp.Compare(a.Category, b.Category))
	})
	if limit > 0 && len(l.Rows) > limit {
		l.Rows = l.Rows[:limit]
	}
}

// countBad sets how many addresses are bad.
func (l *TopList) countBad(bad []query.Count) {
	byName := make(map[string]int, len(bad))
	for _, c := range bad {
		byName[c.Name] = c.N
	}
	for i := range l.Rows {
		l.Rows[i].Dead = byName[nameText(l.Rows[i].Name)]
	}
}

func nameText(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
