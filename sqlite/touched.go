package sqlite

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// touched collects the recipients whose rows may change in a transaction, with
// their new failures. An import collects hundreds of thousands, so what is kept of
// each is small.
type touched struct {
	recipients []touchedRecipient
	index      map[int64]int32 // where they are in recipients, by key
	failures   recipient.FailureLog
}

// touchedRecipient is a recipient whose row may change.
type touchedRecipient struct {
	key       int64
	to        bounce.Address // empty if it was only reached
	failures  int32          // the last of its new failures, see recipient.FailureLog
	hasRow    bool           // it failed or was decided on before
	delivered int64          // its last delivery in Unix milliseconds; 0 if there was none
	// deliveredBefore is the last delivery before this transaction.
	deliveredBefore int64
}

func (r *touchedRecipient) reach() recipient.Reach {
	return recipient.Reach{Key: r.key, Failed: r.hasRow, Last: r.delivered, LastBefore: r.deliveredBefore}
}

// resetTouched starts a new set of recipients, with space for n.
func (tx *Tx) resetTouched(n int) {
	tx.touched = touched{
		recipients: make([]touchedRecipient, 0, n), index: make(map[int64]int32, n),
	}
	tx.runs = nil
}

// touch returns the recipient of a key. It is valid until the next call.
func (t *touched) touch(key int64) *touchedRecipient {
	i, known := t.index[key]
	if !known {
		i = int32(len(t.recipients))
		t.index[key] = i
		if len(t.recipients) == cap(t.recipients) {
			t.recipients = slices.Grow(t.recipients, len(t.recipients)/2) // append alone grows in smaller steps
		}
		t.recipients = append(t.recipients, touchedRecipient{key: key})
	}
	return &t.recipients[i]
}

// noteFailure notes a new failure. It clones what it keeps, which would otherwise
// keep all texts of the record.
func (t *touched) noteFailure(r *bounce.Record, key, id int64) {
	to := t.touch(key)
	if to.to.Normal == "" {
		to.to.Normal = strings.Clone(r.To.Normal)
		to.to.Domain = to.to.Normal[len(to.to.Normal)-len(r.To.Domain):]
	}
	to.failures = t.failures.Add(r, id, to.failures)
}

// rowsAtOnce is how many rows are loaded and saved again while SQLite still has their
// pages in its cache: in a transaction nine of ten pages of the cache are changed ones.
const rowsAtOnce = 200

// refreshTouched updates the rows of all touched recipients: those that failed,
// those that had failed and were reached, and those that were decided on.
func (tx *Tx) refreshTouched() error {
	if len(tx.recipients) == 0 {
		return nil
	}
	if err := tx.readInputs(); err != nil {
		return err
	}
	tx.index = nil // sorting makes it invalid
	// In the order of the table.
	slices.SortFunc(tx.recipients, func(a, b touchedRecipient) int { return cmp.Compare(a.key, b.key) })
	var rows []recipientRow
	for some := range slices.Chunk(tx.recipients, rowsAtOnce) {
		var err error
		if rows, err = tx.extend(slices.Grow(rows[:0], len(some)), some); err != nil {
			return err
		}
		if err := tx.refresh(rows); err != nil {
			return err
		}
	}
	return nil
}

// refreshAll finds the crowds, and updates all recipients that the transaction
// concerns.
func (tx *Tx) refreshAll() error {
	affected, err := tx.findCrowds()
	if err != nil {
		return err
	}
	tx.replay = make(map[int64]bool, len(affected))
	for _, key := range affected {
		tx.replay[key] = true
	}
	if err := tx.refreshTouched(); err != nil {
		return err
	}
	if err := tx.recomputeAll(slices.Collect(maps.Keys(tx.replay))); err != nil {
		return err
	}
	return tx.inputsErr
}

// readInputs reads the releases, the confirmations and the crowds, once in a
// transaction.
func (tx *Tx) readInputs() error {
	if tx.inputs.Policy != nil {
		return nil
	}
	var err error
	if tx.inputs.Releases, err = query.Releases(tx.ctx, tx.conn, "releases", "WHERE withdrawn_at IS NULL"); err != nil {
		return err
	}
	if tx.inputs.Confirms, err = query.Releases(tx.ctx, tx.conn, "confirms", "WHERE withdrawn_at IS NULL"); err != nil {
		return err
	}
	if tx.inputs.Crowds, err = query.Crowds(tx.ctx, tx.conn, ""); err != nil {
		return err
	}
	tx.inputs.Policy, tx.inputs.Accepted = tx.policy, tx.accepted
	return nil
}

// takeReplay reports whether the history of an address must be replayed, and takes
// it off the list.
func (tx *Tx) takeReplay(key int64) bool {
	replay := tx.replay[key]
	delete(tx.replay, key)
	return replay
}

// extend makes the rows of touched recipients, in the memory of rows, which is
// empty. Histories that cannot be extended are replayed.
func (tx *Tx) extend(rows []recipientRow, some []touchedRecipient) ([]recipientRow, error) {
	var stored []int64
	for i := range some {
		if some[i].hasRow {
			stored = append(stored, some[i].key)
		}
	}
	rows, err := tx.appendRows(rows, stored)
	if err != nil {
		return nil, err
	}
	var failures []recipient.Failure
	var older []*recipientRow
	several := slices.ContainsFunc(tx.inputs.Crowds, func(c recipient.Crowd) bool { return c.Several() })
	known := rows
	for i := range some {
		t := &some[i]
		failures = tx.failures.Of(t.failures, failures[:0])
		delivery := recipient.DeliveredAt(t.delivered)
		if len(known) > 0 && known[0].key == t.key {
			r := &known[0]
			known = known[1:]
			if r.history, err = r.was.History(); err != nil {
				return nil, fmt.Errorf("recipient %s: %w", r.to.Normal, err)
			}
			if tx.takeReplay(t.key) || !tx.inputs.Extend(&r.history, r.to.Domain, failures, delivery) {
				r.history.LastDelivery = delivery
				older = append(older, r)
			}
		} else if t.to.Normal != "" {
			if tx.eachFirst != nil && !t.hasRow {
				tx.eachFirst(t.key)
			}
			rows = append(rows, recipientRow{to: t.to, key: t.key, history: tx.inputs.Replay(t.to.Domain, failures, delivery)})
			// All of its failures are in this transaction, but only their rows have what a crowd
			// of several domains has in common.
			if tx.takeReplay(t.key) && several {
				older = append(older, &rows[len(rows)-1]) // rows has space for all
			}
		}
	}
	return rows, tx.recompute(older)
}
