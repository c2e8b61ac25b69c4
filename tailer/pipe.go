package tailer

import (
	"context"
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

// Pipe reads a source that can be read only once. If the program ends, lines that were
// read and not yet saved are lost, and their number is unknown.
type Pipe struct {
	Pipes   *Pipes
	Index   int // of the source in the settings
	Path    string
	MaxLine int // bytes; DefaultMaxLine if it is 0
	Log     *slog.Logger
	// Positions are all stored positions. A pipe cannot be read from a position; a
	// stored one shows that the pipe was read before.
	Positions []bounce.Position
	// Crashed means that the program did not stop cleanly the last time.
	Crashed bool
}

// Run reads until ctx is done or standard input ends. It begins with the lines that an
// earlier Run has sent and that were not saved.
func (p *Pipe) Run(ctx context.Context, out chan<- bounce.Chunk) error {
	if p.MaxLine == 0 {
		p.MaxLine = DefaultMaxLine
	}
	r, isNew, err := p.Pipes.open(p.Path, p.MaxLine)
	if err != nil {
		return err
	}
	at := bounce.Position{Stream: firstPipeStream - int64(p.Index), Source: p.Path, Path: p.Path}
	send := func(c bounce.Chunk) error {
		select {
		case out <- c:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if isNew && p.Crashed && slices.ContainsFunc(p.Positions, func(b bounce.Position) bool { return b.Stream == at.Stream && b.Source == p.Path }) {
		g := bounce.Gap{At: time.Now(), Source: p.Path, Path: p.Path, Bytes: -1, Why: "the program was killed; lines that it had read and not yet saved cannot be read again"}
		p.Log.Warn("a part of the log may have been lost", gapAttrs(g))
		if err := send(bounce.Chunk{Position: at, SourceIndex: p.Index, Gaps: []bounce.Gap{g}}); err != nil {
			return err
		}
	}
	sendLines := func(l pipeLines) error {
		at.Offset, at.UpdatedAt = l.end, time.Now()
		return send(bounce.Chunk{Data: l.data, Position: at, SourceIndex: p.Index, TooLong: l.tooLong})
	}
	for _, l := range p.Pipes.kept(r) {
		if err := sendLines(l); err != nil {
			return err
		}
	}
	for {
		select {
		case l, open := <-r.lines:
			if !open {
				return r.err
			}
			if l.tooLong > 0 {
				logTooLong(p.Log, p.Path, l.tooLong, p.MaxLine)
			}
			p.Pipes.keep(r, l)
			if err := sendLines(l); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
