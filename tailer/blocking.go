package tailer

import (
	"context"
	"io"
)

// until runs a function that may block, and returns when ctx is done: opening a named
// pipe blocks without a writer, and reading it blocks until something is written. It
// starts a goroutine, which stays if it is still blocked.
func until[T any](ctx context.Context, do func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := do()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// readUntil returns a reader of r whose Read returns when ctx is done.
func readUntil(ctx context.Context, r io.Reader) io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		return until(ctx, func() (int, error) { return r.Read(p) })
	})
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// readAtUntil returns a reader of r whose ReadAt returns when ctx is done. A regular
// file may block too: on a file server that is gone, or /proc/kmsg.
func readAtUntil(ctx context.Context, r io.ReaderAt) io.ReaderAt {
	return readerAtFunc(func(p []byte, from int64) (int, error) {
		return until(ctx, func() (int, error) { return r.ReadAt(p, from) })
	})
}

type readerAtFunc func(p []byte, from int64) (int, error)

func (f readerAtFunc) ReadAt(p []byte, from int64) (int, error) { return f(p, from) }
