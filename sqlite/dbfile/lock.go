package dbfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bouncetail/bouncetail/internal/filelock"
)

// A writer holds two locks as long as it lives; the kernel drops them when the
// process ends, however it ends. The lock on the file next to the database is
// taken before anything else is touched, and names its holder. The lock on the
// database itself also holds if that file was removed, and under every other name
// of the database, such as a hard link.

// InUse is the error of opening a database that another process writes.
type InUse struct {
	Path string
	PID  string // of the process
}

func (e *InUse) Error() string {
	return fmt.Sprintf(
		"database %s is being written by bouncetail with process id %s; stop that one first, or name another file with --db",
		e.Path, e.PID,
	)
}

// acquire takes the lock on the file next to the database.
func acquire(path string) (*os.File, error) {
	f, err := OpenLock(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("database: the folder %s does not exist; create it, or name another file with --db", filepath.Dir(path))
	}
	if err != nil {
		return nil, fmt.Errorf("lock of the database: %w", Denied(err))
	}
	if err := lockBriefly(f); err != nil {
		pid, _ := os.ReadFile(path) // only to name the holder
		f.Close()
		if errors.Is(err, filelock.ErrLocked) {
			return nil, &InUse{Path: strings.TrimSuffix(path, ".lock"), PID: strings.TrimSpace(string(pid))}
		}
		return nil, err
	}
	// The name of the holder is a help, not the lock. On a full disk it is left out.
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
	}
	return f, nil
}

// OpenLock opens a lock file next to the database, and creates it. What root creates
// belongs to the owner of the folder, so that the daemon's user can take the lock too.
func OpenLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, err
	}
	giveToFolderOwner(f, path)
	return f, nil
}

// lockBriefly takes the lock, and tries again for a moment: a command that looks
// whether a daemon runs has it for some microseconds.
func lockBriefly(f *os.File) (err error) {
	for range 5 {
		if err = filelock.TryExclusive(f); !errors.Is(err, filelock.ErrLocked) {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
	return err
}

// lockDatabase takes the lock on the database, which it creates if there is none,
// readable by its group only; SQLite's own files next to it take the mode over.
// The file must stay open until SQLite has closed the database.
func lockDatabase(path string) (f *os.File, isNew bool, err error) {
	f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o640)
	if isNew = err == nil; errors.Is(err, os.ErrExist) {
		f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o640)
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil, false, fmt.Errorf(
			"database %s: the folder %s does not exist; create it, or name another file with --db",
			path, filepath.Dir(path),
		)
	}
	if err != nil {
		return nil, false, fmt.Errorf("database: %w", Denied(err))
	}
	giveToFolderOwner(f, path)
	if err := filelock.TryExclusive(f); err != nil {
		f.Close()
		if errors.Is(err, filelock.ErrLocked) {
			return nil, false, fmt.Errorf(
				"database %s is being written by another bouncetail, which may have opened it by another name (a hard link). Stop that one first, or name another file with --db",
				path,
			)
		}
		return nil, false, fmt.Errorf("database: %w", err)
	}
	return f, isNew, nil
}

// giveToFolderOwner gives an empty file that root has created to the owner of the
// folder: what an import by root leaves in the daemon's folder is the daemon's.
func giveToFolderOwner(f *os.File, path string) {
	if os.Geteuid() != 0 {
		return
	}
	var folder unix.Stat_t
	if err := unix.Stat(filepath.Dir(path), &folder); err != nil || folder.Uid == 0 {
		return
	}
	info, err := f.Stat()
	if err == nil && info.Size() == 0 {
		_ = f.Chown(int(folder.Uid), int(folder.Gid)) // fails on a file system without owners
	}
}

// RefuseOtherName refuses to write to a database by one of several names: SQLite
// keeps a log under each, and the writers would not see each other's.
func RefuseOtherName(path string) error {
	if inode := sharedInode(path); inode != 0 {
		return fmt.Errorf(
			"database %s has another name (a hard link), under which it may be in use; remove that one: find / -xdev -inum %d",
			path, inode,
		)
	}
	return nil
}

// refuseOtherNameInUse refuses to read a database that is being written by another of its
// names: what is in the log there would be missing.
func refuseOtherNameInUse(path string) error {
	inode := sharedInode(path)
	if inode == 0 {
		return nil
	}
	if _, err := os.Lstat(path + "-wal"); err == nil {
		return nil // this process may write it by this name; closing a descriptor would drop its locks
	}
	f, err := os.Open(path)
	if err != nil {
		return nil //nolint:nilerr // opening the database reports it
	}
	defer f.Close()
	if err := filelock.TryShared(f); errors.Is(err, filelock.ErrLocked) {
		return fmt.Errorf(
			"database %s is being written by another name (a hard link), and much of it may be missing here. Name that one with --db; it is shown by: find / -xdev -inum %d",
			path, inode,
		)
	}
	return nil
}

// sharedInode returns the inode of a file that has several names, else 0.
func sharedInode(path string) uint64 {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG && st.Nlink > 1 {
		return st.Ino
	}
	return 0
}
