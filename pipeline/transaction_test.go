package pipeline_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/pipeline"
	"github.com/bouncetail/bouncetail/queue"
)

// failing parses each line as a failure of a different message.
type failing struct{ lines uint64 }

func (p *failing) Parse(block string, yield func(*bounce.Event)) (lines, unparsed int) {
	n := strings.Count(block, "\n")
	for range n {
		p.lines++
		ev := bounce.Event{Kind: bounce.EventAttempt, Delivery: bounce.Delivery{QueueID: fmt.Sprint(p.lines), Recipient: "a@b.example", Outcome: bounce.Deferred}}
		binary.BigEndian.PutUint64(ev.ID[4:], p.lines)
		yield(&ev)
	}
	return n, 0
}
func (p *failing) End(bool, func(*bounce.Event)) bool { return false }
func (p *failing) State() []byte                      { return fmt.Append(nil, p.lines) }
func (p *failing) TakeUnparsed() []bounce.Unparsed    { return nil }
func (p *failing) Foreign() bool                      { return false }

type noVerdict struct{}

func (noVerdict) Verdict(*bounce.Delivery) bounce.Verdict { return bounce.Verdict{} }

func (noVerdict) Provider(host string) string { return strings.TrimPrefix(host, "mx.") }

// A transaction of several batches saves a position with exactly the lines before
// it, and stays within its limit.
func TestATransactionSavesSeveralBatches(t *testing.T) {
	const chunks, perChunk, limit, perTx = 300, 10, 20, 100
	lines := make(chan bounce.Chunk)
	saved, pending, transactions, batches, remembered, withPositions := 0, 0, 0, 0, 0, 0
	var last *bounce.Batch
	p := following(lines, &txStore{add: func(b *bounce.Batch) error {
		time.Sleep(time.Millisecond) // let the reader get ahead
		batches++
		pending += b.Records.Len()
		if pending > perTx+perChunk+limit {
			return fmt.Errorf("%d records in one transaction", pending)
		}
		last = b
		if positions := len(b.Positions) + len(b.Queue) + len(b.Gaps); positions > 0 {
			withPositions++
		}
		return nil
	}, commit: func() error {
		b := last
		if withPositions != 1 {
			return fmt.Errorf("%d batches of the transaction have positions", withPositions)
		}
		withPositions = 0
		saved += pending
		pending = 0
		transactions++
		remembered += len(b.Queue)
		at := b.Positions[0]
		if len(b.Positions) != 1 || at.Offset != int64(saved) || string(at.Parser.Data) != fmt.Sprint(saved) || remembered != saved {
			return fmt.Errorf("positions %+v and %d messages after %d records", b.Positions, remembered, saved)
		}
		return nil
	}})
	p.NewParser = func(*bounce.Chunk, bounce.ParserState) (pipeline.Parser, error) { return &failing{}, nil }
	p.Queue = queue.New()
	p.Classifier = func() pipeline.Classifier { return noVerdict{} }
	p.Limits = pipeline.Limits{FlushInterval: time.Hour, BatchRecords: limit, TxRecords: perTx}
	go func() {
		for i := range chunks {
			lines <- bounce.Chunk{Data: strings.Repeat("x\n", perChunk), Position: bounce.Position{Stream: 1, Offset: int64((i + 1) * perChunk)}}
		}
		close(lines)
	}()
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if saved != chunks*perChunk || pending != 0 {
		t.Errorf("%d records saved and %d not, want %d", saved, pending, chunks*perChunk)
	}
	if transactions >= batches/2 {
		t.Errorf("%d transactions for %d batches", transactions, batches)
	}
}

// A daemon saves a backlog in transactions of several full batches. Each ends at its
// limit of records, at its limit of age, or when no line has followed for a while.
func TestABacklogIsSavedInLargeTransactions(t *testing.T) {
	for _, c := range []struct {
		what  string
		pause time.Duration // between two chunks
		more  bool          // whether the last chunk says that others are available
		want  []int         // records of each transaction
		after time.Duration // from the last chunk to the last commit, at most
		small time.Duration // how long transactions stay small, as after one that failed
	}{
		{"fast", 0, false, []int{10, 10, 5}, 100 * time.Millisecond, 0},
		{"slow", 3 * time.Second, false, slices.Repeat([]int{1}, 25), 100 * time.Millisecond, 0},
		{"the last chunk promises more", 0, true, []int{10, 10, 5}, 2 * time.Second, 0},
		{"with pauses", 1500 * time.Millisecond, false, []int{8, 8, 8, 1}, 100 * time.Millisecond, 0},
		{"after a failure", 100 * time.Millisecond, false, []int{1, 1, 1, 1, 1, 1, 10, 9}, 100 * time.Millisecond, 550 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			var got []int
			pending := 0
			var committed time.Time
			store := &txStore{
				add: func(b *bounce.Batch) error { pending += b.Records.Len(); return nil },
				commit: func() error {
					got, pending, committed = append(got, pending), 0, time.Now()
					return nil
				},
			}
			lines := make(chan bounce.Chunk)
			p := following(lines, store)
			p.NewParser = func(*bounce.Chunk, bounce.ParserState) (pipeline.Parser, error) { return &failing{}, nil }
			p.Queue = queue.New()
			p.Classifier = func() pipeline.Classifier { return noVerdict{} }
			p.Limits = pipeline.Limits{BatchRecords: 1, TxRecords: 10}
			if c.small > 0 {
				p.Limits.SmallUntil = time.Now().Add(c.small)
			}
			done := make(chan error, 1)
			go func() { done <- p.Run(t.Context()) }()
			const chunks = 25
			for i := range chunks {
				lines <- bounce.Chunk{Data: "x\n", Position: bounce.Position{Stream: 1, Offset: int64(i + 1)}, More: i < chunks-1 || c.more}
				time.Sleep(c.pause)
			}
			sent := time.Now().Add(-c.pause)
			time.Sleep(time.Minute)
			synctest.Wait()
			if !slices.Equal(got, c.want) || pending > 0 {
				t.Errorf("%s: transactions of %d records and %d unsaved, want %d", c.what, got, pending, c.want)
			}
			if after := committed.Sub(sent); after > c.after {
				t.Errorf("%s: the last commit is %v after the last chunk, want at most %v", c.what, after, c.after)
			}
			close(lines)
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// txStore is a store with the Add and Commit of a test.
type txStore struct {
	add       func(b *bounce.Batch) error
	commit    func() error
	rollbacks int
	beginErr  func() error
}

func (s *txStore) Begin(context.Context) (pipeline.Tx, error) {
	if s.beginErr != nil {
		if err := s.beginErr(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *txStore) Add(b *bounce.Batch) (int, error) { return 0, s.add(b) }

func (s *txStore) Commit() error {
	if s.commit == nil {
		return nil
	}
	return s.commit()
}

func (s *txStore) Rollback() error { s.rollbacks++; return nil }

// fullDisk is a temporary error.
type fullDisk struct{}

func (fullDisk) Error() string   { return "disk full" }
func (fullDisk) Temporary() bool { return true }

// The only batch of a transaction is retried. If there were several, only the last one
// is still in memory, so the logs must be read again.
func TestABatchIsRetriedOrReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			what   string
			limits pipeline.Limits
			fail   func(add int) error // error of the nth Add, from 1
			adds   int
			err    error
		}{
			{"a single batch, once", pipeline.Limits{BatchRecords: 1}, func(add int) error {
				if add == 1 {
					return fullDisk{}
				}
				return nil
			}, 3, nil},
			{"the second of a transaction", pipeline.Limits{BatchRecords: 1, TxRecords: 10, FlushInterval: time.Hour}, func(add int) error {
				if add == 2 {
					return fullDisk{}
				}
				return nil
			}, 2, pipeline.ErrReadAgain},
			{"the first of a transaction", pipeline.Limits{BatchRecords: 1, TxRecords: 10, FlushInterval: time.Hour}, func(add int) error {
				if add == 1 {
					return fmt.Errorf("while saving: %w", fullDisk{})
				}
				return nil
			}, 4, nil}, // the last ends the transaction
			{"not temporary", pipeline.Limits{BatchRecords: 1}, func(int) error { return errDamaged }, 1, errDamaged},
		} {
			adds := 0
			store := &txStore{add: func(*bounce.Batch) error { adds++; return c.fail(adds) }}
			lines := make(chan bounce.Chunk, 2)
			p := following(lines, store)
			p.NewParser = func(*bounce.Chunk, bounce.ParserState) (pipeline.Parser, error) { return &failing{}, nil }
			p.Queue = queue.New()
			p.Classifier = func() pipeline.Classifier { return noVerdict{} }
			p.Limits = c.limits
			for i := range 2 {
				lines <- bounce.Chunk{Data: "x\n", Position: bounce.Position{Stream: 1, Offset: int64(i + 1)}}
			}
			close(lines)
			err := p.Run(t.Context())
			if !errors.Is(err, c.err) || c.err == nil && err != nil || adds != c.adds {
				t.Errorf("%s: %d adds, %v; want %d, %v", c.what, adds, err, c.adds, c.err)
			}
			if store.rollbacks != 1 {
				t.Errorf("%s: %d transactions rolled back, want 1", c.what, store.rollbacks)
			}
		}
	})
}

var errDamaged = errors.New("damaged")

// A batch that cannot be saved until the program has to stop is lost, but its lines are
// not: a daemon that stops only for other settings reads them again.
func TestABatchThatIsGivenUpIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lines := make(chan bounce.Chunk, 1)
		p := following(lines, &txStore{add: func(*bounce.Batch) error { return fullDisk{} }})
		p.NewParser = func(*bounce.Chunk, bounce.ParserState) (pipeline.Parser, error) { return &failing{}, nil }
		p.Queue = queue.New()
		p.Classifier = func() pipeline.Classifier { return noVerdict{} }
		lines <- bounce.Chunk{Data: "x\n", Position: bounce.Position{Stream: 1, Offset: 1}}
		close(lines)
		ctx, stop := context.WithCancel(t.Context())
		time.AfterFunc(time.Minute, stop)
		if err := p.Run(ctx); !errors.Is(err, pipeline.ErrReadAgain) || !errors.As(err, &fullDisk{}) {
			t.Errorf("Run: %v, want %v because of the full disk", err, pipeline.ErrReadAgain)
		}
	})
}

// Somebody waits for an import, so a full disk ends it.
func TestGiveUpEndsThePipelineAtATemporaryError(t *testing.T) {
	lines := make(chan bounce.Chunk, 1)
	p := following(lines, &txStore{add: func(*bounce.Batch) error { return fullDisk{} }})
	p.NewParser = func(*bounce.Chunk, bounce.ParserState) (pipeline.Parser, error) { return &failing{}, nil }
	p.Queue = queue.New()
	p.Classifier = func() pipeline.Classifier { return noVerdict{} }
	p.GiveUp = func(err error) bool { return errors.As(err, &fullDisk{}) }
	lines <- bounce.Chunk{Data: "x\n", Position: bounce.Position{Stream: 1, Offset: 1}}
	close(lines)
	if err := p.Run(t.Context()); !errors.As(err, &fullDisk{}) {
		t.Errorf("Run: %v, want the full disk", err)
	}
}

// After a stop a large transaction is rolled back, because its commit takes long. What
// was committed before is counted.
func TestALargeTransactionIsNotCommittedAfterAStop(t *testing.T) {
	for _, c := range []struct {
		what    string
		stop    int // records that may still be committed
		commits int
		saved   int64
	}{{"small", 0, 2, 5}, {"large", 2, 1, 0}} {
		synctest.Test(t, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			adds, commits := 0, 0
			store := &txStore{
				add:    func(*bounce.Batch) error { adds++; return nil },
				commit: func() error { commits++; return nil },
			}
			lines := make(chan bounce.Chunk)
			p := following(lines, store)
			p.NewParser = func(*bounce.Chunk, bounce.ParserState) (pipeline.Parser, error) { return &failing{}, nil }
			p.Queue = queue.New()
			p.Classifier = func() pipeline.Classifier { return noVerdict{} }
			p.Limits = pipeline.Limits{BatchRecords: 1, TxRecords: 5, StopRecords: c.stop, FlushInterval: time.Hour}
			done := make(chan error, 1)
			go func() { done <- p.Run(ctx) }()
			for i := range 9 {
				lines <- bounce.Chunk{Data: "x\n", Position: bounce.Position{Stream: 1, Offset: int64(i + 1)}}
				if i == 4 {
					synctest.Wait()
					c.saved = p.Progress.Saved.Load()
				}
			}
			synctest.Wait()
			stop()
			close(lines)
			err := <-done
			if want := c.stop > 0; errors.Is(err, context.Canceled) != want || commits != c.commits {
				t.Errorf("%s: %v after %d commits, want %d", c.what, err, commits, c.commits)
			}
			if saved := p.Progress.Saved.Load(); c.stop > 0 && saved != c.saved || saved == 0 {
				t.Errorf("%s: %d lines are said to be stored, and %d were before the stop", c.what, saved, c.saved)
			}
		})
	}
}
