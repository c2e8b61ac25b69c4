package sqlite

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// logHeader returns the beginning of the write-ahead log, which changes whenever
// the log starts again.
func logHeader(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	return data[:min(32, len(data))]
}

// openToCopy opens a store that has its log copied from some pages on, and that
// does not do so in a commit.
func openToCopy(t *testing.T) (s *Store, path string, end func()) {
	t.Helper()
	s, path = openNew(t)
	end, err := s.StartCheckpointer(t.Context(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(end)
	if _, err := s.db.ExecContext(t.Context(), "PRAGMA wal_autocheckpoint = 0"); err != nil {
		t.Fatal(err)
	}
	s.logPages = 100
	return s, path, end
}

func TestTheLogStartsAgainWhileBatchesCome(t *testing.T) {
	s, path, _ := openToCopy(t)
	var before []byte
	restarts, batches := 0, 0
	for begun := time.Now(); restarts < 5; batches++ {
		if time.Since(begun) > 30*time.Second {
			t.Fatalf("the log has started again %d times with %d batches in 30 s", restarts, batches)
		}
		save(t, s, &bounce.Batch{Records: bounce.NewRecords(failed(fmt.Sprint("a", batches), 0, bounce.Bounced, true))})
		s.checkpointer.looked = time.Time{}
		if header := logHeader(t, path); !bytes.Equal(header, before) {
			before = header
			restarts++
		}
	}
	if n := len(dump(t, s.db, "SELECT recipient FROM recipients")); n != batches {
		t.Errorf("%d recipients in the database, want %d", n, batches)
	}
}

func TestTheStoreCopiesTheRestOfItsLog(t *testing.T) {
	s, path, end := openToCopy(t)
	end() // no checkpointer does
	n := 0
	one := func() {
		save(t, s, &bounce.Batch{Records: bounce.NewRecords(failed(fmt.Sprint("a", n), 0, bounce.Bounced, true))})
		s.checkpointer.looked = time.Time{}
		n++
	}
	for before := logHeader(t, path); s.checkpointer.state.Load() != copying; one() {
		if n == 1000 {
			t.Fatalf("the log is not copied after %d batches", n)
		}
		if !bytes.Equal(logHeader(t, path), before) {
			t.Fatalf("the log started again before it was to be copied, after %d batches", n)
		}
	}
	before := logHeader(t, path)
	s.checkpointer.state.Store(copied)
	one()
	if s.checkpointer.state.Load() != notCopied || !bytes.Equal(logHeader(t, path), before) {
		t.Errorf("state %d, want %d, and the log to start again with the next batch", s.checkpointer.state.Load(), notCopied)
	}
	if one(); bytes.Equal(logHeader(t, path), before) {
		t.Error("the log does not start again once all of it was copied")
	}
}
