package maps

import (
	"os"
	"path/filepath"
	"testing"
)

func TestASQLiteMapNeedsNoWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "map.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := newSQLiteMap(t.Context(), path, []string{"made by a test"}, "REJECT ", "error:")
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{"a@example.com", "o'brien@example.com"} {
		if err := m.add(t.Context(), address, "5.1.1 Gone"); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.close(); err != nil {
		t.Fatal(err)
	}
	if header, err := os.ReadFile(path); err != nil || header[18] != 1 || header[19] != 1 {
		t.Errorf("the file is in WAL mode, or not there: %v", err) // https://www.sqlite.org/fileformat.html, 1.3.3
	}
	if beside, err := filepath.Glob(path + "?*"); err != nil || len(beside) > 0 {
		t.Errorf("next to the map are %q, %v", beside, err)
	}
}
