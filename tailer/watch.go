package tailer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

// watcher tells that something happened in folders. What it says are hints: a
// look every two seconds finds everything too, only later.
type watcher struct {
	live  func(path string) bool // whether a path is that of a live file
	w     *fsnotify.Watcher      // nil while none can be had
	whole bool                   // all folders are watched
}

// watch watches folders, also those that came back. The kernel has few
// watchers and watches for each user; when they are used up, it is tried again
// every time.
func (w *watcher) watch(folders []string) error {
	w.whole = false
	if w.w == nil {
		var err error
		if w.w, err = fsnotify.NewWatcher(); err != nil {
			w.w = nil
			return unwatched(err)
		}
	}
	watched := w.w.WatchList()
	w.whole = true
	var errs []error
	for _, folder := range folders {
		if slices.Contains(watched, folder) {
			continue
		}
		err := w.w.Add(folder)
		w.whole = w.whole && err == nil
		// One that is not there is told of by the source that it lacks.
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, unwatched(err))
		}
	}
	return errors.Join(errs...)
}

// unwatched says what an error means. The kernel's words for it, "no space left
// on device" and "too many open files", lead astray.
func unwatched(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EMFILE) {
		return fmt.Errorf("no inotify watches left (%w), so looking once a second instead; raise fs.inotify.max_user_watches and max_user_instances", err)
	}
	return fmt.Errorf("%w; looking once a second instead", err)
}

func (w *watcher) close() {
	if w.w != nil {
		w.w.Close()
	}
}

// channels are those of the watcher, or nil, which never give anything.
func (w *watcher) channels() (events chan fsnotify.Event, errs chan error) {
	if w.w == nil {
		return nil, nil
	}
	return w.w.Events, w.w.Errors
}

// wait waits for the next look: until some time after the first event, or for
// as long as no look is due. A busy log needs no event to be looked at again;
// begun is when that look began which found lines in it.
// It reports whether something happened to another file than a live one.
func (w *watcher) wait(ctx context.Context, busy bool, begun time.Time) (stirred bool, err error) {
	if busy {
		return w.gather(ctx, beat-time.Since(begun))
	}
	events, errs := w.channels()
	pause := lookEvery
	if !w.whole {
		pause = lookUnwatched
	}
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case <-time.After(pause):
		return false, nil
	case e := <-events:
		stirred = w.stirs(e)
	case <-errs:
		stirred = true // events may have been lost
	}
	more, err := w.gather(ctx, settleIdle)
	return stirred || more, err
}

// gather lets events come for a while, and takes them then. Before that none is
// taken: the kernel makes one of those that are alike and wait, and to be woken
// for each line that a server writes costs more than to read it.
func (w *watcher) gather(ctx context.Context, pause time.Duration) (stirred bool, err error) {
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case <-time.After(pause):
	}
	events, errs := w.channels()
	for range 1000 {
		select {
		case e := <-events:
			stirred = stirred || w.stirs(e)
		case <-errs:
			stirred = true // events may have been lost
		default:
			return stirred, nil
		}
	}
	return true, nil
}

// stirs reports whether an event is more than that a live file has grown.
func (w *watcher) stirs(e fsnotify.Event) bool {
	return !w.live(filepath.Clean(e.Name)) || !e.Has(fsnotify.Write)
}
