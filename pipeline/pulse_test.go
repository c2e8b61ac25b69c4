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

func (noParser) Parse(string, func(*bounce.Event)) int { return 0 }
func (noParser) State() []byte                         { return nil }
func (noParser) TakeUnparsed() []bounce.Unparsed       { return nil }
func (noParser) Foreign() bool                         { return false }

type noQueue struct{}

func (noQueue) Apply(*bounce.Event, func(*bounce.Delivery)) {}
func (noQueue) Changes() ([]bounce.QueueEntry, error)       { return nil, nil }
func (noQueue) Waiting() int                                { return 0 }
func (noQueue) Release(time.Time, func(*bounce.Delivery))   {}

// The watchdog is fed as long as Still stays small: while nothing comes, while
// a full disk is retried, but not while a stage hangs.
func TestStillTellsAStageThatHangs(t *testing.T) {
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
			if still := p.Stalled(time.Now()); still < least || still > most {
				t.Errorf("%s: still for %s, want %s to %s", what, still, least, most)
			}
		}
		time.Sleep(time.Hour)
		expect("nothing comes", 0, 0)

		lines <- bounce.Chunk{Data: "a line\n", Position: bounce.Position{Stream: 1}}
		time.Sleep(time.Hour)
		expect("a full disk is retried", 0, 5*time.Second)

		full.Store(false) // and hangs from here on
		time.Sleep(time.Hour)
		expect("saving hangs", time.Hour-5*time.Second, time.Hour)

		close(hang)
		time.Sleep(time.Second)
		expect("it goes on", 0, 0)
		close(lines)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// following is a pipeline over lines that come one chunk after the other, and
// say nothing.
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
