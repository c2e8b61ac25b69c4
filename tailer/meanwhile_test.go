package tailer

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

func TestTheLiveLogIsFollowedWhileAnArchiveIsRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mail.log")
	live, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	write := func(line string) {
		if _, err := live.WriteString(line); err != nil {
			t.Error(err)
		}
	}
	begun, calls := time.Now(), 0
	tl, err := New(Options{Patterns: []string{path}, Log: slog.New(slog.DiscardHandler), Now: func() time.Time {
		calls++ // each takes a second
		return begun.Add(time.Duration(calls) * time.Second)
	}})
	if err != nil {
		t.Fatal(err)
	}
	out := make(chan bounce.Chunk, 1000)
	tl.out = out
	received := func() (lines []string) {
		for len(out) > 0 {
			lines = append(lines, strings.SplitAfter((<-out).Data, "\n")[0])
		}
		return lines
	}
	archive := func(path, text string) {
		if err := os.WriteFile(path, pack(t, text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first\n")
	if err := tl.scan(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := received(); len(got) != 1 || got[0] != "first\n" {
		t.Fatalf("the first scan sent %q", got)
	}
	archive(path+".1.gz", strings.Repeat("old\n", 1<<20))
	write("second\n")
	if err := tl.scan(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := received(); len(got) < 2 || got[0] != "second\n" || got[1] != "old\n" {
		t.Errorf("while an archive was read, %.5q was sent, want the line of the live log first", got)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	archive(path+".2.gz", strings.Repeat("\x00", 1<<20))
	if err := tl.scan(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("scan of an archive after a stop: %v, want that it was canceled", err)
	}
}

// While an archive is read, the log is rotated twice into a directory that is not searched,
// in the first scan and in a later one.
func TestALogThatIsMovedAwayWhileAnArchiveIsReadLosesNoLine(t *testing.T) {
	for name, c := range map[string]struct {
		scans   int // before the archive is there
		fromEnd bool
		want    []string
	}{
		"in the first scan":                  {0, false, []string{"old", "first", "second", "third"}},
		"in a later scan":                    {1, false, []string{"first", "second", "third", "old"}},
		"in the first scan, read at its end": {0, true, []string{"second"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFollowed(t, filepath.Join(t.TempDir(), "mail.log"))
			f.check(os.Mkdir(filepath.Join(f.dir, "away"), 0o700))
			f.options.FromEnd = c.fromEnd
			f.write("mail.log", "first\n")
			f.start()
			for range c.scans {
				f.scan()
			}
			f.write("mail.log.1.gz", string(pack(t, strings.Repeat("old\n", 1<<20))))
			f.chtimes("mail.log.1.gz", -time.Hour)
			asked := 0
			f.tailer.o.Now = func() time.Time { // each read of the archive asks
				f.now = f.now.Add(time.Second)
				switch asked++; asked {
				case 20:
					f.write("mail.log", map[bool]string{true: "second\n"}[c.fromEnd])
					f.rename("mail.log", "away/1")
					f.write("mail.log", map[bool]string{false: "second\n"}[c.fromEnd])
				case 40:
					f.rename("mail.log", "away/2")
					f.write("mail.log", map[bool]string{false: "third\n"}[c.fromEnd])
				}
				return f.now
			}
			f.scan()
			f.scan()
			if asked < 50 {
				t.Fatalf("the clock was asked %d times only", asked)
			}
			f.lines = slices.Compact(f.lines)
			f.want(c.want...)
			f.wantGaps()
		})
	}
}
