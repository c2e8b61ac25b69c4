package tailer

import (
	"bytes"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestQuietFilesAreClosedFirst(t *testing.T) {
	f := newFollowed(t, filepath.Join(t.TempDir(), "*.log"))
	var said bytes.Buffer
	f.options.MaxHeld, f.options.Log = 3, slog.New(slog.NewTextHandler(&said, nil))
	held := func() (names []string) {
		for _, s := range f.tailer.streams {
			if s.file != nil {
				names = append(names, strings.TrimSuffix(filepath.Base(s.Path), ".log"))
			}
		}
		if len(names) != f.tailer.held {
			t.Errorf("%d files are held open, counted %d", len(names), f.tailer.held)
		}
		slices.Sort(names)
		return names
	}
	var want []string
	line := func(name string) {
		want = append(want, fmt.Sprintf("%s %d", name, len(want)))
		f.write(name+".log", want[len(want)-1]+"\n")
	}
	f.start()
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		line(name)
		f.scan()
	}
	if got := held(); !slices.Equal(got, []string{"d", "e", "f"}) {
		t.Errorf("%q are held open, want the last three", got)
	}
	for _, name := range []string{"a", "d", "a", "b"} {
		line(name)
		f.scan()
	}
	if got := held(); !slices.Equal(got, []string{"a", "b", "d"}) {
		t.Errorf("%q are held open, want the last three that grew", got)
	}
	// Files that are not held open are found under their new names too.
	f.rename("c.log", "c.log.1")
	line("e")
	f.write("c.log.1", "c at the end\n")
	f.write("c.log", "c again\n")
	f.scan()
	f.want(append(want[:len(want)-1], "c at the end", "c again", want[len(want)-1])...)
	if n := strings.Count(said.String(), "too many logs to hold all open"); n != 1 {
		t.Errorf("it was reported %d times, want once:\n%s", n, &said)
	}
	f.wantGaps()
}
