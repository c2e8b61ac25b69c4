package tailer

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

const (
	// copyGrace is how long to wait, after a truncation or deletion, for a copy or an
	// archive with the content. Rotation writes it first, but may then move or compress
	// it for a while.
	copyGrace = time.Minute
	// scanFreshness is the maximum age of the last scan of a file for its size to be
	// considered known. A tailer that is neither stopped nor busy scans every two
	// seconds.
	scanFreshness = 4 * time.Second
	// streamTTL is how long a stream is kept after its last file is gone.
	streamTTL = 90 * 24 * time.Hour
)

// Why content may be lost.
const (
	truncated       = "truncated, and its end found in no other file"
	deletedWhenDown = "deleted while it was not followed, and found in no other file"
	deletedUnopened = "deleted while it was not held open, and found in no other file"
)

// loss describes a stream that no file holds any more, until it is clear whether
// content was lost.
type loss struct {
	at  time.Time
	why string
	// fresh means that the file had been scanned shortly before, so that its size
	// is known.
	fresh bool
}

// markLost records that the file that held a stream does not hold it any more.
func (t *Tailer) markLost(s *stream, why string) {
	t.release(s)
	s.Inode, s.Device = 0, 0
	if t.rotated(s) && s.size <= s.Offset {
		return // it was read to its end, then deleted, and its inode was reused
	}
	s.lost = &loss{at: t.o.Now(), why: why, fresh: t.o.Now().Sub(s.scannedAt) <= scanFreshness}
	// A copy may have been scanned that had nothing more to give.
	for _, c := range t.listings[s.source].files {
		if !c.live {
			delete(t.done, c.path)
		}
	}
}

// rotated reports whether the file of a stream has a name that rotation made.
func (t *Tailer) rotated(s *stream) bool {
	_, rotated := matchName(t.listings[s.source].base(), filepath.Base(s.Path))
	return rotated
}

// resolveLosses decides whether content was lost from the streams of a source that no
// file holds. A gap is saved with a position without an inode, which marks the stream
// as finished, so that it is reported only once.
//
// A gap is content that is known to have been in the file and was not found elsewhere.
// It has -1 bytes if the file was not scanned shortly before and no copy exists.
// Content written between the last scan and a truncation, and not copied, is unknown.
// The start of a first line without a newline is not counted.
func (t *Tailer) resolveLosses(ctx context.Context, source int, files []candidate) error {
	if len(files) == 0 {
		return nil // the directory may come back with its files
	}
	for _, s := range t.streams {
		if s.source != source {
			continue
		}
		if s.lost == nil {
			switch {
			case t.vanished(s):
				t.markLost(s, deletedWhenDown)
			case s.closed && s.Inode != 0 && s.Offset > 0 && !slices.ContainsFunc(files, func(c candidate) bool { return s.in(c.id) }):
				t.markLost(s, deletedUnopened)
			}
		}
		if s.lost == nil {
			continue
		}
		now, unread, held := t.o.Now(), s.size-s.Offset, s.Inode != 0
		var gaps []bounce.Gap
		switch {
		case unread <= 0 && (held || s.lost.fresh):
			// All known content was read.
		case now.Sub(s.lost.at) < copyGrace || t.mayHold(s, files):
			continue
		default:
			g := bounce.Gap{At: now, Source: t.listings[source].text, Path: s.Path, Bytes: -1, Why: s.lost.why}
			if unread > 0 {
				g.Bytes = unread
			}
			gaps = append(gaps, g)
			t.o.Log.Warn("a part of the log was destroyed before it could be read", gapAttrs(g))
		}
		s.lost, s.size = nil, s.Offset
		if err := t.send(ctx, s, bounce.Chunk{Gaps: gaps}); err != nil {
			return err
		}
	}
	return nil
}

// vanished reports whether no file holds a stored stream that was the live one. Earlier
// live streams were read to their end.
func (t *Tailer) vanished(s *stream) bool {
	l := &t.listings[s.source]
	if !s.stored || !s.scannedAt.IsZero() || s.Inode == 0 || s.Closed || s.Cursor != "" || s.Source != l.text || t.rotated(s) {
		return false
	}
	// An earlier start may have noticed it and stopped before it could be reported.
	return l.literal && s.UpdatedAt.Equal(l.newest) || l.newest.Sub(s.UpdatedAt) < 24*time.Hour
}

// mayHold reports whether an unread rotated file may hold the rest of a stream: it is
// still being written, or is not readable.
func (t *Tailer) mayHold(s *stream, files []candidate) bool {
	for _, c := range files {
		if t.done[c.path] == c.id || c.id.modified.Before(s.UpdatedAt.Add(-scanFreshness)) {
			continue
		}
		if t.unreadable[c.path] || !c.live && t.o.Now().Sub(c.id.modified) < copyGrace {
			return true
		}
	}
	return false
}

// gapAttrs describes a gap in a log record.
func gapAttrs(g bounce.Gap) slog.Attr {
	return slog.Group("gap", "source", g.Source, "path", g.Path, "bytes", g.Bytes, "why", g.Why)
}
