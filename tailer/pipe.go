package tailer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// StdinPath is the path of standard input in the settings.
const StdinPath = "-"

// firstPipeStream is the stream of a pipe that is the first source; the others
// count down from it.
const firstPipeStream = journalStream - 1

// IsPipeStream reports whether a stream is that of a pipe or of standard input.
func IsPipeStream(stream int64) bool { return stream <= firstPipeStream }

// IsPipe reports whether a source can be read only once: standard input, or a
// named pipe.
func IsPipe(path string) bool {
	if path == StdinPath {
		return true
	}
	info, err := os.Stat(path)
	return err == nil && info.Mode()&os.ModeNamedPipe != 0
}

// Pipe reads a source that can be read only once. If the program is killed, lines that
// were read and not yet saved are lost, and their number is unknown.
type Pipe struct {
	Index   int // of the source in the settings
	Path    string
	Stdin   io.Reader // for StdinPath
	MaxLine int       // bytes; DefaultMaxLine if it is 0
	Log     *slog.Logger
	// Positions are all stored positions. A pipe cannot be read from a position; a
	// stored one shows that the pipe was read before.
	Positions []bounce.Position
	// Crashed means that the program did not stop cleanly the last time.
	Crashed bool
}

// Run reads until ctx is done or standard input ends. It starts a goroutine that
// reads. It waits for it, unless standard input blocks it.
func (p *Pipe) Run(ctx context.Context, out chan<- bounce.Chunk) error {
	if p.MaxLine == 0 {
		p.MaxLine = DefaultMaxLine
	}
	r := p.Stdin
	if p.Path != StdinPath {
		// Open it for writing too, so that it does not end when a writer closes it.
		f, err := os.OpenFile(p.Path, os.O_RDWR, 0)
		if err != nil {
			return fmt.Errorf("named pipe: %w", err)
		}
		stop := context.AfterFunc(ctx, func() { f.Close() })
		defer stop()
		defer f.Close()
		r = f
	}
	chunks := make(chan bounce.Chunk)
	done := make(chan error, 1)
	go func() { done <- p.read(ctx, r, chunks) }()
	for {
		select {
		case c := <-chunks:
			select {
			case out <- c:
			case <-ctx.Done():
				return ctx.Err()
			}
		case err := <-done:
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// read sends the lines, in one chunk those that came together.
func (p *Pipe) read(ctx context.Context, r io.Reader, chunks chan<- bounce.Chunk) error {
	lines := bufio.NewReaderSize(r, 64<<10)
	at := bounce.Position{Stream: firstPipeStream - int64(p.Index), Source: p.Path, Path: p.Path}
	if p.Crashed && slices.ContainsFunc(p.Positions, func(b bounce.Position) bool { return b.Stream == at.Stream && b.Source == p.Path }) {
		g := bounce.Gap{At: time.Now(), Source: p.Path, Path: p.Path, Bytes: -1, Why: "the program was killed; lines that it had read and not yet saved cannot be read again"}
		p.Log.Warn("a part of the log may have been lost", gapAttrs(g))
		select {
		case chunks <- bounce.Chunk{Position: at, SourceIndex: p.Index, Gaps: []bounce.Gap{g}}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	var data []byte
	tooLong := 0
	for {
		line, long, err := readLine(lines, p.MaxLine)
		if long && (err == nil || errors.Is(err, io.EOF)) {
			tooLong++
		} else if err == nil {
			data = append(data, line...)
		}
		if err == nil && lines.Buffered() > 0 && len(data) < blockSize {
			continue
		}
		if len(data) > 0 || tooLong > 0 {
			at.Offset += int64(len(data))
			at.UpdatedAt = time.Now()
			if tooLong > 0 {
				logTooLong(p.Log, p.Path, tooLong, p.MaxLine)
			}
			select {
			case chunks <- bounce.Chunk{Data: stripNULs(string(data)), Position: at, SourceIndex: p.Index, TooLong: tooLong}:
			case <-ctx.Done():
				return ctx.Err()
			}
			data, tooLong = data[:0], 0
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", p.Path, err)
		}
	}
}
