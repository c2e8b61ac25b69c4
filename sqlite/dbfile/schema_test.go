package dbfile

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// A reader with another schema says which side to update. A closed database has an
// empty write-ahead log, so that it can be read without write permission.
func TestReadersNameTheSideToUpdate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b.db")
	f, err := Open(t.Context(), path, 0, false, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(false); err != nil {
		t.Fatal(err)
	}
	for version, want := range map[string]string{"1": "restart the daemon", "99": "upgrade this one"} {
		db := sqldb.Connect(path, "rw", "")
		if _, err := db.ExecContext(t.Context(), "PRAGMA user_version = "+version); err != nil {
			t.Fatal(err)
		}
		if err := CheckSchema(t.Context(), db, path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("schema %s: %v, want an error with %q", version, err, want)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if n := sizeOf(path + "-wal"); n != 0 {
			t.Errorf("the write-ahead log of a closed database has %d bytes, want none", n)
		}
	}
}
