package query

import (
	"cmp"
	"context"
	"slices"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// BounceRow is a row of the table bounces, without its id.
type BounceRow struct {
	bounce.Record
	Key int64
}

// BounceColumns are the columns of bounces but for the id.
var BounceColumns = sqldb.Columns[BounceRow]{
	sqldb.Required("event_id", func(r *BounceRow) any { return (*EventID)(&r.ID) }),
	sqldb.Required("occurred_at", func(r *BounceRow) any { return (*Time)(&r.At) }),
	sqldb.Required("recipient", func(r *BounceRow) any { return &r.To.Normal }),
	sqldb.Required("domain", func(r *BounceRow) any { return &r.To.Domain }),
	sqldb.Optional("original_recipient", func(r *BounceRow) any { return &r.OriginalRecipient }),
	sqldb.Optional("sender", func(r *BounceRow) any { return (*Sender)(&r.Delivery) }),
	sqldb.Optional("message_id", func(r *BounceRow) any { return &r.MessageID }),
	sqldb.Optional("queue_id", func(r *BounceRow) any { return &r.QueueID }),
	sqldb.Optional("host", func(r *BounceRow) any { return &r.Host }),
	sqldb.Required("mta", func(r *BounceRow) any { return (*string)(&r.MTA) }),
	sqldb.Required("outcome", func(r *BounceRow) any { return (*string)(&r.Outcome) }),
	sqldb.Optional("dsn", func(r *BounceRow) any { return &r.DSN }),
	sqldb.Optional("smtp_code", func(r *BounceRow) any { return &r.Reply.SMTPCode }),
	sqldb.Optional("enhanced_code", func(r *BounceRow) any { return &r.Reply.EnhancedCode }),
	sqldb.Optional("reply", func(r *BounceRow) any { return &r.Reply.Text }),
	sqldb.Optional("stage", func(r *BounceRow) any { return (*string)(&r.Reply.Stage) }),
	sqldb.Optional("relay_host", func(r *BounceRow) any { return &r.Reply.RelayHost }),
	sqldb.Optional("relay_ip", func(r *BounceRow) any { return &r.Reply.RelayIP }),
	sqldb.Required("category", func(r *BounceRow) any { return (*string)(&r.Category) }),
	sqldb.Required("reason", func(r *BounceRow) any { return (*string)(&r.Reason) }),
	sqldb.Required("scope", func(r *BounceRow) any { return (*string)(&r.Scope) }),
	sqldb.Required("disposition", func(r *BounceRow) any { return (*string)(&r.Disposition) }),
	sqldb.Required("suppress", func(r *BounceRow) any { return &r.Suppress }),
	sqldb.Required("rule", func(r *BounceRow) any { return &r.Rule }),
	sqldb.Optional("provider", func(r *BounceRow) any { return &r.Provider }),
	sqldb.Optional("recipient_logged", func(r *BounceRow) any { return &r.To.Logged }),
	sqldb.Optional("relay_port", func(r *BounceRow) any { return &r.Reply.RelayPort }),
	sqldb.Optional("blocklist", func(r *BounceRow) any { return &r.Blocklist }),
	sqldb.Optional("retry_after", func(r *BounceRow) any { return &r.RetryAfter }),
	sqldb.Optional("url", func(r *BounceRow) any { return &r.URL }),
	sqldb.Required("recipient_key", func(r *BounceRow) any { return &r.Key }),
	sqldb.Optional("transport", func(r *BounceRow) any { return &r.Transport }),
	sqldb.Optional("router", func(r *BounceRow) any { return &r.Router }),
}

// Stored is the part of a stored record that judging it again needs.
type Stored struct {
	ID       int64
	Delivery bounce.Delivery
	Verdict  bounce.Verdict
	Key      int64
}

// VerdictColumns are the columns of bounces that depend on the rules.
var VerdictColumns = BounceColumns.Only(
	"category", "reason", "scope", "disposition", "suppress", "rule", "provider", "blocklist", "retry_after", "url",
)

// The columns of bounces that a verdict is made from, and those of the verdict.
var judgedColumns = append(BounceColumns.Only(
	"occurred_at", "recipient", "outcome", "mta", "dsn", "smtp_code", "enhanced_code", "reply", "stage",
	"relay_host", "transport", "router", "recipient_key",
), VerdictColumns...)

// PageSize is how many rows are held at a time.
const PageSize = 10_000

// Page returns at most PageSize records that follow the one with the id after.
func Page(ctx context.Context, db sqldb.Querier, after int64) ([]Stored, error) {
	var rows []Stored
	err := sqldb.ScanAll(ctx, db, `
		SELECT id, `+judgedColumns.Names("")+`
		FROM bounces
		WHERE id > ?
		ORDER BY id
		LIMIT ?`, func(scan func(...any) error) error {
		var id int64
		var row BounceRow
		err := judgedColumns.Scan(&row, func(into ...any) error { return scan(append([]any{&id}, into...)...) })
		row.Recipient = row.To.Normal
		rows = append(rows, Stored{id, row.Delivery, row.Verdict, row.Key})
		return err
	}, after, PageSize)
	return rows, err
}

// Records calls each for every record, in the order of reading.
func (r *Reader) Records(ctx context.Context, each func(*Stored) error) error {
	for after := int64(0); ; {
		rows, err := Page(ctx, r.db, after)
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

// Reply is a reply that no rule matches, and how often it occurred.
type Reply struct {
	Shape    string `json:"shape"`
	Count    int    `json:"count"`
	Example  string `json:"example"`
	LastSeen string `json:"last_seen"`
}

// Unclassified returns the replies that no rule matches, grouped by the shape that the
// function returns, most frequent first.
func (r *Reader) Unclassified(ctx context.Context, since string, shape func(reply string) string) ([]Reply, error) {
	found := make(map[string]*Reply)
	err := sqldb.ScanAll(ctx, r.db, `
		SELECT coalesce(reply, ''), occurred_at
		FROM bounces
		WHERE category = 'unclassified' AND occurred_at >= ?`, func(scan func(...any) error) error {
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
