package pipeline_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// counted runs a pipeline that counts what it saves, until end is called.
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

// A commit costs as much as hundreds of lines: lines that come one by one are
// saved together, and a lone one at once.
func TestLinesThatComeOneByOneAreSavedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		saves := 0
		lines, end := counted(t, &saves)
		line := bounce.Chunk{Data: "a line\n", Position: bounce.Position{Stream: 1}}

		time.Sleep(time.Minute)
		lines <- line
		synctest.Wait()
		if saves != 1 {
			t.Errorf("a lone line: %d saves before any time has passed, want 1", saves)
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
			t.Errorf("5,000 lines in a second: %d saves, want 21 at most", saves)
		}
		end()
	})
}

// Of a backlog, what is known to come next is saved together, although reading
// it takes time and the saver has nothing to do; what does not come after all is
// not waited for.
func TestABacklogIsSavedInLargeBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		saves := 0
		lines, end := counted(t, &saves)
		c := bounce.Chunk{Data: "a line\n", Position: bounce.Position{Stream: 1}, More: true}

		time.Sleep(time.Minute)
		begun := time.Now()
		for range 100 {
			lines <- c
			time.Sleep(60 * time.Millisecond) // more than what comes one by one is held back for
		}
		synctest.Wait()
		if saves < 2 || saves > 3 {
			t.Errorf("6 s of a backlog: %d saves, want one every 2 s", saves)
		}
		c.More = false
		lines <- c
		synctest.Wait()
		if saves < 3 {
			t.Errorf("the end of a backlog is not saved %s after its begin", time.Since(begun))
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		saves = 0
		c.More = true
		lines <- c
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if saves != 1 {
			t.Errorf("a chunk that nothing follows: %d saves after 3 s, want 1", saves)
		}
		end()
	})
}
