// Package tailer turns the bytes of log files into runs of whole lines, each
// line once, through every kind of rotation and restart.
//
// What is followed is a stream of content, not a file: a stream keeps its
// position when its file is renamed, copied or compressed. One scan, the same
// at start, on directory events and every two seconds, looks at the file that a
// setting names and at what rotation made of it ("base", "base.*", "base-*"),
// oldest first, and finds for each which known stream it continues: first by
// inode and content, then by content alone, else it is new and read from its
// start. Content is compared by hashes of the first bytes of the stream and of
// those before the position.
//
// Whole blocks are read where a lot is waiting, and single lines by
// nxadm/tail at the live end, on a descriptor of our own; neither knows
// anything of rotation.
package tailer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/health"
)

const (
	// DefaultMaxLine is the length in bytes over which a line is dropped.
	DefaultMaxLine = 1 << 20
	// writerGrace is how long nothing has come when a file that is no longer the
	// live one is taken as complete: a writer may keep its old descriptor.
	writerGrace = 10 * time.Second
	// settleIdle is how long directory events are gathered before a scan.
	settleIdle = 20 * time.Millisecond
	// beat is how long after a scan that found lines the next one begins,
	// because more will come. To wake up for what has come, and to save it, costs
	// more than the lines themselves; with the time that saving takes it stays
	// within a tenth of a second.
	beat = 80 * time.Millisecond
	// lookEvery is how often a scan is made without an event, and lookUnwatched
	// where a folder cannot be watched.
	lookEvery     = 2 * time.Second
	lookUnwatched = time.Second
)

// Options say what to follow.
type Options struct {
	// Patterns are paths or globs, one for each configured source; empty for
	// those that are no files.
	Patterns []string
	// Positions are all that are stored.
	Positions []bounce.Position
	// FromEnd skips what the files hold when there are no Positions yet.
	FromEnd bool
	MaxLine int // bytes; DefaultMaxLine where it is 0
	Log     *slog.Logger
	Now     func() time.Time
	// Retrying is told what is waited out, and Heartbeat that the tailer moves on.
	Retrying  *health.Retrying
	Heartbeat *health.Heartbeat
	// CaughtUp is called once, when all that was there at the start has been
	// sent. It may be nil.
	CaughtUp func()
}

// Tailer follows files. Use New.
type Tailer struct {
	o        Options
	streams  []*stream
	next     int64             // the next stream's number
	listings []listing         // what each source last had
	done     map[string]fileID // candidates that had nothing more to give, by path
	denied   map[string]bool   // those that may not be read
	fromEnd  bool              // in the first scan of a first start
	looked   bool              // at all files once
	stirred  bool              // something happened to a file that is not live
	sent     int               // chunks
	out      chan<- bounce.Chunk
}

// stream is a stream of content that is known.
type stream struct {
	bounce.Position
	source  int
	isNew   *bounce.LogFile // until its first chunk is sent
	file    *os.File        // held open while it was the live file
	scanned int64           // bytes behind Offset known to hold no newline
	grownAt time.Time
	aside   time.Time // when its file was first seen not to be the live one

	// For the gaps.
	stored bool      // was known before this start
	size   int64     // how much of it there was at most
	seenAt time.Time // when all of its file had last been seen
	lost   *loss     // nil while a file holds it
}

// fileID tells whether a file may have changed.
type fileID struct {
	device, inode uint64
	size          int64
	modified      time.Time
}

// file is what stays as it is while a file grows.
func (id fileID) file() fileID { return fileID{device: id.device, inode: id.inode} }

func idOf(info os.FileInfo) fileID {
	id := fileID{size: info.Size(), modified: info.ModTime()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		id.device, id.inode = uint64(st.Dev), st.Ino
	}
	return id
}

// New returns a tailer that goes on from the positions.
func New(o Options) (*Tailer, error) {
	if len(o.Patterns) == 0 {
		return nil, errors.New("no log to follow")
	}
	for _, p := range o.Patterns {
		if _, err := filepath.Match(p, ""); err != nil {
			return nil, fmt.Errorf("source %q: %w", p, err)
		}
	}
	if o.MaxLine == 0 {
		o.MaxLine = DefaultMaxLine
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Retrying == nil {
		o.Retrying = &health.Retrying{}
	}
	t := &Tailer{
		o:        o,
		listings: make([]listing, len(o.Patterns)),
		done:     make(map[string]fileID),
		denied:   make(map[string]bool),
		fromEnd:  o.FromEnd && len(o.Positions) == 0,
	}
	for i, p := range o.Patterns {
		t.listings[i].pattern = p
	}
	for _, p := range o.Positions {
		if p.Stream < 0 {
			continue // the journal's, or a pipe's
		}
		t.next = max(t.next, p.Stream)
		t.streams = append(t.streams, &stream{Position: p, source: max(0, slices.Index(o.Patterns, p.Source)), grownAt: o.Now(), size: p.Offset, stored: true})
	}
	return t, nil
}

// Run follows until ctx ends and sends what it reads. It holds a watcher of
// folders, which it closes before it returns.
func (t *Tailer) Run(ctx context.Context, out chan<- bounce.Chunk) error {
	t.out = out
	defer func() {
		for _, s := range t.streams {
			s.close()
		}
	}()
	defer t.o.Heartbeat.Idle()
	w := &watcher{live: t.isLive}
	defer w.close()
	for {
		t.o.Retrying.Report(t.o.Log, "watch folders", w.watch(t.folders()))
		t.o.Heartbeat.Beat()
		before, begun := t.sent, time.Now()
		if err := t.scan(ctx); err != nil {
			return err
		}
		t.o.Heartbeat.Beat()
		if t.o.CaughtUp != nil {
			t.o.CaughtUp()
			t.o.CaughtUp = nil
		}
		var err error
		if t.stirred, err = w.wait(ctx, t.sent > before, begun); err != nil {
			return err
		}
	}
}

// folders returns those in which names come and go.
func (t *Tailer) folders() []string {
	var all []string
	for i := range t.listings {
		if t.listings[i].pattern == "" {
			continue
		}
		all = append(all, foldersOf(t.listings[i].pattern)...)
		for folder := range t.listings[i].folders {
			all = append(all, folder)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// isLive reports whether a path is that of a live file.
func (t *Tailer) isLive(path string) bool {
	for i := range t.listings {
		if slices.ContainsFunc(t.listings[i].files, func(c candidate) bool { return c.live && c.name() == path }) {
			return true
		}
	}
	return false
}

// truncated is why a gap may be there.
const truncated = "truncated, and its end found in no other file"

// errExchanged tells that a path no longer leads to the file that was listed.
var errExchanged = errors.New("exchanged while it was looked at")

// scan looks at all files once and sends what they have more than before. It
// looks again where one was exchanged meanwhile: to go on would be to read
// lines out of their order.
func (t *Tailer) scan(ctx context.Context) error {
	for range 10 {
		if err := t.look(ctx); !errors.Is(err, errExchanged) {
			return err
		}
	}
	return nil // the next tick looks again
}

func (t *Tailer) look(ctx context.Context) error {
	for i, pattern := range t.o.Patterns {
		if pattern == "" { // the place of a source that is no file
			continue
		}
		candidates, err := t.candidates(i)
		if err != nil {
			return err
		}
		t.reportAbsent(i, candidates)
		// First what is only held open any more: an archive of it may be there.
		if err := t.drainUnnamed(ctx, i, candidates); err != nil {
			return err
		}
		for _, c := range candidates {
			if t.done[c.path] == c.id {
				if c.live {
					t.seen(c)
				}
				continue
			}
			if err := t.visit(ctx, i, c); err != nil {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if errors.Is(err, errExchanged) || errors.Is(err, fs.ErrNotExist) {
					return errExchanged
				}
				t.denied[c.path] = true
				if errors.Is(err, errDamaged) {
					delete(t.denied, c.path)
					if t.o.Now().Sub(c.id.modified) < writerGrace {
						continue // it is being written
					}
				}
				t.report("read "+c.path, err)
				continue
			}
			delete(t.denied, c.path)
			t.report("read "+c.path, nil)
		}
		if err := t.settle(ctx, i, candidates); err != nil {
			return err
		}
	}
	if !t.looked {
		if err := t.prune(ctx); err != nil {
			return err
		}
	}
	t.fromEnd, t.looked = false, true
	return nil
}

// report logs trouble once when it begins and once when it ends.
func (t *Tailer) report(what string, err error) { t.o.Retrying.Report(t.o.Log, what, err) }

// reportAbsent tells of a source that is not there, unless rotation may just
// have taken it away and is about to make it anew.
func (t *Tailer) reportAbsent(source int, files []candidate) {
	l := &t.listings[source]
	what := "find " + l.pattern
	if slices.ContainsFunc(files, func(c candidate) bool { return c.live }) {
		l.missed = time.Time{}
		t.report(what, nil)
		return
	}
	if l.missed.IsZero() {
		l.missed = t.o.Now()
	}
	folder := filepath.Dir(l.pattern)
	if _, err := os.Stat(folder); err != nil && !hasMeta(folder) {
		t.report(what, err)
	} else if !t.looked || t.o.Now().Sub(l.missed) > writerGrace {
		t.report(what, errors.New("there is no such file yet"))
	}
}

// seen notes that a file has nothing new.
func (t *Tailer) seen(c candidate) {
	for _, s := range t.streams {
		if s.Inode == c.id.inode && s.Device == c.id.device {
			s.seenAt = t.o.Now()
		}
	}
}

// visit finds the stream that a file holds and reads on in it.
func (t *Tailer) visit(ctx context.Context, source int, c candidate) error {
	if s := t.growing(c); s != nil {
		if err := t.drain(ctx, s, s.file, c.id.size, false); err != nil {
			return err
		}
		t.done[c.path] = c.id
		return nil
	}
	f, err := os.Open(c.path)
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
		return errExchanged
	}
	if c.id.size == 0 {
		for _, s := range t.streams {
			if s.Device == c.id.device && s.Inode == c.id.inode && s.Offset > 0 && !s.Closed && s.Cursor == "" {
				t.missing(s, truncated)
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
	s, wait, err := t.streamOf(c, f)
	if err != nil || wait {
		return err
	}
	if s == nil {
		s = t.newStream(source, c, plain)
		if t.fromEnd {
			if err := t.skipToEnd(ctx, s, f); err != nil {
				return err
			}
		}
	}
	moved := s.Path != c.name() || s.Inode != c.id.inode || s.Device != c.id.device
	s.Path, s.Device, s.Inode, s.Closed = c.name(), c.id.device, c.id.inode, false
	if c.live || moved {
		s.aside = time.Time{}
	}
	complete := !c.live && t.letGo(s, c)
	before := s.Offset
	limit := int64(math.MaxInt64)
	if c.live {
		// No further than it went when it was listed: what a server wrote behind
		// that may follow on lines in an older file, which was read before that.
		limit = c.id.size
	}
	if err := t.drain(ctx, s, f, limit, complete); err != nil {
		return err
	}
	if moved && s.Offset == before && before > 0 {
		if err := t.send(ctx, s, bounce.Chunk{}); err != nil {
			return err
		}
	}
	if c.live {
		s.close()
		s.file, f = f, nil
	}
	if c.live || complete || c.id.size == s.Offset {
		t.done[c.path] = c.id
	}
	return nil
}

// growing returns the stream of a live file that has only grown since it was
// opened, or nil: a busy log is not opened at every look.
func (t *Tailer) growing(c candidate) *stream {
	for _, s := range t.streams {
		if !c.live || s.file == nil || s.Offset == 0 || s.Device != c.id.device || s.Inode != c.id.inode || s.Path != c.name() || s.Closed {
			continue
		}
		if m, err := matches(&s.Position, s.file, c.id.size); err == nil && m == whole {
			return s
		}
	}
	return nil
}

// letGo reports whether nothing has come for so long, since a file stopped
// being the live one, that its writer must have let go of it.
func (t *Tailer) letGo(s *stream, c candidate) bool {
	if s.aside.IsZero() {
		s.aside = t.o.Now()
	}
	return t.o.Now().Sub(later(s.aside, c.id.modified)) > writerGrace
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (t *Tailer) newStream(source int, c candidate, kind archive) *stream {
	t.next++
	file := logFile(c.path, kind, c.id)
	s := &stream{
		Position: bounce.Position{Stream: t.next, Source: t.o.Patterns[source], Path: c.name(), Device: c.id.device, Inode: c.id.inode},
		source:   source,
		isNew:    &file,
		grownAt:  t.o.Now(),
	}
	t.streams = append(t.streams, s)
	return s
}

// streamOf returns the known stream that a plain file continues, or nil. It
// asks to wait where the file seems to be a copy in the making.
func (t *Tailer) streamOf(c candidate, f *os.File) (best *stream, wait bool, err error) {
	for _, s := range t.streams { // mostly it is the one that it was
		if s.file == nil || s.Offset == 0 || s.Device != c.id.device || s.Inode != c.id.inode {
			continue
		}
		if m, err := matches(&s.Position, f, c.id.size); err == nil && m == whole {
			return s, false, nil
		}
	}
	begin := make([]byte, window)
	n, err := readFull(f, begin, 0)
	if err != nil {
		return nil, false, err
	}
	begin = begin[:n]
	copied := int64(0)                             // how much was read of the stream that the file may be a copy of, as yet shorter
	for _, s := range slices.Backward(t.streams) { // the newest first
		same := s.Device == c.id.device && s.Inode == c.id.inode
		if s.Offset == 0 && same && s.file != nil && best == nil {
			best = s // nothing was read of it yet, but its file is held open
		}
		if s.Offset == 0 || s.Cursor != "" {
			continue
		}
		if same && s.Closed && s.file == nil && c.id.size < s.Offset {
			continue
		}
		m := none
		if s.mayMatch(begin) {
			if m, err = matches(&s.Position, f, c.id.size); err != nil {
				return nil, false, err
			}
		}
		switch {
		case m == whole:
			// Of several that fit, the one of which most was read. A live file
			// and its copy hold one stream until one of them goes on alone. A
			// new live file that begins as an old one did is no loss either:
			// what is passed over are lines that were read.
			if best == nil || s.Offset > best.Offset || same && s.Offset == best.Offset {
				best = s
			}
		case m == prefix && !c.live && !same && t.o.Now().Sub(c.id.modified) < writerGrace:
			copied = max(copied, s.Offset)
		case same && !s.Closed && m != whole:
			// Truncated, and perhaps written again: what was not read of the
			// old content is found in its copy.
			t.missing(s, truncated)
		}
	}
	if copied > 0 && (best == nil || copied > best.Offset) {
		return nil, true, nil
	}
	return best, false, nil
}

func (s *stream) close() {
	if s.file != nil {
		s.file.Close()
		s.file = nil
	}
}

// skipToEnd takes all whole lines of a file as read.
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

// drainUnnamed reads on in files that no name leads to any more, until their
// writers have let go of them.
func (t *Tailer) drainUnnamed(ctx context.Context, source int, named []candidate) error {
	for _, s := range t.streams {
		if s.file == nil || s.source != source {
			continue
		}
		if slices.ContainsFunc(named, func(c candidate) bool { return c.id.device == s.Device && c.id.inode == s.Inode }) {
			continue
		}
		over := t.o.Now().Sub(s.grownAt) > writerGrace
		if err := t.drain(ctx, s, s.file, math.MaxInt64, over); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			t.report("read "+s.Path, err)
		}
		if over {
			// Whatever was in it has been read, and no name leads to it.
			s.close()
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

// drain sends all whole lines between a stream's position and a limit. complete
// takes an unterminated last line too.
func (t *Tailer) drain(ctx context.Context, s *stream, f *os.File, limit int64, complete bool) error {
	for {
		info, err := f.Stat()
		if err != nil {
			return err
		}
		waiting := min(info.Size(), limit) - s.Offset
		if waiting <= 0 {
			s.seenAt = t.o.Now()
			return nil
		}
		if m, err := matches(&s.Position, f, info.Size()); err != nil || m != whole {
			return err // truncated meanwhile: the next scan finds out
		}
		s.size = max(s.size, info.Size())
		t.o.Heartbeat.Beat()
		var block block
		if waiting <= min(liveLimit, int64(t.o.MaxLine)) && !complete {
			block, err = readLive(f, s.Offset, s.Offset+waiting)
		}
		if err != nil || block.end <= s.Offset { // no whole line, or one that cannot be opened anew
			r := blockReader{file: io.NewSectionReader(f, 0, s.Offset+waiting), maxLine: t.o.MaxLine, complete: complete, pulse: t.o.Heartbeat}
			if block, err = r.read(s.Offset, s.scanned); err != nil {
				return err
			}
		}
		s.scanned = block.scanned
		if block.end == s.Offset {
			s.seenAt = t.o.Now()
			return nil
		}
		// Check again: a file that was truncated while it was read may have
		// given bytes of two streams.
		if m, err := matches(&s.Position, f, info.Size()); err != nil || m != whole {
			return err
		}
		head, tail, err := hashes(f, block.end)
		if err != nil {
			return err
		}
		waiting -= block.end - s.Offset
		s.Offset, s.Head, s.Tail, s.scanned = block.end, head, tail, 0
		s.grownAt = t.o.Now()
		// More than a line may have is more than the start of one.
		c := bounce.Chunk{Data: string(block.data), TooLong: block.tooLong, More: waiting > int64(t.o.MaxLine)}
		if err := t.send(ctx, s, c); err != nil {
			return err
		}
	}
}

// send hands on a chunk with the position of the stream.
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

// stripNULs takes the NULs off the front of lines, which a writer leaves that
// goes on at its old offset in a truncated file.
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
