package query

import (
	"context"
	"database/sql"
	"fmt"
)

// KeyName is the name in meta of a database in which addresses are hashed. The value
// identifies the key without revealing it.
const KeyName = "hash_key"

// CheckKey is the function CheckKey for the database of the reader.
func (r *Reader) CheckKey(ctx context.Context, path string, id int64) error {
	_, err := CheckKey(ctx, r.pool, path, id)
	return err
}

// Hashed reports whether addresses are stored as hashes.
func (r *Reader) Hashed(ctx context.Context) (bool, error) {
	var hashed bool
	err := r.db.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM meta WHERE name = ?)", KeyName).Scan(&hashed)
	return hashed, err
}

// CheckKey refuses a database that holds addresses in another way than with the key of
// that ID, or without one if it is 0. It also returns whether the database is new, so
// that the key becomes its own.
func CheckKey(ctx context.Context, db *sql.DB, path string, id int64) (isNew bool, err error) {
	var used sql.NullInt64
	var filled bool
	err = db.QueryRowContext(ctx, `
		SELECT (SELECT value FROM meta WHERE name = ?),
		    EXISTS (SELECT 1 FROM positions)
		    OR EXISTS (SELECT 1 FROM bounces)
		    OR EXISTS (SELECT 1 FROM deliveries)
		    OR EXISTS (SELECT 1 FROM recent_deliveries)
		    OR EXISTS (SELECT 1 FROM recipients)
		    OR EXISTS (SELECT 1 FROM queue_entries)
		    OR EXISTS (SELECT 1 FROM unparsed_lines)`,
		KeyName).Scan(&used, &filled)
	switch {
	case err != nil:
		return false, fmt.Errorf("database %s: %w", path, err)
	case used.Valid && id == 0:
		return false, fmt.Errorf(
			"database %s holds hashes of addresses; set privacy.hash_addresses, and privacy.key_file to the key that made them, or name another file with --db",
			path,
		)
	case used.Valid && id != used.Int64:
		return false, fmt.Errorf(
			"database %s holds hashes of addresses that another key made; put that key back into privacy.key_file, or name a new file with --db and read the logs into it with bouncetail import",
			path,
		)
	case !used.Valid && id != 0 && filled:
		return false, fmt.Errorf(
			"database %s holds addresses as they are, and privacy.hash_addresses is on; name a new one with the setting database or --db, and read the logs into it with bouncetail import",
			path,
		)
	}
	return !used.Valid && id != 0, nil
}
