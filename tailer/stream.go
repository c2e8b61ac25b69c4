package tailer

import (
	"cmp"
	"context"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// stream is a known stream of content.
type stream struct {
	bounce.Position
	source    int
	isNew     *bounce.LogFile // until the first chunk is sent
	file      *os.File        // held open; see held.go
	closed    bool            // file was closed because too many were open
	unnamed   bool            // file has no name any more
	pending   int64           // bytes behind Offset known to hold no newline
	grownAt   time.Time
	rotatedAt time.Time // when its file was first found not to be the live one

	// For the detection of gaps.
	stored    bool      // known before this start
	size      int64     // the most that its file held
	scannedAt time.Time // when all of its file had last been read
	lost      *loss     // nil while a file holds the stream
}

// fileID shows whether a file may have changed.
type fileID struct {
	device, inode uint64
	size          int64
	modified      time.Time
}

// file returns what does not change while a file grows.
func (id fileID) file() fileID { return fileID{device: id.device, inode: id.inode} }

func idOf(info os.FileInfo) fileID {
	id := fileID{size: info.Size(), modified: info.ModTime()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		id.device, id.inode = uint64(st.Dev), st.Ino
	}
	return id
}

// in reports whether the stream was last found in a file.
func (s *stream) in(id fileID) bool { return s.Inode == id.inode && s.Device == id.device }

func (t *Tailer) newStream(source int, c candidate, kind archive) *stream {
	t.lastStream++
	file := logFile(c.path, kind, c.id)
	s := &stream{
		Position: bounce.Position{Stream: t.lastStream, Source: t.o.Patterns[source], Path: c.name(), Device: c.id.device, Inode: c.id.inode},
		source:   source,
		isNew:    &file,
		grownAt:  t.o.Now(),
	}
	t.streams = append(t.streams, s)
	return s
}

// continuesIn reports whether a file holds all that was read of the stream.
func (s *stream) continuesIn(f *os.File, size int64) bool {
	m, err := matches(&s.Position, f, size)
	return err == nil && m == whole
}

// growing returns the stream of a live file that has only grown since it was
// opened, or nil. A busy log is not opened by every scan.
func (t *Tailer) growing(c candidate) *stream {
	for _, s := range t.streams {
		if c.live && s.opened(c.id) && s.Path == c.name() && !s.Closed && s.continuesIn(s.file, c.id.size) {
			return s
		}
	}
	return nil
}

// opened reports whether a file is the one that is held open for the stream, of which
// lines were read.
func (s *stream) opened(id fileID) bool { return s.file != nil && s.Offset != 0 && s.in(id) }

// streamOf returns the known stream that a plain file continues, or nil. wait
// means that the file seems to be a copy that is still being written.
func (t *Tailer) streamOf(c candidate, f *os.File) (best *stream, wait bool, err error) {
	for _, s := range t.streams { // usually the file still holds the same stream
		if s.opened(c.id) && s.continuesIn(f, c.id.size) {
			return s, false, nil
		}
	}
	head := make([]byte, window)
	n, err := readFull(f, head, 0)
	if err != nil {
		return nil, false, err
	}
	head = head[:n]
	copied := int64(0)                             // what was read of the stream of which the file may be an incomplete copy
	for _, s := range slices.Backward(t.streams) { // the newest first
		if s.Offset == 0 {
			if best == nil && s.waitsFor(c.id) {
				best = s
				if s.closed {
					s.pending, s.size = 0, 0 // it may be another file with the same inode
				}
			}
			continue
		}
		if !s.mayBeIn(c.id) {
			continue
		}
		m, err := s.match(f, head, c.id.size)
		if err != nil {
			return nil, false, err
		}
		switch {
		case m == whole:
			best = furthest(best, s, c.id)
		case m == prefix && !s.in(c.id) && t.mayBeWritten(c):
			copied = max(copied, s.Offset)
		case s.in(c.id) && !s.Closed:
			// Truncated, and perhaps written again. The rest of the old content is
			// found in its copy.
			t.markLost(s, truncated)
		}
	}
	if copied > 0 && (best == nil || copied > best.Offset) {
		return nil, true, nil
	}
	return best, false, nil
}

// waitsFor reports whether a file is the one of a stream of which no line was read yet.
func (s *stream) waitsFor(id fileID) bool { return s.in(id) && (s.file != nil || s.closed) }

// mayBeIn reports whether a plain file may hold what was read of the stream, from what is
// known without reading the file.
func (s *stream) mayBeIn(id fileID) bool {
	if s.Cursor != "" { // of the journal
		return false
	}
	ended := s.Closed && s.file == nil
	return !(ended && s.in(id) && id.size < s.Offset)
}

// match returns how much of the stream a file holds that begins with head.
func (s *stream) match(f *os.File, head []byte, size int64) (match, error) {
	if !mayMatch(&s.Position, head) {
		return none, nil
	}
	return matches(&s.Position, f, size)
}

// mayBeWritten reports whether a file may be a copy that is still being written.
func (t *Tailer) mayBeWritten(c candidate) bool {
	return !c.live && t.o.Now().Sub(c.id.modified) < writerGrace
}

// furthest returns the one of two streams that was read furthest, of those that a file
// holds as a whole, or else the one that was last found in the file. best may be nil.
//
// A live file and its copy hold one stream until one of them grows. A new live file that
// begins like an old one loses nothing: only lines that were read are skipped.
func furthest(best, s *stream, id fileID) *stream {
	if best == nil || s.Offset > best.Offset || s.in(id) && s.Offset == best.Offset {
		return s
	}
	return best
}

// forgetStreams deletes the positions of streams that no file has held for
// streamTTL. If an archive comes back even later, its lines are known events.
func (t *Tailer) forgetStreams(ctx context.Context) error {
	kept := t.streams[:0]
	for _, s := range t.streams {
		if s.stored && s.lost == nil && s.scannedAt.IsZero() && s.Cursor == "" && s.Stream > 0 && s.file == nil &&
			t.o.Now().Sub(cmp.Or(s.UpdatedAt, t.o.Now())) > streamTTL {
			s.Gone = true
			if err := t.send(ctx, s, bounce.Chunk{}); err != nil {
				return err
			}
			continue
		}
		kept = append(kept, s)
	}
	t.streams = kept
	return nil
}
