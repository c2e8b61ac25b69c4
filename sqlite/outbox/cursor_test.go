package outbox

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/sqlite/dbfile"
)

// Exports and removals of one cursor at the same time: one process holds it,
// whatever becomes of the file of the lock.
func TestForgottenCursorLeavesNoLockAndLetsNoTwoIn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b.db")
	file, err := dbfile.Open(t.Context(), path, dbfile.CacheSize, false, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close(false)
	var holders, most, taken atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 25 {
				f, err := lockCursor(path, "crm")
				if err != nil {
					continue // another one has it
				}
				taken.Add(1)
				if n := holders.Add(1); n > 1 {
					most.Store(n)
				}
				runtime.Gosched()
				holders.Add(-1)
				if err := os.Remove(f.Name()); err != nil {
					t.Error(err)
				}
				f.Close()
			}
		})
	}
	all.Wait()
	if most.Load() > 1 || taken.Load() == 0 {
		t.Errorf("%d held the cursor at once, of %d that got it", most.Load(), taken.Load())
	}
	c, err := OpenCursor(t.Context(), path, "crm")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Move(t.Context(), 1, time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenCursor(t.Context(), path, "crm"); err == nil || !strings.Contains(err.Error(), "in use by another export") {
		t.Errorf("a second OpenCursor gives %v, want that it is in use", err)
	}
	if err := errors.Join(c.Forget(t.Context()), c.Close()); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(path + ".cursor-*"); err != nil || left != nil {
		t.Errorf("%q is left behind (%v)", left, err)
	}
}
