// Package tailer reads log files as chunks of whole lines, each line once, across
// rotations and restarts.
//
// It follows streams of content, not files: a stream keeps its position when its file
// is renamed, copied or compressed. A scan visits the file of a source and its rotated
// files (names.go), oldest first, and finds for each file the known stream that it
// continues: first by inode and content, then only by content. Any other file is a new
// stream and is read from its start. Content is compared by hashes of the first bytes
// of the stream and of the bytes before the position. The same scan runs at the start,
// after events of a directory, and every two seconds.
//
// A backlog is read in blocks. At the live end of a log, nxadm/tail reads single lines
// from a descriptor that is already open. Neither knows about rotation.
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
	// writerGrace is how long a rotated file must not have grown before it is
	// considered complete: a writer may keep it open for a while.
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
	// Patterns holds a path or glob for each configured source, or the empty string
	// if the source is not a file.
	Patterns []string
	// Positions are all stored positions.
	Positions []bounce.Position
	// FromEnd skips the current content of the files if there are no Positions yet.
	FromEnd bool
	MaxLine int // bytes; DefaultMaxLine if it is 0
	// MaxHeld is the maximum number of files held open. 0 derives it from the limit of
	// the process; a negative number holds none.
	MaxHeld int
	Log     *slog.Logger
	Now     func() time.Time
	// Retrying records failing operations, Heartbeat progress.
	Retrying  *health.Retrying
	Heartbeat *health.Heartbeat
	// CaughtUp is called once, after everything that existed at the start was sent, with
	// the number of chunks that was. It may be nil.
	CaughtUp func(chunks int)
}

// Tailer follows files. Use New.
type Tailer struct {
	o            Options
	streams      []*stream
	lastStream   int64
	listings     []listing         // of each source
	done         map[string]fileID // files that were read completely, by path
	unreadable   map[string]bool   // files without read permission, by path
	fromEnd      bool              // this is the first scan of a first start
	scanned      bool              // all files were scanned once
	namesChanged bool              // a directory event was not about a live file
	kept         []keptFile        // in the first scan
	interval     time.Duration     // meanwhileInterval; tests change it
	within       bool              // an archive is being read, and its caller interrupted for the live files
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
		interval:   meanwhileInterval,
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

// Run follows the logs until ctx is done. It closes its watcher before it returns.
func (t *Tailer) Run(ctx context.Context, out chan<- bounce.Chunk) error {
	t.out = out
	defer func() {
		t.closeKept()
		for _, s := range t.streams {
			t.release(s)
		}
	}()
	defer t.o.Heartbeat.Idle()
	w := &watcher{live: t.isLive, free: func() bool { return t.closeQuietest(nil) }}
	defer w.close()
	for {
		t.report("watch directories", w.watch(t.dirs()))
		t.o.Heartbeat.Beat()
		before, begun := t.sent, time.Now()
		if err := t.scan(ctx); err != nil {
			return err
		}
		t.o.Heartbeat.Beat()
		if t.o.CaughtUp != nil {
			t.o.CaughtUp(t.sent)
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

// scan visits all files and sends what was added to them. It starts again if a file is
// replaced meanwhile, because lines would be read out of order.
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
	t.closeKept()
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
	if err := t.readKept(ctx, source, files); err != nil {
		return err
	}
	// Deleted files first: an archive of them may exist.
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

// report records the result of an operation that is retried.
func (t *Tailer) report(what string, err error) { t.o.Retrying.Report(t.o.Log, what, err) }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
