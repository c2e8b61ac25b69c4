package pipeline

import (
	"cmp"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// releaseInterval is the pause between checks of the successes that are held back,
// while no lines arrive.
const releaseInterval = 5 * time.Second

// reader parses chunks until the source has ended, and divides what they hold into
// batches.
type reader struct {
	p       *Pipeline
	batcher *batcher
	found   chan<- deliveries
	idle    <-chan struct{}
	pauses  <-chan pause
	stopped func() bool // whether ctx ended before the source

	full    int       // records of a full batch
	limit   int       // the same, smaller for the first batches
	pending int       // chunks in the batch
	begun   time.Time // when the first of them arrived, later if the saver was busy
	handed  time.Time // when the last batch was sealed
	inTx    int       // records in the transaction
	more    bool      // the next lines are already available

	released time.Time  // when successes were last released
	saved    chan error // see flushAndWait; nil otherwise
}

// run reads chunks until the source has ended, and flushes what is left.
func (r *reader) run(chunks <-chan bounce.Chunk) error {
	r.full = cmp.Or(r.p.Limits.BatchRecords, defaultBatchRecords)
	r.limit = max(r.full/4, 1) // so that the saver can start early
	defer r.p.reading.Idle()
	for {
		c, open, err := r.next(chunks)
		if err != nil {
			return err
		}
		if !open {
			return r.finish()
		}
		if err := r.take(&c); err != nil {
			return err
		}
	}
}

// take parses a chunk. It flushes the batch if it is full or old.
func (r *reader) take(c *bounce.Chunk) error {
	if err := r.batcher.take(c); err != nil {
		return err
	}
	r.more = c.More
	if r.pending++; r.pending == 1 {
		r.begun = time.Now()
	}
	switch {
	case r.batcher.records() >= r.limit:
		return r.flush(flushFull)
	case time.Since(r.begun) > cmp.Or(r.p.Limits.FlushInterval, maxAge):
		return r.flush(flushDue)
	}
	r.hand(nil)
	return nil
}

// finish flushes what is left at the end of the source. A complete import releases all
// successes. A daemon, or an import that was stopped, keeps them for the next run.
func (r *reader) finish() error {
	if r.p.Limits.FlushInterval > 0 && !r.stopped() {
		if r.batcher.endAll() {
			r.pending = max(r.pending, 1)
		}
		r.release(time.Time{})
	}
	if r.pending == 0 && r.inTx == 0 {
		return nil
	}
	return r.flush(flushLast)
}

// next returns the next chunk. While it waits for one, it flushes the batch when that is
// due, releases successes, and lets others pause the pipeline.
func (r *reader) next(chunks <-chan bounce.Chunk) (c bounce.Chunk, open bool, err error) {
	defer r.p.reading.Beat()
	for err == nil {
		select { // timers are only needed if no chunk is there
		case c, open = <-chunks:
			return c, open, nil
		case p := <-r.pauses:
			err = r.pause(p)
			continue
		default:
		}
		wake := r.wakeups()
		r.p.reading.Idle()
		select {
		case c, open = <-chunks:
			return c, open, nil
		case p := <-r.pauses:
			err = r.pause(p)
		case <-wake.release:
			r.p.reading.Beat()
			r.release(time.Now())
		case <-wake.look:
			r.p.reading.Beat()
		case <-wake.due:
			r.p.reading.Beat()
			err = r.flush(flushDue)
		case <-wake.idle:
			r.p.reading.Beat()
			err = r.flush(flushDue)
		}
	}
	return bounce.Chunk{}, false, err
}

// wakeups are what a reader waits for besides the next chunk. A nil channel never is ready.
type wakeups struct {
	due     <-chan time.Time // the batch has to be flushed
	idle    <-chan struct{}  // the saver is idle, and the batch has to be flushed
	look    <-chan time.Time // the batch may be flushed from now on, if the saver is idle
	release <-chan time.Time // successes may have been held long enough
}

// wakeups returns what to wait for. With FlushInterval, a batch is flushed after this time.
// Without, it is flushed as soon as the saver is idle, so that batches are small while few
// lines arrive, but not earlier than untilFlush says. An open transaction ends in the same
// way if no chunk follows.
func (r *reader) wakeups() (w wakeups) {
	if interval := r.p.Limits.FlushInterval; interval > 0 {
		if r.pending > 0 {
			w.due = time.After(interval - time.Since(r.begun))
		}
		return w
	}
	if r.p.Queue.Waiting() > 0 {
		w.release = time.After(releaseInterval - time.Since(r.released))
	}
	if r.pending == 0 && r.inTx == 0 {
		return w
	}
	if wait := r.untilFlush(); wait > 0 {
		w.look = time.After(wait)
	} else {
		w.idle = r.idle
	}
	return w
}

// untilFlush returns how long a batch that is not full waits for more lines: minInterval
// after the last batch, and in a backlog until it is maxAge old.
func (r *reader) untilFlush() time.Duration {
	switch {
	case !r.more:
		return minInterval - time.Since(r.handed)
	case r.pending > 0:
		return maxAge - time.Since(r.begun)
	}
	return maxAge - time.Since(r.handed)
}

// release adds the successes that have been held long enough to the batch.
func (r *reader) release(now time.Time) {
	r.released = time.Now()
	if r.batcher.release(now) && r.pending == 0 {
		r.pending, r.begun = 1, r.released
	}
}

// flushCause is why a batch is sealed.
type flushCause int

const (
	flushFull flushCause = iota // the batch is full
	flushDue                    // it has waited long enough
	flushLast                   // no other batch may follow in the transaction
)

// endsTx reports whether the transaction ends with the batch that is sealed.
func (r *reader) endsTx(cause flushCause) bool {
	switch {
	case cause == flushLast || r.inTx >= r.p.Limits.TxRecords || r.small():
		return true
	case r.p.Limits.FlushInterval > 0:
		return false
	}
	begun := r.p.txBegun.Load()
	return cause == flushDue || begun > 0 && time.Since(time.Unix(0, begun)) > maxTxAge
}

// small reports whether each batch is saved in a separate transaction at present.
func (r *reader) small() bool {
	until := r.p.Limits.SmallUntil
	return !until.IsZero() && (time.Now().Before(until) || r.p.Progress.SavedAt.Load() == 0)
}

// flush seals the batch.
func (r *reader) flush(cause flushCause) error {
	select {
	case <-r.idle: // the saver is about to be busy
	default:
	}
	r.inTx += r.batcher.records()
	commit := r.endsTx(cause)
	if commit {
		r.inTx = 0
	}
	b, err := r.batcher.seal(commit)
	if err != nil {
		return err
	}
	r.hand(&sealedBatch{Batch: b, commit: commit, lines: r.p.Progress.Lines.Load(), saved: r.saved})
	r.pending, r.handed, r.limit = 0, time.Now(), min(2*r.limit, r.full)
	return nil
}

// hand hands deliveries to the judge, and the end of their batch, if any.
func (r *reader) hand(seal *sealedBatch) {
	if seal == nil && r.batcher.deliveries.len() == 0 {
		return
	}
	d := r.batcher.takeDeliveries()
	d.seal = seal
	r.p.reading.Idle() // the judge has its own heartbeat
	begun := time.Now()
	r.found <- d
	// A batch that waits for the saver may grow: a small transaction after it takes
	// longer.
	r.begun = r.begun.Add(time.Since(begun))
	r.p.reading.Beat()
}
