package cli

import (
	"context"
	"io"
)

// input is standard input for commands that wait for it. A read ends when the
// command is interrupted, so the context belongs to the reader.
type input struct {
	ctx  context.Context
	from io.Reader
}

// Read starts a goroutine that may still wait for a terminal or a pipe when Read
// returns: nothing but the end of the process ends such a read.
func (in input) Read(p []byte) (int, error) {
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		data := make([]byte, len(p))
		n, err := in.from.Read(data)
		done <- result{data[:n], err}
	}()
	select {
	case r := <-done:
		return copy(p, r.data), r.err
	case <-in.ctx.Done():
		return 0, in.ctx.Err()
	}
}
