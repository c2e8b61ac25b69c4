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

// A folder that may not be entered for a while, or a disk with errors, is no database that
// was removed: the daemon would end, and could go on writing.
func TestAPathThatCannotBeLookedAtIsNoRemovedDatabase(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "folder")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := Open(t.Context(), filepath.Join(dir, "b.db"), CacheSize, false, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close(false)
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	if err := f.Check(); err == nil {
		t.Error("Check() = nil, although the folder was renamed")
	}
	// A link to itself cannot be looked through, also by root, who may enter every folder.
	if err := os.Symlink(dir, dir); err != nil {
		t.Fatal(err)
	}
	if err := f.Check(); err != nil {
		t.Errorf("Check() of a path that cannot be looked at = %v", err)
	}
	if err := errors.Join(os.Remove(dir), os.Rename(dir+".away", dir)); err != nil {
		t.Fatal(err)
	}
	if err := f.Check(); err != nil {
		t.Errorf("Check() = %v", err)
	}
}
