package outbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/sqlite/dbfile"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// Outbox holds what webhooks have not received yet. It has its own connections to
// the database, separate from the daemon's, and writes one row at a time.
type Outbox struct{ db *sql.DB }

// Open opens the outbox of a database that must exist.
func Open(ctx context.Context, path string) (*Outbox, error) {
	db, err := dbfile.OpenBeside(ctx, path, "_txlock=immediate&_synchronous=NORMAL")
	if err != nil {
		return nil, err
	}
	return &Outbox{db}, nil
}

// Close closes the database.
func (o *Outbox) Close() error { return o.db.Close() }

// Cursor returns the number of the last change that the hook received. A new hook
// begins with the changes after now, or with all of them.
func (o *Outbox) Cursor(ctx context.Context, name string, fromNow bool, now time.Time) (seq int64, err error) {
	_, err = o.db.ExecContext(ctx, `
		INSERT INTO webhook_cursors (name, seq, moved_at)
		VALUES (?, iif(?, (SELECT value FROM meta WHERE name = 'seq'), 0), ?)
		ON CONFLICT (name) DO NOTHING`, name, fromNow, bounce.Stamp(now))
	if err == nil {
		err = o.db.QueryRowContext(ctx, "SELECT seq FROM webhook_cursors WHERE name = ?", name).Scan(&seq)
	}
	return seq, err
}

// failureCursor is the name in meta of the last failure that a hook has looked at
// for soft bounces.
const failureCursor = "webhook_failures:"

// FailureCursor returns the last failure that the hook has looked at for soft
// bounces; 0 if there is none.
func (o *Outbox) FailureCursor(ctx context.Context, name string) (id int64, err error) {
	err = o.db.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = ?", failureCursor+name).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return id, err
}

// MoveFailureCursor stores it.
func (o *Outbox) MoveFailureCursor(ctx context.Context, name string, id int64) error {
	_, err := o.db.ExecContext(ctx, "INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", failureCursor+name, id)
	return err
}

// The deciding failure of an address that is not bad is its last one.
var changedRecipients = `
	SELECT ` + query.RecipientColumns.Names("r.") + `,
	    coalesce(b.id, 0), coalesce(b.event_id, ''), coalesce(b.occurred_at, ''), coalesce(b.message_id, ''),
	    coalesce(b.sender, ''), coalesce(b.smtp_code, 0), coalesce(b.enhanced_code, ''),
	    coalesce(b.reply, ''), coalesce(b.scope, ''), coalesce(b.category, ''),
	    CASE WHEN r.state = 'failing' THEN coalesce((
	        SELECT min(f.id)
	        FROM bounces f
	        WHERE f.recipient_key = r.recipient_key
	          AND f.scope = b.scope
	          AND ` + messageOf("f") + ` = ` + messageOf("b") + `
	    ), 0) ELSE 0 END
	FROM recipients r
	LEFT JOIN bounces b ON b.id = r.deciding_bounce_id `

// messageOf is what names the message of a failure best.
func messageOf(b string) string {
	return fmt.Sprintf("coalesce(%[1]s.message_id, %[1]s.host || '/' || %[1]s.queue_id, %[1]s.event_id)", b)
}

// Changes returns at most limit recipients in one of the states whose last change
// comes after a number, in the order of the changes; and those that became suspect
// after they were bad, if bad is one of the states.
func (o *Outbox) Changes(ctx context.Context, after int64, states []string, limit int) (page bounce.ChangePage, err error) {
	// Before the rows: a change in between is seen again, not skipped.
	page.UpTo = after
	var last int64
	err = o.db.QueryRowContext(ctx, `
		SELECT value, coalesce((SELECT max(id) FROM bounces), 0)
		FROM meta WHERE name = 'seq'`).Scan(&last, &page.LastFailure)
	if err != nil || last <= after {
		return page, err
	}
	page.UpTo = last
	page.Changes, err = o.recipients(ctx, changedRecipients+`
		WHERE r.seq > ? AND r.seq <= ? AND (
		    r.state IN (SELECT value FROM json_each(?))
		    OR ? AND r.state = 'suspect' AND r.recipient_key IN (SELECT recipient_key FROM recalls WHERE seq > ?)
		)
		ORDER BY r.seq
		LIMIT ?`, after, last, sqldb.TextList(states), slices.Contains(states, string(bounce.StateBad)), after, limit)
	if len(page.Changes) == limit {
		page.UpTo = page.Changes[limit-1].Seq
	}
	return page, err
}

// MarkDelivered moves the cursor past the changes up to a number, and deletes the
// older dead letters of the recipients that the hook received.
func (o *Outbox) MarkDelivered(ctx context.Context, name string, upTo int64, rows []bounce.Change, now time.Time) error {
	return o.move(ctx, name, upTo, now, func(tx *sql.Tx) error {
		return eachRow(ctx, tx, rows, `
			DELETE FROM webhook_dead_letters
			WHERE name = ? AND recipient_key = ? AND seq <= ?`,
			func(r *bounce.Change) []any { return []any{name, key(r), r.Seq} })
	})
}

// DeadLetter moves the cursor in the same way, and keeps the recipients for a
// replay.
func (o *Outbox) DeadLetter(ctx context.Context, name string, upTo int64, rows []bounce.Change, why string, now time.Time) error {
	return o.move(ctx, name, upTo, now, func(tx *sql.Tx) error {
		return eachRow(ctx, tx, rows, `
			INSERT OR REPLACE INTO webhook_dead_letters (name, recipient_key, seq, gave_up_at, error)
			VALUES (?, ?, ?, ?, ?)`,
			func(r *bounce.Change) []any { return []any{name, key(r), r.Seq, bounce.Stamp(now), why} })
	})
}

func key(r *bounce.Change) int64 { return bounce.Address{Normal: r.Address()}.Key() }

func (o *Outbox) move(ctx context.Context, name string, upTo int64, now time.Time, and func(*sql.Tx) error) error {
	tx, err := o.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	_, err = tx.ExecContext(ctx, `
		UPDATE webhook_cursors
		SET seq = max(seq, ?), moved_at = ?, trouble = NULL
		WHERE name = ?`, upTo, bounce.Stamp(now), name)
	if err := errors.Join(err, and(tx)); err != nil {
		return err
	}
	return tx.Commit()
}

func eachRow(ctx context.Context, tx *sql.Tx, rows []bounce.Change, query string, args func(*bounce.Change) []any) error {
	for i := range rows {
		if _, err := tx.ExecContext(ctx, query, args(&rows[i])...); err != nil {
			return err
		}
	}
	return nil
}

// Trouble stores why the hook does not accept the next change.
func (o *Outbox) Trouble(ctx context.Context, name, why string) error {
	_, err := o.db.ExecContext(ctx, "UPDATE webhook_cursors SET trouble = ? WHERE name = ?", why, name)
	return err
}

// DeadLetters returns the recipients that the hook refused, as they are now, in
// the order of their changes. It deletes the letters of recipients that do not
// exist any more.
func (o *Outbox) DeadLetters(ctx context.Context, name string) ([]bounce.Change, error) {
	_, err := o.db.ExecContext(ctx, `
		DELETE FROM webhook_dead_letters
		WHERE name = ? AND recipient_key NOT IN (SELECT recipient_key FROM recipients)`, name)
	if err != nil {
		return nil, err
	}
	return o.recipients(ctx, changedRecipients+`
		WHERE r.recipient_key IN (SELECT recipient_key FROM webhook_dead_letters WHERE name = ?)
		ORDER BY r.seq`, name)
}

// DropDeadLetters deletes the dead letters of these addresses, or all of the hook
// if there are none, and returns how many.
func (o *Outbox) DropDeadLetters(ctx context.Context, name string, addresses []string) (n int64, err error) {
	if len(addresses) == 0 {
		result, err := o.db.ExecContext(ctx, "DELETE FROM webhook_dead_letters WHERE name = ?", name)
		if err != nil {
			return 0, err
		}
		return result.RowsAffected()
	}
	for _, a := range addresses {
		result, err := o.db.ExecContext(ctx, `
			DELETE FROM webhook_dead_letters
			WHERE name = ? AND recipient_key = ?`, name, bounce.Address{Normal: a}.Key())
		if err != nil {
			return n, err
		}
		deleted, err := result.RowsAffected()
		if n += deleted; err != nil {
			return n, err
		}
	}
	return n, nil
}

func (o *Outbox) recipients(ctx context.Context, statement string, args ...any) ([]bounce.Change, error) {
	var rows []bounce.Change
	err := sqldb.ScanAll(ctx, o.db, statement, func(scan func(...any) error) error {
		var row bounce.Change
		var f bounce.Failure
		err := query.RecipientColumns.Scan(&row.Recipient, func(into ...any) error {
			return scan(append(
				into, &f.ID, &f.EventID, &f.OccurredAt, &f.MessageID, &f.Sender, &f.SMTPCode,
				&f.EnhancedCode, &f.Reply, &f.Scope, &f.Category, &f.FirstID,
			)...)
		})
		if f.ID != 0 {
			row.Failure = &f
		}
		rows = append(rows, row)
		return err
	}, args...)
	return rows, err
}
