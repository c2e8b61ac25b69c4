package fleet

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bouncetail/bouncetail/bounce"
)

// Retention is for how many days the fleet keeps what is old; 0 is for ever.
type Retention struct {
	Bounces    int // failures that no state depends on
	Recipients int // addresses without a failure; needs Bounces, which may not be longer

	DailyCounts   int // all counts by day
	Gaps          int
	UnparsedLines int
	Incidents     int // that are over
}

// Deleted is what Maintain has deleted.
type Deleted struct {
	Failures   int `json:"failures"`
	Recipients int `json:"recipients"`

	DailyCounts   int `json:"daily_counts"`
	Gaps          int `json:"gaps"`
	UnparsedLines int `json:"unparsed_lines"`
	Incidents     int `json:"incidents"`
}

// maintainBatch is how many rows a transaction of Maintain deletes. Senders wait for it.
const maintainBatch = 1000

// Maintain deletes what is older than its retention, as pruning does on a host, and
// changes no state: failures before the last delivery to their address, but for the last
// and the deciding one. They are still counted, in pruned_failures. Older failures are
// not stored again. It works in short transactions, between which senders send, and needs
// the user that owns the tables.
func (s *Settings) Maintain(ctx context.Context, now time.Time) (done Deleted, err error) {
	keep := s.Keep
	if keep.Recipients > 0 && (keep.Bounces == 0 || keep.Bounces > keep.Recipients) {
		return done, errors.New(
			"failures cannot be kept longer than their address: retention.bounces must be set, and not be more than retention.recipients",
		)
	}
	m := &maintenance{hashKey: s.HashKey}
	for _, conn := range []**pgx.Conn{&m.reads, &m.deletes} {
		if *conn, err = s.Connect(ctx); err != nil {
			return done, err
		}
		defer (*conn).Close(context.WithoutCancel(ctx))
	}
	before := func(days int) string { return bounce.Stamp(now.AddDate(0, 0, -days)) }
	if keep.Bounces > 0 {
		if err = m.horizon(ctx, before(keep.Bounces)); err == nil && keep.Recipients > 0 {
			done.Recipients, err = m.delete(ctx, oldRecipients, deleteRecipients, before(keep.Recipients))
		}
		if err == nil {
			done.Failures, err = m.delete(ctx, oldFailures, deleteFailures, before(keep.Bounces))
		}
	}
	for _, one := range []struct {
		kind string
		days int
		done *int
	}{
		{oldCounts, keep.DailyCounts, &done.DailyCounts},
		{oldGaps, keep.Gaps, &done.Gaps},
		{oldUnparsed, keep.UnparsedLines, &done.UnparsedLines},
		{oldIncidents, keep.Incidents, &done.Incidents},
	} {
		if one.days > 0 && err == nil {
			*one.done, err = m.figures(ctx, one.kind, before(one.days))
		}
	}
	return done, byOwner(err, "maintain")
}

// maintenance has two connections, so that what is old is found by one query while it is
// deleted.
type maintenance struct {
	reads, deletes *pgx.Conn
	hashKey        int64
}

// horizon keeps older failures from being stored again.
func (m *maintenance) horizon(ctx context.Context, before string) error {
	return pgx.BeginFunc(ctx, m.deletes, func(tx pgx.Tx) error {
		t := &transaction{Tx: tx, ctx: ctx}
		if err := t.takeClock(1, m.hashKey); err != nil {
			return err
		}
		if err := t.setHorizon("horizon", before); err != nil {
			return err
		}
		if err := t.freezeCrowds(before); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `
			DELETE FROM bouncetail.also_read
			WHERE occurred_at < $1::text::timestamptz`, before); err != nil {
			return err
		}
		// The horizon keeps out what these hashes kept out. Hosts that have still to
		// forget an address need them.
		_, err := tx.Exec(ctx, `
			DELETE FROM bouncetail.forgotten f
			WHERE until < $1::text::timestamptz
			  AND NOT EXISTS (
			      SELECT 1 FROM bouncetail.fleet_instances i
			      WHERE i.taken_seq < f.seq AND i.number <> f.instance AND i.removed_at IS NULL
			  )`, before)
		return err
	})
}

const (
	oldRecipients = `
		SELECT recipient_key, last_failure_at, last_event_id
		FROM bouncetail.recipients
		WHERE last_failure_at < $1::text::timestamptz AND decided_by <> 'manual'`

	// Addresses that have failed since another query found them are kept.
	deleteRecipients = `
		WITH old AS (
		  DELETE FROM bouncetail.recipients r
		  USING unnest($1::bigint[], $2::timestamptz[], $3::bytea[]) AS found (recipient_key, at, event_id)
		  WHERE r.recipient_key = found.recipient_key AND r.last_failure_at = found.at AND r.decided_by <> 'manual'
		  RETURNING r.recipient_key, r.seq, r.state),
		states AS (
		  UPDATE bouncetail.state_counts c SET recipients = c.recipients - g.n
		  FROM (SELECT state, count(*) AS n FROM old GROUP BY state) g WHERE c.state = g.state),
		changes AS (DELETE FROM bouncetail.recipient_changes c USING old WHERE c.seq = old.seq),
		failures AS (DELETE FROM bouncetail.bounces b USING old WHERE b.recipient_key = old.recipient_key),
		refusals AS (DELETE FROM bouncetail.refusals f USING old WHERE f.recipient_key = old.recipient_key),
		pruned AS (DELETE FROM bouncetail.pruned_failures p USING old WHERE p.recipient_key = old.recipient_key)
		SELECT count(*) FROM old`

	// noState are the failures that no state depends on.
	noState = `b.occurred_at <= r.last_delivery_at
		  AND (b.occurred_at, b.event_id) IS DISTINCT FROM (r.last_failure_at, r.last_event_id)
		  AND (b.occurred_at, b.event_id) IS DISTINCT FROM (r.deciding_at, r.deciding_event_id)`

	oldFailures = `
		SELECT b.recipient_key, b.occurred_at, b.event_id
		FROM bouncetail.bounces b
		JOIN bouncetail.recipients r USING (recipient_key)
		WHERE b.occurred_at < $1::text::timestamptz AND ` + noState

	// Refusals of the host itself are not counted.
	deleteFailures = `
		WITH old AS (
		    DELETE FROM bouncetail.bounces b
		    USING unnest($1::bigint[], $2::timestamptz[], $3::bytea[]) AS found (recipient_key, at, event_id),
		        bouncetail.recipients r
		    WHERE b.recipient_key = found.recipient_key
		      AND b.occurred_at = found.at
		      AND b.event_id = found.event_id
		      AND r.recipient_key = b.recipient_key
		      AND ` + noState + `
		    RETURNING b.recipient_key, b.occurred_at, b.event_id, b.disposition, b.reason
		), refusals AS (
		    DELETE FROM bouncetail.refusals f
		    USING old
		    WHERE f.recipient_key = old.recipient_key
		      AND f.occurred_at = old.occurred_at
		      AND f.event_id = old.event_id
		), counted AS (
		    INSERT INTO bouncetail.pruned_failures AS known
		        (recipient_key, permanent_count, retry_count, first_failure_at)
		    SELECT recipient_key,
		        count(*) FILTER (WHERE disposition = 'permanent'),
		        count(*) FILTER (WHERE disposition <> 'permanent'),
		        min(occurred_at)
		    FROM old
		    WHERE reason <> 'suppressed'
		    GROUP BY recipient_key
		    ON CONFLICT (recipient_key) DO UPDATE
		    SET permanent_count = known.permanent_count + excluded.permanent_count,
		        retry_count = known.retry_count + excluded.retry_count,
		        first_failure_at = least(known.first_failure_at, excluded.first_failure_at)
		)
		SELECT count(*) FROM old`
)

// delete deletes what a query finds, and returns how many rows that were.
func (m *maintenance) delete(ctx context.Context, find, statement, before string) (deleted int, err error) {
	rows, err := m.reads.Query(ctx, find, before)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var keys []int64
	var times []time.Time
	var events [][]byte
	flush := func() error {
		n := 0
		err := pgx.BeginFunc(ctx, m.deletes, func(tx pgx.Tx) error {
			t := &transaction{Tx: tx, ctx: ctx}
			if err := t.takeClock(1, m.hashKey); err != nil {
				return err
			}
			if err := tx.QueryRow(ctx, statement, keys, times, events).Scan(&n); err != nil {
				return err
			}
			// What senders remember of refusals is not valid any more.
			_, err := tx.Exec(ctx, newGeneration)
			return err
		})
		deleted += n
		keys, times, events = nil, nil, nil
		return err
	}
	for rows.Next() {
		var key int64
		var at time.Time
		var event []byte
		if err := rows.Scan(&key, &at, &event); err != nil {
			return deleted, err
		}
		keys, times, events = append(keys, key), append(times, at), append(events, event)
		if len(keys) == maintainBatch {
			if err := flush(); err != nil {
				return deleted, err
			}
		}
	}
	if err := rows.Err(); err != nil || len(keys) == 0 {
		return deleted, err
	}
	return deleted, flush()
}

// addPruned adds to histories the failures that Maintain has deleted.
func (t *transaction) addPruned(rows []*recipientRow, keys []int64) error {
	found, err := t.Query(t.ctx, `
		SELECT recipient_key, permanent_count, retry_count, first_failure_at
		FROM bouncetail.pruned_failures
		WHERE recipient_key = ANY ($1)`, keys)
	if err != nil {
		return err
	}
	byKey := make(map[int64]*recipientRow, len(rows))
	for _, r := range rows {
		byKey[r.key] = r
	}
	var key int64
	var permanent, retry int
	var first Stamp
	_, err = pgx.ForEachRow(found, []any{&key, &permanent, &retry, &first}, func() error {
		if r := byKey[key]; r.history.LastAt != "" {
			r.history.AddPruned(permanent, retry, string(first))
		}
		return nil
	})
	return err
}
