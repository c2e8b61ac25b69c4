// Package sqlite keeps the records in one SQLite file that admins query with
// sqlite3 while it is written.
//
// The schema is in migrations/, numbered and never edited once released; its
// comments are the reference for each table and column and stay in the file.
//
// Store is the one writer. Begin, Add and Commit save batches in one transaction,
// with the recipients that they change, the queue memory and the positions in the
// logs. Reader serves the commands that only look, Editor those that decide by
// hand. What state an address has is decided by package recipient.
//
// Each table that batches are saved to has a file of its own; the columns are
// declared there once.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// Store is the one writer of a database.
type Store struct {
	// Now is the clock by which states end; time.Now if it is nil.
	Now func() time.Time
	// ScrubQueue keeps forgotten addresses out of the queue memory when an old log
	// is read again. It may be nil if none is read.
	ScrubQueue Scrubber

	policy     atomic.Pointer[bounce.Policy] // that the states follow
	scratch    scratch                       // of the last transaction
	refusals   refusalCache
	addresses  map[int64]addressTimes // looked up for crowds, while refusals is valid
	usual      map[string]usualRefusals
	lookups    map[string]bool // the domains that were ever not found; nil if not loaded
	statements statements

	path string
	// finalPath is the name that it gets once it is built; empty if it has it.
	finalPath    string
	isNew        bool        // Open has created the file
	incomplete   bool        // batches that were added were dropped
	full         atomic.Bool // the last error was a lack of space
	crashed      bool        // the last writer did not stop in order
	db           *sql.DB
	lock         *os.File // the file next to the database
	fd           *os.File // the database itself, for its lock
	file         os.FileInfo
	logPages     int           // the bound of the write-ahead log, see boundLog
	checkpointer *checkpointer // nil if SQLite's own checkpoints are enough
}

func (s *Store) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

// Crashed reports whether the last writer before this one did not stop in order.
func (s *Store) Crashed() bool { return s.crashed }

// Check reports whether the path still names the file that is written to.
func (s *Store) Check() error {
	now, err := os.Stat(s.path)
	if err != nil || !os.SameFile(now, s.file) {
		return fmt.Errorf("database %s was removed or replaced while it was in use; stop what did that, then start bouncetail again", s.path)
	}
	return nil
}

// Save saves one batch in a transaction of its own, and returns how many of its
// records were new.
func (s *Store) Save(ctx context.Context, b *bounce.Batch) (isNew int, err error) {
	tx, err := s.Begin(ctx)
	if err != nil {
		return 0, err
	}
	if isNew, err = tx.Add(b); err != nil {
		return 0, errors.Join(err, tx.Rollback())
	}
	return isNew, tx.Commit()
}
