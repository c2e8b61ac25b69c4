package tailer

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// The directory of a symbolic link does not change when its target appears, or when what
// kept it from being seen ends.
func TestALogThatCouldNotBeSeenIsFollowed(t *testing.T) {
	for name, c := range map[string]struct{ target string }{
		"missing": {"elsewhere/target"},
		"a loop":  {"elsewhere/loop"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "mail.log")
			elsewhere := filepath.Join(dir, "elsewhere")
			for _, do := range []error{
				os.Mkdir(elsewhere, 0o700), os.Symlink("loop", filepath.Join(elsewhere, "loop")), os.Symlink(c.target, path),
			} {
				if do != nil {
					t.Fatal(do)
				}
			}
			// The names of a directory that has just changed are read again.
			old := time.Now().Add(-time.Hour)
			if err := os.Chtimes(dir, old, old); err != nil {
				t.Fatal(err)
			}
			tl, err := New(Options{Patterns: []string{path}, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			out := make(chan bounce.Chunk, 10)
			tl.out = out
			for range 3 {
				if err := tl.scan(context.Background()); err != nil {
					t.Fatal(err)
				}
			}
			if len(out) > 0 {
				t.Fatalf("a log that is not there gave %q", (<-out).Data)
			}
			if !tl.refresh(&tl.listings[0]) {
				t.Error("the directory is read again by each scan")
			}
			target := filepath.Join(dir, c.target)
			_ = os.Remove(target)
			if err := os.WriteFile(target, []byte("a line\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := tl.scan(context.Background()); err != nil {
				t.Fatal(err)
			}
			if len(out) != 1 || (<-out).Data != "a line\n" {
				t.Errorf("the log that has appeared is not followed")
			}
		})
	}
}
