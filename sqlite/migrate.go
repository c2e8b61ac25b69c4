package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"

	"github.com/mattn/go-sqlite3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// applicationID marks the file as bouncetail's (PRAGMA application_id): "btl1".
const applicationID = 0x62746c31

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
