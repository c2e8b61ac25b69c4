package sqlite

import (
	"context"
	"time"

	"github.com/bouncetail/bouncetail/sqlite/counters"
)

// RollUp adds up old windows of providers. It works in short transactions, each of at
// most a day of windows.
func (s *Store) RollUp(ctx context.Context, now time.Time) error {
	for _, r := range counters.RollUps {
		for more := true; more; {
			err := s.transaction(ctx, func(tx *Tx) (err error) {
				more, err = r.FirstDay(ctx, tx.conn, now)
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}
