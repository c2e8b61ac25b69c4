// Package openfile opens the files that settings and arguments name, and never waits
// for one: opening a named pipe waits until a program writes to it, and a device may
// have no end.
package openfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// NotRegular is the error for what is not a file with content.
type NotRegular struct {
	Path string
	Kind string // "a directory", "a named pipe"
}

func (e *NotRegular) Error() string { return e.Path + " is " + e.Kind }

// Open opens a file to read it. It refuses directories, named pipes, sockets and
// devices. /dev/null is an empty file, and what a shell passes by a descriptor, such
// as <(command), may be read.
func Open(path string) (*os.File, error) {
	// O_NONBLOCK, because a named pipe may have taken the place of a file.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ENXIO) {
		return nil, &NotRegular{path, "a socket"}
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		err = Check(path, info)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Check returns an error that says what a file is if Open refuses it.
func Check(path string, info fs.FileInfo) error {
	if passedByShell(path) || isNull(info) {
		return nil
	}
	return CheckRegular(path, info)
}

// CheckRegular returns an error that says what a file is if it is not a regular one.
func CheckRegular(path string, info fs.FileInfo) error {
	mode := info.Mode()
	switch {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		return &NotRegular{path, "a directory"}
	case mode&fs.ModeNamedPipe != 0:
		return &NotRegular{path, "a named pipe"}
	case mode&fs.ModeSocket != 0:
		return &NotRegular{path, "a socket"}
	}
	return &NotRegular{path, "a device"}
}

// passedByShell reports whether a path is that of a descriptor of this process.
func passedByShell(path string) bool {
	return path == "/dev/stdin" || strings.HasPrefix(path, "/dev/fd/") || strings.HasPrefix(path, "/proc/self/fd/")
}

func isNull(info fs.FileInfo) bool {
	null, err := os.Stat(os.DevNull)
	return err == nil && os.SameFile(info, null)
}

// Read returns the content of a file that Open opens, of at most limit bytes.
func Read(path string, limit int64) ([]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(content)) > limit {
		err = fmt.Errorf("%s is larger than %d MB", path, limit>>20)
	}
	return content, err
}
