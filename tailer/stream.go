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

// growing returns the stream of a live file that has only grown since it was
// opened, or nil. A busy log is not opened by every scan.
func (t *Tailer) growing(c candidate) *stream {
	for _, s := range t.streams {
		if !c.live || s.file == nil || s.Offset == 0 || !s.in(c.id) || s.Path != c.name() || s.Closed {
			continue
		}
		if m, err := matches(&s.Position, s.file, c.id.size); err == nil && m == whole {
			return s
		}
	}
	return nil
}

// streamOf returns the known stream that a plain file continues, or nil. wait
// means that the file seems to be a copy that is still being written.
func (t *Tailer) streamOf(c candidate, f *os.File) (best *stream, wait bool, err error) {
	for _, s := range t.streams { // usually the file still holds the same stream
		if s.file == nil || s.Offset == 0 || !s.in(c.id) {
			continue
		}
		if m, err := matches(&s.Position, f, c.id.size); err == nil && m == whole {
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
		same := s.in(c.id)
		if s.Offset == 0 && same && (s.file != nil || s.closed) && best == nil {
			best = s // no line of it was read yet
			if s.closed {
				s.pending, s.size = 0, 0 // it may be another file with the same inode
			}
		}
		if s.Offset == 0 || s.Cursor != "" {
			continue
		}
		if same && s.Closed && s.file == nil && c.id.size < s.Offset {
			continue
		}
		m := none
		if mayMatch(&s.Position, head) {
			if m, err = matches(&s.Position, f, c.id.size); err != nil {
				return nil, false, err
			}
		}
		switch {
		case m == whole:
			// If several match, use the one that was read furthest. A live file and its
			// copy hold one stream until one of them grows. A new live file that begins
			// like an old one loses nothing: only lines that were read are skipped.
			if best == nil || s.Offset > best.Offset || same && s.Offset == best.Offset {
				best = s
			}
		case m == prefix && !c.live && !same && t.o.Now().Sub(c.id.modified) < writerGrace:
			copied = max(copied, s.Offset)
		case same && !s.Closed && m != whole:
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
