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
// open, except those of streams that the archive may hold; but not in the first scan, which
// reads older lines first.
func (t *Tailer) meanwhile(ctx context.Context, except func(*stream) bool) func() error {
	last := t.o.Now()
	return func() error {
		t.o.Heartbeat.Beat()
		if now := t.o.Now(); t.scanned && now.Sub(last) >= meanwhileInterval {
			last = now
			t.drainHeld(ctx, except)
		}
		return ctx.Err()
	}
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
