package dbfile

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/internal/filelock"
)

// A command that looks whether a daemon runs holds the lock for a moment. A daemon that
// starts then takes it after that. A lock that is held is an error that names the holder.
func TestALockHeldForAMomentIsTaken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b.db.lock")
	other, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := filelock.TryShared(other); err != nil {
		t.Fatal(err)
	}
	if _, err := other.WriteString("42\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := acquire(path); !isHeldBy(err, "42") {
		t.Errorf("a held lock: %v, want one held by 42", err)
	}
	time.AfterFunc(15*time.Millisecond, func() { other.Close() })
	f, err := acquire(path)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
}

func isHeldBy(err error, pid string) bool {
	var inUse *InUse
	return errors.As(err, &inUse) && inUse.PID == pid
}
