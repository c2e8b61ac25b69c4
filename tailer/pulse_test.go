package tailer

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/health"
)

// A tailer that waits for the pipeline is not one that hangs, and
// one that has nothing to do beats all the same.
func TestPulseRestsWhileThePipelineIsWaitedFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mail.log")
	if err := os.WriteFile(path, []byte("a line\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	pulse := &health.Heartbeat{}
	tl, err := New(Options{Patterns: []string{path}, Log: slog.New(slog.DiscardHandler), Heartbeat: pulse})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := make(chan bounce.Chunk)
	done := make(chan error, 1)
	go func() { done <- tl.Run(ctx, out) }()
	// It has a line that nobody takes: it rests, however long that may be. (It
	// also does before it begins, which is no other answer.)
	for pulse.Stalled(time.Now().Add(time.Hour)) != 0 {
		time.Sleep(time.Millisecond) // the file system gives no sign of it
	}
	<-out
	for pulse.Stalled(time.Now().Add(time.Hour)) == 0 {
		time.Sleep(time.Millisecond) // likewise
	}
	begun := time.Now()
	for pulse.Stalled(time.Now()) > 100*time.Millisecond || time.Since(begun) < 1500*time.Millisecond {
		if time.Since(begun) > 20*time.Second {
			t.Fatalf("an idle tailer is still for %s", pulse.Stalled(time.Now()))
		}
		time.Sleep(10 * time.Millisecond) // its rounds come with the clock
	}
	cancel()
	<-done
}
