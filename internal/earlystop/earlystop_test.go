package earlystop

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
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
	for deadline := time.Now().Add(time.Minute); len(early) == 0; time.Sleep(time.Millisecond) {
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

const blocked = "BOUNCETAIL_TEST_BLOCKED"

func TestMain(m *testing.M) {
	if os.Getenv(blocked) != "" {
		ctx, _ := Context()
		fmt.Println("started")
		<-ctx.Done()
		fmt.Println("stopping")
		time.Sleep(time.Minute) // in a system call that does not return, for example
	}
	os.Exit(m.Run())
}

// A first signal only cancels the context, and so does a second one right after it. A
// later one ends a program that does not stop.
func TestALaterSignalEndsABlockedProgram(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), blocked+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	lines := bufio.NewScanner(out)
	for _, word := range []string{"started", "stopping"} {
		if !lines.Scan() || lines.Text() != word {
			t.Fatalf("got %q, want %q", lines.Text(), word)
		}
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	stopping := time.Now()
	// On a busy machine the second signal may have come too late to be ignored.
	ignored := stopping.Sub(begun) < patience/2
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for {
		select {
		case err := <-done:
			exit, is := errors.AsType[*exec.ExitError](err)
			if !is || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
				t.Errorf("ended with %v, want SIGTERM", err)
			}
			if took := time.Since(stopping); ignored && took < patience/2 {
				t.Errorf("the second signal ended it after %s, want at least %s", took, patience)
			}
			return
		case <-time.After(50 * time.Millisecond):
			_ = cmd.Process.Signal(syscall.SIGTERM) // an error means that it has ended
		}
	}
}
