package tailer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

// watcher reports changes in directories. Its events only save time: a scan every two
// seconds finds everything too.
type watcher struct {
	live     func(path string) bool // whether a path is that of a live file
	free     func() bool            // closes a held file; false if there is none
	w        *fsnotify.Watcher      // nil while none is available
	complete bool                   // all directories are watched
}

// watch watches directories, also those that were created again. The kernel
// limits watchers and watches for each user; if they are used up, every call
// tries again.
func (w *watcher) watch(dirs []string) error {
	w.complete = false
	for w.w == nil {
		var err error
		if w.w, err = fsnotify.NewWatcher(); err != nil {
			w.w = nil
			if noDescriptors() && w.free() {
				continue
			}
			return unwatched(err)
		}
	}
	watched := w.w.WatchList()
	w.complete = true
	var errs []error
	for _, dir := range dirs {
		if slices.Contains(watched, dir) {
			continue
		}
		err := w.w.Add(dir)
		w.complete = w.complete && err == nil
		// A missing directory is reported for its source.
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, unwatched(err))
		}
	}
	return errors.Join(errs...)
}

// unwatched explains an error of inotify. The kernel's texts, "no space left on
// device" and "too many open files", are misleading.
func unwatched(err error) error {
	switch {
	case errors.Is(err, syscall.EMFILE) && noDescriptors():
		return fmt.Errorf("no file descriptors left (%w), scanning once a second instead; raise LimitNOFILE in the unit", err)
	case errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EMFILE):
		return fmt.Errorf("no inotify watches left (%w), scanning once a second instead; raise fs.inotify.max_user_watches and max_user_instances", err)
	}
	return fmt.Errorf("%w; scanning once a second instead", err)
}

// noDescriptors reports whether the process cannot open any file.
func noDescriptors() bool {
	f, err := os.Open(os.DevNull)
	if err == nil {
		f.Close()
	}
	return outOfDescriptors(err)
}

func (w *watcher) close() {
	if w.w != nil {
		w.w.Close()
	}
}

// channels returns the channels of the watcher, or nil channels, which block for ever.
func (w *watcher) channels() (events chan fsnotify.Event, errs chan error) {
	if w.w == nil {
		return nil, nil
	}
	return w.w.Events, w.w.Errors
}

// wait waits for the next scan: until some time after the first event, or until a scan
// is due. While a log is busy it needs no event; begun is the start of the last scan,
// which found lines. wait reports whether an event was about a file that is not live.
func (w *watcher) wait(ctx context.Context, busy bool, begun time.Time) (namesChanged bool, err error) {
	if busy {
		return w.collect(ctx, minScanInterval-time.Since(begun))
	}
	events, errs := w.channels()
	pause := scanInterval
	if !w.complete {
		pause = unwatchedInterval
	}
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case <-time.After(pause):
		return false, nil
	case e := <-events:
		namesChanged = w.needsRescan(e)
	case <-errs:
		namesChanged = true // events may have been lost
	}
	more, err := w.collect(ctx, eventDelay)
	return namesChanged || more, err
}

// collect waits and then receives the pending events. It receives none before, because
// the kernel merges equal pending events, and waking up for each line costs more than
// reading it.
func (w *watcher) collect(ctx context.Context, pause time.Duration) (namesChanged bool, err error) {
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case <-time.After(pause):
	}
	events, errs := w.channels()
	for range 1000 {
		select {
		case e := <-events:
			namesChanged = namesChanged || w.needsRescan(e)
		case <-errs:
			namesChanged = true // events may have been lost
		default:
			return namesChanged, nil
		}
	}
	return true, nil
}

// needsRescan reports whether an event is more than the growth of a live file.
func (w *watcher) needsRescan(e fsnotify.Event) bool {
	return !w.live(filepath.Clean(e.Name)) || !e.Has(fsnotify.Write)
}
