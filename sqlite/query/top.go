package query

import (
	"context"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// FailureColumn is a column of bounces by which failed attempts are grouped.
type FailureColumn string

// The columns that failures are grouped by.
const (
	ByDomain   FailureColumn = "domain"
	ByProvider FailureColumn = "provider"
	ByCategory FailureColumn = "category"
	ByReason   FailureColumn = "reason"
	BySender   FailureColumn = "sender"
)

// FailureGroup is the number of attempts that failed with the same value of a column
// and for the same reason.
type FailureGroup struct {
	Name                        *string // the value; nil if it is not known
	Category, Reason            string
	Failed, Permanent, Suppress int
}

// FailureGroups returns the attempts that failed from since until, without until,
// grouped by a column, category and reason. The state, the times and the limit of the
// filter are not used. It reads the failures of all time, about a second for a million
// of them: an index on the time would make every import slower.
func (r *Reader) FailureGroups(
	ctx context.Context, column FailureColumn, since, until time.Time, f Filter,
) (groups []FailureGroup, err error) {
	where, args := f.failures()
	err = sqldb.ScanAll(ctx, r.db, `
		SELECT `+string(column)+`, category, reason, count(*), sum(disposition = 'permanent'), sum(suppress)
		FROM bounces
		WHERE occurred_at >= ? AND occurred_at < ?`+where+`
		GROUP BY 1, 2, 3`,
		func(scan func(...any) error) error {
			var g FailureGroup
			err := scan(&g.Name, &g.Category, &g.Reason, &g.Failed, &g.Permanent, &g.Suppress)
			groups = append(groups, g)
			return err
		}, append([]any{bounce.Stamp(since), bounce.Stamp(until)}, args...)...)
	return groups, err
}

// DomainCount is the number of attempts to a domain.
type DomainCount struct {
	Domain       string
	Failed, Sent int
}

// DomainCounts returns the domains with failed attempts on the days from one to
// another in UTC, both included.
func (r *Reader) DomainCounts(ctx context.Context, first, last time.Time) (counts []DomainCount, err error) {
	err = sqldb.ScanAll(ctx, r.db, `
		SELECT domain, sum(deferred + bounced + expired) AS failed, sum(sent)
		FROM daily_counts
		WHERE day >= ? AND day <= ?
		GROUP BY domain
		HAVING failed > 0`,
		func(scan func(...any) error) error {
			var c DomainCount
			err := scan(&c.Domain, &c.Failed, &c.Sent)
			counts = append(counts, c)
			return err
		}, first.UTC().Format(time.DateOnly), last.UTC().Format(time.DateOnly))
	return counts, err
}

// ChoosesFailures reports whether the filter has a condition on failures.
func (f Filter) ChoosesFailures() bool {
	where, _ := f.failures()
	return where != ""
}

// failures returns the conditions of the filter on failures, each after AND.
func (f Filter) failures() (where string, args []any) {
	for _, c := range []struct{ condition, value string }{
		{"domain = ?", f.Domain},
		{"category = ?", f.Category},
		{"reason = ?", f.Reason},
		{"provider = ?", f.Provider},
		{"sender = ?", f.Sender},
		{"host = ?", f.Host},
	} {
		if c.value != "" {
			where, args = where+" AND "+c.condition, append(args, c.value)
		}
	}
	if f.Match != "" {
		where, args = where+" AND recipient GLOB ?", append(args, globOf(f.Match))
	}
	if f.Incident != "" {
		where, args = where+" AND ("+f.Incident+")", append(args, f.IncidentArgs...)
	}
	return where, args
}

// BadByDomain returns the number of bad addresses by domain.
func (r *Reader) BadByDomain(ctx context.Context) ([]Count, error) {
	return r.counts(ctx, "SELECT domain, count(*) FROM recipients WHERE state = 'bad' GROUP BY domain")
}

// BadByProvider returns the number of bad addresses by provider, which is empty if it
// is not known.
func (r *Reader) BadByProvider(ctx context.Context) ([]Count, error) {
	return r.counts(ctx, `
		SELECT coalesce(b.provider, ''), count(*)
		FROM recipients r JOIN bounces b ON b.id = r.deciding_bounce_id
		WHERE r.state = 'bad'
		GROUP BY 1`)
}

// LastFailure returns the stamp of the last failure, or an empty text if there was
// none.
func (r *Reader) LastFailure(ctx context.Context) (at string, err error) {
	err = r.db.QueryRowContext(ctx, "SELECT coalesce(max(last_failure_at), '') FROM recipients").Scan(&at)
	return at, err
}
