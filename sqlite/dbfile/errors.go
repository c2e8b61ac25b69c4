package dbfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/mattn/go-sqlite3"

	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// Error is an error of the database.
type Error struct{ err error }

func (e *Error) Error() string { return e.err.Error() }
func (e *Error) Unwrap() error { return e.err }

// Temporary reports whether the error may pass by itself, so that the same
// operation is worth another try: a full disk, a lock, a file system that is
// read-only for the moment.
func (e *Error) Temporary() bool {
	switch sqldb.CodeOf(e.err) {
	case sqlite3.ErrFull, sqlite3.ErrBusy, sqlite3.ErrLocked, sqlite3.ErrReadonly, sqlite3.ErrIoErr, sqlite3.ErrCantOpen:
		return true
	}
	return false
}

// Wrap returns an error of the database as one, and notes a full disk.
func (f *File) Wrap(err error) error {
	if err == nil {
		return nil
	}
	if code := sqldb.CodeOf(err); code == sqlite3.ErrFull || code == sqlite3.ErrIoErr {
		f.full.Store(true) // some file systems report a full disk as an I/O error
	}
	return &Error{fmt.Errorf("database %s: %w", f.Path, err)}
}

// passing are errors of the system that have nothing to do with the database: a disk or
// a file server that does not answer, or a machine that has nothing left of something.
var passing = []syscall.Errno{
	syscall.EROFS, syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, syscall.ESTALE, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM,
}

// MayPass reports whether an error of Open may pass by itself: a full disk, a
// lock, a file system that is read-only for the moment.
func MayPass(err error) bool {
	e, _ := errors.AsType[sqlite3.Error](err)
	switch e.Code {
	case sqlite3.ErrFull, sqlite3.ErrBusy, sqlite3.ErrLocked, sqlite3.ErrReadonly, sqlite3.ErrIoErr, sqlite3.ErrNomem:
		return true
	}
	return slices.ContainsFunc(passing, func(one syscall.Errno) bool { return errors.Is(err, one) || e.SystemErrno == one })
}

// cannotCreate returns which file next to a database cannot be opened, or why none can be
// created, if that is what an error is about. SQLite reports a file that cannot be created
// as one that does not exist.
func cannotCreate(path string, err error) error {
	if sqldb.CodeOf(err) != sqlite3.ErrCantOpen {
		return err
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		f, cause := os.OpenFile(path+suffix, os.O_RDWR, 0)
		switch {
		case cause == nil:
			f.Close()
		case errors.Is(cause, os.ErrPermission):
			return fmt.Errorf("database %s: %w; chown --reference=%s %s", path, cause, path, path+suffix)
		}
	}
	f, cause := os.CreateTemp(filepath.Dir(path), ".*")
	if cause == nil {
		_, _ = f.Close(), os.Remove(f.Name())
		return err
	}
	if of, is := errors.AsType[*fs.PathError](cause); is {
		cause = of.Err // without the name of the probe
	}
	return fmt.Errorf("database %s: no file can be created next to it: %w", path, Denied(cause))
}

// NoSpace reports whether an error says that the disk is full.
func NoSpace(err error) bool {
	return sqldb.CodeOf(err) == sqlite3.ErrFull || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// Located adds to an error of SQLite that says that a database is damaged, which any
// statement may return, which one it is, and the way out. Others are returned as they are.
func Located(path string, err error) error {
	e, _ := errors.AsType[sqlite3.Error](err)
	if e.Code != sqlite3.ErrCorrupt || errors.Is(err, errDamaged) {
		return err
	}
	return damaged(path, e)
}

// errDamaged marks errors that say what to do about a damaged database.
var errDamaged = errors.New("is damaged")

func damaged(path string, err error) error {
	return fmt.Errorf(
		"database %s %w: %w; restore a copy, or save what can be saved with: sqlite3 %s .recover | sqlite3 NEW",
		path, errDamaged, err, path,
	)
}

// Denied adds the way out to an error that says that this user may not do something.
// Other errors are returned as they are.
func Denied(err error) error {
	switch code := sqldb.CodeOf(err); {
	case errors.Is(err, os.ErrPermission),
		code == sqlite3.ErrReadonly,
		code == sqlite3.ErrCantOpen,
		code == sqlite3.ErrPerm,
		code == sqlite3.ErrAuth:
		return fmt.Errorf("%w; use sudo bouncetail …, or, to read only, adduser USER bouncetail", err)
	}
	return err
}
