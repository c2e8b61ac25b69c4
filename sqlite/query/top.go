package query

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// Top is one of those that most attempts failed for, over a period.
type Top struct {
	Name      *string // nil where it is not known
	Category  string  // of a reason
	Failed    int     // attempts that failed in the period
	Permanent int     // of these, by disposition; not of a domain
	Suppress  int     // of these, held against the address; not of a domain
	Sent      int     // attempts that succeeded in the period; of a domain alone
	Dead      int     // addresses that are bad at present; of a domain or a provider
	// MostCategory and MostReason are why most attempts failed, and MostFailed
	// how many; not of a domain.
	MostCategory, MostReason string
	MostFailed               int
}

// topColumns says by which column of bounces attempts are put together.
var topColumns = map[string]string{
	"domains":    "domain",
	"providers":  "provider",
	"categories": "category",
	"reasons":    "reason",
	"senders":    "sender",
}

// Top returns by kind (domains, providers, categories, reasons, senders) who
// most attempts failed for from since up to, and without, until, at most f.Limit
// of them, 0 for all; and how many attempts failed in all. The filter is about the
// failures: its state and times are not used. Without a filter domains are counted by
// whole days in UTC, from daily_counts; all others by reading the failures, which takes
// about a second for a million of them.
func (r *Reader) Top(ctx context.Context, kind string, since, until time.Time, f Filter) (rows []Top, failed int, err error) {
	where, args := f.failures()
	if kind == "domains" && where == "" {
		rows, err = r.topDomains(ctx, since, until)
	} else if column, known := topColumns[kind]; known {
		rows, err = r.topFailures(ctx, column, since, until, where, args)
	} else {
		return nil, 0, fmt.Errorf("no top of %q", kind)
	}
	if err != nil {
		return nil, 0, err
	}
	for i := range rows {
		failed += rows[i].Failed
	}
	slices.SortFunc(rows, func(a, b Top) int {
		return cmp.Or(cmp.Compare(b.Failed, a.Failed), cmp.Compare(text0(a.Name), text0(b.Name)), cmp.Compare(a.Category, b.Category))
	})
	if f.Limit > 0 && len(rows) > f.Limit {
		rows = rows[:f.Limit]
	}
	switch kind {
	case "domains":
		err = r.dead(ctx, rows, "SELECT domain, count(*) FROM recipients WHERE state = 'bad' GROUP BY domain")
	case "providers":
		err = r.dead(ctx, rows, `
			SELECT b.provider, count(*)
			FROM recipients r JOIN bounces b ON b.id = r.deciding_bounce_id
			WHERE r.state = 'bad'
			GROUP BY b.provider`)
	}
	return rows, failed, err
}

func text0(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (r *Reader) topDomains(ctx context.Context, since, until time.Time) ([]Top, error) {
	var rows []Top
	err := sqldb.ScanAll(ctx, r.db, `
		SELECT domain, sum(deferred + bounced + expired) AS failed, sum(sent)
		FROM daily_counts
		WHERE day >= ? AND day <= ?
		GROUP BY domain
		HAVING failed > 0`,
		func(scan func(...any) error) error {
			var t Top
			err := scan(&t.Name, &t.Failed, &t.Sent)
			rows = append(rows, t)
			return err
		}, since.UTC().Format(time.DateOnly), until.UTC().Add(-1).Format(time.DateOnly))
	return rows, err
}

// topFailures looks through bounces: an index on the time would cost every
// import more than the look costs.
func (r *Reader) topFailures(ctx context.Context, column string, since, until time.Time, where string, args []any) ([]Top, error) {
	type name struct {
		text     string
		known    bool
		category string
	}
	byName := make(map[name]*Top)
	err := sqldb.ScanAll(ctx, r.db, `
		SELECT `+column+`, category, reason, count(*), sum(disposition = 'permanent'), sum(suppress)
		FROM bounces
		WHERE occurred_at >= ? AND occurred_at < ?`+where+`
		GROUP BY 1, 2, 3`,
		func(scan func(...any) error) error {
			var t Top
			if err := scan(&t.Name, &t.MostCategory, &t.MostReason, &t.Failed, &t.Permanent, &t.Suppress); err != nil {
				return err
			}
			t.MostFailed = t.Failed
			n := name{text: text0(t.Name), known: t.Name != nil}
			if column == "reason" {
				t.Category = t.MostCategory // a reason may stand under several
				n.category = t.Category
			}
			all := byName[n]
			if all == nil {
				byName[n] = &t
				return nil
			}
			all.Failed += t.Failed
			all.Permanent += t.Permanent
			all.Suppress += t.Suppress
			if t.MostFailed > all.MostFailed {
				all.MostCategory, all.MostReason, all.MostFailed = t.MostCategory, t.MostReason, t.MostFailed
			}
			return nil
		}, append([]any{bounce.Stamp(since), bounce.Stamp(until)}, args...)...)
	rows := make([]Top, 0, len(byName))
	for _, t := range byName {
		rows = append(rows, *t)
	}
	return rows, err
}

// failures returns the conditions of the filter on failures, each after AND.
func (f Filter) failures() (where string, args []any) {
	for _, c := range []struct{ condition, value string }{
		{"domain = ?", f.Domain}, {"category = ?", f.Category}, {"reason = ?", f.Reason}, {"provider = ?", f.Provider},
		{"sender = ?", f.Sender}, {"host = ?", f.Host},
	} {
		if c.value != "" {
			where, args = where+" AND "+c.condition, append(args, c.value)
		}
	}
	if f.Match != "" {
		where, args = where+" AND recipient GLOB ?", append(args, globOf(f.Match))
	}
	return where, args
}

// dead fills in how many addresses are bad, of a query that tells it by name.
func (r *Reader) dead(ctx context.Context, rows []Top, query string) error {
	byName := make(map[string]*Top, len(rows))
	for i := range rows {
		byName[text0(rows[i].Name)] = &rows[i]
	}
	return sqldb.ScanAll(ctx, r.db, query, func(scan func(...any) error) error {
		var name *string
		var n int
		err := scan(&name, &n)
		if t := byName[text0(name)]; t != nil {
			t.Dead = n
		}
		return err
	})
}

// LastFailure returns when the last failure was, as stored, and empty where
// there was none.
func (r *Reader) LastFailure(ctx context.Context) (at string, err error) {
	err = r.db.QueryRowContext(ctx, "SELECT coalesce(max(last_failure_at), '') FROM recipients").Scan(&at)
	return at, err
}
