package fleet

import (
	"context"
	"maps"
	"slices"
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
	in  recipient.Inputs
	seq int64  // the last change number that was used
	end int64  // the last one that may be used
	now string // stored stamp, by the clock of PostgreSQL
	// generation is that of the refusals: it grows if some were deleted.
	generation int64
	changes    recipient.Changes

	acceptedErr error // of recipient.Inputs.Accepted
}

// takeClock makes the transaction the only one that changes recipients, until it ends.
// It numbers n changes.
func (t *transaction) takeClock(n int, hashKey int64) error {
	// The statements are sent at once, because others wait for the clock.
	all := &pgx.Batch{}
	all.Queue(advanceClock, int64(n)).QueryRow(t.scanClock)
	all.Queue(selectMeta).Query(func(rows pgx.Rows) error {
		m, err := scanMeta(rows)
		t.in.Policy = m.policy
		if err != nil {
			return err
		}
		return m.check(hashKey)
	})
	all.Queue(selectReleases).Query(t.scanReleases)
	all.Queue(selectCrowds).Query(t.scanCrowds)
	err := t.SendBatch(t.ctx, all).Close()
	t.seq = t.end - int64(n)
	t.in.Accepted = t.accepted
	return err
}

const advanceClock = "UPDATE bouncetail.fleet_clock SET seq = seq + $1::bigint RETURNING seq, clock_timestamp(), generation"

// reserve makes sure that n more change numbers may be used.
func (t *transaction) reserve(n int) error {
	missing := t.seq + int64(n) - t.end
	if missing <= 0 {
		return nil
	}
	return t.scanClock(t.QueryRow(t.ctx, advanceClock, missing))
}

func (t *transaction) scanClock(row pgx.Row) error {
	var now time.Time
	err := row.Scan(&t.end, &now, &t.generation)
	t.now = bounce.Stamp(now)
	return err
}

// update brings crowds and recipients up to date with the news of a batch.
func (t *transaction) update(news *crowdNews, memory *crowdMemory) (err error) {
	if news.known, err = t.recipientsOf(slices.Sorted(maps.Keys(news.touched))); err != nil {
		return err
	}
	if err := t.findCrowds(news, memory); err != nil {
		return err
	}
	return t.refresh(news.touched, news.known)
}
