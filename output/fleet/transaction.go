package fleet

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bouncetail/bouncetail/recipient"
)

// transaction is a transaction that changes recipients.
type transaction struct {
	pgx.Tx
	ctx context.Context //nolint:containedctx // of this one transaction

	queues bool        // see later
	queue  []statement // that are still to be sent

	alsoRead []sentFailure // that were stored as read by a further instance

	// Set by takeClock.
	in  recipient.Inputs
	seq int64  // the last change number that was used
	end int64  // the last one that may be used
	now string // stored stamp, by the clock of PostgreSQL
	// generation is that of the refusals: it grows if some were deleted.
	generation int64
	horizon    string // stored stamp before which records were deleted for their age; empty if none were
	// countsHorizon is that of counts by day.
	countsHorizon string
	// What need not be asked for each address.
	lastRefusal  int64 // Unix milliseconds
	anyDecision  bool
	anyForgotten bool
	anyCovered   bool // see evidence
	changes      recipient.Changes

	acceptedErr error // of recipient.Inputs.Accepted

	leftOut []string // see leaveOut
}

// takeClock makes the transaction the only one that changes recipients, until it ends.
// It numbers n changes. Further statements are sent behind it.
func (t *transaction) takeClock(n int, hashKey int64, further ...statement) error {
	stored := make(map[string]string)
	t.in = recipient.Inputs{Accepted: t.accepted}
	// The statements are sent at once, because others wait for the clock.
	err := t.send(slices.Concat([]statement{
		newStatement(advanceClock, int64(n)).scan(t.scanClock),
		newStatement(selectMeta).scan(func(r *fields) error {
			name := r.text()
			stored[name] = r.text()
			return nil
		}),
		newStatement(selectReleases).scan(t.scanRelease),
		newStatement(selectCrowds).scan(t.scanCrowd),
		newStatement(selectFacts).scan(t.scanFacts),
	}, further)...)
	t.seq = t.end - int64(n)
	if err != nil && len(stored) == 0 {
		return err
	}
	m, metaErr := metaOf(stored)
	if metaErr == nil {
		metaErr = m.check(hashKey)
	}
	t.in.Policy, t.countsHorizon = m.policy, stored[horizonOf(oldCounts)]
	t.horizon = max(stored["horizon"], t.countsHorizon)
	return cmp.Or(metaErr, err) // what the statements of another version fail with is of no interest
}

const advanceClock = `
	UPDATE bouncetail.fleet_clock
	SET seq = seq + $1::bigint
	RETURNING seq, clock_timestamp(), generation`

// newGeneration makes the memory of crowds of all senders void.
const newGeneration = "UPDATE bouncetail.fleet_clock SET generation = generation + 1"

const selectFacts = `
	SELECT (SELECT max(occurred_at) FROM bouncetail.refusals),
	    EXISTS (SELECT FROM bouncetail.decisions),
	    EXISTS (SELECT FROM bouncetail.forgotten),
	    EXISTS (SELECT FROM bouncetail.fleet_covered)`

func (t *transaction) scanFacts(r *fields) error {
	last, known := r.ms()
	if !known {
		last = time.Time{}.UnixMilli()
	}
	t.lastRefusal, t.anyDecision, t.anyForgotten, t.anyCovered = last, r.bool(), r.bool(), r.bool()
	return nil
}

// reserve makes sure that n more change numbers may be used.
func (t *transaction) reserve(n int) error {
	missing := t.seq + int64(n) - t.end
	if missing <= 0 {
		return nil
	}
	return t.send(newStatement(advanceClock, missing).scan(t.scanClock))
}

func (t *transaction) scanClock(r *fields) error {
	t.end, t.now, t.generation = r.number(), r.stamp(), r.number()
	return nil
}

// update brings crowds and recipients up to date with the news of a batch.
func (t *transaction) update(news *crowdNews, memory *crowdMemory) (err error) {
	if news.known == nil {
		if news.known, err = t.recipientsOf(slices.Sorted(maps.Keys(news.touched))); err != nil {
			return err
		}
	}
	if err := t.findCrowds(news, memory); err != nil {
		return err
	}
	return t.refresh(news.touched, news.known)
}
