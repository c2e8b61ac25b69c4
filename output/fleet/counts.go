package fleet

import (
	"context"
	"crypto/sha256"
	"slices"
	"time"

	"github.com/bouncetail/bouncetail/sqlite/feed"
)

// counts finds the days whose deliveries have not been sent. Refusals are compared with
// the deliveries of all hosts.
type counts struct {
	sent  map[string][]byte // the digest of each day that was sent; nil if it is not known
	day   string            // that is being sent; empty if there is none
	now   []byte            // its digest
	queue []feed.DaySent    // of the day
	dueAt time.Time
}

const (
	// countsInterval is the shortest pause between two looks for days that have changed.
	countsInterval = 10 * time.Second
	// countsShare bounds the share of time, as watchShare does.
	countsShare = 50
)

func (c *counts) due() bool { return c.day != "" || time.Now().After(c.dueAt) }

// next returns counts for one transaction, and whether the day is complete with them.
func (c *counts) next() (some []feed.DaySent, complete bool) {
	some = c.queue[:min(len(c.queue), batchSize)]
	return some, c.day != "" && len(some) == len(c.queue)
}

// committed notes that the first n counts of next are stored.
func (c *counts) committed(n int, complete bool) {
	c.queue = c.queue[n:]
	if complete {
		c.sent[c.day] = c.now
		c.day = ""
	}
}

// count looks for a day to send, unless one is being sent.
func (s *Sender) count(ctx context.Context) error {
	c := &s.counts
	if c.day != "" {
		return nil
	}
	begun := time.Now()
	if c.sent == nil {
		sent, err := mapOf[string, []byte](ctx, s.conn, `
			SELECT day, digest
			FROM bouncetail.fleet_days
			WHERE instance = $1`, s.number)
		if err != nil {
			return err
		}
		c.sent = sent
	}
	days, err := s.source.feed.Days(ctx)
	if err != nil {
		return err
	}
	for i := range days {
		d := &days[i]
		digest := digestOf(d.Slots)
		if slices.Equal(c.sent[d.Day], digest) {
			continue
		}
		if c.queue, err = s.grown(ctx, d.Day); err != nil {
			return err
		}
		c.day, c.now = d.Day, digest
		return nil
	}
	c.dueAt = time.Now().Add(max(countsInterval, countsShare*time.Since(begun)))
	return nil
}

func digestOf(slots []byte) []byte {
	known := byte(1)
	if slots == nil {
		known = 0
	}
	sum := sha256.Sum256(append([]byte{known}, slots...))
	return sum[:16]
}

// grown returns the counts of a day that are higher than those that were sent, with
// domains that PostgreSQL can store.
func (s *Sender) grown(ctx context.Context, day string) ([]feed.DaySent, error) {
	sent, err := mapOf[string, int64](ctx, s.conn, `
		SELECT domain, sent
		FROM bouncetail.daily_counts
		WHERE instance = $1 AND day = $2`, s.number, day)
	if err != nil {
		return nil, err
	}
	list, err := s.source.feed.SentOn(ctx, day)
	for i := range list {
		list[i].Domain = clean(list[i].Domain)
	}
	return slices.DeleteFunc(list, func(d feed.DaySent) bool { return d.Sent <= sent[d.Domain] }), err
}

// saveDay notes that a day was sent.
func (t *transaction) saveDay(number int64, c *counts) error {
	_, err := t.Exec(t.ctx, `
		INSERT INTO bouncetail.fleet_days (instance, day, digest) VALUES ($1, $2, $3)
		ON CONFLICT (instance, day) DO UPDATE SET digest = excluded.digest`, number, c.day, c.now)
	return err
}
