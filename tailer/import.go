package tailer

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/text"
)

// Import reads files from start to end, even if they were read before: a line that is
// read twice is one event. A daemon that is started later continues at the positions
// that Import sends.
type Import struct {
	Inputs    []*Input // in the order in which they are read; Run closes them
	Positions []bounce.Position
	MaxLine   int // bytes; DefaultMaxLine if it is 0
	// Progress is called with the number of bytes read and the total size of all files.
	// It may be nil.
	Progress func(done, total int64)
	Log      *slog.Logger
	Now      func() time.Time

	lastStream int64
	free       pool
	out        chan<- bounce.Chunk
}

// Run sends the content of the inputs. A damaged archive is an error; the lines before
// the damage have been sent, but no position that marks the archive as read.
func (im *Import) Run(ctx context.Context, out chan<- bounce.Chunk) error {
	im.out, im.free = out, newPool()
	if im.MaxLine == 0 {
		im.MaxLine = DefaultMaxLine
	}
	for _, p := range im.Positions {
		im.lastStream = max(im.lastStream, p.Stream)
	}
	var done, total int64
	for _, in := range im.Inputs {
		defer in.Close()
		total += in.id.size
	}
	for i, in := range im.Inputs {
		// Decompress one more archive at a time than there are processors.
		for _, next := range im.Inputs[i:min(len(im.Inputs), i+1+runtime.GOMAXPROCS(0))] {
			next.begin()
		}
		if err := im.file(ctx, in, func(n int64) {
			if im.Progress != nil {
				im.Progress(done+n, total)
			}
		}); err != nil {
			return err
		}
		done += in.id.size
		in.Close()
	}
	return nil
}

// file sends the content of one file.
func (im *Import) file(ctx context.Context, in *Input, progress func(int64)) error {
	at := im.position(in)
	file := &in.File
	err := linesOf(in.content(), im.MaxLine, im.free, func(b block) error {
		if b.unterminated && !im.ended(ctx, in, b.end) {
			return nil
		}
		at.Offset, at.Head, at.Tail, at.UpdatedAt = b.end, b.head, b.tail, im.Now()
		if b.tooLong > 0 {
			logTooLong(im.Log, at.Path, b.tooLong, im.MaxLine)
		}
		progress(in.read.n.Load())
		c := bounce.Chunk{Data: stripNULs(text.Own(b.data)), Release: b.release, Position: at, File: file, TooLong: b.tooLong}
		file = nil
		return im.send(ctx, c)
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", in.Path, unreadable(err))
	}
	if in.kind != plain {
		at.Closed = true
		return im.send(ctx, bounce.Chunk{Position: at, File: file})
	}
	return nil
}

func (im *Import) send(ctx context.Context, c bounce.Chunk) error {
	if c.Position.UpdatedAt.IsZero() { // an empty archive
		c.Position.UpdatedAt = im.Now()
	}
	select {
	case im.out <- c:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ended reports whether a last line without a newline is complete: the file does not
// change for writerGrace. Otherwise a server may still be writing it, and a daemon that
// follows the log reads it later.
func (im *Import) ended(ctx context.Context, in *Input, size int64) bool {
	wait := min(writerGrace, writerGrace-im.Now().Sub(in.id.modified))
	if in.file == nil || in.kind != plain || wait <= 0 {
		return true
	}
	im.Log.Info("waiting for the end of the last line", "path", in.Path, "for", wait.Round(time.Second))
	select {
	case <-time.After(wait):
	case <-ctx.Done():
		return false
	}
	info, err := in.file.Stat()
	return err == nil && info.Size() == size && info.ModTime().Equal(in.id.modified)
}

// position returns the known position of a file with the same content, or else that of
// a new stream.
func (im *Import) position(in *Input) bounce.Position {
	for _, p := range im.Positions {
		if in.file == nil || in.kind != plain || p.Device != in.id.device || p.Inode != in.id.inode || p.Cursor != "" {
			continue
		}
		if m, err := matches(&p, in.file, in.id.size); err == nil && m == whole {
			return p
		}
	}
	im.lastStream++
	return bounce.Position{Stream: im.lastStream, Source: in.Path, Path: in.Path, Device: in.id.device, Inode: in.id.inode}
}
