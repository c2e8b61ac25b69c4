package pipeline_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/pipeline"
	"github.com/bouncetail/bouncetail/queue"
)

// counted runs a pipeline that counts the batches it saves, until end is called.
func counted(t *testing.T, saves *int) (lines chan<- bounce.Chunk, end func()) {
	in := make(chan bounce.Chunk)
	p := following(in, &txStore{add: func(*bounce.Batch) error { *saves++; return nil }})
	done := make(chan error, 1)
	go func() { done <- p.Run(t.Context()) }()
	return in, func() {
		close(in)
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// A commit costs as much as hundreds of lines, so frequent lines are saved together.
// A single line is saved immediately.
func TestFrequentLinesAreSavedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		saves := 0
		lines, end := counted(t, &saves)
		line := bounce.Chunk{Data: "a line\n", Position: bounce.Position{Stream: 1}}

		time.Sleep(time.Minute)
		lines <- line
		synctest.Wait()
		if saves != 1 {
			t.Errorf("a single line: %d saves before any time has passed, want 1", saves)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		saves = 0
		for range 5000 {
			lines <- line
			time.Sleep(200 * time.Microsecond)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if saves > 21 {
			t.Errorf("5,000 lines in a second: %d saves, want at most 21", saves)
		}
		end()
	})
}

// A backlog is saved in large batches although reading takes time and the saver is
// idle. If the announced lines do not arrive, the batch is saved after maxAge.
func TestABacklogIsSavedInLargeBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		saves := 0
		lines, end := counted(t, &saves)
		c := bounce.Chunk{Data: "a line\n", Position: bounce.Position{Stream: 1}, More: true}

		time.Sleep(time.Minute)
		begun := time.Now()
		for range 100 {
			lines <- c
			time.Sleep(60 * time.Millisecond) // longer than minInterval
		}
		synctest.Wait()
		if saves < 2 || saves > 3 {
			t.Errorf("6 s of a backlog: %d saves, want one every 2 s", saves)
		}
		c.More = false
		lines <- c
		synctest.Wait()
		if saves < 3 {
			t.Errorf("the end of a backlog is not saved %s after its start", time.Since(begun))
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		saves = 0
		c.More = true
		lines <- c
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if saves != 1 {
			t.Errorf("a chunk without a next one: %d saves after 3 s, want 1", saves)
		}
		end()
	})
}

// While the saver is busy, the next batch grows until it is full, however old it is.
func TestABatchGrowsWhileTheSaverIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sizes []int
		lines := make(chan bounce.Chunk)
		p := following(lines, &txStore{add: func(b *bounce.Batch) error {
			time.Sleep(time.Minute)
			sizes = append(sizes, b.Records.Len())
			return nil
		}})
		p.NewParser = func(*bounce.Chunk, bounce.ParserState) (pipeline.Parser, error) { return &failing{}, nil }
		p.Queue = queue.New()
		p.Classifier = func() pipeline.Classifier { return noVerdict{} }
		p.Limits = pipeline.Limits{BatchRecords: 40}
		done := make(chan error, 1)
		go func() { done <- p.Run(t.Context()) }()
		for range 10 + 20 + 40*5 {
			lines <- bounce.Chunk{Data: "x\n", Position: bounce.Position{Stream: 1}, More: true}
		}
		close(lines)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if want := []int{10, 20, 40, 40, 40, 40, 40}; !slices.Equal(sizes, want) { // the first are smaller
			t.Errorf("batches of %d records, want %d", sizes, want)
		}
	})
}

// A daemon waits until as many chunks are parsed as the tailer has sent, with the journal
// and pipes next to it.
func TestChunksOfFilesAreCounted(t *testing.T) {
	in := make(chan bounce.Chunk)
	p := following(in, &txStore{add: func(*bounce.Batch) error { return nil }})
	done := make(chan error, 1)
	go func() { done <- p.Run(t.Context()) }()
	for _, stream := range []int64{-1, 1, -2, -1, 2} {
		in <- bounce.Chunk{Data: "a line\n", Position: bounce.Position{Stream: stream}}
	}
	close(in)
	if err := <-done; err != nil || p.Progress.Chunks.Load() != 2 {
		t.Errorf("%d chunks of files are counted, want 2; Run: %v", p.Progress.Chunks.Load(), err)
	}
}
