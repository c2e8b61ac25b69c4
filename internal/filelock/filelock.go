// Package filelock takes advisory locks on files and directories, so that two
// processes do not write to the same file.
package filelock

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ErrLocked is returned if another open file description holds the lock.
var ErrLocked = errors.New("locked by another process")

// TryExclusive locks f for this open file description until f is closed. It
// returns ErrLocked, wrapped with the name of f, without waiting.
func TryExclusive(f *os.File) error { return try(f, unix.LOCK_EX) }

// TryShared is TryExclusive with a shared lock, which only an exclusive lock
// excludes.
func TryShared(f *os.File) error { return try(f, unix.LOCK_SH) }

func try(f *os.File, how int) error {
	err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = ErrLocked
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return nil
}
