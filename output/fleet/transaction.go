package fleet

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/recipient"
)

// transaction is a transaction that changes recipients.
type transaction struct {
	pgx.Tx
	ctx context.Context //nolint:containedctx // of this one transaction

	// Set by takeClock.
	in      recipient.Inputs
	seq     int64  // the last change number that was used
	now     string // stored stamp, by the clock of PostgreSQL
	changes recipient.Changes
}

// takeClock makes the transaction the only one that changes recipients, until it ends.
// It numbers at most n changes.
func (t *transaction) takeClock(n int, hashKey int64) error {
	var now time.Time
	err := t.QueryRow(t.ctx, "UPDATE bouncetail.fleet_clock SET seq = seq + $1::bigint RETURNING seq - $1::bigint, clock_timestamp()", int64(n)).Scan(&t.seq, &now)
	if err != nil {
		return err
	}
	t.now = bounce.Stamp(now)
	m, err := readMeta(t.ctx, t.Tx)
	if err != nil {
		return err
	}
	t.in.Policy = m.policy
	return m.check(hashKey)
}
