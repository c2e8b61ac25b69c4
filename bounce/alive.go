package bounce

import (
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Pulse lets a watchdog see whether a stage moves on. The stage beats whenever
// it has done a piece of work or a round in which there was none, and rests
// while it waits for another stage, which has a pulse of its own. Methods of a
// nil Pulse do nothing.
type Pulse struct{ beat atomic.Int64 } // Unix nanoseconds; 0 while at rest

// Beat tells that the stage has moved on.
func (p *Pulse) Beat() {
	if p != nil {
		p.beat.Store(time.Now().UnixNano())
	}
}

// Rest tells that the stage waits for another one.
func (p *Pulse) Rest() {
	if p != nil {
		p.beat.Store(0)
	}
}

// Still returns how long the stage has not moved on; 0 while it rests.
func (p *Pulse) Still(now time.Time) time.Duration {
	if p == nil {
		return 0
	}
	beat := p.beat.Load()
	if beat == 0 {
		return 0
	}
	return now.Sub(time.Unix(0, beat))
}

// Troubles are what a stage waits out at present, for the log and for whoever
// asks how the program fares. The zero value has none.
type Troubles struct {
	mu  sync.Mutex
	now map[string]string // the error, by what was being done
}

// Report takes how an attempt ended. Trouble is logged once when it begins,
// and once when it ends. How the error is worded may change meanwhile.
func (t *Troubles) Report(log *slog.Logger, what string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, had := t.now[what]
	switch {
	case err == nil && had:
		delete(t.now, what)
		log.Info("going on", "what", what)
	case err != nil:
		if t.now == nil {
			t.now = make(map[string]string)
		}
		t.now[what] = err.Error()
		if !had {
			log.Warn("trying again until it works", "what", what, "error", err)
		}
	}
}

// Forget drops the trouble with what is no longer attempted.
func (t *Troubles) Forget(gone func(what string) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.now, func(what, _ string) bool { return gone(what) })
}

// String returns all trouble in one line, and nothing where there is none.
func (t *Troubles) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []string
	for _, what := range slices.Sorted(maps.Keys(t.now)) {
		all = append(all, "cannot "+what+": "+t.now[what])
	}
	return strings.ReplaceAll(strings.Join(all, "; "), "\n", " ")
}
