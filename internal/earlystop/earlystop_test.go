package earlystop

import (
	"os/signal"
	"syscall"
	"testing"
	"time"
)

func TestASignalBeforeContextIsNotLost(t *testing.T) {
	signal.Notify(early, syscall.SIGTERM) // an earlier run of the test has stopped it
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); len(early) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("SIGTERM was not delivered")
		}
	}
	ctx, stop := Context()
	defer stop()
	if ctx.Err() == nil {
		t.Error("the context is not done")
	}
}
