package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/bouncetail/bouncetail/bounce"
)

// Attempt is a failed attempt as it is shown to an admin. Times are as stored.
type Attempt struct {
	ID          int64              `json:"id"`
	OccurredAt  string             `json:"occurred_at"`
	Outcome     bounce.Outcome     `json:"outcome"`
	Sender      *string            `json:"sender"`
	QueueID     *string            `json:"queue_id"`
	RelayHost   *string            `json:"relay_host"`
	Stage       *string            `json:"stage"`
	SMTPCode    *int               `json:"smtp_code"`
	Reply       *string            `json:"reply"`
	Category    bounce.Category    `json:"category"`
	Reason      bounce.Reason      `json:"reason"`
	Disposition bounce.Disposition `json:"disposition"`
	Suppress    bool               `json:"suppress"`
	Rule        string             `json:"rule"`
}

// Recipient returns the row of an address, given in its normal spelling, and
// false where it never failed.
func (r *Reader) Recipient(ctx context.Context, address string) (row bounce.Recipient, known bool, err error) {
	err = r.db.QueryRowContext(ctx, "SELECT "+recipientColumns+" FROM recipients r WHERE recipient = ?", address).Scan(recipientFields(&row)...)
	if errors.Is(err, sql.ErrNoRows) {
		return row, false, nil
	}
	if err != nil {
		return row, false, fmt.Errorf("recipient %s: %w", address, err)
	}
	return row, true, nil
}

// Attempts returns the last attempts for an address that failed, the oldest of
// them first.
func (r *Reader) Attempts(ctx context.Context, to bounce.Address, limit int) ([]Attempt, error) {
	var all []Attempt
	err := scanAll(ctx, r.db, `
		SELECT * FROM (
		  SELECT id, occurred_at, outcome, sender, queue_id, relay_host, stage, smtp_code, reply, category, reason, disposition, suppress, rule
		  FROM bounces
		  WHERE recipient_key = ?
		  ORDER BY occurred_at DESC, id DESC
		  LIMIT ?)
		ORDER BY occurred_at, id`, func(scan func(...any) error) error {
		var a Attempt
		err := scan(&a.ID, &a.OccurredAt, &a.Outcome, &a.Sender, &a.QueueID, &a.RelayHost, &a.Stage, &a.SMTPCode, &a.Reply,
			&a.Category, &a.Reason, &a.Disposition, &a.Suppress, &a.Rule)
		all = append(all, a)
		return err
	}, to.Key(), limit)
	return all, err
}
