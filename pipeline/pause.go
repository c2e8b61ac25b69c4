package pipeline

import (
	"context"
	"errors"
	"maps"

	"github.com/bouncetail/bouncetail/bounce"
)

// Memory is what a pipeline remembers between batches. All of it is also stored.
type Memory struct {
	Queue  Queue
	Parsed map[int64]bounce.ParserState // by stream
}

// pause is a function that waits to run between two transactions.
type pause struct {
	do   func() (*Memory, error)
	done chan<- error
}

// Pause runs do while the pipeline neither reads nor saves: everything that was read
// before is stored, and the source waits. If do returns a Memory, the pipeline
// continues with it, otherwise with its own, which do may change. Pause returns the
// error of do, or that of ctx if it ended before do was called. ctx must end when
// Run has returned.
func (p *Pipeline) Pause(ctx context.Context, do func() (*Memory, error)) error {
	done := make(chan error, 1)
	checked := func() (*Memory, error) {
		if err := ctx.Err(); err != nil {
			return nil, err // saving took long
		}
		return do()
	}
	select {
	case p.pauses() <- pause{checked, done}:
		return <-done
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pauses returns the channel of the functions that wait.
func (p *Pipeline) pauses() chan pause {
	p.pausing.Do(func() { p.pauseCh = make(chan pause) })
	return p.pauseCh
}

// pause saves the batch, runs the function, and saves what that changed. It returns
// only errors of the pipeline.
func (r *reader) pause(to pause) error {
	if err := r.flushAndWait(); err != nil {
		to.done <- err
		return err
	}
	r.p.reading.Idle() // the caller that pauses the pipeline watches the function
	m, err := to.do()
	r.p.reading.Beat()
	if m != nil {
		r.p.Queue = m.Queue
		clear(r.batcher.parsers)
		clear(r.batcher.parsed)
		maps.Copy(r.batcher.parsed, m.Parsed)
	}
	failed := r.flushAndWait()
	to.done <- errors.Join(err, failed)
	return failed
}

// flushAndWait ends the transaction and waits until it is saved.
func (r *reader) flushAndWait() error {
	r.saved = make(chan error, 1)
	defer func() { r.saved = nil }()
	if err := r.flush(flushLast); err != nil {
		return err
	}
	r.p.reading.Idle()
	defer r.p.reading.Beat()
	return <-r.saved
}
