package query

import (
	"context"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// Outcomes holds the attempts of one day in UTC, by outcome.
type Outcomes struct {
	Day       string `json:"day"` // YYYY-MM-DD
	Delivered int64  `json:"delivered"`
	Deferred  int64  `json:"deferred"`
	Bounced   int64  `json:"bounced"`
	Expired   int64  `json:"expired"`
}

// OutcomesOf returns the days from one to another that have attempts, in order. The
// last one is not included.
func (r *Reader) OutcomesOf(ctx context.Context, from, to string) (days []Outcomes, err error) {
	err = sqldb.ScanAll(ctx, r.db, `
		SELECT day, sent, deferred, bounced, expired
		FROM daily_totals
		WHERE day >= ? AND day < ?
		ORDER BY day`,
		func(scan func(...any) error) error {
			var d Outcomes
			err := scan(&d.Day, &d.Delivered, &d.Deferred, &d.Bounced, &d.Expired)
			days = append(days, d)
			return err
		}, from, to)
	return days, err
}

// ReasonCount is how often attempts failed for a reason, in a span and in the one
// before it.
type ReasonCount struct {
	Provider string // the slug, or "other"
	Category bounce.Category
	Reason   bounce.Reason
	Scope    bounce.Scope
	Failures int
	Before   int
}

// ReasonCounts counts the failures of the days from from to to by provider and reason,
// and those of the days from before to from. The last day is not included.
func (r *Reader) ReasonCounts(ctx context.Context, before, from, to string) (counts []ReasonCount, err error) {
	err = sqldb.ScanAll(ctx, r.db, `
		SELECT provider, category, reason, scope,
		    sum(CASE WHEN day >= ?1 THEN failures ELSE 0 END),
		    sum(CASE WHEN day < ?1 THEN failures ELSE 0 END)
		FROM daily_reasons
		WHERE day >= ?2 AND day < ?3
		GROUP BY 1, 2, 3, 4`,
		func(scan func(...any) error) error {
			var c ReasonCount
			err := scan(&c.Provider, (*string)(&c.Category), (*string)(&c.Reason), (*string)(&c.Scope), &c.Failures, &c.Before)
			counts = append(counts, c)
			return err
		}, from, before, to)
	return counts, err
}

// badRows returns a FROM and WHERE clause for the addresses that are bad: all of them, or
// those that failures at a provider made bad. The provider is appended to three arguments.
func badRows(provider string, args ...any) (clause string, all []any) {
	if provider == "" {
		return "FROM recipients r WHERE r.state = 'bad'", args
	}
	return `
		FROM recipients r
		JOIN bounces b ON b.id = r.deciding_bounce_id AND b.recipient_key = r.recipient_key
		WHERE r.state = 'bad' AND coalesce(b.provider, 'other') = ?4`, append(args, provider)
}

// TurnedBad counts the addresses that are bad, by reason: those that turned so from
// from to to, and those from before to from. An address that was bad and is not any
// more is not counted. An empty provider is all of them.
func (r *Reader) TurnedBad(ctx context.Context, provider string, before, from, to time.Time) (counts []ReasonCount, err error) {
	bad, args := badRows(provider, bounce.Stamp(from), bounce.Stamp(before), bounce.Stamp(to))
	err = sqldb.ScanAll(ctx, r.db, `
		SELECT r.category, r.reason,
		    count(*) FILTER (WHERE r.bad_since >= ?1),
		    count(*) FILTER (WHERE r.bad_since < ?1) `+bad+`
		  AND r.bad_since >= ?2 AND r.bad_since < ?3
		GROUP BY 1, 2`,
		func(scan func(...any) error) error {
			var c ReasonCount
			err := scan((*string)(&c.Category), (*string)(&c.Reason), &c.Failures, &c.Before)
			counts = append(counts, c)
			return err
		}, args...)
	return counts, err
}

// BadAddress is an address that is bad.
type BadAddress struct {
	Recipient string          `json:"recipient"`
	Category  bounce.Category `json:"category"`
	Reason    bounce.Reason   `json:"reason"`
	Since     string          `json:"bad_since"`
}

// LastBad returns the addresses that turned bad last within a span, at most limit. An
// empty provider is all of them.
func (r *Reader) LastBad(ctx context.Context, provider string, from, to time.Time, limit int) (list []BadAddress, err error) {
	bad, args := badRows(provider, bounce.Stamp(from), bounce.Stamp(to), limit)
	err = sqldb.ScanAll(ctx, r.db, `
		SELECT r.recipient, r.category, r.reason, r.bad_since `+bad+`
		AND r.bad_since >= ?1 AND r.bad_since < ?2
		ORDER BY r.bad_since DESC, r.recipient
		LIMIT ?3`,
		func(scan func(...any) error) error {
			var b BadAddress
			err := scan(&b.Recipient, (*string)(&b.Category), (*string)(&b.Reason), &b.Since)
			list = append(list, b)
			return err
		}, args...)
	return list, err
}

// LossesSince returns how many parts of logs were found destroyed since a time, and how
// many shapes of delivery lines were not parsed.
func (r *Reader) LossesSince(ctx context.Context, since time.Time) (gaps, unparsed int, err error) {
	err = r.db.QueryRowContext(ctx, `
		SELECT (SELECT count(*) FROM gaps WHERE noticed_at >= ?1),
		    (SELECT count(*) FROM unparsed_lines WHERE last_read_at >= ?1)`,
		bounce.Stamp(since)).Scan(&gaps, &unparsed)
	return gaps, unparsed, err
}
