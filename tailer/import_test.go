package tailer

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
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

// imported returns the lines that an import sends.
func imported(t *testing.T, paths ...string) (lines []string, last bounce.Position, err error) {
	t.Helper()
	return importedWith(t, slog.New(slog.DiscardHandler), paths...)
}

func importedWith(t *testing.T, log *slog.Logger, paths ...string) (lines []string, last bounce.Position, err error) {
	t.Helper()
	out := make(chan bounce.Chunk)
	done := make(chan error, 1)
	go func() {
		done <- importAll(t.Context(), strings.NewReader(""), log, out, paths...)
		close(out)
	}()
	for c := range out {
		for line := range strings.Lines(c.Data) {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
		last = c.Position
	}
	return lines, last, <-done
}

func importAll(ctx context.Context, stdin io.Reader, log *slog.Logger, out chan<- bounce.Chunk, paths ...string) error {
	im := Import{Log: log, Now: time.Now}
	for _, path := range paths {
		in, err := OpenInput(ctx, path, stdin)
		if err != nil {
			return err
		}
		im.Inputs = append(im.Inputs, in)
	}
	return im.Run(ctx, out)
}

func numbered(n int) (text string) {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "line %07d %s\n", i, strings.Repeat("x", i%97))
	}
	return b.String()
}

func pack(t *testing.T, text string) []byte {
	t.Helper()
	return packedBy(t, text, func(z io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(z), nil })
}

func TestImportSendsTheLinesBeforeTheDamage(t *testing.T) {
	text := numbered(60_000) // several blocks
	z := pack(t, text)
	path := filepath.Join(t.TempDir(), "mail.log.1.gz")
	if err := os.WriteFile(path, z[:len(z)*9/10], 0o600); err != nil {
		t.Fatal(err)
	}
	lines, last, err := imported(t, path)
	if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "damaged or truncated") {
		t.Errorf("got %v, want an error that names the archive", err)
	}
	if len(lines) < 50_000 {
		t.Errorf("%d of 60000 lines were given, want those before the damage, some 54000", len(lines))
	}
	for i, line := range lines {
		if !strings.HasPrefix(line, fmt.Sprintf("line %07d", i)) {
			t.Fatalf("line %d is %q", i, line)
		}
	}
	if last.Closed {
		t.Error("the archive is taken as read to its end")
	}
}

func TestImportBoundsLinesAndKeepsTheRest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mail.log")
	text := "first\n" + strings.Repeat("y", DefaultMaxLine+5) + "\nlast\r\n\n\x00\x00after NULs\nwithout a newline"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	lines, last, err := imported(t, path)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(lines, "|"), "first|last\r||after NULs|without a newline"; got != want {
		t.Errorf("got %.200q, want %q", got, want)
	}
	if last.Offset != int64(len(text)) {
		t.Errorf("position %d, want %d", last.Offset, len(text))
	}
}

// almostQuiet makes a log whose last write was almost writerGrace ago.
func almostQuiet(t *testing.T, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "mail.log")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	almost := time.Now().Add(200*time.Millisecond - writerGrace)
	if err := os.Chtimes(path, almost, almost); err != nil {
		t.Fatal(err)
	}
	return path
}

// A log that was edited or made by a script may lack the last newline.
func TestImportReadsACompleteLastLine(t *testing.T) {
	path := almostQuiet(t, "first\nlast")
	lines, last, err := imported(t, path)
	if err != nil || strings.Join(lines, "|") != "first|last" || last.Offset != int64(len("first\nlast")) {
		t.Errorf("got %q, position %d, %v; want both lines", lines, last.Offset, err)
	}
}

// A line that is still being written is left to the daemon.
func TestImportLeavesAnIncompleteLastLine(t *testing.T) {
	path := almostQuiet(t, "first\nla")
	lines, last, err := importedWith(t, slog.New(slog.NewTextHandler(goesOn(path), nil)), path)
	if err != nil || strings.Join(lines, "|") != "first" || last.Offset != int64(len("first\n")) {
		t.Errorf("got %q, position %d, %v; want the first line alone", lines, last.Offset, err)
	}
}

// goesOn is a log writer that appends to a file when Import logs that it waits.
type goesOn string

func (path goesOn) Write(said []byte) (int, error) {
	f, err := os.OpenFile(string(path), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString("st\n")
		f.Close()
	}
	return len(said), err
}

// A pipe may never get a writer.
func TestImportOfAPipeStopsWithItsContext(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	silent, writer := io.Pipe()
	defer writer.Close()
	for _, path := range []string{pipe, "-"} {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- importAll(ctx, silent, slog.New(slog.DiscardHandler), make(chan bounce.Chunk), path)
		}()
		cancel()
		select {
		case err := <-done:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s: got %v", path, err)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%s: the import goes on", path)
		}
	}
}

func TestImportStopsWithItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mail.log")
	if err := os.WriteFile(path, []byte(numbered(100_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	out := make(chan bounce.Chunk)
	done := make(chan error, 1)
	go func() {
		done <- importAll(ctx, nil, slog.New(slog.DiscardHandler), out, path)
	}()
	<-out
	cancel()
	if err := <-done; err != context.Canceled { //nolint:errorlint // the very one
		t.Errorf("got %v", err)
	}
}
