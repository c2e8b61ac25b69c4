package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"

	"github.com/mattn/go-sqlite3"

	"github.com/bouncetail/bouncetail/internal/atomicfile"
)

// Open opens the database for writing, and creates or migrates it. It refuses a
// database that another process writes, that belongs to another program, that a
// newer version made, or that is damaged; the error says what to do.
func Open(ctx context.Context, path string, log *slog.Logger) (*Store, error) {
	return openWith(ctx, path, cacheSize, false, log)
}

// OpenToFill opens a database for an import.
func OpenToFill(ctx context.Context, path string, log *slog.Logger) (*Store, error) {
	return openWith(ctx, path, cacheToFill, false, log)
}

// OpenToBuild opens a database for an import that can be repeated. If it does not
// exist yet, it is built under another name and moved to its path by Close.
// Nothing can be lost in it, so it needs no journal that survives a power cut.
func OpenToBuild(ctx context.Context, path string, log *slog.Logger) (*Store, error) {
	return openWith(ctx, path, cacheToFill, true, log)
}

// SQLite's page cache, in kilobytes. A commit that has sorted pages looks through
// all of them (pcache1TruncateUnsafe), so a daemon pays for each a dozen times a
// second. In a database of gigabytes most of an import's time goes into pages
// that are not in the cache.
const (
	cacheSize   = 4000
	cacheToFill = 32000
)

const (
	durable       = "_journal_mode=WAL&_synchronous=NORMAL"
	rebuildable   = "_journal_mode=TRUNCATE&_synchronous=OFF"
	unfinishedEnd = ".unfinished" // suffix of a database that is being built
)

func openWith(ctx context.Context, path string, cache int, build bool, log *slog.Logger) (_ *Store, err error) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // the lock file is next to the database, by whatever name it is opened
	}
	s := &Store{path: path}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.release())
		}
	}()
	if s.lock, err = acquire(path + ".lock"); err != nil {
		return nil, err
	}
	if err := remove(path + unfinishedEnd); err != nil { // of an import that was killed
		return nil, err
	}
	pragmas := durable
	if _, err := os.Lstat(path); build && errors.Is(err, os.ErrNotExist) {
		s.path, s.finalPath = path+unfinishedEnd, path
		pragmas = rebuildable
	}
	if s.fd, s.isNew, err = lockDatabase(s.path); err != nil {
		return nil, err
	}
	s.db = connect(s.path, "rwc", fmt.Sprintf("%s&_cache_size=-%d&_busy_timeout=5000&_txlock=immediate&_stmt_cache_size=20", pragmas, cache))
	s.db.SetMaxOpenConns(1)
	if err := s.prepare(ctx, log); err != nil {
		return nil, err
	}
	policy, err := appliedPolicy(ctx, s.db)
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", path, err)
	}
	s.policy.Store(policy)
	if s.file, err = s.fd.Stat(); err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	return s, nil
}

// dsn names a database and its pragmas. They go into the DSN, not into Exec: the
// pool may open more connections. Each of these is used by one goroutine at a
// time, so SQLite need not lock it.
func dsn(path, mode, pragmas string) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?mode=" + mode + "&_mutex=no&_foreign_keys=on&" + pragmas
}

// patient is for those who write next to a daemon or an import, whose
// transactions may take seconds.
const patient = "_txlock=immediate&_busy_timeout=30000"

// connector opens connections that leave the write-ahead log and its index in
// place when the last of them is closed. A reader who may not write to the folder
// can then open the database also while nothing runs.
type connector struct{ dsn string }

// connect opens a pool of connections.
func connect(path, mode, pragmas string) *sql.DB {
	return sql.OpenDB(connector{dsn(path, mode, pragmas)})
}

func (c connector) Connect(context.Context) (driver.Conn, error) { return c.Driver().Open(c.dsn) }

func (c connector) Driver() driver.Driver {
	return &sqlite3.SQLiteDriver{ConnectHook: func(conn *sqlite3.SQLiteConn) error {
		return conn.SetFileControlInt("main", sqlite3.SQLITE_FCNTL_PERSIST_WAL, 1)
	}}
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
	if err := s.boundLog(ctx, s.db); err != nil {
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

// Close marks the stop as an orderly one and closes the file. A database that was
// built and is incomplete, because batches were dropped, is deleted.
func (s *Store) Close() error {
	// Also when the context of the program is over.
	_, err := s.db.ExecContext(context.Background(), "UPDATE meta SET value = 1 WHERE name = 'clean'")
	if err == nil && s.building() {
		_, err = s.db.ExecContext(context.Background(), "PRAGMA journal_mode = WAL")
	}
	return errors.Join(err, s.release())
}

func (s *Store) release() error {
	var err error
	if s.db != nil {
		err = errors.Join(s.statements.close(), s.db.Close())
	}
	opened := s.file != nil
	switch {
	case !opened && s.isNew: // nothing was written
		err = errors.Join(err, remove(s.path))
	case !opened || !s.building():
	case s.incomplete: // so that everything is read again
		err = errors.Join(err, remove(s.path))
	default:
		err = errors.Join(err, s.moveIntoPlace())
	}
	// Not before SQLite has closed the file: closing any descriptor of it drops the
	// locks that the process has on it.
	if s.fd != nil {
		err = errors.Join(err, s.fd.Close())
	}
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
	}
	return err
}

// building reports whether the database is still to be moved to its path.
func (s *Store) building() bool { return s.finalPath != "" }

// moveIntoPlace gives a database that was built its name, once the disk has all
// of it.
func (s *Store) moveIntoPlace() error {
	if _, err := os.Lstat(s.finalPath); err == nil {
		return fmt.Errorf("database %s was made by another program in the meantime; what was read is in %s", s.finalPath, s.path)
	}
	err := s.fd.Sync()
	// The log, which is empty, and its index come first: nobody opens them without
	// the database, and a reader that may not write needs them.
	for _, end := range []string{"-wal", "-shm", ""} {
		if err == nil {
			err = os.Rename(s.path+end, s.finalPath+end)
		}
		if end != "" && errors.Is(err, os.ErrNotExist) {
			err = nil
		}
	}
	if err != nil {
		return fmt.Errorf("database %s: %w; what was read is in %s", s.finalPath, err, s.path)
	}
	s.path, s.finalPath = s.finalPath, ""
	return atomicfile.SyncDir(filepath.Dir(s.path))
}

// Remove deletes a database that is closed, with the files next to it.
func Remove(path string) error { return errors.Join(remove(path), removeFile(path+".lock")) }

// remove deletes a database with what SQLite keeps next to it.
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
