package dbfile

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
)

// idName is the name in meta of the random number that identifies the database. A copy has
// that of its original, by which a fleet recognizes it.
const idName = "fleet_database"

// identify gives the database a number if it has none. A copy of the file without the
// write-ahead log has it, too.
func (f *File) identify(ctx context.Context) error {
	if _, err := ID(ctx, f.DB); !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if err := Note(ctx, f.DB, idName, newID()); err != nil {
		return err
	}
	_, err := f.DB.ExecContext(ctx, checkpoint)
	return err
}

func newID() int64 { return rand.Int64() | 1 } // never 0

// ID returns the number that identifies a database, or sql.ErrNoRows: those of older
// versions have none before they are opened for writing.
func ID(ctx context.Context, db *sql.DB) (id int64, err error) {
	err = db.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = ?", idName).Scan(&id)
	return id, err
}

// NewID identifies a database by another number, while another process may have it open
// for writing.
func NewID(ctx context.Context, path string) (id int64, err error) {
	id = newID()
	return id, NoteBeside(ctx, path, idName, id)
}

// Settle copies what is committed from the write-ahead log into the file of the database,
// so that a copy of the file alone has it. It fails if somebody reads an older state.
func Settle(ctx context.Context, path string) error {
	f, err := OpenToEdit(ctx, path)
	if err != nil {
		return err
	}
	var busy, pages, done int
	err = f.DB.QueryRowContext(ctx, checkpoint).Scan(&busy, &pages, &done)
	if err == nil && (busy != 0 || done < pages) {
		err = errors.New("the write-ahead log cannot be copied into it yet, because another program reads or copies it")
	}
	if err != nil {
		err = fmt.Errorf("database %s: %w", path, Denied(err))
	}
	return errors.Join(err, f.DB.Close())
}
