package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/backoff"
)

// ErrReadAgain is returned if a transaction of several batches failed for a reason
// that may pass. The batches were dropped; everything behind the stored positions
// has to be read again.
var ErrReadAgain = errors.New("what was read since the last commit has to be read again")

// giveUpAfter is how long a batch that cannot be saved is tried once the program
// has been asked to stop. Nothing is lost by giving up: the positions were not
// saved either.
const giveUpAfter = 5 * time.Second

// sealedBatch is a batch for the saver, and whether it ends a transaction.
type sealedBatch struct {
	*bounce.Batch
	commit bool
}

// saveAll saves batches until the channel is closed, hands back their memory, and
// tells the reader when it is idle. If one cannot be saved it ends the source, and takes the rest off the
// channel, so that the reader does not wait for a saver that gave up.
func (p *Pipeline) saveAll(ctx context.Context, sealed <-chan sealedBatch, saved chan<- *bounce.Batch, idle chan<- struct{}, stop func(error)) error {
	s := saver{p: p}
	var failed error
	for b := range sealed {
		if failed == nil {
			if failed = s.save(ctx, b); failed != nil {
				stop(failed)
			}
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
		default: // told already
		}
	}
	if s.tx != nil {
		failed = errors.Join(failed, s.tx.Rollback())
	}
	return failed
}

// saver saves batches, each in a transaction of its own or several together.
type saver struct {
	p     *Pipeline
	tx    Tx  // the open transaction, or nil
	added int // batches in it
	isNew int // their records that were new
}

// save saves a batch, and waits while it cannot for a reason that may pass. It
// logs that once when it starts and once when it ends.
func (s *saver) save(ctx context.Context, b sealedBatch) error {
	p := s.p
	pause := backoff.Backoff{Min: 100 * time.Millisecond, Max: 5 * time.Second}
	var stopping time.Time // when the program was asked to stop
	for {
		p.saving.Beat()
		// Not ctx: a stop must not tear the last batch.
		dropped, err := s.try(context.WithoutCancel(ctx), b)
		if err == nil {
			if p.Progress.Trouble.Swap(nil) != nil {
				p.Log.Info("saving again")
			}
			return nil
		}
		err = fmt.Errorf("save batch: %w", err)
		if !temporary(err) {
			return err
		}
		if dropped > 0 {
			return fmt.Errorf("%w: %w", ErrReadAgain, err)
		}
		why := err.Error()
		if p.Progress.Trouble.Swap(&why) == nil {
			p.Log.Error("batch not saved, trying again until it is", "error", err)
		}
		p.saving.Beat() // waiting out a problem is not a hang
		if ctx.Err() != nil {
			if stopping.IsZero() {
				stopping = time.Now()
			} else if time.Since(stopping) > giveUpAfter {
				return err
			}
			time.Sleep(pause.Next()) // the program is ending; nothing else waits
			continue
		}
		if pause.Wait(ctx) != nil {
			pause.Reset()
		}
	}
}

// try adds a batch to the transaction, and commits it if the batch ends it. After
// an error there is no transaction any more; it returns how many batches before
// this one were dropped with it.
func (s *saver) try(ctx context.Context, b sealedBatch) (dropped int, err error) {
	if s.tx == nil {
		if s.tx, err = s.p.Begin(ctx); err != nil {
			s.tx = nil
			return 0, err
		}
	}
	tx := s.tx
	isNew, err := tx.Add(b.Batch)
	if err != nil {
		err = errors.Join(err, tx.Rollback())
	} else {
		s.added++
		s.isNew += isNew
		if !b.commit {
			return 0, nil
		}
		dropped = -1 // without this one
		err = tx.Commit()
	}
	dropped += s.added
	if err == nil {
		s.p.Progress.New.Add(int64(s.isNew))
		s.p.Progress.SavedAt.Store(time.Now().UnixNano())
	}
	s.tx, s.added, s.isNew = nil, 0, 0
	return dropped, err
}

// temporary reports whether an error may pass.
func temporary(err error) bool {
	var t interface{ Temporary() bool }
	return errors.As(err, &t) && t.Temporary()
}
