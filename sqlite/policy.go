package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/recipient"
)

// UsePolicy makes the states follow a policy from now on. If another was in
// force, the recipients are recomputed in the same transaction. It returns whether
// there were any, and what has changed.
func (s *Store) UsePolicy(ctx context.Context, p *bounce.Policy) (other bool, changes recipient.Changes, err error) {
	text, err := json.Marshal(p)
	if err != nil {
		return false, changes, err
	}
	inForce, err := appliedPolicy(ctx, s.db)
	if err != nil {
		return false, changes, fmt.Errorf("database %s: %w", s.path, err)
	}
	if before, err := json.Marshal(inForce); err != nil || string(before) == string(text) {
		return false, changes, err
	}
	err = s.transaction(ctx, func(tx *Tx) error {
		tx.policy = p
		if _, err := tx.conn.ExecContext(ctx, `
			INSERT INTO applied_policy (id, settings, applied_at) VALUES (1, ?, ?)
			ON CONFLICT (id) DO UPDATE SET settings = excluded.settings, applied_at = excluded.applied_at`, string(text), tx.now); err != nil {
			return err
		}
		if inForce.Crowds != p.Crowds {
			if _, err := tx.rebuildCrowds(); err != nil {
				return err
			}
		}
		// The policy says nothing about an address that was reached since.
		keys, err := tx.keysOf("SELECT recipient_key FROM recipients WHERE decided_by NOT IN ('delivery', 'release')")
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

// appliedPolicy returns the policy that the states follow.
func appliedPolicy(ctx context.Context, db rowQuerier) (*bounce.Policy, error) {
	p := &bounce.Policy{}
	var text string
	err := db.QueryRowContext(ctx, "SELECT settings FROM applied_policy").Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return p, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), p)
	}
	if err != nil {
		return nil, fmt.Errorf("policy in force: %w", err)
	}
	return p, nil
}

type rowQuerier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
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
			"SELECT recipient_key FROM decisions WHERE until <= ? AND until IS NOT NULL AND ended_at IS NULL LIMIT ?",
		} {
			found, err := keysOf(ctx, s.db, due, now, pageSize)
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
			UPDATE decisions SET ended_at = until
			WHERE until <= ? AND until IS NOT NULL AND ended_at IS NULL AND recipient_key IN (SELECT value FROM json_each(?))`, now, keyList(keys))
		if err != nil {
			return err
		}
		rows, err := tx.knownRows(keys)
		if err != nil {
			return err
		}
		for i := range rows {
			r := &rows[i]
			if r.history, err = r.was.History(); err != nil {
				return fmt.Errorf("recipient %s: %w", r.to.Normal, err)
			}
		}
		err = tx.refresh(rows)
		changed = tx.changes.Rows
		return err
	})
	return changed, err
}

// keysOf returns the numbers that a query finds.
func keysOf(ctx context.Context, db querier, query string, args ...any) ([]int64, error) {
	var keys []int64
	err := scanAll(ctx, db, query, func(scan func(...any) error) error {
		var key int64
		err := scan(&key)
		keys = append(keys, key)
		return err
	}, args...)
	return keys, err
}

// keyList is a parameter for json_each. Keys are written as they are: SQLite
// reads all 64 bits.
func keyList(keys []int64) string {
	list := make([]byte, 0, 21*len(keys)+2)
	list = append(list, '[')
	for i, key := range keys {
		if i > 0 {
			list = append(list, ',')
		}
		list = strconv.AppendInt(list, key, 10)
	}
	return string(append(list, ']'))
}
