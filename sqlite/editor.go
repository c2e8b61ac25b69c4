package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/sqlite/dbfile"
	"github.com/bouncetail/bouncetail/sqlite/packed"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/mattn/go-sqlite3"
)

// Editor makes the changes that an admin makes by hand, each in one short
// transaction. The daemon may write at the same time.
type Editor struct{ store Store }

// OpenEditor opens a database that must exist and have the schema of this
// version.
func OpenEditor(ctx context.Context, path string) (*Editor, error) {
	file, err := dbfile.OpenToEdit(ctx, path)
	if err != nil {
		return nil, err
	}
	return &Editor{Store{file: file, db: file.DB, limits: packed.DefaultLimits}}, nil
}

// Close closes the database.
func (e *Editor) Close() error { return errors.Join(e.store.statements.Close(), e.store.db.Close()) }

// edit runs do whole or not at all, under the policy that the database follows.
func (e *Editor) edit(ctx context.Context, do func(*Tx) error) error {
	err := e.store.transaction(ctx, func(tx *Tx) error {
		var err error
		if tx.policy, err = query.AppliedPolicy(ctx, tx.conn); err != nil {
			return err
		}
		return do(tx)
	})
	switch sqldb.CodeOf(err) {
	case sqlite3.ErrBusy, sqlite3.ErrLocked:
		return fmt.Errorf(
			"database %s is kept busy by an import, a rebuild or a new policy; try again when that is done: %w",
			e.store.file.Path, err,
		)
	case sqlite3.ErrReadonly:
		return dbfile.Denied(err) // which names the database
	}
	return err
}

// UseKey is Store.UseKey.
func (e *Editor) UseKey(ctx context.Context, id int64) error {
	return dbfile.Denied(e.store.UseKey(ctx, id))
}
