package sqlite

import (
	"context"
	"time"

	"github.com/bouncetail/bouncetail/tally"
)

// rollUps are the ages at which windows are added up to longer ones. Old windows
// matter for charts only.
var rollUps = []struct {
	from, to int64 // spans, in seconds
	age      time.Duration
}{
	{tally.WindowSeconds, 3600, 14 * 24 * time.Hour},
	{3600, 86400, 90 * 24 * time.Hour},
}

// RollUp adds up old windows of providers. It works in short transactions, each of at
// most a day of windows.
func (s *Store) RollUp(ctx context.Context, now time.Time) error {
	for _, r := range rollUps {
		before := now.Add(-r.age).Unix()
		before -= before % r.to
		for more := true; more; {
			err := s.transaction(ctx, func(tx *Tx) error {
				var err error
				more, err = tx.rollUp(r.from, r.to, before)
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// rollUp adds up the windows of the first day that has some before a time, and
// reports whether there were any.
func (tx *Tx) rollUp(from, to, before int64) (more bool, err error) {
	var day int64
	err = tx.conn.QueryRowContext(tx.ctx, "SELECT coalesce(min(start - start % 86400), ?) FROM provider_windows WHERE span = ? AND start < ?", before, from, before).Scan(&day)
	if err != nil || day >= before {
		return false, err
	}
	end := min(day+86400, before)
	_, err = tx.conn.ExecContext(tx.ctx, `
		INSERT INTO provider_windows (span, start, provider, sent, deferred, bounced, expired, tried, refused)
		SELECT ?1, start - start % ?1, provider, sum(sent), sum(deferred), sum(bounced), sum(expired), sum(tried), sum(refused)
		FROM provider_windows
		WHERE span = ?2 AND start >= ?3 AND start < ?4
		GROUP BY 2, 3
		ON CONFLICT (span, start, provider) DO UPDATE SET
		  sent = sent + excluded.sent, deferred = deferred + excluded.deferred, bounced = bounced + excluded.bounced,
		  expired = expired + excluded.expired, tried = tried + excluded.tried, refused = refused + excluded.refused`, to, from, day, end)
	if err != nil {
		return false, err
	}
	_, err = tx.conn.ExecContext(tx.ctx, "DELETE FROM provider_windows WHERE span = ? AND start >= ? AND start < ?", from, day, end)
	return true, err
}
