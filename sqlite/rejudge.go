package sqlite

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/tally"
)

// Rejudge judges all records again and updates the recipients, in one
// transaction. It calls changed for each record whose verdict is another, and
// returns how many those are.
func (s *Store) Rejudge(
	ctx context.Context, judge func(*bounce.Delivery) bounce.Verdict, changed func(old *query.Stored, now bounce.Verdict),
) (int, error) {
	n := 0
	err := s.transaction(ctx, func(tx *Tx) error {
		if err := tx.readCountedSince(); err != nil {
			return err
		}
		keys := make(map[int64]struct{})
		for after := int64(0); ; {
			rows, err := query.Page(ctx, tx.conn, after)
			if err != nil {
				return err
			}
			if len(rows) == 0 {
				break
			}
			after = rows[len(rows)-1].ID
			other, err := tx.rejudge(rows, judge, func(old *query.Stored, now bounce.Verdict) {
				changed(old, now)
				keys[old.Key] = struct{}{}
			})
			if err != nil {
				return err
			}
			n += other
		}
		return tx.rejudged(n, keys)
	})
	return n, err
}

// rejudge judges some records again, and stores the verdicts that are others.
func (tx *Tx) rejudge(
	rows []query.Stored, judge func(*bounce.Delivery) bounce.Verdict, changed func(old *query.Stored, now bounce.Verdict),
) (int, error) {
	other := make([]bounce.Verdict, 0, len(rows))
	rows = slices.DeleteFunc(rows, func(r query.Stored) bool {
		now := judge(&r.Delivery)
		if now == r.Verdict {
			return true
		}
		other = append(other, now)
		at := r.Delivery.At.UnixMilli()
		tx.tally.Reason(tally.ReasonOf(at, &r.Verdict), -1)
		tx.tally.Reason(tally.ReasonOf(at, &now), 1)
		changed(&r, now)
		return false
	})
	return len(rows), tx.saveVerdicts(rows, other)
}

// rejudged updates what follows from n verdicts that are others, of the recipients with
// some keys.
func (tx *Tx) rejudged(n int, keys map[int64]struct{}) error {
	tx.store.forgetRefusals()
	affected, err := tx.rebuildCrowds()
	if err != nil {
		return err
	}
	// A fleet asks for it.
	const count = `
		INSERT INTO meta
		SELECT ?, 1
		WHERE ? > 0
		ON CONFLICT (name) DO UPDATE SET value = value + 1`
	if _, err := tx.conn.ExecContext(tx.ctx, count, query.RejudgedName, n); err != nil {
		return err
	}
	return errors.Join(tx.recomputeAll(append(affected, slices.Collect(maps.Keys(keys))...)), tx.inputsErr)
}
