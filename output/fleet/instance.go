package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/text"
)

// instance is a row of fleet_instances.
type instance struct {
	number   int64 // in the table bounces
	database int64 // which identifies the SQLite file
	position
	event    bounce.EventID // of the last failure that was sent
	rejudged int64          // see feed.Rejudged, when all verdicts were sent
	removed  bool           // by Remove
	seen     string         // stored stamp of the last batch; empty if there was none
	// anyForgotten is whether the fleet has forgotten an address.
	anyForgotten bool
}

// lockInstance locks the row of this host until the transaction ends, and creates it if
// there is none. Nobody else can send under its name meanwhile.
func (s *Sender) lockInstance(t *transaction) (*instance, error) {
	id, err := s.source.feed.DatabaseID(t.ctx)
	if err != nil {
		return nil, err
	}
	i, err := s.selectInstance(t)
	if errors.Is(err, pgx.ErrNoRows) {
		if err := s.join(t, id); err != nil {
			return nil, err
		}
		i, err = s.selectInstance(t)
		i.seen = ""
	}
	if err == nil && i.removed {
		return i, isRemoved(s.Instance)
	}
	if err == nil && i.database != id {
		err = needsPerson(fmt.Sprintf(
			"the fleet knows %s by another database than %s. If this one takes its place, run: bouncetail fleet adopt. If another host has that name, set fleet.instance to another one",
			s.Instance, s.Database,
		))
	}
	return i, err
}

// clockLimit is how long a sender may pause in a transaction in which others wait for it.
// A host that is suspended then, or gone without a word, would stop the whole fleet.
var clockLimit = "5min"

// selectInstance also sets what the transaction needs. Rows are looked for by their keys.
// Until a table is analysed, PostgreSQL reads all of it instead, and four senders of 1,000
// send a quarter less. A limit that the user of PostgreSQL has is kept.
func (s *Sender) selectInstance(t *transaction) (*instance, error) {
	i := &instance{}
	var event []byte
	err := t.QueryRow(t.ctx, `
		SELECT number, database_id, watermark, watermark_event, deliveries_seq, rejudged,
		    removed_at IS NOT NULL, last_seen,
		    EXISTS (SELECT FROM bouncetail.forgotten),
		    set_config('jit', 'off', true),
		    set_config('enable_seqscan', 'off', true),
		    set_config('idle_in_transaction_session_timeout',
		        coalesce(nullif(current_setting('idle_in_transaction_session_timeout'), '0'), $2), true)
		FROM bouncetail.fleet_instances
		WHERE instance = $1
		FOR UPDATE`, s.Instance, clockLimit,
	).Scan(
		&i.number, &i.database, &i.failure, &event, &i.change, &i.rejudged,
		&i.removed, (*Stamp)(&i.seen),
		&i.anyForgotten,
		nil, nil, nil,
	)
	copy(i.event[:], event)
	return i, err
}

// join adds this host to the fleet.
func (s *Sender) join(t *transaction, id int64) error {
	if err := s.checkUnsent(t, id); err != nil {
		return err
	}
	if err := s.source.feed.Settle(t.ctx); err != nil { // before the fleet knows it
		return err
	}
	rejudged, err := s.source.feed.Rejudged(t.ctx)
	if err != nil {
		return err
	}
	added, err := t.Exec(t.ctx, `
		INSERT INTO bouncetail.fleet_instances
		    (instance, database_id, watermark, deliveries_seq, rejudged, version, joined_at, last_seen, behind, gaps, failures)
		VALUES ($1, $2, 0, 0, $3, $4, now(), now(), 0, 0, 0)
		ON CONFLICT DO NOTHING`, s.Instance, id, rejudged, s.Version)
	if err == nil && added.RowsAffected() == 0 { // another process was faster, with this name or with another one
		err = s.checkUnsent(t, id)
	}
	return err
}

// checkUnsent returns an error if a database is sent under another name.
func (s *Sender) checkUnsent(t *transaction, id int64) error {
	var other string
	err := t.QueryRow(t.ctx, `
		SELECT instance
		FROM bouncetail.fleet_instances
		WHERE instance <> $2 AND (database_id = $1 OR $1 = ANY (former_ids))`, id, s.Instance).Scan(&other)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil
	case err != nil:
		return err
	}
	return needsPerson(fmt.Sprintf(
		"the database %s is sent as %s already. If this is the same host, set fleet.instance to %s. If it is a copy, run: bouncetail fleet adopt",
		s.Database, other, other,
	))
}

// saveInstance stores how far a batch has come, in the transaction of the batch. Behind
// it, seen is the stamp that is stored.
func (s *Sender) saveInstance(t *transaction, b *batch, isNew int, seen *string) error {
	var event any // none
	if b.event != (bounce.EventID{}) {
		event = b.event[:]
	}
	return t.later(newStatement(`
		UPDATE bouncetail.fleet_instances
		SET watermark = $2, watermark_event = $3, deliveries_seq = $4, version = $5,
		    last_seen = clock_timestamp(), behind = $6, last_line_at = $7::text::timestamptz,
		    gaps = $8, failures = failures + $9,
		    taken_seq = coalesce(nullif($10::bigint, 0), taken_seq),
		    missed = $11, shared = shared + $12
		WHERE instance = $1
		RETURNING last_seen`,
		s.Instance, b.to.failure, event, b.to.change, s.Version, max(0, b.end.failure-b.to.failure),
		optional(b.reading.LastLine), int64(b.reading.Gaps), int64(isNew), s.taking.seq, b.reading.Missed,
		int64(len(t.alsoRead)),
	).scan(func(r *fields) error {
		*seen = r.stamp()
		return nil
	}))
}

// isRemoved returns the error of a host that Remove has taken out of the fleet.
func isRemoved(instance string) error {
	return needsPerson(instance + " was removed from the fleet; if it is to send again, run: bouncetail fleet adopt")
}

// Adopt makes the database of the settings the one of this host in the fleet, and sends
// all of it again. What the fleet has already stays as it is.
func (s *Sender) Adopt(ctx context.Context) error {
	defer s.close()
	s.source.path = s.Database
	if err := s.source.open(ctx); err != nil {
		return err
	}
	var err error
	if s.conn, err = s.Connect(ctx); err != nil {
		return err
	}
	return Explain(pgx.BeginFunc(ctx, s.conn, func(tx pgx.Tx) error {
		t := &transaction{Tx: tx, ctx: ctx}
		if _, err := s.selectInstance(t); errors.Is(err, pgx.ErrNoRows) {
			// A copy gets an identity, and joins by its first batch.
			_, err := s.source.feed.NewDatabaseID(ctx)
			return err
		} else if err != nil {
			return err
		}
		id, err := s.source.feed.NewDatabaseID(ctx)
		if err == nil {
			err = s.source.feed.Settle(ctx)
		}
		if err == nil { // everything is sent again
			err = s.source.feed.NoteSent(ctx, 0, time.Now())
		}
		if err != nil {
			return err
		}
		_, err = t.Exec(ctx, `
			UPDATE bouncetail.fleet_instances
			SET database_id = $2, former_ids = former_ids || database_id, watermark = 0,
			    watermark_event = NULL, deliveries_seq = 0, taken_seq = 0, removed_at = NULL
			WHERE instance = $1`, s.Instance, id)
		return err
	}))
}

// sendingPause is how long a host must not have been seen before it can be removed.
const sendingPause = time.Minute

// Remove takes a host that is gone out of the fleet. What it has sent stays. It may not
// send any more, unless it is adopted.
func (s *Settings) Remove(ctx context.Context, name string) error {
	conn, err := s.Connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return Explain(pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		var seenAgo float64 // seconds
		err := tx.QueryRow(ctx, `
			SELECT extract(epoch FROM clock_timestamp() - last_seen)::double precision
			FROM bouncetail.fleet_instances
			WHERE instance = $1
			FOR UPDATE`, name).Scan(&seenAgo)
		if errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("the fleet does not know %s; bouncetail fleet status lists its hosts", name)
		}
		if ago := time.Duration(seenAgo * float64(time.Second)); err == nil && ago < sendingPause {
			return fmt.Errorf(
				"%s still sends, it was seen %s ago; stop bouncetail-fleet.service there, and try again after a minute",
				name, text.Age(max(0, ago)),
			)
		}
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			UPDATE bouncetail.fleet_instances
			SET removed_at = coalesce(removed_at, now())
			WHERE instance = $1`, name)
		return err
	}))
}
