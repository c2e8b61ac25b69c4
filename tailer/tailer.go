// Package tailer turns the bytes of log files into runs of whole lines, each
// line once, through every kind of rotation and restart.
//
// What is followed is a stream of content, not a file: a stream keeps its
// position when its file is renamed, copied or compressed. One scan looks at the
// file that a setting names and at what rotation made of it (names.go), oldest
// first, and finds for each file the known stream that it continues: first by
// inode and content, then by content alone. Any other file is a new stream and is
// read from its start. Content is compared by hashes of the first bytes of the
// stream and of those before the position. The same scan runs at start, after
// events of a directory, and every two seconds.
//
// Blocks are read while much is waiting, single lines by nxadm/tail at the live
// end, on a descriptor that is already open. Neither knows about rotation.
package tailer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/health"
)

const (
	// DefaultMaxLine is the length in bytes above which a line is dropped.
	DefaultMaxLine = 1 << 20
	// writerGrace is how long a file that is no longer the live one must not have
	// grown before it counts as complete: a writer may keep it open for a while.
	writerGrace = 10 * time.Second
	// eventDelay is how long directory events are collected before a scan.
	eventDelay = 20 * time.Millisecond
	// minScanInterval is the pause between scans while lines arrive. Waking up and
	// committing cost more than parsing, so lines are batched; records still
	// appear within 100 ms.
	minScanInterval = 80 * time.Millisecond
	// scanInterval is the pause between scans without an event, and
	// unwatchedInterval that if a directory cannot be watched.
	scanInterval      = 2 * time.Second
	unwatchedInterval = time.Second
)

// Options configure a Tailer.
type Options struct {
	// Patterns are paths or globs, one for each configured source; empty for
	// sources that are not files.
	Patterns []string
	// Positions are all that are stored.
	Positions []bounce.Position
	// FromEnd skips what the files hold if there are no Positions yet.
	FromEnd bool
	MaxLine int // bytes; DefaultMaxLine if it is 0
	// MaxHeld is how many files may be held open; 0 derives it from the limit of
	// the process, and a negative number holds none.
	MaxHeld int
	Log     *slog.Logger
	Now     func() time.Time
	// Retrying gets what fails and is retried, Heartbeat the progress.
	Retrying  *health.Retrying
	Heartbeat *health.Heartbeat
	// CaughtUp is called once, after all that was there at the start was sent. It
	// may be nil.
	CaughtUp func()
}

// Tailer follows files. Use New.
type Tailer struct {
	o            Options
	streams      []*stream
	lastStream   int64
	listings     []listing         // of each source
	done         map[string]fileID // files that had nothing more to give, by path
	unreadable   map[string]bool   // files that may not be read, by path
	fromEnd      bool              // this is the first scan of a first start
	scanned      bool              // all files were scanned once
	namesChanged bool              // a directory event was not about a live file
	sent         int               // chunks
	out          chan<- bounce.Chunk

	held, maxHeld int  // files held open
	warned        bool // about maxHeld
}

// New returns a tailer that continues from the positions.
func New(o Options) (*Tailer, error) {
	if len(o.Patterns) == 0 {
		return nil, errors.New("no log to follow")
	}
	if o.MaxLine == 0 {
		o.MaxLine = DefaultMaxLine
	}
	if o.MaxHeld == 0 {
		o.MaxHeld = maxHeld()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Retrying == nil {
		o.Retrying = &health.Retrying{}
	}
	t := &Tailer{
		o:          o,
		listings:   make([]listing, len(o.Patterns)),
		done:       make(map[string]fileID),
		unreadable: make(map[string]bool),
		fromEnd:    o.FromEnd && len(o.Positions) == 0,
		maxHeld:    o.MaxHeld,
	}
	for i, text := range o.Patterns {
		l := &t.listings[i]
		l.text = text
		l.literal = slices.ContainsFunc(o.Positions, func(p bounce.Position) bool { return p.Source == text && p.Path == text })
		l.check()
		if _, err := filepath.Match(text, ""); err != nil && !l.literal {
			return nil, fmt.Errorf("source %q: %w", text, err)
		}
	}
	for _, p := range o.Positions {
		if p.Stream < 0 {
			continue // of the journal or a pipe
		}
		t.lastStream = max(t.lastStream, p.Stream)
		s := &stream{Position: p, source: max(0, slices.Index(o.Patterns, p.Source)), grownAt: o.Now(), size: p.Offset, stored: true}
		t.streams = append(t.streams, s)
		if l := &t.listings[s.source]; p.Cursor == "" && p.Source == l.text {
			l.newest = later(l.newest, p.UpdatedAt)
		}
	}
	return t, nil
}

// Run follows until ctx is done and sends what it reads. It holds a watcher of
// directories, which it closes before it returns.
func (t *Tailer) Run(ctx context.Context, out chan<- bounce.Chunk) error {
	t.out = out
	defer func() {
		for _, s := range t.streams {
			t.release(s)
		}
	}()
	defer t.o.Heartbeat.Idle()
	w := &watcher{live: t.isLive, free: func() bool { return t.closeQuietest(nil) }}
	defer w.close()
	for {
		t.report("watch folders", w.watch(t.dirs()))
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
		if t.namesChanged, err = w.wait(ctx, t.sent > before, begun); err != nil {
			return err
		}
	}
}

// dirs returns the directories in which names are added and removed.
func (t *Tailer) dirs() []string {
	var all []string
	for i := range t.listings {
		l := &t.listings[i]
		if l.text == "" {
			continue
		}
		all = append(all, l.dirs()...)
		for dir := range l.dirIDs {
			all = append(all, dir)
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

// errReplaced means that a path no longer leads to the file that was listed.
var errReplaced = errors.New("replaced during the scan")

// scan looks at all files and sends what was added to them. It starts again if a
// file is replaced meanwhile: to continue would read lines out of order.
func (t *Tailer) scan(ctx context.Context) error {
	for range 10 {
		if err := t.scanOnce(ctx); !errors.Is(err, errReplaced) {
			return err
		}
	}
	return nil // the next scan continues
}

func (t *Tailer) scanOnce(ctx context.Context) error {
	for i, pattern := range t.o.Patterns {
		if pattern == "" { // not a file
			continue
		}
		if err := t.scanSource(ctx, i); err != nil {
			return err
		}
	}
	if !t.scanned {
		if err := t.forgetStreams(ctx); err != nil {
			return err
		}
	}
	t.fromEnd, t.scanned = false, true
	return nil
}

func (t *Tailer) scanSource(ctx context.Context, source int) error {
	files, err := t.candidates(source)
	if outOfDescriptors(err) {
		t.report("list "+t.listings[source].text, err)
		return nil
	}
	if err != nil {
		return err
	}
	t.report("list "+t.listings[source].text, nil)
	t.reportAbsent(source, files)
	// First the files that have no name any more: an archive of them may exist.
	if err := t.drainUnnamed(ctx, source, files); err != nil {
		return err
	}
	for _, c := range files {
		if t.done[c.path] == c.id {
			if c.live {
				t.noteScanned(c)
			}
			continue
		}
		err := t.visit(ctx, source, c)
		switch {
		case err == nil:
			delete(t.unreadable, c.path)
			t.report("read "+c.path, nil)
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errReplaced) || errors.Is(err, fs.ErrNotExist):
			return errReplaced
		case errors.Is(err, errDamaged):
			delete(t.unreadable, c.path)
			if t.o.Now().Sub(c.id.modified) >= writerGrace { // else it is still being written
				t.report("read "+c.path, err)
			}
		default:
			t.unreadable[c.path] = true
			t.report("read "+c.path, err)
		}
	}
	return t.resolveLosses(ctx, source, files)
}

// noteScanned records that a file has nothing new.
func (t *Tailer) noteScanned(c candidate) {
	for _, s := range t.streams {
		if s.in(c.id) {
			s.scannedAt = t.o.Now()
		}
	}
}

// report logs a failure once when it begins and once when it ends.
func (t *Tailer) report(what string, err error) { t.o.Retrying.Report(t.o.Log, what, err) }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
