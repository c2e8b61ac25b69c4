package fleet

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// expire ends the states whose time is over.
func (s *Sender) expire(ctx context.Context) error {
	for {
		rows, err := s.conn.Query(ctx, `
			SELECT recipient_key
			FROM (
			    (SELECT recipient_key FROM bouncetail.recipients WHERE bad_until <= now() LIMIT $1)
			    UNION
			    (SELECT recipient_key FROM bouncetail.decisions WHERE until <= now() AND decision <> '' LIMIT $1)
			) due`, batchSize)
		if err != nil {
			return err
		}
		keys, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		if err != nil {
			return err
		}
		if len(keys) == 0 {
			s.expiredAt = time.Now()
			return nil
		}
		all := make(touches, len(keys))
		for _, key := range keys {
			all.of(key)
		}
		err = s.inTransaction(ctx, func(t *transaction) error {
			if err := t.takeClock(len(all), s.HashKey); err != nil {
				return err
			}
			if _, err := t.Exec(ctx, `
				UPDATE bouncetail.decisions
				SET decision = ''
				WHERE recipient_key = ANY ($1) AND until <= now()`, keys); err != nil {
				return err
			}
			return t.refresh(all, make(map[int64]*recipientRow))
		})
		if err != nil {
			return err
		}
		if len(keys) < batchSize {
			s.expiredAt = time.Now()
			return nil
		}
	}
}
