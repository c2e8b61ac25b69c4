package sdlog_test

import (
	"bufio"
	"os"
	"strings"
	"testing"

	"github.com/bouncetail/bouncetail/internal/sdlog"
)

func TestQueueWritesAllLinesInOrder(t *testing.T) {
	var out strings.Builder
	q := sdlog.NewQueue(&out)
	line := []byte("one\n")
	for _, text := range []string{"one\n", "two\n", "six\n"} {
		copy(line, text) // the caller uses it again
		if n, err := q.Write(line); n != 4 || err != nil {
			t.Errorf("Write = %d, %v", n, err)
		}
	}
	if q.Close(); out.String() != "one\ntwo\nsix\n" {
		t.Errorf("written: %q", out.String())
	}
}

func TestQueueDoesNotWaitForAPipeThatNobodyReads(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	q := sdlog.NewQueue(w)
	line := []byte(strings.Repeat("x", 1023) + "\n")
	const lines = 5000 // the pipe holds 64 of them
	for range lines {
		if _, err := q.Write(line); err != nil {
			t.Fatal(err)
		}
	}
	got := 0
	in := bufio.NewScanner(r)
	for in.Scan() {
		if strings.Contains(in.Text(), "lines of this log were dropped, because its output was blocked") {
			break
		}
		got++
	}
	if got == 0 || got == lines {
		t.Errorf("%d of %d lines were written before the remark", got, lines)
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for in.Scan() {
		}
	}()
	q.Close()
	w.Close()
	<-drained
}
