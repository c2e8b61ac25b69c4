package query

import (
	"context"

	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// CursorState is a cursor as it is listed.
type CursorState struct {
	Name    string `json:"name"`
	Seq     int64  `json:"seq"`      // the last change that was handed over
	MovedAt string `json:"moved_at"` // as stored
	Waiting int64  `json:"waiting"`  // recipients that have changed since
}

// waiting is the number of recipients that changed behind a cursor c.
const waiting = "(SELECT count(*) FROM recipients r WHERE r.seq > c.seq)"

// Cursors returns all cursors by name, and the number of the last change of
// any recipient.
func (r *Reader) Cursors(ctx context.Context) (list []CursorState, lastSeq int64, err error) {
	if err := r.db.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = 'seq'").Scan(&lastSeq); err != nil {
		return nil, 0, err
	}
	err = sqldb.ScanAll(ctx, r.db, `
		SELECT name, seq, moved_at, `+waiting+`
		FROM export_cursors c
		ORDER BY name`,
		func(scan func(...any) error) error {
			var c CursorState
			err := scan(&c.Name, &c.Seq, &c.MovedAt, &c.Waiting)
			list = append(list, c)
			return err
		})
	return list, lastSeq, err
}

// DeadLetter is a recipient that a webhook refused.
type DeadLetter struct {
	Recipient string `json:"recipient"`
	State     string `json:"state"`
	Since     string `json:"gave_up_at"`
	Error     string `json:"error"`
}

// DeadLetters returns what a webhook refused, the oldest first.
func (r *Reader) DeadLetters(ctx context.Context, name string) ([]DeadLetter, error) {
	var list []DeadLetter
	err := sqldb.ScanAll(ctx, r.db, `
		SELECT r.recipient, r.state, d.gave_up_at, d.error
		FROM webhook_dead_letters d JOIN recipients r ON r.recipient_key = d.recipient_key
		WHERE d.name = ?
		ORDER BY d.gave_up_at, r.seq`, func(scan func(...any) error) error {
		var d DeadLetter
		err := scan(&d.Recipient, &d.State, &d.Since, &d.Error)
		list = append(list, d)
		return err
	}, name)
	return list, err
}

// Hook is the progress of a webhook.
type Hook struct {
	Name        string  `json:"name"`
	Seq         int64   `json:"seq"`    // the last change that it accepted or refused
	Behind      int64   `json:"behind"` // later changes, of recipients in any state
	MovedAt     *string `json:"moved_at"`
	DeadLetters int     `json:"dead_letters"`
	Trouble     *string `json:"trouble"`    // nil if it accepts changes
	LastError   *string `json:"last_error"` // of the newest dead letter; nil if there is none
}

// Hooks returns the progress of all webhooks, by name.
func (r *Reader) Hooks(ctx context.Context) ([]Hook, error) {
	var hooks []Hook
	err := sqldb.ScanAll(ctx, r.db, `
		SELECT c.name, c.seq, `+waiting+`, c.moved_at, c.trouble,
		    (SELECT count(*) FROM webhook_dead_letters d WHERE d.name = c.name),
		    (SELECT error FROM webhook_dead_letters d WHERE d.name = c.name ORDER BY gave_up_at DESC LIMIT 1)
		FROM webhook_cursors c
		ORDER BY c.name`, func(scan func(...any) error) error {
		var h Hook
		err := scan(&h.Name, &h.Seq, &h.Behind, &h.MovedAt, &h.Trouble, &h.DeadLetters, &h.LastError)
		hooks = append(hooks, h)
		return err
	})
	return hooks, err
}
