package outbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/filelock"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/sqlite/dbfile"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// Cursor is how far the export of one name has handed over the changes of
// recipients. One process holds it at a time.
type Cursor struct {
	// Seq is the last change that was handed over; 0 before the first export.
	Seq int64
	// New is set before the first export.
	New bool

	name string
	db   *sql.DB
	lock *os.File
}

// OpenCursor takes the cursor of a name, while a daemon may be writing to the
// database. It refuses one that another export holds.
func OpenCursor(ctx context.Context, path, name string) (_ *Cursor, err error) {
	if err := dbfile.RefuseOtherName(path); err != nil {
		return nil, err
	}
	db, err := dbfile.OpenBeside(ctx, path, sqldb.BusyTimeout)
	if err != nil {
		return nil, err
	}
	c := &Cursor{name: name, db: db}
	c.lock, err = lockCursor(path, name)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	err = c.db.QueryRowContext(ctx, "SELECT seq FROM export_cursors WHERE name = ?", name).Scan(&c.Seq)
	c.New = errors.Is(err, sql.ErrNoRows)
	if err != nil && !c.New {
		return nil, fmt.Errorf("cursor %s: %w", name, err)
	}
	return c, nil
}

// AtCursor calls do with a cursor that exists, and with the number of the last change,
// while no export uses it.
func AtCursor(ctx context.Context, path, name string, do func(c *Cursor, lastSeq int64) error) (err error) {
	r, err := query.OpenReader(ctx, path)
	if err != nil {
		return err
	}
	list, lastSeq, err := r.Cursors(ctx)
	if err := errors.Join(err, r.Close()); err != nil {
		return err
	}
	if !slices.ContainsFunc(list, func(c query.CursorState) bool { return c.Name == name }) {
		return fmt.Errorf("there is no cursor %q; bouncetail export cursors lists those that there are", name)
	}
	c, err := OpenCursor(ctx, path, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	return do(c, lastSeq)
}

// lockCursor takes the lock of a cursor. The file may be removed between its
// opening and its locking (Forget). A lock on a removed file has no effect, so the lock
// is taken again on the file that exists now.
func lockCursor(path, name string) (*os.File, error) {
	for {
		f, err := dbfile.OpenLock(path + ".cursor-" + name + ".lock")
		if err != nil {
			return nil, fmt.Errorf("cursor %s: %w", name, dbfile.Denied(err))
		}
		if err := filelock.TryExclusive(f); err != nil {
			f.Close()
			return nil, fmt.Errorf("cursor %s is in use by another export; wait for it, or name another cursor", name)
		}
		locked, err := f.Stat()
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("cursor %s: %w", name, err)
		}
		if there, err := os.Stat(f.Name()); err == nil && os.SameFile(locked, there) {
			return f, nil
		}
		f.Close()
	}
}

// Move puts the cursor behind the change seq.
func (c *Cursor) Move(ctx context.Context, seq int64, now time.Time) error {
	err := c.write(ctx, `
		INSERT INTO export_cursors (name, seq, moved_at) VALUES (?, ?, ?)
		ON CONFLICT (name) DO UPDATE SET seq = excluded.seq, moved_at = excluded.moved_at`,
		c.name, seq, bounce.Stamp(now))
	if err != nil {
		return fmt.Errorf("cursor %s stays where it was, the next export repeats these rows: %w", c.name, err)
	}
	c.Seq, c.New = seq, false
	return nil
}

// Forget removes the cursor and, as long as its lock is held, the file of the
// lock: the next export of its name starts from the beginning.
func (c *Cursor) Forget(ctx context.Context) error {
	err := c.write(ctx, "DELETE FROM export_cursors WHERE name = ?", c.name)
	if err == nil {
		err = os.Remove(c.lock.Name())
	}
	if err != nil {
		return fmt.Errorf("cursor %s: %w", c.name, err)
	}
	return nil
}

// write executes a statement, which may have to wait for a daemon or an import.
func (c *Cursor) write(ctx context.Context, statement string, args ...any) error {
	return sqldb.Await(ctx, dbfile.Patience, func() error {
		_, err := c.db.ExecContext(ctx, statement, args...)
		return err
	})
}

// Close releases the cursor.
func (c *Cursor) Close() error {
	return errors.Join(c.db.Close(), c.lock.Close())
}
