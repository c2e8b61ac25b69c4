package tailer

import (
	"context"
	"io"
	"os"
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
		if now := t.o.Now(); now.Sub(last) >= t.interval && !t.within {
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
				t.keep(source, c)
			}
		}
	}
}

// keptFile is a live file that is held open before the first scan has come to it.
type keptFile struct {
	candidate
	source int
	file   *os.File
}

// keep holds a live file open of which nothing is read yet.
func (t *Tailer) keep(source int, c candidate) {
	same := func(k keptFile) bool { return k.id.file() == c.id.file() }
	if slices.ContainsFunc(t.kept, same) || t.held+len(t.kept) >= t.maxHeld {
		return
	}
	f, err := openNow(c.path)
	if err != nil {
		return
	}
	if info, err := f.Stat(); err != nil || idOf(info).file() != c.id.file() {
		f.Close()
		return
	}
	t.kept = append(t.kept, keptFile{c, source, f})
}

// readKept reads the files that are kept and are no longer among those of their source:
// they were moved away before the scan came to them.
func (t *Tailer) readKept(ctx context.Context, source int, files []candidate) error {
	for i := 0; i < len(t.kept); {
		k := t.kept[i]
		if k.source != source || slices.ContainsFunc(files, func(c candidate) bool { return c.id.file() == k.id.file() }) {
			i++
			continue
		}
		t.kept = slices.Delete(t.kept, i, i+1)
		info, err := k.file.Stat()
		held := false
		if err == nil {
			k.id = idOf(info)
			held, err = t.visitPlain(ctx, source, k.candidate, k.file)
		}
		if !held {
			k.file.Close()
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		t.report("read "+k.path, err)
	}
	return nil
}

// closeKept closes the files that are kept.
func (t *Tailer) closeKept() {
	for _, k := range t.kept {
		k.file.Close()
	}
	t.kept = nil
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
