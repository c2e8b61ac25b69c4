package pipeline_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/pipeline"
	"github.com/bouncetail/bouncetail/queue"
)

// A pause comes after everything that was read is saved, holds up what comes next,
// and may replace the memory.
func TestPauseRunsBetweenTransactions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var saved, parsers atomic.Int64
		store := &txStore{add: func(b *bounce.Batch) error {
			time.Sleep(time.Second)
			saved.Add(int64(b.Records.Len()))
			return nil
		}}
		lines := make(chan bounce.Chunk)
		p := following(lines, store)
		p.Queue, p.Classifier = queue.New(), func() pipeline.Classifier { return noVerdict{} }
		p.NewParser = func(_ *bounce.Chunk, state bounce.ParserState) (pipeline.Parser, error) {
			if parsers.Add(1) == 2 && string(state.Data) != "state of the new memory" {
				t.Errorf("the parser after the pause begins with %q", state.Data)
			}
			return &failing{lines: uint64(saved.Load())}, nil
		}
		done := make(chan error, 1)
		go func() { done <- p.Run(t.Context()) }()
		at := bounce.Position{Stream: 1}
		lines <- bounce.Chunk{Data: "1\n2\n", Position: at, More: true}
		synctest.Wait() // until it was read, before the pause asks
		released := make(chan struct{})
		memory := &pipeline.Memory{Queue: queue.New(), Parsed: map[int64]bounce.ParserState{1: {Data: []byte("state of the new memory")}}}
		paused := make(chan error, 1)
		go func() {
			paused <- p.Pause(t.Context(), func() (*pipeline.Memory, error) {
				if saved.Load() != 2 {
					t.Errorf("%d records are saved when the pause begins, want 2", saved.Load())
				}
				<-released
				return memory, errors.New("of the function")
			})
		}()
		time.Sleep(time.Minute)
		lines <- bounce.Chunk{Data: "3\n", Position: at}
		time.Sleep(time.Minute)
		if saved.Load() != 2 || p.Stalled(time.Now()) != 0 {
			t.Errorf("during the pause %d records are saved, want 2, and the pipeline is stalled for %v, want 0", saved.Load(), p.Stalled(time.Now()))
		}
		close(released)
		if err := <-paused; err == nil || err.Error() != "of the function" {
			t.Errorf("Pause: %v, want the error of the function", err)
		}
		time.Sleep(time.Minute)
		if saved.Load() != 3 || parsers.Load() != 2 {
			t.Errorf("after the pause %d records are saved and %d parsers were made, want 3 and 2", saved.Load(), parsers.Load())
		}
		close(lines)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// A pause that is no longer wanted is not begun, and a pipeline that fails ends it.
func TestPauseEndsWithItsContextAndItsPipeline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		unwanted := func() (*pipeline.Memory, error) {
			t.Error("the function ran")
			return nil, nil
		}
		lines := make(chan bounce.Chunk)
		broken := errors.New("broken")
		p := following(lines, &txStore{add: func(*bounce.Batch) error { return broken }})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Pause(ctx, unwanted); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Pause of a pipeline that does not run: %v, want %v", err, context.DeadlineExceeded)
		}
		done := make(chan error, 1)
		go func() { done <- p.Run(t.Context()) }()
		lines <- bounce.Chunk{Data: "1\n", Position: bounce.Position{Stream: 1}, More: true}
		if err := p.Pause(t.Context(), unwanted); !errors.Is(err, broken) {
			t.Errorf("Pause of a pipeline that fails: %v, want %v", err, broken)
		}
		close(lines)
		if err := <-done; !errors.Is(err, broken) {
			t.Errorf("Run: %v, want %v", err, broken)
		} else if n := strings.Count(err.Error(), broken.Error()); n != 1 {
			t.Errorf("Run: %q, which says %d times that saving failed, want once", err, n)
		}
	})
}
