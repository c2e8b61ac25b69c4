package tailer

import (
	"context"
	"io"
	"slices"
	"time"
)

// slowReader reads an archive, which may take minutes: a small file can hold gigabytes.
type slowReader struct {
	r         io.Reader
	meanwhile func() error
}

// Read implements io.Reader.
func (s *slowReader) Read(p []byte) (int, error) {
	if err := s.meanwhile(); err != nil {
		return 0, err
	}
	return s.r.Read(p)
}

// meanwhileInterval is how often the live logs are read while an archive is.
const meanwhileInterval = 500 * time.Millisecond

// meanwhile returns a function that is called again and again while an archive is read. It
// returns an error once ctx has ended. It reads what was added to the files that are held
// open, except those of streams that the archive may hold, and live files that are new. In
// the first scan, which reads older lines first, it only holds the live files open, so that
// no rotation takes them away.
func (t *Tailer) meanwhile(ctx context.Context, except func(*stream) bool) func() error {
	last := t.o.Now()
	return func() error {
		t.o.Heartbeat.Beat()
		if now := t.o.Now(); now.Sub(last) >= meanwhileInterval && !t.within {
			last, t.within = now, true
			if t.scanned {
				t.drainHeld(ctx, except)
			}
			t.takeLive(ctx, except)
			t.within = false
		}
		return ctx.Err()
	}
}

// takeLive reads the live files that are not held open, or in the first scan holds them
// open, unless it skips what they hold. Errors are left to the next scan.
func (t *Tailer) takeLive(ctx context.Context, except func(*stream) bool) {
	for source, text := range t.o.Patterns {
		if text == "" {
			continue
		}
		files, err := t.list(source)
		t.listings[source].trusted = false // its files are not these
		if err != nil {
			return
		}
		for _, c := range files {
			known := slices.ContainsFunc(t.streams, func(s *stream) bool { return s.in(c.id) && (s.file != nil || except(s)) })
			switch {
			case !c.live || known || t.done[c.path] == c.id:
			case t.scanned || t.fromEnd:
				_ = t.visit(ctx, source, c)
			default:
				_ = t.holdUnread(source, c)
			}
		}
	}
}

// holdUnread holds a plain file open of which nothing is read yet in this scan.
func (t *Tailer) holdUnread(source int, c candidate) error {
	f, err := t.open(c.path)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && idOf(info).file() != c.id.file() {
		err = errReplaced
	}
	kind := plain
	if err == nil {
		kind, err = archiveKind(f)
	}
	var s *stream
	wait := false
	if err == nil && kind == plain {
		s, wait, err = t.streamOf(c, f)
	}
	if err != nil || kind != plain || wait || s != nil && s.file != nil {
		f.Close()
		return err
	}
	if s == nil {
		s = t.newStream(source, c, plain)
	}
	s.Path, s.Device, s.Inode, s.Closed = c.name(), c.id.device, c.id.inode, false
	t.hold(s, f)
	return nil
}

// drainHeld reads the files that are held open. Errors are left to the next scan.
func (t *Tailer) drainHeld(ctx context.Context, except func(*stream) bool) {
	type grown struct {
		s     *stream
		limit int64
	}
	var all []grown
	// The size of the newest first: lines that are written to it later may belong after
	// lines that come to an older file now.
	for _, s := range slices.Backward(t.streams) {
		if s.file == nil || except(s) {
			continue
		}
		if info, err := s.file.Stat(); err == nil && info.Size() > s.Offset {
			all = append(all, grown{s, info.Size()})
		}
	}
	for _, g := range slices.Backward(all) {
		_ = t.drain(ctx, g.s, g.s.file, g.limit, false)
	}
}
