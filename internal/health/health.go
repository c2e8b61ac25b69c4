// Package health reports whether the stages of the daemon make progress and
// which operations are failing and being retried.
package health

import (
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Heartbeat lets a watchdog see whether a stage makes progress. The stage calls
// Beat after each unit of work, and Idle while it waits for another stage, which
// has another heartbeat. Methods of a nil Heartbeat do nothing.
type Heartbeat struct{ last atomic.Int64 } // nanoseconds since zero; 0 while idle

// zero is a time with a monotonic reading, so that a clock that is set is no stall.
var zero = time.Now().Add(-time.Second)

// Beat records that the stage made progress.
func (h *Heartbeat) Beat() {
	if h != nil {
		h.last.Store(int64(time.Since(zero)))
	}
}

// Idle records that the stage has nothing to do.
func (h *Heartbeat) Idle() {
	if h != nil {
		h.last.Store(0)
	}
}

// Stalled returns the time since the last Beat, or 0 if the stage is idle.
func (h *Heartbeat) Stalled(now time.Time) time.Duration {
	if h == nil {
		return 0
	}
	last := h.last.Load()
	if last == 0 {
		return 0
	}
	return now.Sub(zero) - time.Duration(last)
}

// Retrying holds the operations that currently fail and are retried. The zero
// value is empty and ready to use.
//
// Each problem is logged once when it starts and once when it ends. A problem
// that recurs within flapWindow of its end is flapping: it stays listed, and is
// logged again only after pauses that grow from minPause to maxPause.
type Retrying struct {
	mu       sync.Mutex
	problems map[string]*problem // by operation
}

type problem struct {
	err       string
	failing   bool
	recovered time.Time // when it last succeeded after a failure
	failures  int       // how often it started
	pause     time.Duration
	nextLog   time.Time // earliest time of the next log record
}

const (
	flapWindow = 10 * time.Minute
	minPause   = time.Minute
	maxPause   = time.Hour
)

// Report records the result of an attempt at an operation, such as "read
// /var/log/mail.log". The text of the error may change while it lasts.
func (r *Retrying) Report(log *slog.Logger, operation string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	p := r.problems[operation]
	if p != nil && !p.failing && now.Sub(p.recovered) >= flapWindow {
		if p.failures > 1 {
			log.Info("recovered", "operation", operation, "failures", p.failures)
		}
		delete(r.problems, operation)
		p = nil
	}
	switch {
	case err == nil && p != nil && p.failing:
		p.failing, p.recovered = false, now
		if p.failures == 1 {
			log.Info("recovered", "operation", operation)
		}
	case err != nil && p == nil:
		if r.problems == nil {
			r.problems = make(map[string]*problem)
		}
		r.problems[operation] = &problem{err: err.Error(), failing: true, failures: 1, pause: minPause, nextLog: now.Add(minPause)}
		log.Warn("failing, will retry", "operation", operation, "error", err)
	case err != nil:
		p.err = err.Error()
		if p.failing {
			return
		}
		p.failing = true
		p.failures++
		if now.Before(p.nextLog) {
			return
		}
		p.pause = min(2*p.pause, maxPause)
		p.nextLog = now.Add(p.pause)
		log.Warn("failing repeatedly, will retry", "operation", operation, "error", err, "failures", p.failures)
	}
}

// Forget drops the operations that are no longer attempted.
func (r *Retrying) Forget(gone func(operation string) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.problems, func(operation string, _ *problem) bool { return gone(operation) })
}

// List returns a sentence for each operation that fails or is flapping, sorted.
func (r *Retrying) List() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []string
	for _, operation := range slices.Sorted(maps.Keys(r.problems)) {
		p := r.problems[operation]
		if p.failing || p.failures > 1 && time.Since(p.recovered) < flapWindow {
			list = append(list, strings.ReplaceAll("cannot "+operation+": "+p.err, "\n", " "))
		}
	}
	return list
}

// String returns List in one line, and the empty string if there is none.
func (r *Retrying) String() string { return strings.Join(r.List(), "; ") }
