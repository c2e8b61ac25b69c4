package query

import (
	"context"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// ProviderSum is what was attempted at a provider in a part of time.
type ProviderSum struct {
	Provider string // the slug, a large domain, or "other"
	Start    int64  // Unix seconds, a multiple of the part
	Sent     int64
	Failed   int64
	Tried    int64 // first attempts that say something about the provider
	Refused  int64 // of these
}

// ProviderSums sums the windows of the last 14 days by provider and part of time, in the
// order of time. An empty provider is all of them. The windows begin with the version
// that has them.
func (r *Reader) ProviderSums(ctx context.Context, provider string, from time.Time, part time.Duration) (sums []ProviderSum, err error) {
	err = sqldb.ScanAll(ctx, r.db, `
		SELECT provider, start - start % ?1 AS part, sum(sent), sum(deferred + bounced + expired), sum(tried), sum(refused)
		FROM provider_windows
		WHERE span = 300 AND start >= ?2 AND (?3 = '' OR provider = ?3)
		GROUP BY provider, part
		ORDER BY part, provider`,
		func(scan func(...any) error) error {
			var s ProviderSum
			err := scan(&s.Provider, &s.Start, &s.Sent, &s.Failed, &s.Tried, &s.Refused)
			sums = append(sums, s)
			return err
		}, int64(part.Seconds()), from.Unix(), provider)
	return sums, err
}

// ReasonDay is how often attempts failed for a reason on a day.
type ReasonDay struct {
	Day      string // YYYY-MM-DD, UTC
	Reason   bounce.Reason
	Failures int
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
	err := sqldb.ScanAll(ctx, r.db, "SELECT provider, refused / tried FROM provider_baselines WHERE tried > 0", func(scan func(...any) error) error {
		var name string
		var share float64
		err := scan(&name, &share)
		shares[name] = share
		return err
	})
	return shares, err
}
