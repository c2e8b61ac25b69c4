package sdlog

import (
	"bytes"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// Queue is a writer that does not wait for an output that is blocked: a stopped journal,
// a container runtime whose log driver hangs, a pipe that nobody reads. A write returns
// when the line is written, so that the order with other outputs is kept. If the output
// takes nothing for a second it is blocked: then lines are queued until it has taken all
// of them. Lines that the queue cannot hold are dropped and counted then.
type Queue struct {
	out     io.Writer
	lines   chan queuedLine
	blocked atomic.Bool
	lost    atomic.Int64
	done    chan struct{}
}

// queuedLine is a line of a queue.
type queuedLine struct {
	text    []byte
	written chan struct{} // closed when it is written
}

const (
	queued   = 1000        // lines that may wait
	patience = time.Second // after which an output that takes nothing is blocked
)

// NewQueue returns a queue in front of out, and starts a goroutine that writes to it.
func NewQueue(out io.Writer) *Queue {
	q := &Queue{out: out, lines: make(chan queuedLine, queued), done: make(chan struct{})}
	go q.run()
	return q
}

func (q *Queue) run() {
	defer close(q.done)
	for line := range q.lines {
		// A log that cannot be written has nowhere to be reported.
		_, _ = q.out.Write(line.text)
		close(line.written)
		if n := q.lost.Swap(0); n > 0 {
			_, _ = fmt.Fprintf(q.out, "%d lines of this log were dropped, because its output was blocked\n", n)
		}
		if len(q.lines) == 0 {
			q.blocked.Store(false)
		}
	}
}

// Write takes a line. It must not be called after Close.
func (q *Queue) Write(line []byte) (int, error) {
	l := queuedLine{bytes.Clone(line), make(chan struct{})}
	select {
	case q.lines <- l:
	default:
		q.lost.Add(1)
		return len(line), nil
	}
	if q.blocked.Load() {
		return len(line), nil
	}
	select {
	case <-l.written:
	case <-time.After(patience):
		q.blocked.Store(true)
	}
	return len(line), nil
}

// Close waits until all is written, but not for an output that is blocked: that keeps
// the goroutine until the process ends.
func (q *Queue) Close() {
	close(q.lines)
	select {
	case <-q.done:
	case <-time.After(patience):
	}
}
