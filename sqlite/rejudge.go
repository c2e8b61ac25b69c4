package sqlite

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/bouncetail/bouncetail/bounce"
)

// Records calls each for every record, the first read first.
func (r *Reader) Records(ctx context.Context, each func(*Stored) error) error {
	for after := int64(0); ; {
		rows, err := page(ctx, r.db, after)
		if err != nil || len(rows) == 0 {
			return err
		}
		for i := range rows {
			if err := each(&rows[i]); err != nil {
				return err
			}
		}
		after = rows[len(rows)-1].ID
	}
}

// Rejudge judges all records again and updates the recipients, in one
// transaction. It calls changed for each record whose verdict is another, and
// returns how many those are.
func (s *Store) Rejudge(ctx context.Context, judge func(*bounce.Delivery) bounce.Verdict, changed func(old *Stored, now bounce.Verdict)) (int, error) {
	n := 0
	err := s.transaction(ctx, func(tx *Tx) error {
		keys := make(map[int64]struct{})
		for after := int64(0); ; {
			rows, err := page(ctx, tx.conn, after)
			if err != nil {
				return err
			}
			if len(rows) == 0 {
				tx.store.forgetRefusals()
				affected, err := tx.rebuildCrowds()
				if err != nil {
					return err
				}
				return errors.Join(tx.recomputeAll(append(affected, slices.Collect(maps.Keys(keys))...)), tx.inputsErr)
			}
			after = rows[len(rows)-1].ID
			other := make([]bounce.Verdict, 0, len(rows))
			rows = slices.DeleteFunc(rows, func(r Stored) bool {
				now := judge(&r.Delivery)
				if now == r.Verdict {
					return true
				}
				other = append(other, now)
				changed(&r, now)
				keys[r.key] = struct{}{}
				return false
			})
			n += len(rows)
			if err := tx.saveVerdicts(rows, other); err != nil {
				return err
			}
		}
	})
	return n, err
}

// Reply is a reply that no rule knows, with how often it came.
type Reply struct {
	Shape    string `json:"shape"`
	Count    int    `json:"count"`
	Example  string `json:"example"`
	LastSeen string `json:"last_seen"`
}

// Unclassified returns the replies that no rule knows, grouped by the shape
// that the function tells, most frequent first.
func (r *Reader) Unclassified(ctx context.Context, since string, shape func(reply string) string) ([]Reply, error) {
	found := make(map[string]*Reply)
	err := scanAll(ctx, r.db, "SELECT coalesce(reply, ''), occurred_at FROM bounces WHERE category = 'unclassified' AND occurred_at >= ?", func(scan func(...any) error) error {
		var reply, at string
		if err := scan(&reply, &at); err != nil {
			return err
		}
		s := shape(reply)
		f := found[s]
		if f == nil {
			f = &Reply{Shape: s, Example: reply}
			found[s] = f
		}
		f.Count++
		f.LastSeen = max(f.LastSeen, at)
		return nil
	}, since)
	if err != nil {
		return nil, err
	}
	all := make([]Reply, 0, len(found))
	for _, f := range found {
		all = append(all, *f)
	}
	slices.SortFunc(all, func(a, b Reply) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Shape, b.Shape)) })
	return all, nil
}
