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
// Each table that batches are saved to has its file, which declares the columns once.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/privacy"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite/dbfile"
	"github.com/bouncetail/bouncetail/sqlite/packed"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/tally"
)

// Store is the one writer of a database.
type Store struct {
	// Now is the clock by which states end; time.Now if it is nil.
	Now func() time.Time
	// ScrubQueue keeps forgotten addresses out of the queue memory when an old log
	// is read again. It may be nil if none is read.
	ScrubQueue privacy.Scrubber

	policy     atomic.Pointer[bounce.Policy] // that the states follow
	crowds     recipient.CrowdMemory
	statements sqldb.Statements
	named      tally.NamedDomains // see nameDomains
	lastCommit time.Duration      // how long the last commit took; 0 if it is counted

	limits                 packed.Limits
	sizes                  *packed.Sizes // nil if not known
	nextSmall, nextSettled int64         // buckets, see moveDown

	erasing      sync.Mutex // see erase
	erasers      int
	erasedBefore int

	file       *dbfile.File
	db         *sql.DB // of the file
	incomplete bool    // batches that were added were dropped
}

// Open opens the database for writing, and creates or migrates it.
func Open(ctx context.Context, path string, log *slog.Logger) (*Store, error) {
	return openWith(ctx, path, dbfile.CacheSize, false, log)
}

// OpenToFill opens a database for an import.
func OpenToFill(ctx context.Context, path string, log *slog.Logger) (*Store, error) {
	return openWith(ctx, path, dbfile.CacheToFill, false, log)
}

// OpenToBuild opens a database for an import that can be repeated. If it does not
// exist yet, it is built under another name and moved to its path by Close.
func OpenToBuild(ctx context.Context, path string, log *slog.Logger) (*Store, error) {
	return openWith(ctx, path, dbfile.CacheToFill, true, log)
}

func openWith(ctx context.Context, path string, cache int, build bool, log *slog.Logger) (*Store, error) {
	file, err := dbfile.Open(ctx, path, cache, build, log)
	if err != nil {
		return nil, err
	}
	s := &Store{file: file, db: file.DB, limits: packed.DefaultLimits}
	policy, err := query.AppliedPolicy(ctx, s.db)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("database %s: %w", path, err), s.Close())
	}
	s.policy.Store(policy)
	return s, nil
}

// Close closes the database. One that was built and is incomplete, because batches
// were dropped, is deleted.
func (s *Store) Close() error {
	return errors.Join(s.statements.Close(), s.file.Close(s.incomplete))
}

// Hurry is called when the program is asked to stop: the store no longer waits for another
// process for more than a second.
func (s *Store) Hurry() { s.file.Hurry() }

func (s *Store) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

// forgetRefusals empties the memory of crowds: records were deleted or changed.
func (s *Store) forgetRefusals() { s.crowds = recipient.CrowdMemory{} }

// Crashed reports whether the last writer before this one did not stop in order.
func (s *Store) Crashed() bool { return s.file.Crashed }

// Check reports whether the path still names the file that is written to.
func (s *Store) Check() error { return s.file.Check() }

// StartCheckpointer has the write-ahead log copied into the database by another
// connection, see dbfile.File.
func (s *Store) StartCheckpointer(ctx context.Context, log *slog.Logger) (end func(), err error) {
	return s.file.StartCheckpointer(ctx, log)
}

// UseKey has the database hold addresses hashed with the key of that ID, or as
// they are if it is 0. It refuses a database that holds them otherwise, because two
// kinds of rows for one address would be two histories of it.
func (s *Store) UseKey(ctx context.Context, id int64) error {
	isNew, err := query.CheckKey(ctx, s.db, s.file.Path, id)
	if err != nil || !isNew {
		return err
	}
	if err := sqldb.Await(ctx, dbfile.Patience, func() error {
		_, err := s.db.ExecContext(ctx, "INSERT INTO meta (name, value) VALUES (?, ?)", query.KeyName, id)
		return err
	}); err != nil {
		return fmt.Errorf("database %s: %w", s.file.Path, err)
	}
	return nil
}

// Keep keeps a database that is being built although batches were dropped. What was
// committed is whole, and so are the positions in the logs.
func (s *Store) Keep() { s.incomplete = false }

// Note stores a number in meta, such as query.FollowedName.
func (s *Store) Note(ctx context.Context, name string, value int64) error {
	if err := dbfile.Note(ctx, s.db, name, value); err != nil {
		return fmt.Errorf("database %s: %w", s.file.Path, err)
	}
	return nil
}

// Noted returns a number that Note stored, or 0.
func (s *Store) Noted(ctx context.Context, name string) (value int64, err error) {
	err = s.db.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = ?", name).Scan(&value)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("database %s: %w", s.file.Path, err)
	}
	return value, nil
}

// Save saves one batch in a separate transaction, and returns how many of its
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
