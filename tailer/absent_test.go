package tailer

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestAnAbsentLogIsExplained(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(os.Mkdir(path("directory"), 0o700), os.Symlink("loop", path("loop"))); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"missing":   "no such file yet",
		"*.log":     "no such file yet",
		"directory": "is a directory; name a log file, or a glob",
		"loop":      syscall.ELOOP.Error(),
	} {
		l := &listing{pattern: pattern{text: path(name)}}
		l.check()
		if got := l.whyAbsent(); got == nil || !strings.Contains(got.Error(), want) {
			t.Errorf("%s: %v, want %q", name, got, want)
		}
	}
}
