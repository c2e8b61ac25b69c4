package tailer

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"
)

// A regular file can block a reader: on a file server that is gone, or /proc/kmsg. The
// daemon must be able to end an import of it.
func TestReadsThatBlockEndWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan struct{})
	never := readerAtFunc(func([]byte, int64) (int, error) {
		close(asked)
		<-t.Context().Done()
		return 0, io.EOF
	})
	ended := make(chan error, 1)
	go func() {
		_, err := readAtUntil(ctx, never).ReadAt(make([]byte, 1), 0)
		ended <- err
	}()
	<-asked
	cancel()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the read ended with %v, want %v", err, context.Canceled)
		}
	case <-time.After(time.Minute):
		t.Fatal("the read did not end with its context")
	}
}
