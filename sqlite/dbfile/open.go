// Package dbfile opens the file of the database: for writing, with its locks, its
// schema and its write-ahead log; to read only; or for a short write next to the
// process that has it open for writing. It also copies it and puts a copy back. It
// knows the table meta and no other.
package dbfile

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/bouncetail/bouncetail/internal/atomicfile"
	"github.com/bouncetail/bouncetail/internal/openfile"
	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// File is a database that is open for writing.
type File struct {
	DB   *sql.DB
	Path string
	// Crashed is set if the last writer did not stop in order.
	Crashed bool

	// finalPath is the name that it gets once it is built; empty if it has it.
	finalPath    string
	isNew        bool          // Open has created the file
	full         atomic.Bool   // the last error was a lack of space
	hurried      atomic.Bool   // see Hurry
	patience     time.Duration // of Begin, which then ends with its context; 0 if it ends by Hurry
	lock         *os.File      // the file next to the database
	fd           *os.File      // the database itself, for its lock
	info         os.FileInfo
	pageSize     int64         // of the database, in bytes
	logPages     int           // the bound of the write-ahead log, see boundLog
	checkpointer *checkpointer // nil if SQLite's own checkpoints are enough
	ahead        sync.WaitGroup
	aheadErr     error // of SyncAhead, once ahead has ended
}

// The size of SQLite's page cache in kilobytes, for a daemon and for an import. A commit
// that has sorted pages looks through all of them (pcache1TruncateUnsafe), so a daemon
// pays for each a dozen times a second. In a database of gigabytes most of an import's
// time goes into pages that are not in the cache.
const (
	CacheSize   = 4000
	CacheToFill = 20000
)

const (
	durable       = "_journal_mode=WAL&_synchronous=NORMAL"
	rebuildable   = "_journal_mode=TRUNCATE&_synchronous=OFF"
	unfinishedEnd = ".unfinished" // suffix of a database that is being built
)

// newPageSize is the page size of a new database in bytes. An import changes most pages
// of a large database, and costs 12 % less with pages of 8 KB than with SQLite's 4 KB, and
// 17 % less with 16 KB. A daemon changes few rows of each page that it writes, so the
// larger pages would double what it writes.
const newPageSize = 8192

// patience is how long the writer waits for another process that writes.
const patience = 5 * time.Second

// Open opens the database for writing, with a page cache of some kilobytes, and
// creates or migrates it. It refuses a database that another process writes, that
// belongs to another program, that a newer version made, or that is damaged; the
// error says what to do. With build, a database that does not exist yet is built
// under another name and moved to its path by Close. Nothing can be lost in it, so
// it needs no journal that survives a power cut.
func Open(ctx context.Context, path string, cache int, build bool, log *slog.Logger) (_ *File, err error) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // the lock file is next to the database, by whatever name it is opened
	}
	if info, err := os.Stat(path); err == nil {
		if other := openfile.CheckRegular(path, info); other != nil {
			return nil, fmt.Errorf("database %w; name a file with --db", other)
		}
	}
	f := &File{Path: path}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.release(false))
		}
	}()
	if f.lock, err = acquire(path + ".lock"); err != nil {
		return nil, err
	}
	if err := remove(path + unfinishedEnd); err != nil { // of an import that was killed
		return nil, err
	}
	pragmas := durable
	if _, err := os.Lstat(path); build && errors.Is(err, os.ErrNotExist) {
		f.Path, f.finalPath = path+unfinishedEnd, path
		pragmas = rebuildable
	}
	if f.fd, f.isNew, err = lockDatabase(f.Path); err != nil {
		return nil, err
	}
	if f.isNew {
		if err := setPageSize(ctx, f.Path); err != nil {
			return nil, cannotCreate(path, err)
		}
	}
	f.DB = sqldb.Connect(f.Path, "rwc", fmt.Sprintf(
		"%s&_cache_size=-%d&"+sqldb.BusyTimeout+"&_txlock=immediate&_stmt_cache_size=20",
		pragmas, cache,
	))
	f.DB.SetMaxOpenConns(1)
	if err := f.start(ctx, log); err != nil {
		return nil, cannotCreate(path, err)
	}
	if f.info, err = f.fd.Stat(); err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	return f, nil
}

// setPageSize sets the page size of an empty database. It opens another connection for
// it: the first statement of the usual connection switches to the write-ahead log, and the
// page size cannot be changed after that.
func setPageSize(ctx context.Context, path string) error {
	db := sqldb.Connect(path, "rwc", "_busy_timeout=5000")
	_, err := db.ExecContext(ctx, fmt.Sprintf("PRAGMA page_size = %d; VACUUM", newPageSize))
	return errors.Join(err, db.Close())
}

// start prepares the database, checks it after a crash, and marks it as open.
func (f *File) start(ctx context.Context, log *slog.Logger) error {
	if err := sqldb.Await(ctx, patience, func() error { return f.prepare(ctx) }); err != nil {
		return err
	}
	if f.Crashed {
		log.Info("the last stop was not an orderly one, checking the database", "path", f.Path)
		var said string
		if err := f.DB.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&said); err != nil || said != "ok" {
			return damaged(f.Path, errors.Join(err, errors.New(said)))
		}
	}
	return f.setClean(ctx, false)
}

// prepare brings the database to the form that this program writes, and reads whether the
// last stop was an orderly one.
func (f *File) prepare(ctx context.Context) error {
	if err := migrate(ctx, f.DB, f.Path); err != nil {
		return err
	}
	var mode string
	if err := f.DB.QueryRowContext(ctx, `
		SELECT journal_mode, page_size
		FROM pragma_journal_mode, pragma_page_size`).Scan(&mode, &f.pageSize); err != nil {
		return fmt.Errorf("database %s: %w", f.Path, err)
	}
	if mode != "wal" && !f.building() {
		return fmt.Errorf(
			"database %s: journal mode is %q where WAL was asked for; is the file system able to lock and map files?",
			f.Path, mode,
		)
	}
	if err := f.boundLog(ctx, f.DB); err != nil {
		return fmt.Errorf("database %s: %w", f.Path, err)
	}
	if err := f.identify(ctx); err != nil {
		return fmt.Errorf("database %s: %w", f.Path, Denied(err))
	}
	var clean bool
	if err := f.DB.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = 'clean'").Scan(&clean); err != nil {
		return damaged(f.Path, err)
	}
	f.Crashed = !clean
	return nil
}

// setClean stores whether the last stop was an orderly one.
func (f *File) setClean(ctx context.Context, clean bool) error {
	err := sqldb.AwaitUnless(f.hurried.Load, patience, func() error {
		_, err := f.DB.ExecContext(ctx, "UPDATE meta SET value = ? WHERE name = 'clean'", clean)
		return err
	})
	if err != nil {
		return fmt.Errorf("database %s: %w", f.Path, err)
	}
	return nil
}

// Begin begins a transaction on a connection of the pool. It waits for another process that
// writes.
func (f *File) Begin(ctx context.Context, conn *sql.Conn) error {
	begin := func() error {
		_, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE")
		return err
	}
	if f.patience > 0 {
		return sqldb.Await(ctx, f.patience, begin)
	}
	return sqldb.AwaitUnless(f.hurried.Load, patience, begin)
}

// Hurry is called when the program is asked to stop: from then on, nothing waits for
// another process for more than a second.
func (f *File) Hurry() { f.hurried.Store(true) }

// Close marks the stop as an orderly one and closes the file. A database that was
// built is deleted if it is incomplete.
func (f *File) Close(incomplete bool) error {
	ctx := context.Background() // also when the context of the program is over
	err := f.setClean(ctx, true)
	if err == nil && f.building() {
		if _, err = f.DB.ExecContext(ctx, "PRAGMA journal_mode = WAL"); err != nil {
			err = fmt.Errorf("database %s: %w", f.Path, err)
		}
	}
	return errors.Join(err, f.release(incomplete))
}

func (f *File) release(incomplete bool) error {
	var err error
	if f.DB != nil {
		err = errors.Join(f.DB.Close())
	}
	f.ahead.Wait()
	opened := f.info != nil
	switch {
	case !opened && f.isNew: // nothing was written
		err = errors.Join(err, remove(f.Path))
	case !opened || !f.building():
	case incomplete: // so that everything is read again
		err = errors.Join(err, remove(f.Path))
	default:
		err = errors.Join(err, f.moveIntoPlace())
	}
	// Not before SQLite has closed the file: closing any descriptor of it drops the
	// locks that the process has on it.
	if f.fd != nil {
		err = errors.Join(err, f.fd.Close())
	}
	if f.lock != nil {
		err = errors.Join(err, f.lock.Close())
	}
	return err
}

// building reports whether the database is still to be moved to its path.
func (f *File) building() bool { return f.finalPath != "" }

// SyncAhead lets the disk take what has been written of a database that is being built,
// while SQLite prepares and writes the rest. Close then waits for that only.
func (f *File) SyncAhead() {
	if f.building() {
		f.ahead.Wait()
		f.ahead.Go(func() { f.aheadErr = errors.Join(f.aheadErr, f.fd.Sync()) }) // an error is told once
	}
}

// moveIntoPlace gives a database that was built its name, once the disk has all
// of it.
func (f *File) moveIntoPlace() error {
	if _, err := os.Lstat(f.finalPath); err == nil {
		return fmt.Errorf("database %s was made by another program in the meantime; what was read is in %s", f.finalPath, f.Path)
	}
	err := errors.Join(f.aheadErr, f.fd.Sync())
	// The log, which is empty, and its index come first: nobody opens them without
	// the database, and a reader that may not write needs them.
	for _, end := range []string{"-wal", "-shm", ""} {
		if err == nil {
			err = os.Rename(f.Path+end, f.finalPath+end)
		}
		if end != "" && errors.Is(err, os.ErrNotExist) {
			err = nil
		}
	}
	if err != nil {
		return fmt.Errorf("database %s: %w; what was read is in %s", f.finalPath, err, f.Path)
	}
	f.Path, f.finalPath = f.finalPath, ""
	return atomicfile.SyncDir(filepath.Dir(f.Path))
}

// Remove deletes a database that is closed, with the files next to it.
func Remove(path string) error { return errors.Join(remove(path), removeFile(path+".lock")) }

// remove deletes a database with what SQLite keeps next to it.
func remove(path string) error { return errors.Join(removeFile(path), removeLogs(path)) }

// removeLogs deletes what SQLite keeps next to a database.
func removeLogs(path string) error {
	var errs []error
	for _, end := range []string{"-journal", "-wal", "-shm"} {
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

// Check returns an error if the path no longer names the file that is written to. A path
// that cannot be looked at, for lack of a right or because the disk fails, may still name it.
func (f *File) Check() error {
	now, err := os.Stat(f.Path)
	if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	if err != nil || !os.SameFile(now, f.info) {
		return fmt.Errorf(
			"database %s was removed or replaced while it was in use; stop what did that, then start bouncetail again",
			f.Path,
		)
	}
	return nil
}

// MakeRoom tries to make room if the last write failed for lack of space. Its
// errors are left to the next write.
func (f *File) MakeRoom(ctx context.Context, conn *sql.Conn) {
	if f.full.Load() {
		f.makeRoom(ctx, conn)
	}
}

// ReadAt reads the file. Another descriptor must not be used: closing it would drop
// SQLite's locks.
func (f *File) ReadAt(b []byte, at int64) (int, error) { return f.fd.ReadAt(b, at) }
