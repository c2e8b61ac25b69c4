package maps

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	_ "github.com/mattn/go-sqlite3" // the driver
)

// sqliteMap is a SQLite map that is being written. Once it is closed nobody writes
// to it again: it has no journal that a reader would have to write to, and no lock
// that a reader could meet.
type sqliteMap struct {
	path   string
	db     *sql.DB
	tx     *sql.Tx
	insert *sql.Stmt // of rowsAtOnce rows
	values []any     // of the rows that are still to be inserted
}

// rowsAtOnce is the number of rows in a statement: the call of a statement takes longer
// than a row.
const rowsAtOnce = 100

const insertOne, andOne = "INSERT OR IGNORE INTO suppressed (address, text) VALUES (?, ?)", ", (?, ?)"

// mapSchema is for people who open the file, too.
const mapSchema = `
CREATE TABLE about (
  -- What made this file, and how it is used.
  line TEXT NOT NULL
);
CREATE TABLE suppressed (
  -- The addresses that bouncetail holds to be bad.
  address TEXT PRIMARY KEY, -- lower case; a domain beyond ASCII stands in both of its spellings
  text TEXT NOT NULL -- the reply to a sender who writes to it
) WITHOUT ROWID;
CREATE VIEW postfix_access AS
-- The same as actions of Postfix's access(5).
SELECT address, %s || text AS action FROM suppressed;
CREATE VIEW postfix_transport AS
-- The same for Postfix's transport(5); empty while maps only warn.
SELECT address, %s || text AS transport FROM suppressed WHERE %d;
`

// newSQLiteMap begins a map in an empty file. What Postfix reads for an address
// begins with access and transport; an empty transport is none.
func newSQLiteMap(ctx context.Context, path string, about []string, access, transport string) (_ *sqliteMap, err error) {
	// No journal: nobody uses the file before it is complete.
	m := &sqliteMap{path: path}
	m.db, err = sql.Open("sqlite3", "file:"+(&url.URL{Path: path}).EscapedPath()+"?mode=rw&_journal_mode=OFF&_synchronous=OFF")
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("map %s: %w", path, err), m.db.Close())
		}
	}()
	m.db.SetMaxOpenConns(1)
	if m.tx, err = m.db.BeginTx(ctx, nil); err != nil {
		return nil, err
	}
	schema := fmt.Sprintf(mapSchema, literal(access), literal(transport), min(1, len(transport)))
	if _, err := m.tx.ExecContext(ctx, schema); err != nil {
		return nil, err
	}
	for _, line := range about {
		if _, err := m.tx.ExecContext(ctx, "INSERT INTO about VALUES (?)", line); err != nil {
			return nil, err
		}
	}
	m.insert, err = m.tx.PrepareContext(ctx, insertOne+strings.Repeat(andOne, rowsAtOnce-1))
	return m, err
}

// literal is a literal of SQL: a view takes no parameters.
func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// add adds an address and the text of its refusal.
func (m *sqliteMap) add(ctx context.Context, address, said string) error {
	m.values = append(m.values, address, said)
	if len(m.values) < 2*rowsAtOnce {
		return nil
	}
	_, err := m.insert.ExecContext(ctx, m.values...)
	m.values = m.values[:0]
	return err
}

// insertRest inserts the rows behind the last statement.
func (m *sqliteMap) insertRest() (err error) {
	if n := len(m.values) / 2; n > 0 {
		_, err = m.tx.ExecContext(context.Background(), insertOne+strings.Repeat(andOne, n-1), m.values...)
	}
	return err
}

// close ends the file and syncs it.
func (m *sqliteMap) close() error {
	if err := errors.Join(m.insertRest(), m.insert.Close(), m.tx.Commit(), m.db.Close()); err != nil {
		return fmt.Errorf("map %s: %w", m.path, err)
	}
	f, err := os.OpenFile(m.path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("map: %w", err)
	}
	return errors.Join(f.Sync(), f.Close())
}

// discard gives up a map that is not complete.
func (m *sqliteMap) discard() error {
	return errors.Join(m.insert.Close(), m.tx.Rollback(), m.db.Close())
}
