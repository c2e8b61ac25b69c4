package dbfile

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestANewDatabaseIsBuiltAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b.db")
	fill := func() *File {
		t.Helper()
		s, err := Open(t.Context(), path, CacheToFill, true, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	killed := fill() // its file stays, as after a power cut
	if err := os.WriteFile(killed.Path+"-journal", []byte("not a journal"), 0o600); err != nil {
		t.Fatal(err)
	}
	killed.lock.Close()
	defer killed.DB.Close()

	s := fill()
	commit(t, s, 1)
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the database is there before it was closed: %v", err)
	}
	if err := s.Close(false); err != nil {
		t.Fatal(err)
	}
	var names []string
	files, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		names = append(names, f.Name())
	}
	if want := []string{"b.db", "b.db.lock"}; !slices.Equal(names, want) {
		t.Errorf("after Close there are %q, want %q", names, want)
	}
	s = fill()
	defer s.Close(false)
	if s.building() || s.Crashed {
		t.Errorf("the database that is there: built again %v, crashed %v", s.building(), s.Crashed)
	}
	var name, mode string
	if err := s.DB.QueryRowContext(t.Context(), "SELECT name, (SELECT * FROM pragma_journal_mode) FROM meta WHERE name = 'a1'").Scan(&name, &mode); err != nil || mode != "wal" {
		t.Errorf("it holds %q in mode %q (%v)", name, mode, err)
	}

	built := filepath.Join(t.TempDir(), "c.db")
	s, err = Open(t.Context(), built, CacheToFill, true, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(built, []byte("of another program"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(false); err == nil || !strings.Contains(err.Error(), built+".unfinished") {
		t.Errorf("a file has taken the name in the meantime: %v, want an error that names where the records are", err)
	}
	if text, _ := os.ReadFile(built); string(text) != "of another program" {
		t.Errorf("the other file was changed to %q", text)
	}
}
