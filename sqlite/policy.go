package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// UsePolicy makes the states follow a policy from now on. If another was in
// force, the recipients are recomputed in the same transaction. It returns whether
// there were any, and what has changed.
func (s *Store) UsePolicy(ctx context.Context, p *bounce.Policy) (other bool, changes recipient.Changes, err error) {
	text, err := json.Marshal(p)
	if err != nil {
		return false, changes, err
	}
	inForce, err := query.AppliedPolicy(ctx, s.db)
	if err != nil {
		return false, changes, fmt.Errorf("database %s: %w", s.file.Path, err)
	}
	if before, err := json.Marshal(inForce); err != nil || string(before) == string(text) {
		return false, changes, err
	}
	err = s.transaction(ctx, func(tx *Tx) error {
		tx.policy = p
		if _, err := tx.conn.ExecContext(ctx, `
			INSERT INTO applied_policy (id, settings, applied_at)
			VALUES (1, ?, ?)
			ON CONFLICT (id) DO UPDATE SET settings = excluded.settings, applied_at = excluded.applied_at`,
			string(text), tx.now); err != nil {
			return err
		}
		if inForce.Crowds != p.Crowds {
			if _, err := tx.rebuildCrowds(); err != nil {
				return err
			}
		}
		// The policy does not apply to an address that was reached since.
		keys, err := sqldb.Numbers(tx.ctx, tx.conn, `
			SELECT recipient_key
			FROM recipients
			WHERE decided_by NOT IN ('delivery', 'release')`)
		if err != nil {
			return err
		}
		err = errors.Join(tx.recomputeAll(keys), tx.inputsErr)
		other, changes = len(keys) > 0, tx.changes
		return err
	})
	if err == nil {
		s.policy.Store(p)
	}
	return other, changes, err
}

// Expire updates those states whose time is over: addresses that were bad for
// some days, and decisions that had an end. It looks at these only, and returns
// how many recipients it changed.
func (s *Store) Expire(ctx context.Context) (int, error) {
	n := 0
	for {
		var keys []int64
		now := bounce.Stamp(s.now())
		// Not one query: SQLite would answer a UNION by a scan in the order of keys.
		for _, due := range []string{
			"SELECT recipient_key FROM recipients WHERE bad_until <= ? LIMIT ?",
			`
				SELECT recipient_key
				FROM decisions
				WHERE until <= ? AND until IS NOT NULL AND ended_at IS NULL
				LIMIT ?`,
		} {
			found, err := sqldb.Numbers(ctx, s.db, due, now, query.PageSize)
			if err != nil {
				return n, err
			}
			keys = append(keys, found...)
		}
		if len(keys) == 0 {
			return n, nil
		}
		slices.Sort(keys)
		changed, err := s.expire(ctx, slices.Compact(keys), now)
		if n += changed; err != nil {
			return n, err
		}
	}
}

func (s *Store) expire(ctx context.Context, keys []int64, now string) (changed int, err error) {
	err = s.transaction(ctx, func(tx *Tx) error {
		tx.now = now
		_, err := tx.conn.ExecContext(ctx, `
			UPDATE decisions
			SET ended_at = until
			WHERE until <= ?
			  AND until IS NOT NULL
			  AND ended_at IS NULL
			  AND recipient_key IN (SELECT value FROM json_each(?))`, now, sqldb.NumberList(keys))
		if err != nil {
			return err
		}
		rows, err := tx.appendRows(nil, keys)
		if err != nil {
			return err
		}
		for i := range rows {
			r := &rows[i]
			if r.history, err = r.was.History(); err != nil {
				return fmt.Errorf("recipient %s: %w", r.to.Normal, err)
			}
		}
		if err := tx.refresh(rows); err != nil {
			return err
		}
		changed = tx.changes.Rows
		return tx.dropEmptyRows(keys)
	})
	return changed, err
}
