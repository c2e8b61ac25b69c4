package tailer

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// followed is a directory with logs that a tailer follows, scan by scan, with a clock of
// the test.
type followed struct {
	t       *testing.T
	path    string // the pattern; options may hold more
	dir     string
	now     time.Time
	options Options

	tailer *Tailer
	lines  []string
	gaps   []bounce.Gap
	stored map[int64]bounce.Position
}

func newFollowed(t *testing.T, path string) *followed {
	t.Helper()
	f := &followed{t: t, path: path, dir: filepath.Dir(path), now: time.Now(), stored: make(map[int64]bounce.Position)}
	f.check(os.MkdirAll(f.dir, 0o755))
	t.Cleanup(f.kill)
	return f
}

func (f *followed) check(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// write appends to a file, and sets its time.
func (f *followed) write(name, text string) {
	f.t.Helper()
	file, err := os.OpenFile(filepath.Join(f.dir, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	f.check(err)
	_, err = file.WriteString(text)
	f.check(err)
	f.check(file.Close())
	f.chtimes(name, 0)
}

func (f *followed) chtimes(name string, ago time.Duration) {
	f.t.Helper()
	f.check(os.Chtimes(filepath.Join(f.dir, name), f.now.Add(ago), f.now.Add(ago)))
}

func (f *followed) rename(from, to string) {
	f.t.Helper()
	f.check(os.Rename(filepath.Join(f.dir, from), filepath.Join(f.dir, to)))
}

func (f *followed) remove(name string) {
	f.t.Helper()
	f.check(os.Remove(filepath.Join(f.dir, name)))
}

func (f *followed) start() {
	f.t.Helper()
	o := f.options
	o.Patterns, o.Now = append([]string{f.path}, o.Patterns...), func() time.Time { return f.now }
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	o.Positions = slices.SortedFunc(maps.Values(f.stored), func(a, b bounce.Position) int { return int(a.Stream - b.Stream) })
	var err error
	f.tailer, err = New(o)
	f.check(err)
}

func (f *followed) kill() {
	if f.tailer != nil {
		for _, s := range f.tailer.streams {
			f.tailer.release(s)
		}
		f.tailer.closeKept()
	}
}

func (f *followed) restart() {
	f.t.Helper()
	f.kill()
	f.start()
}

// scan scans once and stores all that is sent.
func (f *followed) scan() {
	f.t.Helper()
	ctx, cancel := context.WithCancel(f.t.Context())
	defer cancel()
	chunks := make(chan bounce.Chunk)
	f.tailer.out = chunks
	done := make(chan error, 1)
	go func() {
		done <- f.tailer.scan(ctx)
		close(chunks)
	}()
	for c := range chunks {
		for line := range strings.Lines(c.Data) {
			f.lines = append(f.lines, strings.TrimSuffix(line, "\n"))
		}
		f.gaps = append(f.gaps, c.Gaps...)
		f.stored[c.Position.Stream] = c.Position
	}
	f.check(<-done)
	f.now = f.now.Add(time.Second)
}

// want compares the lines that were sent so far.
func (f *followed) want(lines ...string) {
	f.t.Helper()
	if !slices.Equal(f.lines, lines) {
		f.t.Errorf("got lines %q, want %q", f.lines, lines)
	}
}

// wantGaps advances the clock until gaps are reported, and compares their sizes.
func (f *followed) wantGaps(bytes ...int64) {
	f.t.Helper()
	for range 3 {
		f.scan()
		f.now = f.now.Add(copyGrace)
	}
	var got []int64
	for _, g := range f.gaps {
		got = append(got, g.Bytes)
	}
	if !slices.Equal(got, bytes) {
		f.t.Errorf("got gaps %+v, want of %v bytes", f.gaps, bytes)
	}
}
