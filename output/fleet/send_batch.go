package fleet

import (
	"context"
	"errors"
	"time"

	"github.com/bouncetail/bouncetail/sqlite/feed"
)

// sending is a batch while it is sent, with what goes with it.
type sending struct {
	*batch
	deliveries []feed.Delivery
	counted    []feed.DaySent
	complete   bool // counted is all that is left of a day
	hand       byHand

	t        *transaction
	isNew    int    // failures that the fleet did not hold yet
	restored bool   // the fleet is older than what was sent before
	seen     string // see Sender.seen
}

// sendBatch sends the next batch in one transaction.
func (s *Sender) sendBatch(ctx context.Context) (more bool, err error) {
	b := sending{deliveries: s.watch.next(), hand: s.hand, seen: s.seen}
	b.counted, b.complete = s.counts.next()
	b.hand.decisions = s.hand.some()
	err = s.inTransaction(ctx, func(t *transaction) error {
		b.t = t
		return s.fill(ctx, &b)
	})
	if errors.Is(err, errKnown) {
		s.overlaps = overlapBatches
		return true, nil
	}
	if err != nil {
		return false, err
	}
	s.committed(ctx, &b)
	return b.to != b.end || len(s.watch.found) > 0 || s.counts.due() || s.hand.due() || s.resending.target != 0, nil
}

// fill adds a batch to its transaction.
func (s *Sender) fill(ctx context.Context, b *sending) error {
	i, err := s.lockInstance(b.t)
	if err != nil {
		return err
	}
	s.number = i.number
	if b.restored = i.seen < s.seen; b.restored {
		s.taking.seq, s.taking.end = 0, 0
	}
	if err := s.compareRejudged(ctx, i.rejudged); err != nil {
		return err
	}
	if b.batch, err = s.next(ctx, i); err != nil {
		return err
	}
	failures, err := s.store(b.t, b.failures, i)
	if err != nil {
		return err
	}
	b.isNew = len(failures)
	news := &crowdNews{touched: b.touched(failures, b.deliveries)}
	if len(news.touched)+len(b.counted)+b.hand.waiting()+len(b.t.alsoRead) > 0 {
		if err := s.decide(b.t, news, b.counted, &b.hand, i.number); err != nil {
			return err
		}
	}
	if err := b.t.saveRead(failures, i.number); err != nil {
		return err
	}
	if b.complete {
		if err := b.t.saveDay(i.number, &s.counts); err != nil {
			return err
		}
	}
	return s.saveInstance(b.t, b.batch, b.isNew, &b.seen)
}

// committed notes what the fleet has after a batch.
func (s *Sender) committed(ctx context.Context, b *sending) {
	s.done, s.seenAt, s.seen, s.taking.saved = &b.to, time.Now(), b.seen, s.taking.seq
	s.settling.settled = s.settling.settled && len(b.failures)+len(b.counted)+len(b.hand.forgotten) == 0
	s.note(ctx, b.to.failure, false)
	s.watch.sent(len(b.deliveries))
	if b.restored {
		s.Log.Info("the fleet is older than before: a backup was restored, or its tables were created again")
		s.watch = watch{}
	}
	s.counts.committed(len(b.counted), b.complete)
	s.hand.committed(len(b.hand.decisions))
	if b.t.end > 0 {
		s.crowds.seq = b.t.end
	}
	s.sinceStart.Failures += len(b.failures)
	s.sinceStart.New += b.isNew
	s.sinceStart.Recipients += b.t.changes.Rows
}
