package query

import (
	"context"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// ProviderSum is what was attempted at a provider, or in a part of time.
type ProviderSum struct {
	Provider string // the slug, a large domain, or "other"; empty is all
	Start    int64  // Unix seconds, a multiple of the part; 0 if there are no parts
	Sent     int64
	Failed   int64
	Tried    int64 // first attempts that say something about the provider
	Refused  int64 // of these
}

// ProviderSums sums the windows since a time by provider. The windows begin with the
// version that has them, and are 14 days long at most.
func (r *Reader) ProviderSums(ctx context.Context, from time.Time) ([]ProviderSum, error) {
	return r.windows(ctx, "provider, 0", "start >= ? GROUP BY 1", from.Unix())
}

// PartSums sums the windows of a span by part of time, in the order of time. An empty
// provider is all of them.
func (r *Reader) PartSums(ctx context.Context, provider string, from, to time.Time, part time.Duration) ([]ProviderSum, error) {
	n := int64(part.Seconds())
	const byPart = " GROUP BY part ORDER BY part"
	if provider == "" {
		return r.windows(ctx, "'', start - start % ? AS part", "start >= ? AND start < ?"+byPart,
			n, from.Unix(), to.Unix())
	}
	return r.windows(ctx, "min(provider), start - start % ? AS part", "start >= ? AND start < ? AND provider = ?"+byPart,
		n, from.Unix(), to.Unix(), provider)
}

// windows sums the windows of five minutes that a condition chooses. which are the
// provider and the start of a group.
func (r *Reader) windows(ctx context.Context, which, where string, args ...any) (sums []ProviderSum, err error) {
	err = sqldb.ScanAll(ctx, r.db, `
		SELECT `+which+`, sum(sent), sum(deferred + bounced + expired), sum(tried), sum(refused)
		FROM provider_windows
		WHERE span = 300 AND `+where,
		func(scan func(...any) error) error {
			var s ProviderSum
			err := scan(&s.Provider, &s.Start, &s.Sent, &s.Failed, &s.Tried, &s.Refused)
			sums = append(sums, s)
			return err
		}, args...)
	return sums, err
}

// ReasonDay is how often attempts failed for a reason on a day.
type ReasonDay struct {
	Day      string // YYYY-MM-DD, UTC
	Reason   bounce.Reason
	Failures int
}

// FailureDay is how often attempts failed at a provider on a day.
type FailureDay struct {
	Day      string // YYYY-MM-DD, UTC
	Provider string // the slug, or "other"
	Failures int64
}

// FailureDays returns the failures by day and provider, from a day on.
func (r *Reader) FailureDays(ctx context.Context, from string) (days []FailureDay, err error) {
	err = sqldb.ScanAll(ctx, r.db, `
		SELECT day, provider, sum(failures)
		FROM daily_reasons
		WHERE day >= ?
		GROUP BY day, provider`, func(scan func(...any) error) error {
		var d FailureDay
		err := scan(&d.Day, &d.Provider, &d.Failures)
		days = append(days, d)
		return err
	}, from)
	return days, err
}

// ReasonDays returns the failures of a provider by day and reason, from a day on.
func (r *Reader) ReasonDays(ctx context.Context, provider, from string) (days []ReasonDay, err error) {
	err = sqldb.ScanAll(ctx, r.db, `
		SELECT day, reason, sum(failures)
		FROM daily_reasons
		WHERE day >= ? AND provider = ?
		GROUP BY 1, 2
		ORDER BY 1, 2`,
		func(scan func(...any) error) error {
			var d ReasonDay
			err := scan(&d.Day, (*string)(&d.Reason), &d.Failures)
			days = append(days, d)
			return err
		}, from, provider)
	return days, err
}

// UsualRefusals returns the usual share of refusals by provider.
func (r *Reader) UsualRefusals(ctx context.Context) (map[string]float64, error) {
	shares := make(map[string]float64)
	err := sqldb.ScanAll(ctx, r.db, `
		SELECT provider, refused / tried
		FROM provider_baselines
		WHERE tried > 0`, func(scan func(...any) error) error {
		var name string
		var share float64
		err := scan(&name, &share)
		shares[name] = share
		return err
	})
	return shares, err
}
