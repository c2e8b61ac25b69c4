package stdin

import (
	"context"
	"errors"
	"io"
	"testing"
)

func TestReadsOfStandardInputEndWithTheCommand(t *testing.T) {
	silent, writer := io.Pipe()
	defer writer.Close()
	ctx, cancel := context.WithCancel(t.Context())
	in := Reader{ctx, silent}
	go func() { _, _ = writer.Write([]byte("a line")) }() // Read reports what it wrote
	buf := make([]byte, 100)
	if n, err := in.Read(buf); err != nil || string(buf[:n]) != "a line" {
		t.Errorf("Read() = %q, %v", buf[:n], err)
	}
	cancel()
	if _, err := in.Read(buf); !errors.Is(err, context.Canceled) {
		t.Errorf("Read() after an interruption = %v, want context.Canceled", err)
	}
}
