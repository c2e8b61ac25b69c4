package query

import (
	"context"
	"database/sql"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// ProviderOutcomes returns the days from one to another that have attempts at a provider,
// in order. The last one is not included. Attempts are counted by provider since a day,
// which is returned too; it is empty if none was counted yet.
// The provider "other" is all receivers without a name, with the large domains, which
// have separate windows.
func (r *Reader) ProviderOutcomes(ctx context.Context, provider string, from, to time.Time) (days []Outcomes, since string, err error) {
	var first sql.NullInt64
	if err := r.db.QueryRowContext(ctx, "SELECT min(start) FROM provider_windows").Scan(&first); err != nil {
		return nil, "", err
	}
	if first.Valid {
		since = bounce.DayName(int(first.Int64 / 86400))
	}
	err = sqldb.ScanAll(ctx, r.db, `
		SELECT start / 86400, sum(sent), sum(deferred), sum(bounced), sum(expired)
		FROM provider_windows
		WHERE start >= ?1 AND start < ?2 AND (provider = ?3 OR ?3 = 'other' AND provider LIKE '%.%')
		GROUP BY 1
		ORDER BY 1`,
		func(scan func(...any) error) error {
			var d Outcomes
			var day int
			err := scan(&day, &d.Delivered, &d.Deferred, &d.Bounced, &d.Expired)
			d.Day = bounce.DayName(day)
			days = append(days, d)
			return err
		}, from.Unix(), to.Unix(), provider)
	return days, since, err
}
