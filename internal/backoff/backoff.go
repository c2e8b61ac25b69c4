// Package backoff computes the pauses between attempts of an operation that
// fails.
package backoff

import (
	"context"
	"time"
)

// Backoff doubles the pause after each attempt. The zero value does not pause;
// set Min and Max. It is not safe for concurrent use.
type Backoff struct {
	Min, Max time.Duration
	next     time.Duration
}

// Next returns the pause before the next attempt: Min, 2 Min, 4 Min … up to Max.
func (b *Backoff) Next() time.Duration {
	pause := min(max(b.next, b.Min), b.Max)
	b.next = 2 * pause
	return pause
}

// Reset starts again with Min. Call it after a success.
func (b *Backoff) Reset() { b.next = 0 }

// Wait pauses for Next, or until ctx is done, and then returns its error.
func (b *Backoff) Wait(ctx context.Context) error {
	t := time.NewTimer(b.Next())
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
