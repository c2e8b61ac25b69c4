package sdlog

import (
	"bytes"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// Queue is a writer that does not wait for an output that is blocked: a stopped journal,
// a container runtime whose log driver hangs, a pipe that nobody reads. Lines that the
// queue cannot hold are dropped and counted then.
type Queue struct {
	out   io.Writer
	lines chan []byte
	wrote atomic.Int64 // when the output last took a line, in nanoseconds
	lost  atomic.Int64
	done  chan struct{}
}

const (
	queued   = 1000        // lines that may wait
	patience = time.Second // after which an output that takes nothing is blocked
)

// NewQueue returns a queue in front of out, and starts a goroutine that writes to it.
func NewQueue(out io.Writer) *Queue {
	q := &Queue{out: out, lines: make(chan []byte, queued), done: make(chan struct{})}
	q.wrote.Store(time.Now().UnixNano())
	go q.run()
	return q
}

func (q *Queue) run() {
	defer close(q.done)
	for line := range q.lines {
		// A log that cannot be written has nowhere to be reported.
		_, _ = q.out.Write(line)
		q.wrote.Store(time.Now().UnixNano())
		if n := q.lost.Swap(0); n > 0 {
			_, _ = fmt.Fprintf(q.out, "%d lines of this log were dropped, because its output was blocked\n", n)
		}
	}
}

// Write takes a line. It must not be called after Close.
func (q *Queue) Write(line []byte) (int, error) {
	kept := bytes.Clone(line)
	select {
	case q.lines <- kept:
		return len(line), nil
	default:
	}
	left := patience - time.Since(time.Unix(0, q.wrote.Load()))
	if left <= 0 {
		q.lost.Add(1)
		return len(line), nil
	}
	select {
	case q.lines <- kept:
	case <-time.After(left):
		q.lost.Add(1)
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
