// Package pipeline connects the stages. It receives chunks of lines from a source,
// parses them, joins the events to deliveries, classifies those that failed, and
// saves the results in batches.
//
// The daemon and an import differ only in the source and the limits. A batch holds
// records, changes of the queue memory, and the positions in the logs after the
// lines read. A transaction is saved completely or not at all; lines after a stored
// position are read again.
//
//	run.go      the goroutines
//	reader.go   from chunks to lines, and when a batch is sealed
//	pause.go    what runs between two transactions
//	batcher.go  from lines to deliveries
//	judge.go    from deliveries to batches
//	save.go     from batches to transactions
package pipeline

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/health"
	"github.com/bouncetail/bouncetail/privacy"
)

// Source sends chunks of whole lines until it ends or ctx is done. After it has
// returned it sends nothing more. It does not close out.
type Source func(ctx context.Context, out chan<- bounce.Chunk) error

// Parser parses the lines of one stream.
type Parser interface {
	// Parse returns the number of lines, and how many of them TakeUnparsed will return.
	// An event is valid only during the call of yield, which must not change it; its
	// strings are parts of the block. Neither parser nor queue keeps a part of a block.
	Parse(block string, yield func(*bounce.Event)) (lines, unparsed int)
	// End reads what waits for further lines, and reports whether anything did. It is
	// called at the end of a stream of an import, which may be complete or grow later.
	End(complete bool, yield func(*bounce.Event)) bool
	// State returns what a parser of the same stream needs after a restart.
	State() []byte
	// TakeUnparsed returns and forgets the delivery lines that were not parsed.
	TakeUnparsed() []bounce.Unparsed
	// Foreign reports whether at least 100 lines were read and none of them was
	// written by a mail server.
	Foreign() bool
}

// Queue joins events to deliveries; see package queue.
type Queue interface {
	Apply(ev *bounce.Event, yield func(*bounce.Delivery))
	Changes() ([]bounce.QueueEntry, error)
	// Waiting returns the number of successes that are held back for a second message.
	// Release yields those that have been held long enough at a time, or all of them
	// for the zero time.
	Waiting() int
	Release(now time.Time, yield func(*bounce.Delivery))
}

// Classifier classifies a failed delivery. Equal deliveries have equal verdicts.
type Classifier interface {
	Verdict(d *bounce.Delivery) bounce.Verdict
	// Provider returns the slug of the provider that a server belongs to, or "". It
	// always gives the same answer.
	Provider(relayHost string) string
}

// Tx is a transaction. It saves the batches added to it completely or not at all. An
// error with a method Temporary() bool that returns true is temporary, such as a full
// disk or a lock: the same batches can be added to another transaction.
type Tx interface {
	// Add returns the number of records that were new. It does not change the batch.
	Add(b *bounce.Batch) (isNew int, err error)
	// Commit ends the transaction, also if it fails.
	Commit() error
	Rollback() error
}

// Pipeline processes one source once. All fields but Parsed, Anchor, Hash, Limits, GiveUp
// and Committed are required.
type Pipeline struct {
	Source Source
	// NewParser returns a parser for the stream of a chunk that continues from a
	// state.
	NewParser  func(c *bounce.Chunk, state bounce.ParserState) (Parser, error)
	Queue      Queue
	Classifier func() Classifier                     // called for each chunk, because rules can be reloaded
	Begin      func(ctx context.Context) (Tx, error) // begins a transaction
	Log        *slog.Logger
	// Parsed holds the stored states of parsers, by stream.
	Parsed map[int64]bounce.ParserState
	// Anchor returns a time near the first stamp of the stream of a chunk. It is called
	// if there is no stored state; nil means the current time.
	Anchor func(c *bounce.Chunk) time.Time
	// Hash replaces addresses by hashes before anything is stored; nil stores addresses
	// as they are.
	Hash   *privacy.Hasher
	Limits Limits
	// GiveUp reports whether a temporary error of saving ends the pipeline, such as a
	// full disk for an import that somebody waits for. nil retries them all.
	GiveUp func(err error) bool
	// Committed is called after each transaction with the positions of its last batch.
	Committed func(positions []bounce.StreamState)

	// Progress may be read at any time.
	Progress Progress

	reading, judging, saving health.Heartbeat

	// txBegun is when the transaction began to which batches are added, in Unix
	// nanoseconds; 0 while there is none, and during a commit.
	txBegun atomic.Int64

	pausing sync.Once
	pauseCh chan pause
}

// Limits bound batches and transactions.
type Limits struct {
	// FlushInterval is how long a batch that is not full waits for more lines. 0 saves
	// as soon as no line is waiting, as a daemon does.
	FlushInterval time.Duration
	// BatchRecords is the number of records of a full batch, or successWeight times as
	// many successes or unparsed lines. 0 means defaultBatchRecords.
	BatchRecords int
	// TxRecords is the maximum number of records, or successWeight times as many
	// successes or unparsed lines, in a transaction of several batches. Rows that
	// several batches change are then written once. 0 means one batch per transaction. A
	// transaction that fails after its first batch cannot be retried: see ErrReadAgain.
	// With FlushInterval 0, the transaction ends with the first batch that is not full,
	// or when it is maxTxAge old.
	TxRecords int
	// Until SmallUntil, and until a batch is saved, each batch is saved in a separate
	// transaction: a larger transaction would fail again for the same reason.
	SmallUntil time.Time
	// StopRecords is the maximum number of records in a transaction that is committed
	// when the program is asked to stop, because a commit takes time. A larger one is
	// rolled back; its lines will be read again. 0 commits always.
	StopRecords int
}

// defaultBatchRecords makes batches of some 15 MB, each a transaction. Larger ones make
// SQLite's indexes cheaper, but take more memory.
const defaultBatchRecords = 20_000

// successWeight is the number of successes, or of ids of unparsed lines, that count as
// one record. A record is some 25 times as large, and its row is much more work.
const successWeight = 8

// maxAge limits the age of a batch while a backlog is read, so that records become
// visible and positions advance.
const maxAge = 2 * time.Second

// maxTxAge limits the age of a transaction of several batches, if FlushInterval is 0.
// Other writers wait until it ends.
const maxTxAge = 10 * time.Second

// minInterval is the minimum time between two batches while lines arrive one by one,
// for example from a pipe. A commit costs as much as hundreds of lines.
const minInterval = 50 * time.Millisecond

// Progress counts what was read and saved.
type Progress struct {
	Chunks   atomic.Int64 // of files, of which all lines were parsed
	Lines    atomic.Int64
	TooLong  atomic.Int64 // lines skipped because of their length
	Sent     atomic.Int64
	Deferred atomic.Int64
	Bounced  atomic.Int64
	Expired  atomic.Int64
	New      atomic.Int64 // records that were not in the database yet
	Unparsed atomic.Int64 // delivery lines that were not parsed
	Gaps     atomic.Int64
	SavedAt  atomic.Int64 // Unix nanoseconds of the last batch saved
	Saved    atomic.Int64 // lines before the last commit
	// Trouble is the error of the current batch while it cannot be saved, or nil.
	Trouble atomic.Pointer[string]
}

// Run reads the source until it ends or ctx is done, and saves everything that was
// read. It starts goroutines for the source, for classifying and for saving, and waits
// for them.
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

	waiting := 0 // batches that may wait for the saver
	if p.Limits.TxRecords > 0 {
		waiting = 4
	}
	sealed := make(chan sealedBatch, waiting)
	saved := make(chan *bounce.Batch, 4)
	idle := make(chan struct{}, 1) // receives a value when the saver has nothing to do
	idle <- struct{}{}
	saveDone := make(chan error, 1)
	go func() {
		saveDone <- p.saveAll(ctx, sealed, saved, idle, cancel)
	}()

	found := make(chan deliveries, 4)
	free := make(chan deliveries, cap(found)+2)
	go func() {
		p.judgeAll(found, free, sealed, saved)
		close(sealed)
	}()

	r := reader{
		p: p, batcher: newBatcher(p, free), found: found, idle: idle, pauses: p.pauses(),
		stopped: func() bool { return ctx.Err() != nil },
	}
	err := r.run(chunks)
	if err != nil {
		cancel(err)
		for range chunks { // unblock the source
		}
	}
	close(found)
	saveErr, sourceErr := <-saveDone, <-sourceDone
	if errors.Is(saveErr, err) {
		err = nil // a pause has the error of the saver
	}
	if errors.Is(sourceErr, context.Canceled) {
		sourceErr = nil
	}
	return errors.Join(err, saveErr, sourceErr)
}

// Stalled returns how long work has been pending without progress, or 0 if the
// pipeline is idle. Each attempt to save a batch is progress.
func (p *Pipeline) Stalled(now time.Time) time.Duration {
	return max(p.reading.Stalled(now), p.judging.Stalled(now), p.saving.Stalled(now))
}
