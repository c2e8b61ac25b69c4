package pipeline_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/pipeline"
)

type noParser struct{}

func (noParser) Parse(string, func(*bounce.Event)) (lines, unparsed int) { return 0, 0 }
func (noParser) End(bool, func(*bounce.Event)) bool                      { return false }
func (noParser) State() []byte                                           { return nil }
func (noParser) TakeUnparsed() []bounce.Unparsed                         { return nil }
func (noParser) Foreign() bool                                           { return false }

type noQueue struct{}

func (noQueue) Apply(*bounce.Event, func(*bounce.Delivery)) {}
func (noQueue) Changes() ([]bounce.QueueEntry, error)       { return nil, nil }
func (noQueue) Waiting() int                                { return 0 }
func (noQueue) Release(time.Time, func(*bounce.Delivery))   {}

// Stalled stays small while no lines arrive and while a full disk is retried, and
// grows while a stage hangs.
func TestStalledReportsAStageThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		var full atomic.Bool
		full.Store(true)
		store := &txStore{add: func(*bounce.Batch) error {
			if full.Load() {
				return fullDisk{}
			}
			<-hang
			return nil
		}}
		lines := make(chan bounce.Chunk)
		p := following(lines, store)
		done := make(chan error, 1)
		go func() { done <- p.Run(t.Context()) }()
		expect := func(what string, least, most time.Duration) {
			t.Helper()
			synctest.Wait()
			if stalled := p.Stalled(time.Now()); stalled < least || stalled > most {
				t.Errorf("%s: stalled for %s, want %s to %s", what, stalled, least, most)
			}
		}
		time.Sleep(time.Hour)
		expect("no lines arrive", 0, 0)

		lines <- bounce.Chunk{Data: "a line\n", Position: bounce.Position{Stream: 1}}
		time.Sleep(time.Hour)
		expect("a full disk is retried", 0, 5*time.Second)

		full.Store(false) // now Add blocks
		time.Sleep(time.Hour)
		expect("saving hangs", time.Hour-5*time.Second, time.Hour)

		close(hang)
		time.Sleep(time.Second)
		expect("saving continues", 0, 0)
		close(lines)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// following returns a pipeline that receives chunks from a channel. Its parser finds
// no events.
func following(lines <-chan bounce.Chunk, store *txStore) *pipeline.Pipeline {
	return &pipeline.Pipeline{
		Source: func(_ context.Context, out chan<- bounce.Chunk) error {
			for c := range lines {
				out <- c
			}
			return nil
		},
		NewParser:  func(*bounce.Chunk, bounce.ParserState) (pipeline.Parser, error) { return noParser{}, nil },
		Queue:      noQueue{},
		Classifier: func() pipeline.Classifier { return nil },
		Begin:      store.Begin,
		Log:        slog.New(slog.DiscardHandler),
	}
}
