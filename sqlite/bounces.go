package sqlite

import (
	"context"

	"github.com/bouncetail/bouncetail/bounce"
)

// bounceRow is a row of the table bounces, without its id.
type bounceRow struct {
	bounce.Record
	key int64
}

// senderOf is a delivery of which the sender is stored: an empty text is the null
// sender, NULL is not known.
type senderOf bounce.Delivery

// The columns of bounces.
var bounceColumns = columns[bounceRow]{
	required("event_id", func(r *bounceRow) any { return &r.ID }),
	required("occurred_at", func(r *bounceRow) any { return &r.At }),
	required("recipient", func(r *bounceRow) any { return &r.To.Normal }),
	required("domain", func(r *bounceRow) any { return &r.To.Domain }),
	optional("original_recipient", func(r *bounceRow) any { return &r.OriginalRecipient }),
	optional("sender", func(r *bounceRow) any { return (*senderOf)(&r.Delivery) }),
	optional("message_id", func(r *bounceRow) any { return &r.MessageID }),
	optional("queue_id", func(r *bounceRow) any { return &r.QueueID }),
	optional("host", func(r *bounceRow) any { return &r.Host }),
	required("mta", func(r *bounceRow) any { return (*string)(&r.MTA) }),
	required("outcome", func(r *bounceRow) any { return (*string)(&r.Outcome) }),
	optional("dsn", func(r *bounceRow) any { return &r.DSN }),
	optional("smtp_code", func(r *bounceRow) any { return &r.Reply.SMTPCode }),
	optional("enhanced_code", func(r *bounceRow) any { return &r.Reply.EnhancedCode }),
	optional("reply", func(r *bounceRow) any { return &r.Reply.Text }),
	optional("stage", func(r *bounceRow) any { return (*string)(&r.Reply.Stage) }),
	optional("relay_host", func(r *bounceRow) any { return &r.Reply.RelayHost }),
	optional("relay_ip", func(r *bounceRow) any { return &r.Reply.RelayIP }),
	required("category", func(r *bounceRow) any { return (*string)(&r.Category) }),
	required("reason", func(r *bounceRow) any { return (*string)(&r.Reason) }),
	required("scope", func(r *bounceRow) any { return (*string)(&r.Scope) }),
	required("disposition", func(r *bounceRow) any { return (*string)(&r.Disposition) }),
	required("suppress", func(r *bounceRow) any { return &r.Suppress }),
	required("rule", func(r *bounceRow) any { return &r.Rule }),
	optional("provider", func(r *bounceRow) any { return &r.Provider }),
	optional("recipient_logged", func(r *bounceRow) any { return &r.To.Logged }),
	optional("relay_port", func(r *bounceRow) any { return &r.Reply.RelayPort }),
	optional("blocklist", func(r *bounceRow) any { return &r.Blocklist }),
	optional("retry_after", func(r *bounceRow) any { return &r.RetryAfter }),
	optional("url", func(r *bounceRow) any { return &r.URL }),
	required("recipient_key", func(r *bounceRow) any { return &r.key }),
	optional("transport", func(r *bounceRow) any { return &r.Transport }),
	optional("router", func(r *bounceRow) any { return &r.Router }),
}

var bounceInsertion = newInsertion(bounceColumns, "bounces", "event_id")

// insertBounces inserts the records that are new, counts them, and notes the
// failures of their recipients.
func (tx *Tx) insertBounces(b *bounce.Batch) error {
	var rows [rowsInInsert]bounceRow // of one statement
	return tx.insert(b.Records.Len(), &bounceInsertion,
		func(i int, p *params) {
			row := &rows[i%rowsInInsert]
			b.Records.Read(i, &row.Record)
			row.key = row.To.Key()
			bounceColumns.bind(p, row)
		},
		func(i int) string { return rows[i%rowsInInsert].ID.String() },
		func(i int, id int64) {
			row := &rows[i%rowsInInsert]
			r := &row.Record
			tx.isNew++
			if tx.problems != nil {
				tx.problems.count(r)
			}
			if r.Reason != bounce.Suppressed { // our own refusal says nothing new about the address
				tx.noteFailure(r, row.key, id)
				tx.noteRefusal(r, row.key)
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
		})
}

// Stored is a stored record, as far as judging it again needs it.
type Stored struct {
	ID       int64
	Delivery bounce.Delivery
	Verdict  bounce.Verdict
	key      int64
}

// The columns of bounces that depend on the rules.
var verdictColumns = bounceColumns.only("category", "reason", "scope", "disposition", "suppress", "rule", "provider", "blocklist", "retry_after", "url")

// The columns of bounces that a verdict is made from, and those of the verdict.
var judgedColumns = append(bounceColumns.only("recipient", "outcome", "mta", "dsn", "smtp_code", "enhanced_code", "reply", "stage", "relay_host",
	"transport", "router", "recipient_key"), verdictColumns...)

// pageSize is how many rows are held at a time.
const pageSize = 10_000

// page returns the records that follow the one with the id after.
func page(ctx context.Context, db querier, after int64) ([]Stored, error) {
	var rows []Stored
	err := scanAll(ctx, db, "SELECT id, "+judgedColumns.names("")+" FROM bounces WHERE id > ? ORDER BY id LIMIT ?", func(scan func(...any) error) error {
		var id int64
		var row bounceRow
		err := judgedColumns.scan(&row, func(into ...any) error { return scan(append([]any{&id}, into...)...) })
		row.Recipient = row.To.Normal
		rows = append(rows, Stored{id, row.Delivery, row.Verdict, row.key})
		return err
	}, after, pageSize)
	return rows, err
}

func (tx *Tx) saveVerdicts(rows []Stored, verdicts []bounce.Verdict) error {
	var row bounceRow
	return tx.each(len(rows), "UPDATE bounces SET "+verdictColumns.set()+" WHERE id = ?",
		func(i int, p *params) {
			row.Verdict = verdicts[i]
			verdictColumns.bind(p, &row)
			p.add(rows[i].ID)
		}, nil)
}
