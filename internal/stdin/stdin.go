// Package stdin lets a command end that waits for its standard input.
package stdin

import (
	"context"
	"io"
)

// Reader reads From until the context ends, with which a read returns too. It is standard
// input for one command, so the context belongs to it.
type Reader struct {
	Context context.Context
	From    io.Reader
}

// Read starts a goroutine that may still wait for a terminal or a pipe when Read
// returns: nothing but the end of the process ends such a read.
func (in Reader) Read(p []byte) (int, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		data := make([]byte, len(p))
		n, err := in.From.Read(data)
		done <- result{data[:n], err}
	}()
	select {
	case r := <-done:
		return copy(p, r.data), r.err
	case <-in.Context.Done():
		return 0, in.Context.Err()
	}
}
