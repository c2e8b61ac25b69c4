package sqlite

import (
	"cmp"
	"database/sql/driver"
	"slices"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
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
var recipientColumns = sqldb.Columns[recipientRow]{
	sqldb.Required("recipient", func(r *recipientRow) any { return &r.to.Normal }),
	sqldb.Required("domain", func(r *recipientRow) any { return &r.to.Domain }),
	sqldb.Required("state", func(r *recipientRow) any { return (*string)(&r.row.State) }),
	sqldb.Required("decided_by", func(r *recipientRow) any { return (*string)(&r.row.DecidedBy) }),
	sqldb.Required("category", func(r *recipientRow) any { return (*string)(&r.row.Category) }),
	sqldb.Required("reason", func(r *recipientRow) any { return (*string)(&r.row.Reason) }),
	sqldb.Optional("first_failure_at", func(r *recipientRow) any { return &r.row.FirstAt }),
	sqldb.Optional("last_failure_at", func(r *recipientRow) any { return &r.row.LastAt }),
	sqldb.Optional("last_delivery_at", func(r *recipientRow) any { return &r.row.LastDelivery }),
	sqldb.Required("permanent_count", func(r *recipientRow) any { return &r.row.PermanentCount }),
	sqldb.Required("retry_count", func(r *recipientRow) any { return &r.row.RetryCount }),
	sqldb.Optional("bad_since", func(r *recipientRow) any { return &r.row.BadSince }),
	sqldb.Optional("bad_until", func(r *recipientRow) any { return &r.row.BadUntil }),
	sqldb.Optional("last_bounce_id", func(r *recipientRow) any { return &r.row.LastID }),
	sqldb.Optional("deciding_bounce_id", func(r *recipientRow) any { return &r.row.DecidingID }),
	sqldb.Required("recipient_key", func(r *recipientRow) any { return &r.key }),
	sqldb.Required("seq", func(r *recipientRow) any { return &r.seq }),
	sqldb.Optional("memory", func(r *recipientRow) any { return &r.row.Memory }),
	sqldb.Optional("left_bad_seq", func(r *recipientRow) any { return &r.leftBad }),
}

var (
	// Setting a key, even to the value it has, would rewrite the row and its index.
	changingColumns = recipientColumns.Without("recipient", "recipient_key")
	// INSERT OR REPLACE would keep a journal of every statement in a temporary file.
	insertRecipient = recipientColumns.Insert("INSERT", "recipients") + `
		ON CONFLICT (recipient_key) DO UPDATE
		SET (` + changingColumns.Names("") + `) = (` + changingColumns.Names("excluded.") + `)`
	updateRecipient = "UPDATE recipients SET " + changingColumns.Set() + " WHERE recipient_key = ?"
)

// appendRows loads the rows of those recipients that have one, in the order of the
// keys.
func (tx *Tx) appendRows(rows []recipientRow, keys []int64) ([]recipientRow, error) {
	err := tx.each(len(keys), "SELECT "+recipientColumns.Names("")+" FROM recipients WHERE recipient_key = ?",
		func(i int, p *params) { p.AddNumber(keys[i]) },
		func(_ int, values []driver.Value) error {
			rows = append(rows, recipientRow{known: true})
			r := &rows[len(rows)-1]
			if err := recipientColumns.Read(r, values); err != nil {
				return err
			}
			r.was = r.row
			return nil
		})
	return rows, err
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
			tx.tally.State(r.was.State, r.row.State, r.row.Reason, r.row.DecidedBy)
		}
	}
	slices.SortFunc(changed, func(a, b *recipientRow) int { return cmp.Compare(a.to.Normal, b.to.Normal) })
	if err := tx.saveRecipients(changed); err != nil {
		return err
	}
	return tx.recall(changed)
}

// recall notes the addresses that were bad and are suspect now, so that a webhook that
// received the former receives the latter.
func (tx *Tx) recall(rows []*recipientRow) error {
	rows = slices.DeleteFunc(slices.Clone(rows), func(r *recipientRow) bool {
		return r.was.State != bounce.StateBad || r.row.State != bounce.StateSuspect
	})
	return tx.each(len(rows), `
		INSERT OR REPLACE INTO recalls (recipient_key, seq, recalled_at)
		VALUES (?, ?, ?)`, func(i int, p *params) {
		p.Add(rows[i].key)
		p.Add(rows[i].seq)
		p.Add(tx.now)
	}, nil)
}

// saveRecipients writes rows in the order of the table. Each gets the next change number,
// first those that are known, in the order that they are given in.
func (tx *Tx) saveRecipients(rows []*recipientRow) error {
	if len(rows) == 0 {
		return nil
	}
	var seq int64
	if err := tx.conn.QueryRowContext(tx.ctx, `
		UPDATE meta
		SET value = value + ?
		WHERE name = 'seq'
		RETURNING value`, len(rows)).Scan(&seq); err != nil {
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
	for _, r := range append(slices.Clip(known), others...) {
		seq++
		r.seq = seq
		if r.was.State == bounce.StateBad && r.row.State != bounce.StateBad {
			r.leftBad = seq
		}
	}
	for _, some := range [][]*recipientRow{known, others} {
		slices.SortFunc(some, func(a, b *recipientRow) int { return cmp.Compare(a.key, b.key) })
	}
	// Not one statement for both: an upsert looks into every index whether the row
	// is there already.
	err := tx.each(len(known), updateRecipient, func(i int, p *params) {
		changingColumns.Bind(p, known[i])
		p.AddNumber(known[i].key)
	}, nil)
	if err != nil {
		return err
	}
	return tx.each(len(others), insertRecipient, func(i int, p *params) { recipientColumns.Bind(p, others[i]) }, nil)
}
