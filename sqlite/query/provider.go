package query

import (
	"context"
	"time"

	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// ProviderOutcomes returns the days from one to another that have attempts at a provider,
// in order. The last one is not included. Attempts are counted by provider since a day,
// which is returned too; it is empty if none was counted yet.
// The provider "other" is all receivers without a name, with the large domains, which
// have separate windows.
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
