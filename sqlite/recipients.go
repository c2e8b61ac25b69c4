package sqlite

import (
	"cmp"
	"database/sql/driver"
	"slices"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/recipient"
)

// recipientRow is a row of the table recipients, and what it is made from.
type recipientRow struct {
	to      bounce.Address
	key     int64
	seq     int64
	leftBad int64         // the change number at which it was bad and became something else; 0 if it never did
	known   bool          // it is in the table already
	was     recipient.Row // there
	row     recipient.Row // from now on
	history recipient.History
}

// The columns of recipients.
var recipientColumns = columns[recipientRow]{
	required("recipient", func(r *recipientRow) any { return &r.to.Normal }),
	required("domain", func(r *recipientRow) any { return &r.to.Domain }),
	required("state", func(r *recipientRow) any { return (*string)(&r.row.State) }),
	required("decided_by", func(r *recipientRow) any { return (*string)(&r.row.DecidedBy) }),
	required("category", func(r *recipientRow) any { return (*string)(&r.row.Category) }),
	required("reason", func(r *recipientRow) any { return (*string)(&r.row.Reason) }),
	optional("first_failure_at", func(r *recipientRow) any { return &r.row.FirstAt }),
	optional("last_failure_at", func(r *recipientRow) any { return &r.row.LastAt }),
	optional("last_delivery_at", func(r *recipientRow) any { return &r.row.LastDelivery }),
	required("permanent_count", func(r *recipientRow) any { return &r.row.PermanentCount }),
	required("retry_count", func(r *recipientRow) any { return &r.row.RetryCount }),
	optional("bad_since", func(r *recipientRow) any { return &r.row.BadSince }),
	optional("bad_until", func(r *recipientRow) any { return &r.row.BadUntil }),
	optional("last_bounce_id", func(r *recipientRow) any { return &r.row.LastID }),
	optional("deciding_bounce_id", func(r *recipientRow) any { return &r.row.DecidingID }),
	required("recipient_key", func(r *recipientRow) any { return &r.key }),
	required("seq", func(r *recipientRow) any { return &r.seq }),
	optional("memory", func(r *recipientRow) any { return &r.row.Memory }),
	optional("left_bad_seq", func(r *recipientRow) any { return &r.leftBad }),
}

var (
	insertRecipient = recipientColumns.insert("INSERT OR REPLACE", "recipients")
	// Setting a key, even to the value it has, would rewrite the row and its index.
	changingColumns = recipientColumns.without("recipient", "recipient_key")
	updateRecipient = "UPDATE recipients SET " + changingColumns.set() + " WHERE recipient = ?"
)

// appendRows loads the rows in which a unique column has one of n values, in
// their order.
func (tx *Tx) appendRows(rows []recipientRow, n int, column string, value func(i int) driver.Value) ([]recipientRow, error) {
	err := tx.each(n, "SELECT "+recipientColumns.names("")+" FROM recipients WHERE "+column+" = ?",
		func(i int, p *params) { p.add(value(i)) },
		func(_ int, values []driver.Value) error {
			rows = append(rows, recipientRow{known: true})
			r := &rows[len(rows)-1]
			if err := recipientColumns.read(r, values); err != nil {
				return err
			}
			r.was = r.row
			return nil
		})
	return rows, err
}

// knownRows loads the rows of those recipients that have one, in the order of
// the keys.
func (tx *Tx) knownRows(keys []int64) ([]recipientRow, error) {
	return tx.appendRows(make([]recipientRow, 0, len(keys)), len(keys), "recipient_key", func(i int) driver.Value { return keys[i] })
}

// refresh makes the rows from their histories, and saves those that changed.
func (tx *Tx) refresh(rows []recipientRow) error {
	decisions, err := tx.decisionsOn(rows)
	if err != nil {
		return err
	}
	changed := make([]*recipientRow, 0, len(rows))
	for i := range rows {
		r := &rows[i]
		r.row = r.history.Row(decisions[r.key], tx.now)
		if !r.known || r.row != r.was {
			changed = append(changed, r)
			tx.changes.Add(&r.was, &r.row)
		}
	}
	slices.SortFunc(changed, func(a, b *recipientRow) int { return cmp.Compare(a.to.Normal, b.to.Normal) })
	if err := tx.saveRecipients(changed); err != nil {
		return err
	}
	return tx.recall(changed)
}

// recall notes the addresses that were bad and are suspect now, so that whoever was
// told the former is told the latter.
func (tx *Tx) recall(rows []*recipientRow) error {
	rows = slices.DeleteFunc(slices.Clone(rows), func(r *recipientRow) bool {
		return r.was.State != bounce.StateBad || r.row.State != bounce.StateSuspect
	})
	return tx.each(len(rows), "INSERT OR REPLACE INTO recalls (recipient_key, seq, recalled_at) VALUES (?, ?, ?)", func(i int, p *params) {
		p.add(rows[i].key)
		p.add(rows[i].seq)
		p.add(tx.now)
	}, nil)
}

// saveRecipients writes rows, each under the next change number.
func (tx *Tx) saveRecipients(rows []*recipientRow) error {
	if len(rows) == 0 {
		return nil
	}
	var seq int64
	if err := tx.conn.QueryRowContext(tx.ctx, "UPDATE meta SET value = value + ? WHERE name = 'seq' RETURNING value", len(rows)).Scan(&seq); err != nil {
		return err
	}
	var known, others []*recipientRow
	for _, r := range rows {
		if r.known {
			known = append(known, r)
		} else {
			others = append(others, r)
		}
	}
	seq -= int64(len(rows))
	for _, r := range append(known[:len(known):len(known)], others...) {
		seq++
		r.seq = seq
		if r.was.State == bounce.StateBad && r.row.State != bounce.StateBad {
			r.leftBad = seq
		}
	}
	// Not one statement for both: an upsert looks into every index whether the row
	// is there already.
	err := tx.each(len(known), updateRecipient, func(i int, p *params) {
		changingColumns.bind(p, known[i])
		p.add(known[i].to.Normal)
	}, nil)
	if err != nil {
		return err
	}
	return tx.each(len(others), insertRecipient, func(i int, p *params) { recipientColumns.bind(p, others[i]) }, nil)
}
