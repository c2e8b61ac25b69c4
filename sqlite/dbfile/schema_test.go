package dbfile

import (
	"bytes"
	"log/slog"
	"os"
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

// A backup that this version cannot use, or that is not the whole database, replaces
// nothing.
func TestRestoreRefusesWhatCannotBeUsed(t *testing.T) {
	dir := t.TempDir()
	path, from := filepath.Join(dir, "b.db"), filepath.Join(dir, "from.db")
	for _, p := range []string{path, from} {
		f, err := Open(t.Context(), p, 0, false, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Close(false); err != nil {
			t.Fatal(err)
		}
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	db := sqldb.Connect(from, "rw", "")
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, c := range []struct{ sql, want string }{
		{"PRAGMA user_version = 9", "in " + from + "-wal"}, // while db is open
		{"PRAGMA user_version = 99; PRAGMA wal_checkpoint(TRUNCATE)", "was written by a newer bouncetail (schema 99,"},
	} {
		if _, err := db.ExecContext(t.Context(), c.sql); err != nil {
			t.Fatal(err)
		}
		if err := Restore(t.Context(), from, path); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("after %s: %v, want an error with %q", c.sql, err, c.want)
		}
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, before) {
		t.Errorf("the database was changed (%v)", err)
	}
	if _, err := db.ExecContext(t.Context(), "PRAGMA user_version = 9; PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		t.Fatal(err)
	}
	if err := Restore(t.Context(), from, path); err != nil {
		t.Errorf("an older backup: %v", err)
	}
}

func TestADirectoryHasNoOtherName(t *testing.T) {
	if err := RefuseOtherName(t.TempDir()); err != nil {
		t.Error(err)
	}
}
