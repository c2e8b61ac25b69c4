package scrub

import (
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3"
)

// The daemon copies the write-ahead log into the database from another connection. SQLite
// does not wait for such a checkpoint.
func TestEmptyWALWaitsForAnotherCheckpoint(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b.db")
	open := func() *sql.DB {
		t.Helper()
		db, err := sql.Open("sqlite3", "file:"+path+"?_journal_mode=WAL&_busy_timeout=60000")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		return db
	}
	db, other, third := open(), open(), open()
	exec := func(db *sql.DB, statement string) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	exec(db, "CREATE TABLE t (x); INSERT INTO t VALUES (1)")
	reading, err := third.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := reading.QueryRowContext(t.Context(), "SELECT count(*) FROM t").Scan(&n); err != nil {
		t.Fatal(err)
	}
	exec(db, "INSERT INTO t VALUES (2)")
	// It holds the lock of checkpoints while it waits for the reader.
	checkpointed := make(chan error, 1)
	go func() {
		for {
			var busy, pages, moved int
			err := other.QueryRowContext(t.Context(), "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &pages, &moved)
			if err != nil || busy == 0 {
				checkpointed <- err
				return
			}
		}
	}()
	for busy := 0; busy == 0; time.Sleep(5 * time.Millisecond) { // it must get the lock first
		if err := db.QueryRowContext(t.Context(), "PRAGMA wal_checkpoint(PASSIVE)").Scan(&busy, &n, &n); err != nil {
			t.Fatal(err)
		}
	}
	emptied := make(chan error, 1)
	go func() { emptied <- EmptyWAL(t.Context(), db, path) }()
	select {
	case err := <-emptied:
		t.Fatalf("EmptyWAL does not wait: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	if err := reading.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-checkpointed; err != nil {
		t.Fatal(err)
	}
	if err := <-emptied; err != nil {
		t.Errorf("EmptyWAL: %v", err)
	}
}
