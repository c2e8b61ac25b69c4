// Package atomicfile replaces files so that a reader, and a crash at any time,
// finds either the old content or the new one.
package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// File is a temporary file in the directory of the file that it will replace.
// After Commit or Abort it is closed. Errors have the path of the file that it will
// replace.
type File struct {
	*os.File
	path string
	done bool
}

// Create creates a temporary file next to path. A symbolic link at path is
// followed, so that Commit replaces its target and not the link. The mode is
// that of an existing file at path; otherwise it is mode.
func Create(path string, mode os.FileMode) (*File, error) {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	if info, err := os.Stat(path); err == nil {
		if !info.Mode().IsRegular() {
			return nil, fmt.Errorf("%s is not a regular file", path)
		}
		mode = info.Mode().Perm()
	}
	dir, prefix := filepath.Dir(path), "."+filepath.Base(path)+"."
	removeLeft(dir, prefix)
	f, err := os.CreateTemp(dir, prefix+"*")
	if err != nil {
		return nil, at(path, err)
	}
	// Chmod, because the umask applies to the mode that a file is created with.
	if err := f.Chmod(mode); err != nil {
		return nil, errors.Join(at(path, err), f.Close(), os.Remove(f.Name()))
	}
	return &File{File: f, path: path}, nil
}

// leftAfter is the age from which a temporary file counts as left by a process that was
// killed. No file takes that long to write.
const leftAfter = 24 * time.Hour

// removeLeft removes the temporary files that were left, because they hold addresses. A
// file that cannot be removed harms nothing else.
func removeLeft(dir, prefix string) {
	all, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, entry := range all {
		random, ours := strings.CutPrefix(entry.Name(), prefix)
		if !ours || strings.Trim(random, "0123456789") != "" || !entry.Type().IsRegular() {
			continue
		}
		if info, err := entry.Info(); err == nil && time.Since(info.ModTime()) > leftAfter {
			_ = os.Remove(filepath.Join(dir, entry.Name()))
		}
	}
}

// Write writes to the temporary file.
func (f *File) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	return n, at(f.path, err)
}

// Chown changes the owner of the temporary file.
func (f *File) Chown(uid, gid int) error { return at(f.path, f.File.Chown(uid, gid)) }

// at returns an error with a path instead of that of the temporary file.
func at(path string, err error) error {
	var ofFile *fs.PathError
	var ofRename *os.LinkError
	switch {
	case errors.As(err, &ofFile):
		return &fs.PathError{Op: "write", Path: path, Err: ofFile.Err}
	case errors.As(err, &ofRename):
		return &fs.PathError{Op: "replace", Path: path, Err: ofRename.Err}
	}
	return err
}

// Commit syncs the file, renames it to its path and syncs the directory. On an
// error the temporary file is removed and the old file is unchanged, unless only
// the sync of the directory failed.
func (f *File) Commit() error { return f.commit(os.Rename) }

// CommitNew is Commit for a file that does not exist. If it does by now, the error is
// os.ErrExist; file systems that cannot tell replace it.
func (f *File) CommitNew() error { return f.commit(renameNew) }

func renameNew(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		return os.Rename(from, to)
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return nil
}

func (f *File) commit(rename func(from, to string) error) error {
	if f.done {
		return os.ErrClosed
	}
	if err := f.Sync(); err != nil {
		return errors.Join(at(f.path, err), f.Abort())
	}
	if err := f.Close(); err != nil {
		return errors.Join(at(f.path, err), f.Abort())
	}
	if err := rename(f.Name(), f.path); err != nil {
		return errors.Join(at(f.path, err), f.Abort())
	}
	f.done = true
	return SyncDir(filepath.Dir(f.path))
}

// WriteFile replaces a file, as Create and Commit do.
func WriteFile(path string, content []byte, mode os.FileMode) error {
	f, err := Create(path, mode)
	if err != nil {
		return err
	}
	if _, err := f.Write(content); err != nil {
		return errors.Join(err, f.Abort())
	}
	return f.Commit()
}

// Abort removes the temporary file. It does nothing after Commit, so that it can
// be deferred.
func (f *File) Abort() error {
	if f.done {
		return nil
	}
	f.done = true
	if err := f.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return os.Remove(f.Name())
}

// SyncDir makes renames and new files in a directory durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
