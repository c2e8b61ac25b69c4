package dbfile

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
