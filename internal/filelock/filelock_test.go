package filelock

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestLocks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	open := func() *os.File {
		t.Helper()
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	a, b := open(), open()
	if err := TryExclusive(a); err != nil {
		t.Fatal(err)
	}
	if err := TryExclusive(b); !errors.Is(err, ErrLocked) {
		t.Errorf("second exclusive lock: %v, want ErrLocked", err)
	}
	if err := TryShared(b); !errors.Is(err, ErrLocked) {
		t.Errorf("shared lock next to an exclusive one: %v, want ErrLocked", err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	c := open()
	if err := TryShared(b); err != nil {
		t.Errorf("shared lock on a free file: %v", err)
	}
	if err := TryShared(c); err != nil {
		t.Errorf("second shared lock: %v", err)
	}
	if err := TryExclusive(open()); !errors.Is(err, ErrLocked) {
		t.Errorf("exclusive lock next to shared ones: %v, want ErrLocked", err)
	}
}
