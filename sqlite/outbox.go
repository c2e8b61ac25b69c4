package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// Outbox tells what webhooks have not been told yet, and remembers what they
// took. It has connections of its own beside the daemon's, and writes a row at
// a time.
type Outbox struct{ db *sql.DB }

// OpenOutbox opens the outbox of a database that must exist.
func OpenOutbox(ctx context.Context, path string) (*Outbox, error) {
	r, err := OpenReader(ctx, path) // whose errors name what is wrong with the file
	if err != nil {
		return nil, err
	}
	if err := r.Close(); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite3", dsn(path, "rw", "_txlock=immediate&_synchronous=NORMAL"))
	if err != nil {
		return nil, fmt.Errorf("webhooks: open database %s: %w", path, err)
	}
	return &Outbox{db}, nil
}

// Close closes the database.
func (o *Outbox) Close() error { return o.db.Close() }

// Cursor returns the number of the last change that the hook was told of. A
// hook that is new begins with the changes after now, or with all there are.
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

const changedRecipients = `
	SELECT r.recipient, r.domain, r.state, r.decided_by, r.category, r.reason, r.first_failure_at, r.last_failure_at,
	  r.last_delivery_at, r.permanent_count, r.retry_count, r.bad_since, r.bad_until, r.last_bounce_id, r.seq,
	  coalesce(b.smtp_code, 0), coalesce(b.reply, '')
	FROM recipients r LEFT JOIN bounces b ON b.id = r.deciding_bounce_id `

// Changes returns the recipients in one of the states whose last change comes
// after a number, in the order of the changes, at most limit of them; and the
// number up to which that is everything.
func (o *Outbox) Changes(ctx context.Context, after int64, states []string, limit int) ([]bounce.Recipient, int64, error) {
	list, err := json.Marshal(states)
	if err != nil {
		return nil, 0, err
	}
	// Before the rows: a change in between is looked at again, not passed over.
	var last int64
	if err := o.db.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = 'seq'").Scan(&last); err != nil || last <= after {
		return nil, after, err
	}
	rows, err := o.recipients(ctx, changedRecipients+`
		WHERE r.seq > ? AND r.seq <= ? AND r.state IN (SELECT value FROM json_each(?))
		ORDER BY r.seq LIMIT ?`, after, last, string(list), limit)
	if len(rows) == limit {
		last = rows[limit-1].Seq
	}
	return rows, last, err
}

// Took moves the cursor behind the changes up to a number, which the hook has
// taken: what had been given up of these recipients before is done with.
func (o *Outbox) Took(ctx context.Context, name string, upTo int64, rows []bounce.Recipient, now time.Time) error {
	return o.move(ctx, name, upTo, now, func(tx *sql.Tx) error {
		return eachRow(ctx, tx, rows, "DELETE FROM webhook_dead_letters WHERE name = ? AND recipient_key = ? AND seq <= ?",
			func(r *bounce.Recipient) []any { return []any{name, key(r), r.Seq} })
	})
}

// GaveUp moves the cursor likewise, and keeps the recipients for a replay.
func (o *Outbox) GaveUp(ctx context.Context, name string, upTo int64, rows []bounce.Recipient, why string, now time.Time) error {
	return o.move(ctx, name, upTo, now, func(tx *sql.Tx) error {
		return eachRow(ctx, tx, rows, "INSERT OR REPLACE INTO webhook_dead_letters (name, recipient_key, seq, gave_up_at, error) VALUES (?, ?, ?, ?, ?)",
			func(r *bounce.Recipient) []any { return []any{name, key(r), r.Seq, bounce.Stamp(now), why} })
	})
}

func key(r *bounce.Recipient) int64 { return bounce.Address{Normal: r.Recipient}.Key() }

func (o *Outbox) move(ctx context.Context, name string, upTo int64, now time.Time, and func(*sql.Tx) error) error {
	tx, err := o.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	_, err = tx.ExecContext(ctx, "UPDATE webhook_cursors SET seq = max(seq, ?), moved_at = ?, trouble = NULL WHERE name = ?", upTo, bounce.Stamp(now), name)
	if err := errors.Join(err, and(tx)); err != nil {
		return err
	}
	return tx.Commit()
}

func eachRow(ctx context.Context, tx *sql.Tx, rows []bounce.Recipient, query string, args func(*bounce.Recipient) []any) error {
	for i := range rows {
		if _, err := tx.ExecContext(ctx, query, args(&rows[i])...); err != nil {
			return err
		}
	}
	return nil
}

// Trouble notes why the hook does not take what comes next.
func (o *Outbox) Trouble(ctx context.Context, name, why string) error {
	_, err := o.db.ExecContext(ctx, "UPDATE webhook_cursors SET trouble = ? WHERE name = ?", why, name)
	return err
}

// DeadLetters returns the recipients that were given up, as they are now, in
// the order of their changes. Those of whom nothing is known any more are
// forgotten here, too.
func (o *Outbox) DeadLetters(ctx context.Context, name string) ([]bounce.Recipient, error) {
	_, err := o.db.ExecContext(ctx, "DELETE FROM webhook_dead_letters WHERE name = ? AND recipient_key NOT IN (SELECT recipient_key FROM recipients)", name)
	if err != nil {
		return nil, err
	}
	return o.recipients(ctx, changedRecipients+"WHERE r.recipient_key IN (SELECT recipient_key FROM webhook_dead_letters WHERE name = ?) ORDER BY r.seq", name)
}

func (o *Outbox) recipients(ctx context.Context, query string, args ...any) ([]bounce.Recipient, error) {
	var rows []bounce.Recipient
	err := scanAll(ctx, o.db, query, func(scan func(...any) error) error {
		var row bounce.Recipient
		err := scan(&row.Recipient, &row.Domain, &row.State, &row.DecidedBy, &row.Category, &row.Reason, &row.FirstFailureAt, &row.LastFailureAt,
			&row.LastDeliveryAt, &row.PermanentCount, &row.RetryCount, &row.BadSince, &row.BadUntil, &row.LastBounceID, &row.Seq, &row.SMTPCode, &row.Reply)
		rows = append(rows, row)
		return err
	}, args...)
	return rows, err
}

// Hook is how far a webhook is.
type Hook struct {
	Name        string  `json:"name"`
	Seq         int64   `json:"seq"`    // of the last change that it took, or that was given up
	Behind      int64   `json:"behind"` // changes since, of recipients in any state
	MovedAt     *string `json:"moved_at"`
	DeadLetters int     `json:"dead_letters"`
	Trouble     *string `json:"trouble"`    // nil where it takes what comes
	LastError   *string `json:"last_error"` // of what was given up last; nil where there is none
}

// Hooks returns how far the webhooks are, by name.
func (r *Reader) Hooks(ctx context.Context) ([]Hook, error) {
	var hooks []Hook
	err := scanAll(ctx, r.db, `
		SELECT c.name, c.seq, (SELECT count(*) FROM recipients r WHERE r.seq > c.seq), c.moved_at, c.trouble,
		  (SELECT count(*) FROM webhook_dead_letters d WHERE d.name = c.name),
		  (SELECT error FROM webhook_dead_letters d WHERE d.name = c.name ORDER BY gave_up_at DESC LIMIT 1)
		FROM webhook_cursors c ORDER BY c.name`, func(scan func(...any) error) error {
		var h Hook
		err := scan(&h.Name, &h.Seq, &h.Behind, &h.MovedAt, &h.Trouble, &h.DeadLetters, &h.LastError)
		hooks = append(hooks, h)
		return err
	})
	return hooks, err
}
