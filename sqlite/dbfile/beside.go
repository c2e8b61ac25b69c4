package dbfile

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"

	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/sqlite/migrations"
)

// OpenReadOnly opens a database that must exist, while another process may be
// writing. It also returns the file as it was opened.
func OpenReadOnly(ctx context.Context, path string) (*sql.DB, os.FileInfo, error) {
	file, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil, fmt.Errorf("database %s does not exist; bouncetail run or bouncetail import makes it, --db names another", path)
	} else if err != nil {
		return nil, nil, fmt.Errorf("database: %w", Denied(err))
	}
	db := sqldb.Connect(path, "ro", "_query_only=on&_busy_timeout=5000")
	var id int
	if err := db.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id); err != nil {
		db.Close()
		if other := Denied(err); other != err { //nolint:errorlint // the same value, if nothing was added
			return nil, nil, fmt.Errorf("database %s: %w", path, other)
		}
		return nil, nil, fmt.Errorf("database %s: %w; is it a database of bouncetail?", path, err)
	}
	if id != applicationID {
		db.Close()
		return nil, nil, fmt.Errorf("database %s belongs to another program; name another file with --db", path)
	}
	return db, file, nil
}

// Patient are the pragmas of those who write next to a daemon or an import, whose
// transactions may take seconds.
const Patient = "_txlock=immediate&_busy_timeout=30000"

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
	return sqldb.Connect(path, "rw", pragmas), nil
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
	var version int
	if err := r.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return nil, fmt.Errorf("database %s: %w", path, err)
	}
	if err := migrations.Check(version); err != nil {
		return nil, fmt.Errorf("database %s %w", path, err)
	}
	f := &File{Path: path, info: info, DB: sqldb.Connect(path, "rw", Patient+"&_synchronous=NORMAL")}
	f.DB.SetMaxOpenConns(1)
	return f, nil
}
