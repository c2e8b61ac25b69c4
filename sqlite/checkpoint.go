package sqlite

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

// SQLite appends what is committed to a log, and copies that into the database
// in the commit that finds checkpointPages in it. That commit waits twice for
// the disk, and the lines that come wait for it. A store that follows has
// another connection copy, beside its commits. A commit that finds all of the
// log copied begins it anew; where there was always one more commit meanwhile,
// the store copies what is left itself.

// checkpointPages is how long the log becomes: 40 MB.
const checkpointPages = 10_000

// checkpoints is what the store and the other connection know of each other.
type checkpoints struct {
	pages  int // of the log from which on it is copied
	state  atomic.Int32
	wanted chan struct{}
	looked time.Time // when the store last asked how long the log is
}

const (
	notCopied = iota
	copying
	copied // but for what was committed meanwhile
)

// lookEvery is how often the store asks how long the log is.
const lookEvery = 500 * time.Millisecond

const checkpoint = "PRAGMA wal_checkpoint(PASSIVE)"

// CheckpointBeside has the log of changes copied beside the commits of Save, in
// a goroutine of its own until the function is called that it returns, which
// waits for it. It is called before the first Save.
func (s *Store) CheckpointBeside(ctx context.Context, log *slog.Logger) (end func(), err error) {
	// Where the log grows faster than it is copied, a commit copies all the same.
	if _, err := s.db.ExecContext(ctx, fmt.Sprintf("PRAGMA wal_autocheckpoint = %d", 2*checkpointPages)); err != nil {
		return nil, fmt.Errorf("database %s: %w", s.path, err)
	}
	db, err := connect(s.path, "rw", "_busy_timeout=5000")
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", s.path, err)
	}
	db.SetMaxOpenConns(1)
	c := &checkpoints{pages: checkpointPages, wanted: make(chan struct{}, 1)}
	s.beside = c
	ctx, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-c.wanted:
			case <-ctx.Done():
				return
			}
			// Twice, because the second takes but a moment, in which little is committed.
			for range 2 {
				if _, err := db.ExecContext(ctx, checkpoint); err != nil && ctx.Err() == nil {
					log.Debug("copying the log of changes into the database", "error", err) // a commit tries it too
				}
			}
			c.state.Store(copied)
		}
	}()
	return func() {
		stop()
		<-done
		_ = db.Close() // nothing was written through it that is not in the log
	}, nil
}

// copyLog has the log copied where it is long, and copies itself what is left of
// it. Its errors are not those of the batch, which is committed: what was not
// copied is in the log, and tried again.
func (s *Store) copyLog(ctx context.Context) {
	c := s.beside
	if c == nil {
		return
	}
	state, now := c.state.Load(), time.Now()
	if state == copying || state == notCopied && now.Sub(c.looked) < lookEvery {
		return
	}
	c.looked = now
	var busy, pages, done int
	err := s.db.QueryRowContext(ctx, "PRAGMA wal_checkpoint(NOOP)").Scan(&busy, &pages, &done)
	switch long := err == nil && pages >= c.pages; {
	case long && state == notCopied:
		c.state.Store(copying)
		c.wanted <- struct{}{}
		return
	case long: // else the last commit has begun it anew
		_, _ = s.db.ExecContext(ctx, checkpoint)
	}
	c.state.Store(notCopied)
}
