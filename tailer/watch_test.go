package tailer

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
)

// looks returns how often a tailer wakes up within a span, while a log is busy or not.
func looks(t *testing.T, w *watcher, busy bool, span time.Duration) int {
	t.Helper()
	n := 0
	for begun := time.Now(); time.Since(begun) < span; n++ {
		if stirred, err := w.wait(t.Context(), busy, time.Now()); err != nil || stirred {
			t.Fatalf("wait = %v, %v, want a look for nothing but a log that has grown", stirred, err)
		}
	}
	return n
}

// The cost of following a log is mainly that of waking up.
func TestWakesUpSeldom(t *testing.T) {
	const log = "/var/log/mail.log"
	fake := func() *watcher {
		return &watcher{
			live:     func(path string) bool { return path == log },
			w:        &fsnotify.Watcher{Events: make(chan fsnotify.Event), Errors: make(chan error)},
			complete: true,
		}
	}
	t.Run("a quiet minute", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			if n := looks(t, fake(), false, time.Minute); n != 30 {
				t.Errorf("%d looks, want 30", n)
			}
		})
	})
	t.Run("a quiet minute without events", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := fake()
			w.w, w.complete = nil, false
			if n := looks(t, w, false, time.Minute); n != 60 {
				t.Errorf("%d looks, want 60", n)
			}
		})
	})
	t.Run("a busy log", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := fake()
			stop := make(chan struct{})
			var writer sync.WaitGroup
			writer.Go(func() {
				for { // endless events
					select {
					case w.w.Events <- fsnotify.Event{Name: log, Op: fsnotify.Write}:
						time.Sleep(200 * time.Microsecond)
					case <-stop:
						return
					}
				}
			})
			if n := looks(t, w, true, 3*time.Second); n != 38 {
				t.Errorf("%d looks in three seconds, want 38", n)
			}
			close(stop)
			writer.Wait()
		})
	})
	t.Run("a lone line", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := fake()
			go func() { w.w.Events <- fsnotify.Event{Name: log, Op: fsnotify.Write} }()
			begun := time.Now()
			if stirred, err := w.wait(t.Context(), false, time.Now()); stirred || err != nil || time.Since(begun) > 20*time.Millisecond {
				t.Errorf("wait = %v, %v after %s, want a look within 20ms", stirred, err, time.Since(begun))
			}
		})
	})
}
