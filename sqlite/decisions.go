package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite/packed"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/sqlite/taken"
)

// decisionsOn returns the decisions in force on the addresses of rows.
func (tx *Tx) decisionsOn(rows []recipientRow) (map[int64]*recipient.Decision, error) {
	var some bool // usually there are none, and no address is looked up
	const anyInForce = "SELECT EXISTS (SELECT 1 FROM decisions WHERE ended_at IS NULL)"
	if err := tx.conn.QueryRowContext(tx.ctx, anyInForce).Scan(&some); err != nil || !some {
		return nil, err
	}
	keys := make([]int64, len(rows))
	for i := range rows {
		keys[i] = rows[i].key
	}
	found := make(map[int64]*recipient.Decision)
	err := sqldb.ScanAll(tx.ctx, tx.conn, `
		SELECT `+query.DecisionColumns+`
		FROM json_each(?) k CROSS JOIN decisions d ON d.recipient_key = k.value
		WHERE d.ended_at IS NULL`,
		func(scan func(...any) error) error {
			d, key, err := query.ScanDecision(scan)
			found[key] = d
			return err
		}, sqldb.NumberList(keys))
	return found, err
}

// Decide decides about addresses by hand, until a time or, if that is zero, until the
// decision is withdrawn. An earlier decision on the same address ends.
func (e *Editor) Decide(
	ctx context.Context, decision string, on []bounce.Address, note string, until time.Time,
) (changes recipient.Changes, err error) {
	end := ""
	if !until.IsZero() {
		end = bounce.Stamp(until)
	}
	err = e.edit(ctx, func(tx *Tx) error {
		if _, err := tx.endDecisions(on); err != nil {
			return err
		}
		on = distinct(on)
		err := tx.each(len(on), query.InsertDecision,
			func(i int, p *params) {
				for _, v := range []driver.Value{
					on[i].Normal, on[i].Domain, decision, sqldb.Text(note), tx.now, sqldb.Text(end), on[i].Key(),
				} {
					p.Add(v)
				}
			}, nil)
		if err != nil {
			return err
		}
		changes, err = tx.reconsider(on)
		return err
	})
	return changes, err
}

// Withdraw withdraws the decisions on addresses. It is an error if there is none on
// one of them.
func (e *Editor) Withdraw(ctx context.Context, on []bounce.Address) (changes recipient.Changes, err error) {
	err = e.edit(ctx, func(tx *Tx) error {
		on = distinct(on)
		ended, err := tx.endDecisions(on)
		if err != nil {
			return err
		}
		for _, to := range on {
			if !ended[to.Key()] {
				return fmt.Errorf("there is no decision on %s; bouncetail recipients decisions lists them", to.Normal)
			}
		}
		if changes, err = tx.reconsider(on); err != nil {
			return err
		}
		return tx.dropEmptyRows(keysOf(on))
	})
	return changes, err
}

// dropEmptyRows deletes the rows of addresses that never failed and that no decision
// is in force on. While an export cursor or a webhook has yet to report that such an
// address is no longer bad, its row stays; the commands do not list it.
func (tx *Tx) dropEmptyRows(keys []int64) error {
	dropped, err := sqldb.Numbers(tx.ctx, tx.conn, `
		SELECT recipient_key
		FROM recipients
		WHERE recipient_key IN (SELECT value FROM json_each(?))
		  AND last_failure_at IS NULL
		  AND NOT EXISTS (
		      SELECT 1 FROM decisions d
		      WHERE d.recipient_key = recipients.recipient_key AND d.ended_at IS NULL
		  )
		  AND NOT EXISTS (SELECT 1 FROM export_cursors)
		  AND NOT EXISTS (SELECT 1 FROM webhook_cursors)`, sqldb.NumberList(keys))
	if err != nil || len(dropped) == 0 {
		return err
	}
	if err := tx.uncountStates(dropped); err != nil {
		return err
	}
	if err := tx.deleteRows("recipients", "recipient_key", dropped); err != nil {
		return err
	}
	// They count as addresses that never failed.
	_, err = tx.rewriteDeliveries(packed.DeliveryBucketsOf(dropped), func(d packed.Delivery) (int64, bool) {
		if slices.Contains(dropped, int64(d.Key)) {
			d.Last &^= packed.HasFailed
		}
		return d.Last, d.Last != 0
	})
	return err
}

func distinct(on []bounce.Address) []bounce.Address {
	seen := make(map[string]struct{}, len(on))
	kept := make([]bounce.Address, 0, len(on))
	for _, to := range on {
		if _, again := seen[to.Normal]; !again {
			seen[to.Normal] = struct{}{}
			kept = append(kept, to)
		}
	}
	return kept
}

// Knows reports whether an address has a row, because it failed or was decided on.
func (e *Editor) Knows(ctx context.Context, to bounce.Address) (known bool, err error) {
	err = e.store.db.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM recipients WHERE recipient = ?)", to.Normal).Scan(&known)
	return known, e.store.file.Wrap(err)
}

// endDecisions ends the decisions in force on the addresses, and returns which had
// one.
func (tx *Tx) endDecisions(on []bounce.Address) (ended map[int64]bool, err error) {
	ended = make(map[int64]bool)
	err = sqldb.ScanAll(tx.ctx, tx.conn, `
		UPDATE decisions
		SET ended_at = ?
		WHERE ended_at IS NULL AND recipient_key IN (SELECT value FROM json_each(?))
		RETURNING recipient_key`,
		func(scan func(...any) error) error {
			var key int64
			err := scan(&key)
			ended[key] = true
			return err
		}, tx.now, sqldb.NumberList(keysOf(on)))
	return ended, err
}

// reconsider brings the rows of addresses up to date, and makes those that are
// missing. From then on their deliveries are noted in their rows.
func (tx *Tx) reconsider(on []bounce.Address) (recipient.Changes, error) {
	tx.resetTouched(len(on))
	for _, to := range on {
		tx.touch(to.Key()).to = to
	}
	if err := tx.saveDeliveries(); err != nil {
		return tx.changes, err
	}
	err := tx.refreshTouched()
	return tx.changes, err
}

// TakeOver stores what was decided by hand on another host of a fleet, see package taken.
func (e *Editor) TakeOver(ctx context.Context, decisions []query.LastDecision, marks []query.Mark) (changes recipient.Changes, err error) {
	err = e.edit(ctx, func(tx *Tx) error {
		marks, err := taken.Marks(ctx, tx.conn, marks)
		if err != nil {
			return err
		}
		on, err := taken.Decisions(ctx, tx.conn, decisions)
		if err != nil {
			return err
		}
		if len(on) > 0 {
			if _, err := tx.reconsider(on); err != nil {
				return err
			}
			if err := tx.dropEmptyRows(keysOf(on)); err != nil {
				return err
			}
		}
		var covered []int64
		for i := range marks {
			keys, _, err := tx.covered(marks[i].Table(), &marks[i].Release)
			if err != nil {
				return err
			}
			covered = append(covered, keys...)
		}
		err = errors.Join(tx.recomputeAll(covered), tx.inputsErr)
		changes = tx.changes
		return err
	})
	return changes, err
}

func keysOf(on []bounce.Address) []int64 {
	keys := make([]int64, len(on))
	for i, to := range on {
		keys[i] = to.Key()
	}
	return keys
}
