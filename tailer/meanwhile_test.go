package tailer

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
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
