package dbfile

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/sqlite/migrations"
)

// A reader of another name of a database finds no write-ahead log there, and would miss
// what the writer has not copied into the file. At rest every name is as good.
func TestADatabaseInUseIsNotReadByAnotherName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b.db")
	other := filepath.Join(filepath.Dir(path), "other.db")
	f, err := Open(t.Context(), path, CacheSize, false, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Link(path, other); err != nil {
		t.Fatal(err)
	}
	if _, _, err := OpenReadOnly(t.Context(), other); err == nil || !strings.Contains(err.Error(), "is being written by another name (a hard link)") {
		t.Errorf("OpenReadOnly(the other name) = %v, want an error that says so", err)
	}
	if db, _, err := OpenReadOnly(t.Context(), path); err != nil {
		t.Errorf("OpenReadOnly(the name in use): %v", err)
	} else {
		db.Close()
	}
	if err := f.Close(false); err != nil {
		t.Fatal(err)
	}
	if db, _, err := OpenReadOnly(t.Context(), other); err != nil {
		t.Errorf("OpenReadOnly(the other name) at rest: %v", err)
	} else {
		db.Close()
	}
}

// A reader of a database that is being created finds it empty or complete, and never with
// the schema of an older version.
func TestANewDatabaseGetsItsSchemaAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b.db")
	stop, done := make(chan struct{}), make(chan map[int]bool)
	go func() {
		seen := make(map[int]bool)
		for last := false; !last; {
			select {
			case <-stop:
				last = true
			default:
			}
			db := sqldb.Connect(path, "ro", "_busy_timeout=5000")
			if version, err := schemaVersion(t.Context(), db); err == nil {
				seen[version] = true
			}
			db.Close()
		}
		done <- seen
	}()
	f, err := Open(t.Context(), path, CacheSize, false, slog.New(slog.DiscardHandler))
	close(stop)
	seen := <-done
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close(false)
	delete(seen, 0)
	delete(seen, len(migrations.All()))
	if len(seen) > 0 {
		t.Errorf("a reader found the schemas %v, want 0 and %d only", seen, len(migrations.All()))
	}
}
