package tailer

import (
	"cmp"
	"context"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

const (
	// patience is how long a copy or an archive is waited for that may hold
	// what a truncation or a deletion took from a stream. Rotation makes it
	// before it truncates or deletes, but may move or pack it for a while.
	patience = time.Minute
	// current is how old a look may be to tell how much there was: a tailer
	// that is neither stopped nor busy elsewhere looks every two seconds.
	current = 4 * time.Second
	// forgotten is how long a stream is kept that no file holds any more.
	forgotten = 90 * 24 * time.Hour
)

// loss is what is known of a stream that no file holds any more, until it is
// clear whether anything was lost.
type loss struct {
	at  time.Time
	why string
	// known tells that all that was in the file shortly before had been seen.
	known bool
}

// missing notes that the file which held a stream does so no longer.
func (t *Tailer) missing(s *stream, why string) {
	s.lost = &loss{at: t.o.Now(), why: why, known: t.o.Now().Sub(s.seenAt) <= current}
	s.Inode, s.Device = 0, 0
	s.close()
	// A copy of it may have been seen that had nothing more to give.
	for _, c := range t.listings[s.source].files {
		if !c.live {
			delete(t.done, c.path)
		}
	}
}

// settle decides of a source's streams that no file holds whether anything was
// lost. A gap and the position that says that nothing more is to be said of the
// stream (it has no inode) are saved together: so it is never reported twice.
//
// Reported is what is known to have been in the file and was found nowhere
// else, or -1 where the file was not looked at shortly before and no copy of
// it is there. What was written between the last look and a truncation, and is
// in no copy, nobody can know; the beginning of a first line that was never ended
// is not counted.
func (t *Tailer) settle(ctx context.Context, source int, files []candidate) error {
	if len(files) == 0 {
		return nil // the folder may come back, with all that was in it
	}
	newest := time.Time{}
	for _, s := range t.streams {
		if s.source == source && s.Cursor == "" {
			newest = later(newest, s.UpdatedAt)
		}
	}
	for _, s := range t.streams {
		if s.source == source && s.lost == nil && s.vanished(t.listings[source].pattern, newest) {
			t.missing(s, "deleted while it was not followed, and found in no other file")
		}
		if s.source != source || s.lost == nil {
			continue
		}
		now, unread, held := t.o.Now(), s.size-s.Offset, s.Inode != 0
		var gaps []bounce.Gap
		switch {
		case unread <= 0 && (held || s.lost.known):
			// All that is known to have been there was read.
		case now.Sub(s.lost.at) < patience || t.mayHold(s, files):
			continue
		default:
			g := bounce.Gap{At: now, Source: t.listings[source].pattern, Path: s.Path, Bytes: -1, Why: s.lost.why}
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

// vanished reports whether a stream that was stored was the live one and is
// held by no file. Streams that were live earlier were read to their end.
func (s *stream) vanished(pattern string, newest time.Time) bool {
	if !s.stored || !s.seenAt.IsZero() || s.Inode == 0 || s.Closed || s.Cursor != "" || s.Source != pattern {
		return false
	}
	if _, rotated := matchName(filepath.Base(pattern), filepath.Base(s.Path)); rotated {
		return false
	}
	if hasMeta(pattern) {
		return newest.Sub(s.UpdatedAt) < 24*time.Hour
	}
	return s.UpdatedAt.Equal(newest)
}

// mayHold reports whether a rotated file that is not read yet may hold the rest
// of a stream: one that is still being written, or that may not be read.
func (t *Tailer) mayHold(s *stream, files []candidate) bool {
	for _, c := range files {
		if t.done[c.path] == c.id || c.id.modified.Before(s.UpdatedAt.Add(-current)) {
			continue
		}
		if t.denied[c.path] || !c.live && t.o.Now().Sub(c.id.modified) < patience {
			return true
		}
	}
	return false
}

// prune forgets the streams that no file has held for long: an archive that
// comes back even later gives lines that are known, which changes nothing.
func (t *Tailer) prune(ctx context.Context) error {
	kept := t.streams[:0]
	for _, s := range t.streams {
		if s.stored && s.lost == nil && s.seenAt.IsZero() && s.Cursor == "" && s.Stream > 0 && s.file == nil &&
			t.o.Now().Sub(cmp.Or(s.UpdatedAt, t.o.Now())) > forgotten {
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

// gapAttrs describes a gap in a log record.
func gapAttrs(g bounce.Gap) slog.Attr {
	return slog.Group("gap", "source", g.Source, "path", g.Path, "bytes", g.Bytes, "why", g.Why)
}
