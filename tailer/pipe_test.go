package tailer

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

func TestStandardInputIsReadToItsEnd(t *testing.T) {
	text := "first\n\x00second\n" + strings.Repeat("y", 5000) + "\nlast\nnot ended"
	var log bytes.Buffer
	p := Pipe{Index: 2, Path: StdinPath, Stdin: strings.NewReader(text), MaxLine: 4096, Log: slog.New(slog.NewTextHandler(&log, nil))}
	out := make(chan bounce.Chunk)
	done := make(chan error, 1)
	go func() {
		done <- p.Run(t.Context(), out)
		close(out)
	}()
	var data strings.Builder
	tooLong := 0
	for c := range out {
		data.WriteString(c.Data)
		tooLong += c.TooLong
		if !IsPipeStream(c.Position.Stream) || c.SourceIndex != 2 {
			t.Errorf("chunk of stream %d, source %d", c.Position.Stream, c.SourceIndex)
		}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got, want := data.String(), "first\nsecond\nlast\n"; got != want || tooLong != 1 {
		t.Errorf("got %q and %d lines too long, want %q and 1", got, tooLong, want)
	}
	if !strings.Contains(log.String(), "left out for their length") {
		t.Errorf("the log does not say that a line is left out: %q", &log)
	}
}

// A named pipe does not end when its writer closes it, and Run stops without a
// writer.
func TestANamedPipeOutlivesItsWriters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if !IsPipe(path) || IsPipe(filepath.Dir(path)) {
		t.Errorf("IsPipe(%q) = %v, IsPipe of its directory = %v", path, IsPipe(path), IsPipe(filepath.Dir(path)))
	}
	p := Pipe{Path: path, Log: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := make(chan bounce.Chunk)
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx, out) }()
	for _, line := range []string{"first\n", "second\n"} {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(line); err != nil {
			t.Fatal(err)
		}
		f.Close()
		if c := <-out; c.Data != line {
			t.Errorf("got %q, want %q", c.Data, line)
		}
	}
	cancel()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("Run did not stop")
	}
}

func TestAPipeThatWasReadBeforeACrashIsAGap(t *testing.T) {
	for _, tt := range []struct {
		crashed bool
		source  string
		want    int
	}{{true, "-", 1}, {true, "/run/other", 0}, {false, "-", 0}} {
		silent, writer := io.Pipe()
		p := Pipe{
			Path: StdinPath, Stdin: silent, Log: slog.New(slog.DiscardHandler), Crashed: tt.crashed,
			Positions: []bounce.Position{{Stream: firstPipeStream, Source: tt.source}},
		}
		ctx, cancel := context.WithCancel(t.Context())
		out := make(chan bounce.Chunk)
		done := make(chan error, 1)
		go func() { done <- p.Run(ctx, out) }()
		if tt.want == 0 {
			go writer.Write([]byte("a line\n")) //nolint:errcheck // the reader takes it
		}
		if c := <-out; len(c.Gaps) != tt.want {
			t.Errorf("crashed %v, source %q: gaps %+v, want %d", tt.crashed, tt.source, c.Gaps, tt.want)
		}
		cancel()
		writer.Close()
		<-done
	}
}
