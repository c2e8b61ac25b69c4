package sqlite

import (
	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

var bounceInsertion = sqldb.NewInsertion(query.BounceColumns, "bounces", "event_id")

// insertBounces inserts the records that are new, counts them, and notes the
// failures of their recipients.
func (tx *Tx) insertBounces(b *bounce.Batch) error {
	var rows [sqldb.RowsInInsert]query.BounceRow // of one statement
	return tx.statements.Insert(tx.conn, b.Records.Len(), &bounceInsertion,
		func(i int, p *params) {
			row := &rows[i%sqldb.RowsInInsert]
			b.Records.Read(i, &row.Record)
			row.Key = row.To.Key()
			query.BounceColumns.Bind(p, row)
		},
		func(i int) string { return rows[i%sqldb.RowsInInsert].ID.String() },
		func(i int, id int64) {
			row := &rows[i%sqldb.RowsInInsert]
			r := &row.Record
			tx.isNew++
			if tx.problems != nil {
				tx.problems.Count(r)
			}
			if tx.eachNew != nil {
				tx.eachNew(id, row.Key, r)
			}
			if r.Reason != bounce.Suppressed { // our own refusal does not concern the address
				tx.noteFailure(r, row.Key, id)
				tx.noteRefusal(r, row.Key)
			}
			switch o := tx.count(bounce.EpochDay(r.At.UnixMilli()), r.To.Domain); r.Outcome {
			case bounce.Deferred:
				o.deferred++
			case bounce.Bounced:
				o.bounced++
			case bounce.Expired:
				o.expired++
			case bounce.Sent: // never a record
			}
			tx.tally.Failure(r)
		})
}

func (tx *Tx) saveVerdicts(rows []query.Stored, verdicts []bounce.Verdict) error {
	var row query.BounceRow
	return tx.each(len(rows), "UPDATE bounces SET "+query.VerdictColumns.Set()+" WHERE id = ?",
		func(i int, p *params) {
			row.Verdict = verdicts[i]
			query.VerdictColumns.Bind(p, &row)
			p.Add(rows[i].ID)
		}, nil)
}
