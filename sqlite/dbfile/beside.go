package dbfile

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/mattn/go-sqlite3"
	"golang.org/x/sys/unix"

	"github.com/bouncetail/bouncetail/internal/filelock"
	"github.com/bouncetail/bouncetail/internal/openfile"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/sqlite/migrations"
)

// OpenReadOnly opens a database that must exist, while another process may be
// writing. It also returns the file as it was opened.
func OpenReadOnly(ctx context.Context, path string) (*sql.DB, os.FileInfo, error) {
	file, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, nil, fmt.Errorf("database %s does not exist; bouncetail run or bouncetail import makes it, --db names another", path)
	case err != nil:
		return nil, nil, fmt.Errorf("database: %w", Denied(err))
	}
	if other := openfile.Check(path, file); other != nil {
		return nil, nil, fmt.Errorf("database %w; name a file with --db", other)
	}
	if err := refuseOtherNameInUse(path); err != nil {
		return nil, nil, err
	}
	const pragmas = "_query_only=on&_busy_timeout=5000&_stmt_cache_size=20"
	db := sqldb.Connect(path, "ro", pragmas)
	err = checkOurs(ctx, db, path)
	denied := Denied(err) != err || sqldb.CodeOf(err) == sqlite3.ErrIoErr //nolint:errorlint // the same value, if nothing was added
	if err != nil && denied && isAtRest(path) {
		// SQLite opens a database with a write-ahead log only where it can create the
		// files next to it, which a full disk does not let it, unless the database does
		// not change.
		_ = db.Close()
		db = sqldb.Connect(path, "ro", pragmas+"&immutable=1")
		err = checkOurs(ctx, db, path)
	}
	if sqldb.CodeOf(err) == sqlite3.ErrCantOpen && !isAtRest(path) && errors.Is(unix.Access(filepath.Dir(path), unix.W_OK), unix.EROFS) {
		err = fmt.Errorf("database %s: the last changes are in %s-wal, which can be read only where files can be created: %w; copy both to another folder, and name the copy with --db", path, path, unix.EROFS)
	}
	if err != nil {
		if f, openErr := os.Open(path); errors.Is(openErr, os.ErrPermission) {
			err = fmt.Errorf("database %s cannot be read by this user: %w", path, os.ErrPermission)
		} else if openErr == nil {
			f.Close()
		}
		return nil, nil, errors.Join(Denied(err), db.Close())
	}
	return db, file, nil
}

// checkOurs returns an error if a file is not a database of bouncetail.
func checkOurs(ctx context.Context, db *sql.DB, path string) error {
	var id, tables int
	err := db.QueryRowContext(ctx, `
		SELECT (SELECT application_id FROM pragma_application_id),
		    (SELECT count(*) FROM sqlite_schema)`).Scan(&id, &tables)
	switch code := sqldb.CodeOf(err); {
	case code == sqlite3.ErrNotADB:
		return fmt.Errorf("%s is not a database of bouncetail; name another file with --db", path)
	case code == sqlite3.ErrCorrupt:
		return damaged(path, err)
	case err != nil:
		return fmt.Errorf("database %s: %w", path, err)
	case id == 0 && tables == 0:
		return fmt.Errorf(
			"database %s is empty, nothing was ever stored in it; bouncetail run or bouncetail import fills it, --db names another",
			path,
		)
	case id != applicationID:
		return fmt.Errorf("database %s belongs to another program; name another file with --db", path)
	}
	return nil
}

// isAtRest reports whether everything is in the file of the database itself and
// nothing writes to it: the write-ahead log is empty, and no writer has the lock.
func isAtRest(path string) bool {
	if wal, err := os.Stat(path + "-wal"); err == nil && wal.Size() > 0 || err != nil && !errors.Is(err, os.ErrNotExist) {
		return false
	}
	f, err := os.Open(path + ".lock")
	if err != nil {
		return errors.Is(err, os.ErrNotExist)
	}
	defer f.Close()
	return filelock.TryShared(f) == nil
}

// Patience is how long those wait who write next to a daemon or an import, whose
// transactions may take seconds. They use sqldb.Await.
const Patience = 30 * time.Second

// OpenBeside opens a database that must exist for short writes, while another
// process may have it open for writing.
func OpenBeside(ctx context.Context, path, pragmas string) (*sql.DB, error) {
	r, _, err := OpenReadOnly(ctx, path) // whose errors name what is wrong with the file
	if err != nil {
		return nil, err
	}
	if err := r.Close(); err != nil {
		return nil, err
	}
	return connectBeside(ctx, path, pragmas)
}

// connectBeside opens a database for writing, and looks into it: only then does SQLite
// create the files next to it, which a full disk or a read-only one does not let it.
func connectBeside(ctx context.Context, path, pragmas string) (*sql.DB, error) {
	db := sqldb.Connect(path, "rw", pragmas)
	if _, err := schemaVersion(ctx, db); err != nil {
		err = fmt.Errorf("database %s: %w", path, err)
		if sqldb.CodeOf(err) == sqlite3.ErrReadonly && errors.Is(unix.Access(path, unix.W_OK), os.ErrPermission) {
			err = Denied(err)
		}
		return nil, errors.Join(cannotCreate(path, err), db.Close())
	}
	return db, nil
}

// OpenToEdit is OpenBeside for changes of any table. The schema must be that of
// this version.
func OpenToEdit(ctx context.Context, path string) (*File, error) {
	if err := RefuseOtherName(path); err != nil {
		return nil, err
	}
	r, info, err := OpenReadOnly(ctx, path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if err := CheckSchema(ctx, r, path); err != nil {
		return nil, err
	}
	db, err := connectBeside(ctx, path, "_txlock=immediate&_synchronous=NORMAL&"+sqldb.BusyTimeout)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return &File{Path: path, info: info, DB: db, patience: Patience}, nil
}

// CheckUsable returns an error unless a database exists that Open would accept: one with
// the schema of this version, or with an older one, which Open migrates.
func CheckUsable(ctx context.Context, path string) error {
	db, _, err := OpenReadOnly(ctx, path)
	if err != nil {
		return err
	}
	defer db.Close()
	version, err := schemaVersion(ctx, db)
	if err != nil {
		return fmt.Errorf("database %s: %w", path, err)
	}
	if err := migrations.CheckNotNewer(version); err != nil {
		return fmt.Errorf("database %s %w, or name another file with --db", path, err)
	}
	return nil
}

// Note stores a number in meta.
func Note(ctx context.Context, db *sql.DB, name string, value int64) error {
	return note(ctx, patience, db, name, value)
}

func note(ctx context.Context, patience time.Duration, db *sql.DB, name string, value int64) error {
	return sqldb.Await(ctx, patience, func() error {
		_, err := db.ExecContext(ctx, `
			INSERT INTO meta (name, value)
			VALUES (?, ?)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
		return err
	})
}

// NoteBeside stores a number in meta, while another process may have the database open
// for writing.
func NoteBeside(ctx context.Context, path, name string, value int64) error {
	f, err := OpenToEdit(ctx, path)
	if err != nil {
		return err
	}
	if err = Denied(note(ctx, Patience, f.DB, name, value)); err != nil {
		err = fmt.Errorf("database %s: %w", path, err)
	}
	return errors.Join(err, f.DB.Close())
}

// CheckSchema returns an error unless the schema is that of this version.
func CheckSchema(ctx context.Context, db *sql.DB, path string) error {
	version, err := schemaVersion(ctx, db)
	if err != nil {
		return fmt.Errorf("database %s: %w", path, err)
	}
	if err := migrations.Check(version); err != nil {
		return fmt.Errorf("database %s %w", path, err)
	}
	return nil
}

func schemaVersion(ctx context.Context, db *sql.DB) (version int, err error) {
	err = db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version)
	return version, err
}
