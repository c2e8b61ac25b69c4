// Package sqlite keeps the records in one SQLite file that admins query with
// sqlite3 while it is written.
//
// The schema stands in migrations/, numbered and never edited once released;
// its comments are the reference for each table and column and stay in the
// file. Store is the one writer: a batch is saved in one transaction, with the
// recipients that it changes, the queue memory and the positions in the logs.
// Reader serves the commands that only look.
package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/mattn/go-sqlite3"
	"golang.org/x/sys/unix"

	"github.com/bouncetail/bouncetail/bounce"
)

//go:embed migrations/*.sql
var migrations embed.FS

// applicationID marks the file as bouncetail's (PRAGMA application_id): "btl1".
const applicationID = 0x62746c31

// Store is the one writer of a database.
type Store struct {
	// Now is the clock by which states end; time.Now where it is nil.
	Now func() time.Time

	policy *bounce.Policy // that the states follow
	room   room           // of the last transaction
	// problems is what Problems returns; nil where it is not asked for.
	problems problems
	begun    *writer // holds the partial batches
	// ScrubQueue keeps forgotten addresses out of the queue memory when a log
	// of before is read again. It may be nil where none is read.
	ScrubQueue Scrubber

	path string
	// place is the name that it gets once it is built; empty where it has it.
	place  string
	isNew  bool // Open has made the file
	lost   bool // partial batches were lost
	db     *sql.DB
	lock   *os.File
	file   os.FileInfo  // of the database as it was opened
	beside *checkpoints // nil where SQLite's own are enough
	// crashed tells that the last writer did not end in order.
	crashed bool
}

// Open opens the database for writing, and creates or migrates it. It refuses
// a database that another process writes, that belongs to another program, that
// a newer version made, or that is damaged; the error says what to do.
func Open(ctx context.Context, path string, log *slog.Logger) (*Store, error) {
	return openWith(ctx, path, cacheSize, false, log)
}

// OpenToFill opens a database for an import.
func OpenToFill(ctx context.Context, path string, log *slog.Logger) (*Store, error) {
	return openWith(ctx, path, cacheToFill, false, log)
}

// OpenToBuild opens a database for an import that can be repeated. One that does
// not exist yet is built under another name and moved to its place by Close:
// nothing can be lost in it, so that it needs no log of changes that is safe
// from a power cut.
func OpenToBuild(ctx context.Context, path string, log *slog.Logger) (*Store, error) {
	return openWith(ctx, path, cacheToFill, true, log)
}

// The pages that SQLite has at hand, in kilobytes. A commit that has put pages
// in order looks through all of them (pcache1TruncateUnsafe), so that a daemon
// pays for each a dozen times a second. In a database of gigabytes most of an
// import's time goes into pages that there is no room for.
const (
	cacheSize   = 4000
	cacheToFill = 32000
)

const (
	durable       = "_journal_mode=WAL&_synchronous=NORMAL"
	rebuildable   = "_journal_mode=TRUNCATE&_synchronous=OFF"
	unfinishedEnd = ".unfinished" // of the name under which a database is built
)

func openWith(ctx context.Context, path string, cache int, build bool, log *slog.Logger) (_ *Store, err error) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // the lock lies beside the file, by whatever name it is opened
	}
	lock, err := acquire(path + ".lock")
	if err != nil {
		return nil, err
	}
	s := &Store{path: path, lock: lock}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.release())
		}
	}()
	if err := remove(path + unfinishedEnd); err != nil { // of an import that was killed
		return nil, err
	}
	pragmas := durable
	if _, err := os.Lstat(path); build && errors.Is(err, os.ErrNotExist) {
		s.path, s.place = path+unfinishedEnd, path
		pragmas = rebuildable
	}
	if s.isNew, err = precreate(s.path); err != nil {
		return nil, err
	}
	s.db, err = connect(s.path, "rwc", fmt.Sprintf("vfs=bouncetail&%s&_cache_size=-%d&_busy_timeout=5000&_txlock=immediate&_stmt_cache_size=40", pragmas, cache))
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	s.db.SetMaxOpenConns(1)
	if err := s.prepare(ctx, log); err != nil {
		return nil, err
	}
	if s.policy, err = appliedPolicy(ctx, s.db); err != nil {
		return nil, fmt.Errorf("database %s: %w", path, err)
	}
	file, err := os.Stat(s.path)
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	if err := s.keep(ctx, true); err != nil {
		return nil, fmt.Errorf("database %s: %w", path, err)
	}
	s.file = file
	return s, nil
}

func (s *Store) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

// precreate makes an empty file readable by its group alone, which SQLite's
// own files beside it take over, and reports whether there was none.
func precreate(path string) (isNew bool, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o640)
	if isNew = err == nil; errors.Is(err, os.ErrExist) {
		f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o640)
	}
	if errors.Is(err, os.ErrNotExist) {
		return false, fmt.Errorf("database %s: the folder %s does not exist; create it, or name another file with --db", path, filepath.Dir(path))
	}
	if err != nil {
		return false, fmt.Errorf("database: %w; run as the user that owns it, or name another file with --db", err)
	}
	giveAway(f, path)
	return isNew, f.Close()
}

// giveAway gives a file that root has made to the owner of the folder: what an
// import by root leaves in the daemon's folder is the daemon's.
func giveAway(f *os.File, path string) {
	if os.Geteuid() != 0 {
		return
	}
	var folder unix.Stat_t
	if err := unix.Stat(filepath.Dir(path), &folder); err != nil || folder.Uid == 0 {
		return
	}
	info, err := f.Stat()
	if err == nil && info.Size() == 0 {
		_ = f.Chown(int(folder.Uid), int(folder.Gid)) // on a file system without owners there is none to give it to
	}
}

// dsn names a database and its pragmas. They go into the DSN, not into Exec:
// the pool may open more connections. Each of these is used by one goroutine at
// a time, so that SQLite need not lock it.
func dsn(path, mode, pragmas string) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?mode=" + mode + "&_mutex=no&_foreign_keys=on&" + pragmas
}

// patient is for those who write beside a daemon or an import, whose
// transactions may take seconds.
const patient = "_txlock=immediate&_busy_timeout=30000"

// connect opens a pool of connections, which know the function of bulk.c.
func connect(path, mode, pragmas string) (*sql.DB, error) {
	if err := register(); err != nil {
		return nil, err
	}
	return sql.Open("sqlite3", dsn(path, mode, pragmas))
}

func (s *Store) prepare(ctx context.Context, log *slog.Logger) error {
	if err := migrate(ctx, s.db, s.path); err != nil {
		return err
	}
	var mode string
	if err := s.db.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil {
		return fmt.Errorf("database %s: %w", s.path, err)
	}
	if mode != "wal" && !s.building() {
		return fmt.Errorf("database %s: journal mode is %q where WAL was asked for; is the file system able to lock and map files?", s.path, mode)
	}
	if _, err := s.db.ExecContext(ctx, fmt.Sprintf("PRAGMA wal_autocheckpoint = %d", checkpointPages)); err != nil {
		return fmt.Errorf("database %s: %w", s.path, err)
	}
	var clean bool
	if err := s.db.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = 'clean'").Scan(&clean); err != nil {
		return damaged(s.path, err)
	}
	s.crashed = !clean
	if !clean {
		log.Info("the last stop was not an orderly one, checking the database", "path", s.path)
		var said string
		if err := s.db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&said); err != nil || said != "ok" {
			return damaged(s.path, errors.Join(err, errors.New(said)))
		}
	}
	if _, err := s.db.ExecContext(ctx, "UPDATE meta SET value = 0 WHERE name = 'clean'"); err != nil {
		return fmt.Errorf("database %s: %w", s.path, err)
	}
	return nil
}

// keep has the one connection keep the statements that bulk.c runs, or let go
// of them: as long as it has any, it is not closed.
func (s *Store) keep(ctx context.Context, yes bool) error {
	_, err := s.db.ExecContext(ctx, "SELECT bouncetail_keep(?)", yes)
	return err
}

func damaged(path string, err error) error {
	return fmt.Errorf("database %s is damaged: %w; restore a copy, or save what can be saved with: sqlite3 %s .recover | sqlite3 NEW", path, err, path)
}

// Crashed reports whether the last writer before this one did not end in order.
func (s *Store) Crashed() bool { return s.crashed }

// Check reports whether the path still names the file that is written to.
func (s *Store) Check() error {
	now, err := os.Stat(s.path)
	if err != nil || !os.SameFile(now, s.file) {
		return fmt.Errorf("database %s was removed or replaced while it was in use; stop what did that, then start bouncetail again", s.path)
	}
	return nil
}

// CountProblems has what Problems returns counted from here on.
func (s *Store) CountProblems() { s.problems = make(problems) }

// Close marks the stop as an orderly one and closes the file. One that was built
// and is not whole, because batches were lost, is deleted.
func (s *Store) Close() error {
	if s.begun != nil {
		_ = s.begun.end(ErrPartsLost) // which the caller knows
	}
	// Also when the context of the program is over.
	_, err := s.db.ExecContext(context.Background(), "UPDATE meta SET value = 1 WHERE name = 'clean'")
	if err == nil && s.building() {
		_, err = s.db.ExecContext(context.Background(), "PRAGMA journal_mode = WAL")
	}
	return errors.Join(err, s.release())
}

func (s *Store) release() error {
	var err error
	if s.file != nil { // it was opened
		err = s.keep(context.Background(), false)
	}
	if s.db != nil {
		err = errors.Join(err, s.db.Close())
	}
	switch {
	case s.file == nil && s.isNew: // nothing was written
		err = errors.Join(err, remove(s.path))
	case s.file == nil || !s.building():
	case s.lost: // so that all is read again
		err = errors.Join(err, remove(s.path))
	default:
		err = errors.Join(err, s.moveIntoPlace())
	}
	return errors.Join(err, s.lock.Close())
}

// building reports whether the database is still to be moved to its place.
func (s *Store) building() bool { return s.place != "" }

// moveIntoPlace gives a database that was built its name, once the disk has
// all of it.
func (s *Store) moveIntoPlace() error {
	if _, err := os.Lstat(s.place); err == nil {
		return fmt.Errorf("database %s was made by another program in the meantime; what was read is in %s", s.place, s.path)
	}
	err := syncFile(s.path)
	if err == nil {
		err = os.Rename(s.path, s.place)
	}
	if err != nil {
		return fmt.Errorf("database %s: %w; what was read is in %s", s.place, err, s.path)
	}
	s.path, s.place = s.place, ""
	return syncFile(filepath.Dir(s.path))
}

// syncFile waits until the disk has all of a file or folder.
func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Remove deletes a database that is closed, with the files beside it.
func Remove(path string) error { return errors.Join(remove(path), removeFile(path+".lock")) }

// remove deletes a database with what SQLite keeps beside it.
func remove(path string) error {
	var errs []error
	for _, end := range []string{"", "-journal", "-wal", "-shm"} {
		errs = append(errs, removeFile(path+end))
	}
	return errors.Join(errs...)
}

// removeFile deletes a file that may not exist.
func removeFile(path string) error {
	err := os.Remove(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// Temporary reports whether an error may pass by itself, so that the same
// batch is worth trying again: a full disk, a lock, a file system that is
// read-only for the moment.
func (s *Store) Temporary(err error) bool {
	return passing(err) && !errors.Is(err, ErrPartsLost)
}

// ReadAgain reports whether batches were lost for a reason that may pass, so
// that all that was not saved is worth reading again.
func ReadAgain(err error) bool {
	return passing(err) && errors.Is(err, ErrPartsLost)
}

func passing(err error) bool {
	var e sqlite3.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code {
	case sqlite3.ErrFull, sqlite3.ErrBusy, sqlite3.ErrLocked, sqlite3.ErrReadonly, sqlite3.ErrIoErr, sqlite3.ErrCantOpen:
		return true
	}
	return false
}

// MayPass reports whether an error of Open may pass by itself: a full disk, a
// lock, a file system that is read-only for the moment.
func MayPass(err error) bool {
	for _, passing := range []syscall.Errno{syscall.EROFS, syscall.ENOSPC, syscall.EDQUOT} {
		if errors.Is(err, passing) {
			return true
		}
	}
	var e sqlite3.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code {
	case sqlite3.ErrFull, sqlite3.ErrBusy, sqlite3.ErrLocked, sqlite3.ErrReadonly:
		return true
	}
	return false
}

// acquire takes the lock that one writer holds as long as it lives. The kernel
// drops it when the process ends, however it ends.
func acquire(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o640)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("database: the folder %s does not exist; create it, or name another file with --db", filepath.Dir(path))
	}
	if err != nil {
		return nil, fmt.Errorf("lock of the database: %w; run as the user that owns it, or name another file with --db", err)
	}
	giveAway(f, path)
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		pid, _ := os.ReadFile(path) // only to name the holder
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("database %s is being written by bouncetail with process id %s; stop that one first, or name another file with --db",
				strings.TrimSuffix(path, ".lock"), strings.TrimSpace(string(pid)))
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	// The name of the holder is a help, not the lock, and a full disk is waited
	// out where records are saved.
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
	}
	return f, nil
}

// migrate brings the schema to the version of this program.
func migrate(ctx context.Context, db *sql.DB, path string) error {
	var id, version, tables int
	err := db.QueryRowContext(ctx, "SELECT (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_schema)").Scan(&id, &version, &tables)
	var e sqlite3.Error
	if errors.As(err, &e) && e.Code == sqlite3.ErrNotADB {
		return fmt.Errorf("%s is not a SQLite database; name another file with --db", path)
	}
	if errors.As(err, &e) && e.Code == sqlite3.ErrCorrupt {
		return damaged(path, err)
	}
	if err != nil {
		return fmt.Errorf("database %s: %w", path, err)
	}
	if id != applicationID && (id != 0 || tables > 0) {
		return fmt.Errorf("database %s belongs to another program; name another file with --db", path)
	}
	files, err := migrations.ReadDir("migrations")
	if err != nil {
		return err
	}
	if version > len(files) {
		return fmt.Errorf("database %s has schema %d, made by a newer bouncetail; this one knows %d: upgrade, or name another file with --db", path, version, len(files))
	}
	for n, file := range files[version:] {
		text, err := migrations.ReadFile("migrations/" + file.Name())
		if err != nil {
			return err
		}
		if err := apply(ctx, db, version+n+1, string(text)); err != nil {
			return fmt.Errorf("database %s: migration %s: %w", path, file.Name(), err)
		}
	}
	return nil
}

func apply(ctx context.Context, db *sql.DB, version int, text string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, text+fmt.Sprintf("; PRAGMA application_id = %d; PRAGMA user_version = %d;", applicationID, version)); err != nil {
		return err
	}
	return tx.Commit()
}
