package query

import (
	"context"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// The provider "other" of these functions is all receivers without a name. Large domains
// have separate windows and belong to it.

// ProviderOutcomes returns the days from one to another that have attempts at a provider,
// in order. The last one is not included. Attempts are counted by provider since a day,
// which is returned too; it is empty if none was counted yet.
func (r *Reader) ProviderOutcomes(ctx context.Context, provider string, from, to time.Time) (days []Outcomes, since string, err error) {
	if err := r.db.QueryRowContext(ctx, "SELECT coalesce(date(min(start), 'unixepoch'), '') FROM provider_windows").Scan(&since); err != nil {
		return nil, "", err
	}
	err = sqldb.ScanAll(ctx, r.db, `
		SELECT date(start, 'unixepoch'), sum(sent), sum(deferred), sum(bounced), sum(expired)
		FROM provider_windows
		WHERE start >= ?1 AND start < ?2 AND (provider = ?3 OR ?3 = 'other' AND instr(provider, '.') > 0)
		GROUP BY 1
		ORDER BY 1`,
		func(scan func(...any) error) error {
			var d Outcomes
			err := scan(&d.Day, &d.Delivered, &d.Deferred, &d.Bounced, &d.Expired)
			days = append(days, d)
			return err
		}, from.Unix(), to.Unix(), provider)
	return days, since, err
}

// ProviderTurnedBad is TurnedBad for the addresses that failures at a provider made bad.
func (r *Reader) ProviderTurnedBad(ctx context.Context, provider string, before, from, to time.Time) (counts []ReasonCount, err error) {
	err = sqldb.ScanAll(ctx, r.db, `
		SELECT r.category, r.reason, sum(r.bad_since >= ?1), sum(r.bad_since < ?1)
		FROM recipients r
		JOIN bounces b ON b.id = r.deciding_bounce_id
		WHERE r.state = 'bad' AND r.bad_since >= ?2 AND r.bad_since < ?3 AND coalesce(b.provider, 'other') = ?4
		GROUP BY 1, 2`,
		func(scan func(...any) error) error {
			var c ReasonCount
			err := scan((*string)(&c.Category), (*string)(&c.Reason), &c.Failures, &c.Before)
			counts = append(counts, c)
			return err
		}, bounce.Stamp(from), bounce.Stamp(before), bounce.Stamp(to), provider)
	return counts, err
}

// ProviderLastBad is LastBad for the addresses that failures at a provider made bad.
func (r *Reader) ProviderLastBad(ctx context.Context, provider string, from, to time.Time, limit int) (list []BadAddress, err error) {
	err = sqldb.ScanAll(ctx, r.db, `
		SELECT r.recipient, r.category, r.reason, r.bad_since
		FROM recipients r
		JOIN bounces b ON b.id = r.deciding_bounce_id
		WHERE r.state = 'bad' AND r.bad_since >= ? AND r.bad_since < ? AND coalesce(b.provider, 'other') = ?
		ORDER BY r.bad_since DESC, r.recipient
		LIMIT ?`,
		func(scan func(...any) error) error {
			var b BadAddress
			err := scan(&b.Recipient, (*string)(&b.Category), (*string)(&b.Reason), &b.Since)
			list = append(list, b)
			return err
		}, bounce.Stamp(from), bounce.Stamp(to), provider, limit)
	return list, err
}

// ProviderSender is the failures of a sender at a provider for one reason.
type ProviderSender struct {
	Sender   *string // nil if it is not known
	Category bounce.Category
	Reason   bounce.Reason
	Failures int
	Suppress int // of these, about an address that is bad
}

// ProviderSenders calls each for the senders of the failures at a provider in a span, by
// reason, the last failures first, until the bound is reached. The same sender and reason
// may come several times.
func (r *Reader) ProviderSenders(ctx context.Context, provider string, from, to time.Time, b Bound, each func(*ProviderSender)) error {
	_, _, err := Recent(ctx, r.db, bounce.Stamp(from), bounce.Stamp(to), b, func(from, to string) (n int, err error) {
		err = sqldb.ScanAll(ctx, r.db, `
			SELECT sender, category, reason, count(*), sum(suppress)
			FROM bounces
			WHERE occurred_at >= ? AND occurred_at < ? AND coalesce(provider, 'other') = ?
			GROUP BY 1, 2, 3`,
			func(scan func(...any) error) error {
				var s ProviderSender
				err := scan(&s.Sender, (*string)(&s.Category), (*string)(&s.Reason), &s.Failures, &s.Suppress)
				each(&s)
				return err
			}, from, to, provider)
		return chunk, err
	})
	return err
}
