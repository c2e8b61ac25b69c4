package dbfile

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
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

// A lock file that root creates belongs to the owner of the folder, who must be able to
// take the lock later.
func TestALockOfRootBelongsToTheOwnerOfTheFolder(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: only root can give files away")
	}
	dir := t.TempDir()
	const nobody = 65534
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	f, err := OpenLock(filepath.Join(dir, "b.db.notify.lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if owner := info.Sys().(*syscall.Stat_t).Uid; owner != nobody {
		t.Errorf("the lock belongs to user %d, want %d", owner, nobody)
	}
}

func isHeldBy(err error, pid string) bool {
	var inUse *InUse
	return errors.As(err, &inUse) && inUse.PID == pid
}
