package openfile

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestOnlyFilesWithContentAreOpened(t *testing.T) {
	dir := t.TempDir()
	pipe, file, link := filepath.Join(dir, "pipe"), filepath.Join(dir, "file"), filepath.Join(dir, "link")
	socket := filepath.Join(dir, "socket")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, err := range []error{syscall.Mkfifo(pipe, 0o600), os.Symlink(pipe, link), os.WriteFile(file, []byte("text"), 0o600)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for path, kind := range map[string]string{pipe: "a named pipe", link: "a named pipe", dir: "a directory", socket: "a socket", "/dev/zero": "a device"} {
		_, err := Read(path, 100) // opening a pipe in the usual way would wait here for ever
		if other, is := errors.AsType[*NotRegular](err); !is || other.Kind != kind || other.Path != path {
			t.Errorf("Read(%s): %v, want that it is %s", path, err, kind)
		}
	}
	for path, want := range map[string]string{file: "text", os.DevNull: ""} {
		if got, err := Read(path, 100); err != nil || string(got) != want {
			t.Errorf("Read(%s) = %q, %v, want %q", path, got, err, want)
		}
	}
	if _, err := Read(file, 3); err == nil {
		t.Error("a file over the limit was read")
	}
}

// A shell passes <(command) as /dev/fd/63.
func TestAPipeThatTheShellPassesIsRead(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := w.WriteString("text"); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if got, err := Read(filepath.Join("/dev/fd", fdOf(t, r)), 100); err != nil || string(got) != "text" {
		t.Errorf("%q, %v", got, err)
	}
}

func fdOf(t *testing.T, f *os.File) string {
	t.Helper()
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		t.Fatal(err)
	}
	own, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if info, err := os.Stat(filepath.Join("/dev/fd", e.Name())); err == nil && os.SameFile(own, info) {
			return e.Name()
		}
	}
	t.Fatal("the descriptor is not in /dev/fd")
	return ""
}
