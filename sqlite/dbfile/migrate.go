package dbfile

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/mattn/go-sqlite3"

	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/sqlite/migrations"
)

// applicationID marks the file as bouncetail's (PRAGMA application_id): "btl1".
const applicationID = 0x62746c31

// migrate brings the schema to the version of this program.
func migrate(ctx context.Context, db *sql.DB, path string) error {
	var id, version, tables int
	err := db.QueryRowContext(ctx, `
		SELECT (SELECT application_id FROM pragma_application_id),
		    (SELECT user_version FROM pragma_user_version),
		    (SELECT count(*) FROM sqlite_schema)`).Scan(&id, &version, &tables)
	switch code := sqldb.CodeOf(err); {
	case code == sqlite3.ErrNotADB:
		return fmt.Errorf("%s is not a SQLite database; name another file with --db", path)
	case code == sqlite3.ErrCorrupt:
		return damaged(path, err)
	case err != nil:
		return fmt.Errorf("database %s: %w", path, err)
	}
	if id != applicationID && (id != 0 || tables > 0) {
		return fmt.Errorf("database %s belongs to another program; name another file with --db", path)
	}
	steps := migrations.All()
	if version > len(steps) {
		return fmt.Errorf(
			"database %s has schema %d, made by a newer bouncetail; this one knows %d: upgrade, or name another file with --db",
			path, version, len(steps),
		)
	}
	if version == 0 {
		// In one transaction: a reader of a database that is being created finds it
		// empty, and not with the schema of an older version.
		if err := Apply(ctx, db, steps...); err != nil {
			return fmt.Errorf("database %s: %w", path, err)
		}
		return nil
	}
	for _, step := range steps[version:] {
		if err := Apply(ctx, db, step); err != nil {
			return fmt.Errorf("database %s: %w", path, err)
		}
	}
	return nil
}

// Apply takes steps of the schema in one transaction.
func Apply(ctx context.Context, db *sql.DB, steps ...migrations.Step) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for _, step := range steps {
		if _, err := tx.ExecContext(ctx, step.SQL+fmt.Sprintf(
			"; PRAGMA application_id = %d; PRAGMA user_version = %d;", applicationID, step.Version,
		)); err != nil {
			return fmt.Errorf("migration %s: %w", step.Name, err)
		}
	}
	return tx.Commit()
}
