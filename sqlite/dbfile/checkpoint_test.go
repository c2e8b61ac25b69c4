package dbfile

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"
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

// openToCopy opens a database that has its log copied from some pages on, and that
// does not do so in a commit.
func openToCopy(t *testing.T) (f *File, path string, end func()) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "b.db")
	f, err := Open(t.Context(), path, CacheSize, false, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close(false) })
	end, err = f.StartCheckpointer(t.Context(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(end)
	if _, err := f.DB.ExecContext(t.Context(), "PRAGMA wal_autocheckpoint = 0"); err != nil {
		t.Fatal(err)
	}
	f.logPages = 100
	return f, path, end
}

// commit writes one row, as a writer does.
func commit(t *testing.T, f *File, n int) {
	t.Helper()
	conn, err := f.DB.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), "INSERT INTO meta (name, value) VALUES (?, ?)", fmt.Sprint("a", n), n); err != nil {
		t.Fatal(err)
	}
	f.CopyLog(t.Context(), conn)
}

func TestTheLogStartsAgainWhileBatchesCome(t *testing.T) {
	f, path, _ := openToCopy(t)
	var before []byte
	restarts, batches := 0, 0
	for begun := time.Now(); restarts < 3; batches++ {
		if time.Since(begun) > 3*time.Minute { // less than a second on an idle machine
			t.Fatalf("the log has started again %d times with %d batches in 3 minutes", restarts, batches)
		}
		commit(t, f, batches)
		f.checkpointer.looked = time.Time{}
		if header := logHeader(t, path); !bytes.Equal(header, before) {
			before = header
			restarts++
		}
	}
	var n int
	if err := f.DB.QueryRowContext(t.Context(), "SELECT count(*) FROM meta WHERE name LIKE 'a%'").Scan(&n); err != nil || n != batches {
		t.Errorf("%d rows in the database, want %d (%v)", n, batches, err)
	}
}

func TestTheWriterCopiesTheRestOfItsLog(t *testing.T) {
	f, path, end := openToCopy(t)
	end() // no checkpointer does
	n := 0
	one := func() {
		commit(t, f, n)
		f.checkpointer.looked = time.Time{}
		n++
	}
	for before := logHeader(t, path); f.checkpointer.state.Load() != copying; one() {
		if n == 1000 {
			t.Fatalf("the log is not copied after %d batches", n)
		}
		if !bytes.Equal(logHeader(t, path), before) {
			t.Fatalf("the log started again before it was to be copied, after %d batches", n)
		}
	}
	before := logHeader(t, path)
	f.checkpointer.state.Store(copied)
	one()
	if f.checkpointer.state.Load() != notCopied || !bytes.Equal(logHeader(t, path), before) {
		t.Errorf("state %d, want %d, and the log to start again with the next batch", f.checkpointer.state.Load(), notCopied)
	}
	if one(); bytes.Equal(logHeader(t, path), before) {
		t.Error("the log does not start again once all of it was copied")
	}
}

func TestLogBound(t *testing.T) {
	const mb = 1 << 20
	for _, c := range []struct{ database, available, want int64 }{
		{0, 10_000 * mb, 4}, // small database
		{20 * mb, 10_000 * mb, 20},
		{4000 * mb, 10_000 * mb, 40}, // never more
		{4000 * mb, 80 * mb, 10},     // an eighth of what is free
		{4000 * mb, 0, 1},            // and never less
	} {
		if got := logBound(c.database, c.available); got < c.want*9*mb/10 || got > c.want*11*mb/10 {
			t.Errorf("logBound(%d MB, %d MB) is %d KB, want %d MB", c.database/mb, c.available/mb, got>>10, c.want)
		}
	}
}
