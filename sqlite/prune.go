package sqlite

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/sqlite/packed"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// Retention is for how many days each kind of record is kept; 0 is for ever.
type Retention struct {
	Bounces       int // failures that no state depends on
	Recipients    int // addresses without a failure; needs Bounces, which may not be longer
	Successes     int // which ensure that a delivery is counted once
	DailyCounts   int
	Positions     int // in logs that nothing can be added to
	Gaps          int
	UnparsedLines int
	Incidents     int // that are over
	// Fleet keeps failures until a fleet has them, unless it was away for MaxLag.
	Fleet  bool
	MaxLag time.Duration
}

// Prune deletes records that are older than their retention, and returns how many, by
// kind. It works in short transactions, between which batches are saved. Records older
// than those deleted are not stored again.
//
// Prune changes no state. A state depends on the failures since the last delivery, so
// earlier failures can be deleted. They are still counted, in pruned_failures. The last
// failure of an address and the deciding one are kept as long as its row in recipients.
func (s *Store) Prune(ctx context.Context, r Retention, now time.Time) ([]query.Count, error) {
	p := pruner{db: s.db, now: now.UTC(), retention: r, store: s}
	end, err := s.erase(ctx)
	if err != nil {
		return nil, err
	}
	err = errors.Join(p.prune(ctx), s.RollUp(ctx, now))
	return p.counts(), errors.Join(err, end())
}

// Prunable returns what Prune would delete.
func Prunable(ctx context.Context, r *query.Reader, keep Retention, now time.Time) ([]query.Count, error) {
	p := pruner{db: r.Querier(), now: now.UTC(), retention: keep}
	err := p.prune(ctx)
	return p.counts(), err
}

// pruner goes once through what can be deleted.
type pruner struct {
	db        sqldb.Querier
	now       time.Time
	retention Retention
	store     *Store // if it is nil, rows are only counted
	deleted   map[string]int
	sent      int64 // the last failure that a fleet has; math.MaxInt64 without one
	kept      int64 // later failures are kept for it
}

// The kinds, in the order of deletion: if recipients are deleted first, fewer bounces
// are left to look at.
const (
	oldRecipients = "addresses without a failure for so long, with all that is kept of them"
	oldDeliveries = "addresses that never failed, last reached before"
	oldBounces    = "failures that no state follows from any more"
	oldSuccesses  = "runs of deliveries, by which each is counted once"
	oldCounts     = "counts of a day and domain"
	oldPositions  = "positions in logs that have ended"
	oldGaps       = "gaps in logs"
	oldUnparsed   = "delivery lines not parsed"
	oldIncidents  = "incidents that are over"
	notSent       = "of these, failures that were not sent to the fleet"
)

func (p *pruner) counts() []query.Count {
	var counts []query.Count
	for _, kind := range []string{
		oldRecipients, oldDeliveries, oldBounces, oldSuccesses, oldCounts,
		oldPositions, oldGaps, oldUnparsed, oldIncidents, notSent,
	} {
		if n := p.deleted[kind]; n > 0 {
			counts = append(counts, query.Count{Name: kind, N: n})
		}
	}
	return counts
}

func (p *pruner) prune(ctx context.Context) error {
	r := p.retention
	if r.Recipients > 0 && (r.Bounces == 0 || r.Bounces > r.Recipients) {
		return errors.New("failures cannot be kept longer than their address: bounces must be set, and not be more than recipients")
	}
	p.deleted = make(map[string]int)
	p.sent, p.kept = math.MaxInt64, math.MaxInt64
	if r.Fleet {
		var err error
		if p.sent, p.kept, err = query.KeptForFleet(ctx, p.db, r.MaxLag, p.now, p.store == nil); err != nil {
			return err
		}
	}
	for _, step := range []struct {
		what string
		days int
		do   func(context.Context, time.Time) error
	}{
		{"bounces", r.Bounces, p.horizon(bouncesHorizon)}, // before anything that it protects
		{"recipients", r.Recipients, p.recipients},
		{"deliveries", r.Recipients, p.deliveries},
		{"bounces", r.Bounces, p.bounces},
		{"successes", r.Successes, p.horizon(successesHorizon)},
		{"successes", r.Successes, p.successes},
		{"daily counts", r.DailyCounts, p.horizon(countsHorizon)},
		{"daily counts", r.DailyCounts, p.dailyCounts},
		{"positions", r.Positions, p.simple(oldPositions, "positions", "stream", "closed AND updated_at < ?")},
		{"gaps", r.Gaps, p.simple(oldGaps, "gaps", "id", "noticed_at < ?")},
		{"unparsed lines", r.UnparsedLines, p.simple(oldUnparsed, "unparsed_lines", "mta, shape", "last_read_at < ?")},
		{"incidents", r.Incidents, p.simple(oldIncidents, "incidents", "id", "over_at < ?")},
	} {
		if step.days == 0 {
			continue
		}
		if err := step.do(ctx, p.now.AddDate(0, 0, -step.days)); err != nil {
			return fmt.Errorf("delete old %s: %w", step.what, err)
		}
	}
	return nil
}

// write runs do in a transaction, unless rows are only counted.
func (p *pruner) write(ctx context.Context, kind string, n int, do func(*Tx) error) error {
	p.deleted[kind] += n
	if p.store == nil || n == 0 {
		return nil
	}
	return p.store.transaction(ctx, do)
}

// horizon keeps older records from being stored again.
func (p *pruner) horizon(kind string) func(context.Context, time.Time) error {
	return func(ctx context.Context, before time.Time) error {
		if p.store == nil {
			return nil
		}
		return p.store.transaction(ctx, func(tx *Tx) error {
			_, err := tx.conn.ExecContext(ctx, `
				INSERT INTO horizons (kind, since) VALUES (?, ?)
				ON CONFLICT (kind) DO UPDATE SET since = max(since, excluded.since)`, kind, bounce.Stamp(before))
			if err == nil {
				err = tx.freezeCrowds(bounce.Stamp(before))
			}
			if err != nil || kind != bouncesHorizon {
				return err
			}
			// The horizon keeps out what these hashes kept out.
			_, err = tx.conn.ExecContext(ctx, "DELETE FROM forgotten WHERE until < ?", bounce.Stamp(before))
			return err
		})
	}
}

// recipients deletes addresses, page by page in the order of the table. Addresses with a
// manual decision are kept.
func (p *pruner) recipients(ctx context.Context, before time.Time) error {
	for last, more := int64(math.MinInt64), true; more; {
		keys, next, err := p.oldOfPage(ctx, before, last)
		if err != nil {
			return err
		}
		more, last = next > last, next
		missed := 0
		if p.kept != p.sent {
			if missed, err = query.CountUnsent(ctx, p.db, keys, p.sent); err != nil {
				return err
			}
			p.deleted[notSent] += missed
		}
		err = p.write(ctx, oldRecipients, len(keys), func(tx *Tx) error {
			if err := errors.Join(tx.uncountStates(keys), tx.addMissed(missed)); err != nil {
				return err
			}
			for _, table := range []string{"recipients", "bounces", "pruned_failures", "recalls"} {
				if err := tx.deleteRows(table, "recipient_key", keys); err != nil {
					return err
				}
			}
			// From now on they count as addresses that never failed.
			_, err := tx.rewriteDeliveries(packed.DeliveryBucketsOf(keys), func(d packed.Delivery) (int64, bool) {
				if _, isOld := slices.BinarySearch(keys, int64(d.Key)); isOld {
					d.Last &^= packed.HasFailed
				}
				return d.Last, d.Last != 0
			})
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// oldOfPage returns those addresses of a page behind a key that failed last before a
// time, sorted, and the last key of the page, which is the given one behind the last page.
func (p *pruner) oldOfPage(ctx context.Context, before time.Time, behind int64) (keys []int64, last int64, err error) {
	last = behind
	err = sqldb.ScanAll(ctx, p.db, `
		SELECT recipient_key,
		    coalesce(last_failure_at < ? AND decided_by <> 'manual' AND NOT EXISTS (
		        SELECT 1 FROM bounces b
		        WHERE b.recipient_key = recipients.recipient_key AND b.id > ?
		    ), 0)
		FROM recipients
		WHERE recipient_key > ?
		ORDER BY recipient_key
		LIMIT ?`,
		func(scan func(...any) error) error {
			var isOld bool
			err := scan(&last, &isOld)
			if isOld {
				keys = append(keys, last)
			}
			return err
		}, bounce.Stamp(before), p.kept, behind, query.PageSize)
	return keys, last, err
}

// deliveries deletes the last deliveries of addresses that never failed. A failure
// that is read later is newer than those.
func (p *pruner) deliveries(ctx context.Context, before time.Time) error {
	const atOnce = 256
	keep := func(d packed.Delivery) (int64, bool) {
		return d.Last, d.Last&packed.HasFailed != 0 || d.At() >= before.UnixMilli()
	}
	for first := int64(0); first < packed.DeliveryBuckets; first += atOnce {
		old, err := query.CountDeliveries(ctx, p.db, first, first+atOnce-1, keep)
		if err != nil {
			return err
		}
		err = p.write(ctx, oldDeliveries, old, func(tx *Tx) error {
			buckets := make([]int64, atOnce)
			for i := range buckets {
				buckets[i] = first + int64(i)
			}
			_, err := tx.rewriteDeliveries(buckets, keep)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// bounces deletes failures before the last delivery to their address, page by page in
// the order of their ids. There is no index on the time, because it would make every
// import slower.
func (p *pruner) bounces(ctx context.Context, before time.Time) error {
	var end int64
	if err := p.db.QueryRowContext(ctx, "SELECT coalesce(max(id), 0) FROM bounces").Scan(&end); err != nil {
		return err
	}
	// Few, so that a batch never waits for long.
	const atOnce = 2000
	type old struct {
		id, key   int64
		at        string
		permanent bool
		ours      bool // our own refusal, which is not counted
	}
	end = min(end, p.kept)
	for first := int64(0); first < end; first += atOnce {
		var rows []old
		err := sqldb.ScanAll(ctx, p.db, `
			SELECT b.id, b.recipient_key, b.occurred_at, b.disposition = 'permanent', b.reason = 'suppressed'
			FROM bounces b CROSS JOIN recipients r ON r.recipient_key = b.recipient_key
			WHERE b.id > ? AND b.id <= ? AND b.occurred_at < ?
			  AND b.occurred_at <= r.last_delivery_at
			  AND b.id NOT IN (r.last_bounce_id, r.deciding_bounce_id)`,
			func(scan func(...any) error) error {
				var o old
				err := scan(&o.id, &o.key, &o.at, &o.permanent, &o.ours)
				rows = append(rows, o)
				return err
			}, first, min(first+atOnce, end), bounce.Stamp(before))
		if err != nil {
			return err
		}
		missed := 0
		for i := range rows {
			if rows[i].id > p.sent {
				missed++
			}
		}
		p.deleted[notSent] += missed
		err = p.write(ctx, oldBounces, len(rows), func(tx *Tx) error {
			ids := make([]int64, len(rows))
			for i := range rows {
				ids[i] = rows[i].id
			}
			if err := tx.addMissed(missed); err != nil {
				return err
			}
			if err := tx.deleteRows("bounces", "id", ids); err != nil {
				return err
			}
			rows := slices.DeleteFunc(slices.Clone(rows), func(o old) bool { return o.ours })
			return tx.each(len(rows), `
				INSERT INTO pruned_failures (recipient_key, permanent_count, retry_count, first_failure_at)
				VALUES (?, ?, ?, ?)
				ON CONFLICT (recipient_key) DO UPDATE
				SET permanent_count = permanent_count + excluded.permanent_count,
				    retry_count = retry_count + excluded.retry_count,
				    first_failure_at = min(first_failure_at, excluded.first_failure_at)`,
				func(i int, p *params) {
					p.Add(rows[i].key)
					p.Add(rows[i].permanent)
					p.Add(!rows[i].permanent)
					p.Add(rows[i].at)
				}, nil)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// addMissed counts failures that are deleted before a fleet has got them.
func (tx *Tx) addMissed(n int) (err error) {
	if n > 0 {
		_, err = tx.conn.ExecContext(tx.ctx, query.AddMissed, n)
	}
	return err
}

// successes deletes the ids of deliveries.
func (p *pruner) successes(ctx context.Context, before time.Time) error {
	for _, old := range packed.OldSuccessBuckets(before, p.now) {
		if err := p.inPieces(ctx, oldSuccesses, "successes", "bucket", "bucket >= ? AND bucket < ?", old.First, old.End); err != nil {
			return err
		}
	}
	return nil
}

func (p *pruner) dailyCounts(ctx context.Context, before time.Time) error {
	day := before.Format(time.DateOnly)
	if p.store != nil {
		err := p.store.transaction(ctx, func(tx *Tx) error {
			for _, table := range []string{"daily_traffic", "daily_reasons", "daily_totals"} {
				if _, err := tx.conn.ExecContext(ctx, "DELETE FROM "+table+" WHERE day < ?", day); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return p.inPieces(ctx, oldCounts, "daily_counts", "day, domain", "day < ?", day)
}

func (p *pruner) simple(kind, table, key, where string) func(context.Context, time.Time) error {
	return func(ctx context.Context, before time.Time) error {
		return p.inPieces(ctx, kind, table, key, where, bounce.Stamp(before))
	}
}

// inPieces deletes rows, at most query.PageSize in a transaction.
func (p *pruner) inPieces(ctx context.Context, kind, table, key, where string, args ...any) error {
	n := 0
	err := p.db.QueryRowContext(ctx, "SELECT count(*) FROM "+table+" WHERE "+where, args...).Scan(&n)
	if err != nil {
		return err
	}
	p.deleted[kind] += n
	if p.store == nil {
		return nil
	}
	for ; n > 0; n -= query.PageSize {
		err := p.store.transaction(ctx, func(tx *Tx) error {
			_, err := tx.conn.ExecContext(ctx, `
				DELETE FROM `+table+`
				WHERE (`+key+`) IN (SELECT `+key+` FROM `+table+` WHERE `+where+` LIMIT ?)`,
				append(slices.Clone(args), query.PageSize)...)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
