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

// A tailer that waits for the pipeline is idle. One without work beats.
func TestHeartbeatIsIdleWhileTheTailerWaitsForThePipeline(t *testing.T) {
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
	// Its line is not received, so it stays idle. It is also idle before it starts.
	for pulse.Stalled(time.Now().Add(time.Hour)) != 0 {
		time.Sleep(time.Millisecond) // there is no event to wait for
	}
	<-out
	for pulse.Stalled(time.Now().Add(time.Hour)) == 0 {
		time.Sleep(time.Millisecond) // likewise
	}
	begun := time.Now()
	for pulse.Stalled(time.Now()) > 100*time.Millisecond || time.Since(begun) < 1500*time.Millisecond {
		if time.Since(begun) > time.Minute {
			t.Fatalf("an idle tailer is still for %s", pulse.Stalled(time.Now()))
		}
		time.Sleep(10 * time.Millisecond) // it scans by the clock
	}
	cancel()
	<-done
}
