package main

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The runtime's own threads take it over from the first: any thread tells.
func TestTimersMayBeLate(t *testing.T) {
	got, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := time.Duration(got); got != time.Millisecond {
		t.Errorf("timers may be late by %s, want 1ms", got)
	}
}
