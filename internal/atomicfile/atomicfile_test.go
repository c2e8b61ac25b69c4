package atomicfile

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func entries(t *testing.T, dir string) int {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

func TestCommitReplacesTheFileAndKeepsItsMode(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "list")
	for i, mode := range []os.FileMode{0o640, 0o604} {
		f, err := Create(path, 0o640)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString("new"); err != nil {
			t.Fatal(err)
		}
		if i > 0 && read(t, path) != "new" {
			t.Error("the old content is gone before Commit")
		}
		if err := f.Commit(); err != nil {
			t.Fatal(err)
		}
		if err := f.Abort(); err != nil {
			t.Errorf("Abort after Commit: %v", err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != mode {
			t.Errorf("mode %o, want %o", got, mode)
		}
		if err := os.Chmod(path, 0o604); err != nil {
			t.Fatal(err)
		}
	}
	if n := entries(t, dir); n != 1 {
		t.Errorf("%d files in the directory, want 1", n)
	}
}

func TestErrorsHaveThePathOfTheFile(t *testing.T) {
	dir := t.TempDir()
	_, missing := Create(filepath.Join(dir, "none", "list"), 0o640)
	f, err := Create(filepath.Join(dir, "list"), 0o640)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	_, write := f.Write([]byte("x"))
	g, err := Create(filepath.Join(dir, "taken"), 0o640)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "taken", "by"), 0o700); err != nil {
		t.Fatal(err)
	}
	for path, err := range map[string]error{filepath.Join(dir, "none", "list"): missing, filepath.Join(dir, "list"): write, filepath.Join(dir, "taken"): g.Commit()} {
		if err == nil || !strings.Contains(err.Error(), " "+path+": ") || strings.Contains(err.Error(), ".list") {
			t.Errorf("%s: the error is %v", path, err)
		}
	}
}

func TestAbortLeavesTheOldFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "list")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Create(path, 0o640)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Abort(); err != nil {
		t.Fatal(err)
	}
	if got := read(t, path); got != "old" {
		t.Errorf("content %q, want old", got)
	}
	if n := entries(t, dir); n != 1 {
		t.Errorf("%d files in the directory, want 1", n)
	}
	if err := f.Commit(); err == nil {
		t.Error("Commit after Abort succeeded")
	}
}

func TestCreateFollowsASymbolicLink(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	if err := os.WriteFile(target, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	f, err := Create(link, 0o640)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("new"); err != nil {
		t.Fatal(err)
	}
	if err := f.Commit(); err != nil {
		t.Fatal(err)
	}
	if got := read(t, target); got != "new" {
		t.Errorf("target holds %q, want new", got)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is no link any more: %v %v", info, err)
	}
}

func TestCreateRefusesWhatIsNoRegularFile(t *testing.T) {
	if _, err := Create(t.TempDir(), 0o640); err == nil {
		t.Error("a directory was accepted")
	}
}

func TestWriteFileReplacesTheWholeFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	for _, content := range []string{"a long content", "short", ""} {
		if err := WriteFile(path, []byte(content), 0o640); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != content {
			t.Errorf("the file holds %q, %v; want %q", got, err, content)
		}
	}
	if err := WriteFile(filepath.Join(path, "x"), nil, 0o640); err == nil {
		t.Error("a file below a file was written")
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".f.*")); err != nil || len(left) > 0 {
		t.Errorf("temporary files are left: %q, %v", left, err)
	}
}

// A file that appeared meanwhile is not replaced, and nothing is left.
func TestCommitNewReplacesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "new")
	f, err := Create(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.CommitNew(); !errors.Is(err, os.ErrExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("CommitNew: %v, want an error that %s exists", err, path)
	}
	if content, err := os.ReadFile(path); err != nil || string(content) != "other" {
		t.Errorf("the file has %q, %v", content, err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left: %v", left)
	}
}

func TestFilesOfKilledProcessesAreRemoved(t *testing.T) {
	dir := t.TempDir()
	old := time.Now().Add(-25 * time.Hour)
	for name, modified := range map[string]time.Time{
		".list.1234": old, ".list.99": time.Now(), ".list.bak": old, ".list2.1234": old, "list": old,
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, modified, modified); err != nil {
			t.Fatal(err)
		}
	}
	if err := WriteFile(filepath.Join(dir, "list"), []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	var names []string
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range all {
		names = append(names, entry.Name())
	}
	if want := []string{".list.99", ".list.bak", ".list2.1234", "list"}; !slices.Equal(names, want) {
		t.Errorf("files %q, want %q", names, want)
	}
}
