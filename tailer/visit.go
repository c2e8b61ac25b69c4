package tailer

import (
	"context"
	"io"
	"log/slog"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/text"
)

// visit finds the stream that a file holds and sends what was added to it.
func (t *Tailer) visit(ctx context.Context, source int, c candidate) error {
	if s := t.growing(c); s != nil {
		if err := t.drain(ctx, s, s.file, c.id.size, false); err != nil {
			return err
		}
		t.done[c.path] = c.id
		return nil
	}
	f, err := t.open(c.path)
	if err != nil {
		return err
	}
	defer func() {
		if f != nil {
			f.Close()
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if idOf(info).file() != c.id.file() || info.Size() < c.id.size {
		return errReplaced
	}
	if c.id.size == 0 {
		for _, s := range t.streams {
			if s.in(c.id) && s.Offset > 0 && !s.Closed && s.Cursor == "" {
				t.markLost(s, truncated)
			}
		}
		t.done[c.path] = c.id
		return nil
	}
	kind, err := archiveKind(f)
	if err != nil {
		return err
	}
	if kind != plain {
		return t.visitArchive(ctx, source, c, f, kind)
	}
	held, err := t.visitPlain(ctx, source, c, f)
	if held {
		f = nil
	}
	return err
}

// visitPlain reads a file that is not an archive. It reports whether it keeps f
// open.
func (t *Tailer) visitPlain(ctx context.Context, source int, c candidate, f *os.File) (held bool, err error) {
	s, wait, err := t.streamOf(c, f)
	if err != nil || wait {
		return false, err
	}
	if s == nil {
		s = t.newStream(source, c, plain)
		if t.fromEnd {
			if err := t.skipToEnd(ctx, s, f); err != nil {
				return false, err
			}
		}
	}
	moved := s.Path != c.name() || !s.in(c.id)
	s.Path, s.Device, s.Inode, s.Closed = c.name(), c.id.device, c.id.inode, false
	s.unnamed = false
	if c.live || moved {
		s.rotatedAt = time.Time{}
	}
	complete := !c.live && t.writerGone(s, c)
	before := s.Offset
	limit := int64(math.MaxInt64)
	if c.live {
		// No further than its listed size: lines written later may belong after a line
		// in an older file, which was read before.
		limit = c.id.size
	}
	if err := t.drain(ctx, s, f, limit, complete); err != nil {
		return false, err
	}
	if moved && s.Offset == before && before > 0 {
		if err := t.send(ctx, s, bounce.Chunk{}); err != nil {
			return false, err
		}
	}
	switch {
	case c.live:
		t.hold(s, f)
	case complete:
		t.release(s)
	}
	if c.live || complete || c.id.size == s.Offset {
		t.done[c.path] = c.id
	}
	return c.live, nil
}

// writerGone reports whether a file that is no longer the live one has not grown
// for so long that its writer must have closed it.
func (t *Tailer) writerGone(s *stream, c candidate) bool {
	if s.rotatedAt.IsZero() {
		s.rotatedAt = t.o.Now()
	}
	return t.o.Now().Sub(later(s.rotatedAt, c.id.modified)) > writerGrace
}

// skipToEnd marks all whole lines of a file as read.
func (t *Tailer) skipToEnd(ctx context.Context, s *stream, f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	end, err := lastNewline(f, info.Size())
	if err != nil || end == 0 {
		return err
	}
	s.Offset = end
	if s.Head, s.Tail, err = hashes(f, end); err != nil {
		return err
	}
	return t.send(ctx, s, bounce.Chunk{})
}

// drainUnnamed reads files that have no name any more, until their writers have
// closed them.
func (t *Tailer) drainUnnamed(ctx context.Context, source int, named []candidate) error {
	for _, s := range t.streams {
		if s.file == nil || s.source != source {
			continue
		}
		s.unnamed = !slices.ContainsFunc(named, func(c candidate) bool { return s.in(c.id) })
		if !s.unnamed {
			continue
		}
		over := t.o.Now().Sub(s.grownAt) > writerGrace
		switch now, err := t.truncatedAndDeleted(s); {
		case err != nil:
			t.report("read "+s.Path, err)
			continue
		case now.size > 0:
			s = t.rewritten(source, s, now)
		case now.inode != 0 && over:
			t.markLost(s, truncated)
			continue
		}
		if err := t.drain(ctx, s, s.file, math.MaxInt64, over); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			t.report("read "+s.Path, err)
		}
		if over {
			t.release(s)
			s.Inode, s.Device = 0, 0
			if s.Offset > 0 {
				if err := t.send(ctx, s, bounce.Chunk{}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// truncatedAndDeleted returns the identity of the held file of a stream if it was
// truncated and then deleted, and otherwise none.
func (t *Tailer) truncatedAndDeleted(s *stream) (now fileID, err error) {
	info, err := s.file.Stat()
	if err != nil {
		return fileID{}, err
	}
	// The stream may be in a copy of the held file.
	if st, ok := infoStat(info); !ok || st.Nlink > 0 || !s.in(idOf(info)) {
		return fileID{}, nil
	}
	m, err := matches(&s.Position, s.file, info.Size())
	if err != nil || m == whole {
		return fileID{}, err
	}
	return idOf(info), nil
}

// rewritten returns a new stream for what was written to the held file of a stream after
// a truncation.
func (t *Tailer) rewritten(source int, s *stream, now fileID) *stream {
	f := s.file
	s.file = nil // keep it open
	t.held--
	next := t.newStream(source, candidate{path: s.Path, id: now}, plain)
	t.markLost(s, truncated)
	t.hold(next, f)
	next.unnamed = true
	return next
}

// drain sends all whole lines between a stream's position and a limit. If
// complete, a last line without a newline counts too.
func (t *Tailer) drain(ctx context.Context, s *stream, f *os.File, limit int64, complete bool) error {
	var free pool
	for {
		info, err := f.Stat()
		if err != nil {
			return err
		}
		waiting := min(info.Size(), limit) - s.Offset
		if waiting <= 0 {
			s.scannedAt = t.o.Now()
			return nil
		}
		if m, err := matches(&s.Position, f, info.Size()); err != nil || m != whole {
			return err // truncated meanwhile; the next scan notices
		}
		s.size = max(s.size, info.Size())
		t.o.Heartbeat.Beat()
		if free == nil && waiting > blockSize {
			free = newPool()
		}
		b, err := t.readBlock(s, f, waiting, complete, free)
		if err != nil {
			return err
		}
		if longest := int64(t.o.MaxLine); b.pending > longest && s.pending <= longest {
			t.o.Log.Warn("nothing is read behind a line that has no end and is over the limit; is this the log, and does LF end its lines, not CR alone?", "path", s.Path, "limit", longest)
		}
		s.pending = b.pending
		if b.end == s.Offset {
			s.scannedAt = t.o.Now()
			return nil
		}
		// Check again: a file that was truncated while it was read may have given
		// bytes of two streams.
		if m, err := matches(&s.Position, f, info.Size()); err != nil || m != whole {
			return err
		}
		head, tail, err := hashes(f, b.end)
		if err != nil {
			return err
		}
		waiting -= b.end - s.Offset
		s.Offset, s.Head, s.Tail, s.pending = b.end, head, tail, 0
		s.grownAt = t.o.Now()
		// More bytes than the longest line are not just an incomplete line.
		c := bounce.Chunk{Data: text.Own(b.data), Release: b.release, TooLong: b.tooLong, More: waiting > int64(t.o.MaxLine)}
		if err := t.send(ctx, s, c); err != nil {
			return err
		}
	}
}

// readBlock reads lines behind the position of a stream.
func (t *Tailer) readBlock(s *stream, f *os.File, waiting int64, complete bool, free pool) (b block, err error) {
	if waiting <= min(liveLimit, int64(t.o.MaxLine)) && !complete {
		b, err = readLive(f, s.Offset, s.Offset+waiting)
		if err == nil && b.end > s.Offset {
			return b, nil
		}
	}
	// No whole line, or a file that cannot be opened again.
	r := blockReader{file: io.NewSectionReader(f, 0, s.Offset+waiting), maxLine: t.o.MaxLine, complete: complete, heartbeat: t.o.Heartbeat, free: free}
	return r.read(s.Offset, s.pending)
}

// send sends a chunk with the position of the stream.
func (t *Tailer) send(ctx context.Context, s *stream, c bounce.Chunk) error {
	if len(c.Data) > 0 || c.TooLong > 0 || s.UpdatedAt.IsZero() {
		s.UpdatedAt = t.o.Now()
	}
	if c.TooLong > 0 {
		logTooLong(t.o.Log, s.Path, c.TooLong, t.o.MaxLine)
	}
	c.Data, c.Position, c.SourceIndex, c.File = stripNULs(c.Data), s.Position, s.source, s.isNew
	t.o.Heartbeat.Idle()
	defer t.o.Heartbeat.Beat()
	select {
	case t.out <- c:
		s.isNew = nil
		t.sent++
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func logTooLong(log *slog.Logger, path string, lines, limit int) {
	log.Warn("lines left out for their length", "path", path, "lines", lines, "limit", limit)
}

// stripNULs removes the NULs in front of lines. A writer that does not append
// leaves them if it continues at its old offset in a truncated file.
func stripNULs(data string) string {
	if strings.IndexByte(data, 0) < 0 {
		return data
	}
	var out strings.Builder
	for line := range strings.Lines(data) {
		out.WriteString(strings.TrimLeft(line, "\x00"))
	}
	return out.String()
}
