package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/backoff"
)

// ErrReadAgain is returned if a transaction of several batches failed with a
// temporary error, or if a batch could not be saved before the program had to stop. The
// batches are lost; the caller must read again from the stored positions.
var ErrReadAgain = errors.New("lines since the last commit must be read again")

// giveUpAfter is how long saving a batch is retried after the program was asked to
// stop. Giving up loses nothing, because the positions are not saved either.
const giveUpAfter = 3 * time.Second

// sealedBatch is a batch for the saver.
type sealedBatch struct {
	*bounce.Batch
	commit bool         // ends the transaction
	lines  int64        // read before its end
	saved  chan<- error // receives the result; nil if nothing waits for it
}

// saveAll saves batches until the channel is closed, returns their memory, and
// signals the reader when it is idle. If a batch cannot be saved, it stops the source
// and discards the remaining batches, so that the reader does not block.
func (p *Pipeline) saveAll(ctx context.Context, sealed <-chan sealedBatch, saved chan<- *bounce.Batch, idle chan<- struct{}, stop func(error)) error {
	s := saver{p: p}
	var failed error
	for b := range sealed {
		if failed == nil {
			if failed = s.save(ctx, b); failed != nil {
				stop(failed)
			}
		}
		if b.saved != nil {
			b.saved <- failed
		}
		if p.Limits.FlushInterval > 0 { // else batches are small
			select {
			case saved <- b.Batch:
			default:
			}
		}
		if len(sealed) > 0 {
			continue
		}
		p.saving.Idle()
		select {
		case idle <- struct{}{}:
		default: // already signaled
		}
	}
	if s.tx != nil {
		failed = errors.Join(failed, s.tx.Rollback())
	}
	return failed
}

// saver saves one or several batches in a transaction.
type saver struct {
	p       *Pipeline
	tx      Tx  // the open transaction, or nil
	added   int // batches in it
	isNew   int // their new records
	records int // all of their records, weighted
}

// save saves a batch and retries temporary errors. It logs the first error and the
// recovery.
func (s *saver) save(ctx context.Context, b sealedBatch) error {
	p := s.p
	if ctx.Err() != nil && p.Limits.StopRecords > 0 && s.records > p.Limits.StopRecords {
		return context.Cause(ctx) // saveAll rolls back
	}
	pause := backoff.Backoff{Min: 100 * time.Millisecond, Max: 5 * time.Second}
	var stopping time.Time // when the program was asked to stop
	for {
		p.saving.Beat()
		// Without ctx, so that a stop does not interrupt the last batch.
		dropped, err := s.try(context.WithoutCancel(ctx), b)
		if err == nil {
			if p.Progress.Trouble.Swap(nil) != nil {
				p.Log.Info("saving again")
			}
			return nil
		}
		err = fmt.Errorf("save batch: %w", err)
		if !temporary(err) || p.GiveUp != nil && p.GiveUp(err) {
			return err
		}
		if dropped > 0 {
			return fmt.Errorf("%w: %w", ErrReadAgain, err)
		}
		why := err.Error()
		if p.Progress.Trouble.Swap(&why) == nil {
			p.Log.Error("batch not saved, will retry", "error", err)
		}
		p.saving.Beat() // retrying is progress
		if ctx.Err() != nil {
			if stopping.IsZero() {
				stopping = time.Now()
			} else if time.Since(stopping) > giveUpAfter {
				return fmt.Errorf("%w: %w", ErrReadAgain, err)
			}
			time.Sleep(pause.Next()) // the program is ending; nothing else waits
			continue
		}
		if pause.Wait(ctx) != nil {
			pause.Reset()
		}
	}
}

// try adds a batch to the transaction, and commits if the batch ends it. After an
// error there is no open transaction, and dropped is the number of earlier batches
// that were lost with it.
func (s *saver) try(ctx context.Context, b sealedBatch) (dropped int, err error) {
	if s.tx == nil {
		if s.tx, err = s.p.Begin(ctx); err != nil {
			s.tx = nil
			return 0, err
		}
		s.p.txBegun.Store(time.Now().UnixNano())
	}
	tx := s.tx
	isNew, err := tx.Add(b.Batch)
	if err != nil || b.commit {
		s.p.txBegun.Store(0)
	}
	if err != nil {
		err = errors.Join(err, tx.Rollback())
	} else {
		s.added++
		s.isNew += isNew
		s.records += b.Records.Len() + len(b.Successes)/successWeight
		if !b.commit {
			return 0, nil
		}
		dropped = -1 // do not count this batch
		err = tx.Commit()
	}
	dropped += s.added
	if err == nil {
		s.p.Progress.New.Add(int64(s.isNew))
		s.p.Progress.SavedAt.Store(time.Now().UnixNano())
		s.p.Progress.Saved.Store(b.lines)
		if s.p.Committed != nil {
			s.p.Committed(b.Positions)
		}
	}
	s.tx, s.added, s.isNew, s.records = nil, 0, 0, 0
	return dropped, err
}

// temporary reports whether an error is temporary.
func temporary(err error) bool {
	var t interface{ Temporary() bool }
	return errors.As(err, &t) && t.Temporary()
}
