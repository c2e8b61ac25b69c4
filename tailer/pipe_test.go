package tailer

import (
	"bytes"
	"context"
	"errors"
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
	p := Pipe{Index: 2, Path: StdinPath, Pipes: &Pipes{Stdin: strings.NewReader(text)}, MaxLine: 4096, Log: slog.New(slog.NewTextHandler(&log, nil))}
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
	p := Pipe{Path: path, Pipes: &Pipes{}, Log: slog.New(slog.DiscardHandler)}
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

// Whole lines do not wait for the rest of the next one.
func TestAPipeSendsTheLinesBeforeAnUnfinishedOne(t *testing.T) {
	from, to := io.Pipe()
	p := Pipe{Pipes: &Pipes{Stdin: from}, Path: StdinPath, Log: slog.New(slog.DiscardHandler)}
	out := make(chan bounce.Chunk)
	done := make(chan error, 1)
	go func() { done <- p.Run(t.Context(), out) }()
	for _, step := range []struct{ written, want string }{{"first\nsecond\nthi", "first\nsecond\n"}, {"rd\n", "third\n"}} {
		if _, err := io.WriteString(to, step.written); err != nil {
			t.Fatal(err)
		}
		select {
		case c := <-out:
			if c.Data != step.want {
				t.Errorf("after %q came %q, want %q", step.written, c.Data, step.want)
			}
		case <-time.After(time.Minute):
			t.Fatalf("after %q came nothing, want %q", step.written, step.want)
		}
	}
	to.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// What one Run has sent and nobody saved, the next one sends again, and nothing between
// two of them is lost, although the first is blocked in a read.
func TestPipesAreReadOnAfterAReload(t *testing.T) {
	from, to := io.Pipe()
	pipes := &Pipes{Stdin: from}
	run := func() (out chan bounce.Chunk, stop func()) {
		p := Pipe{Pipes: pipes, Path: StdinPath, Log: slog.New(slog.DiscardHandler)}
		ctx, cancel := context.WithCancel(t.Context())
		out = make(chan bounce.Chunk)
		done := make(chan error, 1)
		go func() { done <- p.Run(ctx, out) }()
		return out, func() {
			cancel()
			if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}
	}
	next := func(out chan bounce.Chunk, want string) bounce.StreamState {
		t.Helper()
		c := <-out
		if c.Data != want {
			t.Errorf("got %q, want %q", c.Data, want)
		}
		return bounce.StreamState{Position: c.Position}
	}
	write := func(line string) {
		t.Helper()
		if _, err := io.WriteString(to, line); err != nil {
			t.Fatal(err)
		}
	}
	out, stop := run()
	write("first\n")
	saved := next(out, "first\n")
	write("second\n")
	next(out, "second\n")
	pipes.Saved([]bounce.StreamState{saved})
	stop()
	write("between\n")
	out, stop = run()
	next(out, "second\n")
	saved = next(out, "between\n")
	pipes.Saved([]bounce.StreamState{saved})
	stop()
	out, stop = run()
	write("last\n")
	next(out, "last\n")
	stop()
}

func TestAPipeThatWasReadBeforeACrashIsAGap(t *testing.T) {
	for _, tt := range []struct {
		crashed bool
		source  string
		want    int
	}{{true, "-", 1}, {true, "/run/other", 0}, {false, "-", 0}} {
		silent, writer := io.Pipe()
		p := Pipe{
			Path: StdinPath, Pipes: &Pipes{Stdin: silent}, Log: slog.New(slog.DiscardHandler), Crashed: tt.crashed,
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
