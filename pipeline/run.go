// Package pipeline joins the stages: it takes runs of lines from a source, has
// them parsed, joined with what the queue remembers and judged, and saves the
// result batch by batch.
//
// The daemon and the import of files differ only in the source and the limits. A
// batch holds the records, what the queue memory changed, and the positions in the
// logs behind the lines that gave them. A transaction is saved whole or not at
// all, and what is behind a stored position is read again.
//
//	run.go      the goroutines, and when a batch is sealed
//	batcher.go  from lines to a batch
//	save.go     from batches to transactions
package pipeline

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/health"
	"github.com/bouncetail/bouncetail/privacy"
)

// Source sends runs of whole lines until it ends or ctx does. It returns only
// when nothing more is sent, and does not close out.
type Source func(ctx context.Context, out chan<- bounce.Chunk) error

// Parser turns the lines of one stream into events.
type Parser interface {
	// Parse returns how many lines there were. An event is only valid during the
	// call of yield, which does not change it; its strings may be kept.
	Parse(block string, yield func(*bounce.Event)) (lines int)
	// State is what a parser of the same stream needs after a restart.
	State() []byte
	// TakeUnparsed returns and forgets the delivery lines that were not parsed.
	TakeUnparsed() []bounce.Unparsed
	// Foreign reports whether at least a hundred lines were read and none of them
	// is that of a mail server.
	Foreign() bool
}

// Queue joins events to deliveries; see package queue.
type Queue interface {
	Apply(ev *bounce.Event, yield func(*bounce.Delivery))
	Changes() ([]bounce.QueueEntry, error)
	// Waiting returns how many successes wait for a second message. Release yields
	// those that have waited long enough by the clock, and all of them for the
	// zero time.
	Waiting() int
	Release(now time.Time, yield func(*bounce.Delivery))
}

// Classifier judges a failed delivery. The same delivery gives the same verdict.
type Classifier interface {
	Verdict(d *bounce.Delivery) bounce.Verdict
}

// Tx is a transaction. It saves the batches that were added whole or not at all.
// Errors that have a method Temporary() bool that returns true may pass, such as a
// full disk or a lock: the same batches can be added to another transaction.
type Tx interface {
	// Add returns how many records were new. It does not change the batch.
	Add(b *bounce.Batch) (isNew int, err error)
	// Commit ends the transaction, also if it fails.
	Commit() error
	Rollback() error
}

// Pipeline is one run over one source. All fields but Parsed, Anchor, Hash and
// Limits are needed.
type Pipeline struct {
	Source Source
	// NewParser returns a parser for the stream of a chunk that continues from a
	// state.
	NewParser  func(c *bounce.Chunk, state bounce.ParserState) (Parser, error)
	Queue      Queue
	Classifier func() Classifier                     // asked for every chunk, so that rules can be exchanged
	Begin      func(ctx context.Context) (Tx, error) // begins a transaction
	Log        *slog.Logger
	// Parsed holds the stored states of parsers, by stream.
	Parsed map[int64]bounce.ParserState
	// Anchor returns a time near the first stamp of the stream of a chunk. It is
	// asked if there is no stored state; nil takes the present time.
	Anchor func(c *bounce.Chunk) time.Time
	// Hash replaces addresses by hashes, before anything is kept of them; nil if
	// they are stored as they are.
	Hash   *privacy.Hasher
	Limits Limits

	// Progress counts what was done so far; it may be read at any time.
	Progress Progress

	reading, saving health.Heartbeat
}

// Limits bound batches and transactions.
type Limits struct {
	// FlushInterval is how long a batch that is not full waits for more lines. Zero
	// saves as soon as no line is waiting, as a daemon does.
	FlushInterval time.Duration
	// BatchRecords is how many records make a full batch, or successWeight times as
	// many successes; defaultBatchRecords if it is zero.
	BatchRecords int
	// TxRecords is how many records, or successWeight times as many successes, one
	// transaction of several batches has at most, so that rows that they share are
	// written once; zero gives each batch its own. A transaction that fails after
	// its first batch cannot be tried again: see ErrReadAgain.
	TxRecords int
}

// defaultBatchRecords is a batch of some 15 MB. Larger ones make SQLite's indexes
// cheaper; twice as large ones take as much again in a daemon that reads a
// backlog.
const defaultBatchRecords = 20_000

// successWeight is how many successes count as one record; a record is some 25
// times as large, and its row much more work.
const successWeight = 8

// maxAge bounds a batch while lines are always waiting, so that records are seen
// and positions advance while a backlog is read.
const maxAge = 2 * time.Second

// minInterval is the shortest time between two batches while lines arrive one by
// one, as from a pipe: a commit costs as much as hundreds of lines.
const minInterval = 50 * time.Millisecond

// Progress counts what has been read and saved.
type Progress struct {
	Lines    atomic.Int64
	TooLong  atomic.Int64 // lines left out for their length
	Sent     atomic.Int64
	Deferred atomic.Int64
	Bounced  atomic.Int64
	Expired  atomic.Int64
	New      atomic.Int64 // records that were not in the database yet
	Unparsed atomic.Int64 // delivery lines that no parser could read
	Gaps     atomic.Int64
	SavedAt  atomic.Int64 // Unix nanoseconds of the last batch saved
	// Trouble is why batches cannot be saved at present, or nil.
	Trouble atomic.Pointer[string]
}

// Run reads the source until it ends or ctx does, and saves all that was read. It
// starts one goroutine for the source and one that saves, and waits for both.
func (p *Pipeline) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	chunks := make(chan bounce.Chunk, 4)
	sourceDone := make(chan error, 1)
	go func() {
		err := p.Source(ctx, chunks)
		close(chunks)
		sourceDone <- err
	}()

	waiting := 0 // batches that wait for the saver
	if p.Limits.TxRecords > 0 {
		waiting = 1
	}
	sealed := make(chan sealedBatch, waiting)
	saved := make(chan *bounce.Batch, 2)
	idle := make(chan struct{}, 1) // tells that the saver has nothing to do
	idle <- struct{}{}
	saveDone := make(chan error, 1)
	go func() {
		saveDone <- p.saveAll(ctx, sealed, saved, idle, cancel)
	}()

	r := reader{
		p: p, batcher: newBatcher(p, saved), sealed: sealed, idle: idle,
		stopped: func() bool { return ctx.Err() != nil },
	}
	err := r.run(chunks)
	if err != nil {
		cancel(err)
		for range chunks { // the source may be waiting to send
		}
	}
	close(sealed)
	saveErr, sourceErr := <-saveDone, <-sourceDone
	if errors.Is(sourceErr, context.Canceled) {
		sourceErr = nil
	}
	return errors.Join(err, saveErr, sourceErr)
}

// Stalled returns how long work has been pending without progress, or 0 if the
// pipeline is idle. A batch that is tried again makes progress.
func (p *Pipeline) Stalled(now time.Time) time.Duration {
	return max(p.reading.Stalled(now), p.saving.Stalled(now))
}

// releaseInterval is the pause between looks at the successes that wait, while no
// lines come.
const releaseInterval = 5 * time.Second

// reader turns chunks into batches until the source has ended.
type reader struct {
	p       *Pipeline
	batcher *batcher
	sealed  chan<- sealedBatch
	idle    <-chan struct{}
	stopped func() bool // before the source had ended

	full    int       // records of a full batch
	limit   int       // the same, smaller for the first ones
	pending int       // chunks in the batch
	begun   time.Time // when the first of them came
	handed  time.Time // when the last batch was handed to the saver
	inTx    int       // records in the transaction
	more    bool      // the next lines are written already

	released time.Time // when the queue was last asked for successes that waited
}

func (r *reader) run(chunks <-chan bounce.Chunk) error {
	r.full = cmp.Or(r.p.Limits.BatchRecords, defaultBatchRecords)
	r.limit = max(r.full/4, 1) // so that the saver soon has something to do
	defer r.p.reading.Idle()
	for {
		c, open, err := r.next(chunks)
		if err != nil {
			return err
		}
		if !open {
			// An import ends with what it read. A daemon, or one that was stopped,
			// continues later with what waits.
			if r.p.Limits.FlushInterval > 0 && !r.stopped() {
				r.release(time.Time{})
			}
			if r.pending == 0 && r.inTx == 0 {
				return nil
			}
			return r.flush(true)
		}
		if err := r.batcher.take(&c); err != nil {
			return err
		}
		r.more = c.More
		if r.pending++; r.pending == 1 {
			r.begun = time.Now()
		}
		if r.batcher.records() >= r.limit || time.Since(r.begun) > cmp.Or(r.p.Limits.FlushInterval, maxAge) {
			if err := r.flush(false); err != nil {
				return err
			}
		}
	}
}

// next returns the next chunk. While none is waiting it hands on the batch: at
// once if the saver is idle, so that batches are small while little comes; but not
// sooner after the last one than minInterval, and in a backlog not before it is
// large or old. With a FlushInterval it waits for that instead.
func (r *reader) next(chunks <-chan bounce.Chunk) (c bounce.Chunk, open bool, err error) {
	defer r.p.reading.Beat()
	for {
		select {
		case c, open = <-chunks:
			return c, open, nil
		default:
		}
		var ready <-chan struct{}
		var due <-chan time.Time
		if r.pending > 0 {
			var wait time.Duration
			switch {
			case r.p.Limits.FlushInterval > 0:
				wait = r.p.Limits.FlushInterval - time.Since(r.begun)
			case r.more:
				wait = maxAge - time.Since(r.begun)
			default:
				wait = minInterval - time.Since(r.handed)
			}
			if wait <= 0 && r.p.Limits.FlushInterval == 0 {
				ready = r.idle
			} else {
				due = time.After(wait)
			}
		}
		var waits <-chan time.Time
		if r.p.Limits.FlushInterval == 0 && r.p.Queue.Waiting() > 0 {
			waits = time.After(releaseInterval - time.Since(r.released))
		}
		r.p.reading.Idle()
		select {
		case c, open = <-chunks:
			return c, open, nil
		case <-waits:
			r.p.reading.Beat()
			r.release(time.Now())
			continue
		case <-due:
			r.p.reading.Beat()
			if r.p.Limits.FlushInterval == 0 {
				continue // the saver may be busy
			}
		case <-ready:
			r.p.reading.Beat()
		}
		if err := r.flush(false); err != nil {
			return c, false, err
		}
	}
}

// release takes successes that have waited long enough into the batch.
func (r *reader) release(now time.Time) {
	r.released = time.Now()
	if r.batcher.release(now) && r.pending == 0 {
		r.pending, r.begun = 1, r.released
	}
}

// flush hands the batch to the saver, the last one to be committed in any case.
func (r *reader) flush(last bool) error {
	select {
	case <-r.idle: // it will not be any more
	default:
	}
	r.inTx += r.batcher.records()
	commit := last || r.inTx >= r.p.Limits.TxRecords
	if commit {
		r.inTx = 0
	}
	b, err := r.batcher.seal(commit)
	if err != nil {
		return err
	}
	r.p.reading.Idle()
	r.sealed <- sealedBatch{b, commit}
	r.p.reading.Beat()
	r.pending, r.handed, r.limit = 0, time.Now(), min(2*r.limit, r.full)
	return nil
}
