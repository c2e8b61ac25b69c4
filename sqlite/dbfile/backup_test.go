package dbfile

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// What was interrupted must not look like a backup: a later one would be refused, because
// the file exists.
func TestABackupAppearsWhenItIsComplete(t *testing.T) {
	dir := t.TempDir()
	path, to := filepath.Join(dir, "b.db"), filepath.Join(dir, "copy.db")
	f, err := Open(t.Context(), path, CacheSize, false, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close(false)
	// SQLite creates its journal of a copy as soon as it writes. A directory with the
	// name that the journal of the final name would have does not hinder it.
	if err := os.Mkdir(to+"-journal", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Backup(t.Context(), path, to); err != nil {
		t.Errorf("Backup: %v; it wrote to the final name", err)
	}
	if err := Backup(t.Context(), path, to); err == nil || !strings.Contains(err.Error(), "exists; name a new file") {
		t.Errorf("a second Backup: %v, want an error that the file exists", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Backup(ctx, path, filepath.Join(dir, "other.db")); !errors.Is(err, context.Canceled) {
		t.Errorf("Backup of a context that is over: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*other.db*")); len(left) > 0 {
		t.Errorf("it left %q", left)
	}
}

// What a killed writer has left in the write-ahead log is not lost if a restore is refused,
// and does not hinder one if the database is damaged.
func TestRestoreOverAWriteAheadLog(t *testing.T) {
	dir := t.TempDir()
	path, live, backup := filepath.Join(dir, "b.db"), filepath.Join(dir, "live.db"), filepath.Join(dir, "backup.db")
	f, err := Open(t.Context(), live, CacheSize, false, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close(false)
	if err := Backup(t.Context(), live, backup); err != nil {
		t.Fatal(err)
	}
	for _, end := range []string{"", "-wal"} { // as after a crash
		if err := copyFile(live+end, path+end); err != nil {
			t.Fatal(err)
		}
	}
	reader := sqldb.Connect(path, "rw", "_txlock=immediate")
	tx, err := reader.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := Restore(t.Context(), backup, path); err == nil || !strings.Contains(err.Error(), "another program reads or writes it") {
		t.Errorf("Restore while a program writes: %v", err)
	}
	if log, err := os.Stat(path + "-wal"); err != nil || log.Size() == 0 {
		t.Errorf("the write-ahead log after a restore that was refused: %v", err)
	}
	if err := errors.Join(tx.Rollback(), reader.Close()); err != nil {
		t.Fatal(err)
	}
	if err := copyFile(live+"-wal", path+"-wal"); err != nil { // the reader has copied the other
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Restore(t.Context(), backup, path); err != nil {
		t.Errorf("Restore over a database that is damaged: %v", err)
	}
	if err := CheckUsable(t.Context(), path); err != nil {
		t.Errorf("the restored database: %v", err)
	}
}
