package cli

import (
	"context"
	"fmt"
)

// The exit codes. status and check answer by them as monitoring systems expect it, so that
// no failure of theirs returns 1 or 2.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitBad         = 1  // check: an address is bad
	exitYours       = 1  // status, fleet status: there is a problem to fix on the sender's side
	exitNotReading  = 2  // status: the daemon does not read the logs
	exitUnknown     = 3  // status, check: there is no answer
	exitSettings    = 78 // EX_CONFIG of sysexits.h; systemd does not start the unit again
	exitInterrupted = 130
)

// exitCode is an error that only carries an exit code: the command has said why.
type exitCode int

func (exitCode) Error() string { return "" }

// usageError marks an error of how a command was called.
type usageError struct{ error }

// usage marks err as an error of how a command was called. It returns nil for nil.
func usage(err error) error {
	if err == nil {
		return nil
	}
	return usageError{err}
}

// badFlag marks err as an error of the value of a flag. It returns nil for nil.
func badFlag(flag string, err error) error {
	if err == nil {
		return nil
	}
	return usageError{fmt.Errorf("--%s: %w", flag, err)}
}

// interruptedError is an interruption with what it left.
type interruptedError struct{ says string }

func (e *interruptedError) Error() string { return e.says }

// Unwrap marks it as an interruption.
func (e *interruptedError) Unwrap() error { return context.Canceled }

// interrupted adds what is kept to the error of a command that was interrupted.
func interrupted(ctx context.Context, err error, kept string) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	return &interruptedError{"Interrupted. " + kept}
}

// partError is the error of a command that has done a part of its work, which it prints.
type partError struct{ error }

// Unwrap returns the error.
func (e partError) Unwrap() error { return e.error }
