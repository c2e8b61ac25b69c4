// Package earlystop catches signals that ask the program to stop before main runs.
//
// Initializing the other packages takes 5 to 10 ms. A SIGTERM in that time would
// kill the process, which then does not exit with 0. Only package main may import
// this package, because importing it changes how the process handles signals.
package earlystop

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// early is initialized right after os/signal: Go initializes packages in the
// order of their import paths as soon as what they import is initialized.
var early = func() chan os.Signal {
	c := make(chan os.Signal, 1)
	signal.Notify(c, os.Interrupt, syscall.SIGTERM)
	return c
}()

// patience is the time after which a second signal ends the program at once. The
// second of two that come together, as from timeout(1), does not.
const patience = 2 * time.Second

// Context returns a context that is canceled by SIGINT and SIGTERM, also by one
// that came before the call. stop restores the default handling, and so does the
// first signal after two seconds: a program that is blocked, by a file server that
// is gone, can be ended by a second signal.
func Context() (ctx context.Context, stop context.CancelFunc) {
	ctx, stop = signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, func() { time.AfterFunc(patience, stop) })
	signal.Stop(early)
	select {
	case <-early:
		stop()
	default:
	}
	return ctx, stop
}
