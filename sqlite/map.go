package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
)

// Map is a new file of refused addresses for a mail server to look up in. Once
// it is closed nobody writes to it any more: it has no journal that a reader
// would have to write to, and no lock that a reader could meet.
type Map struct {
	path   string
	db     *sql.DB
	tx     *sql.Tx
	insert *sql.Stmt
}

// mapSchema is for people who open the file, too.
const mapSchema = `
CREATE TABLE about (
  -- What made this file, and how it is used.
  line TEXT NOT NULL
);
CREATE TABLE suppressed (
  -- The addresses that bouncetail holds to be bad.
  address TEXT PRIMARY KEY, -- lower case; a domain beyond ASCII stands in both of its spellings
  text TEXT NOT NULL -- what is said to whoever writes to it
) WITHOUT ROWID;
CREATE VIEW postfix_access AS
-- The same as actions of Postfix's access(5).
SELECT address, %s || text AS action FROM suppressed;
CREATE VIEW postfix_transport AS
-- The same for Postfix's transport(5); empty while maps only warn.
SELECT address, %s || text AS transport FROM suppressed WHERE %d;
`

// NewMap begins a map in a file that exists and is empty. What Postfix is told
// of an address begins with access and transport; an empty transport is none.
func NewMap(ctx context.Context, path string, about []string, access, transport string) (_ *Map, err error) {
	// No journal: a file that is not whole yet is in nobody's use.
	m := &Map{path: path}
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
	m.insert, err = m.tx.PrepareContext(ctx, "INSERT OR IGNORE INTO suppressed (address, text) VALUES (?, ?)")
	return m, err
}

// literal is a literal of SQL: a view takes no parameters.
func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// Add adds an address, and what is said of it.
func (m *Map) Add(ctx context.Context, address, said string) error {
	_, err := m.insert.ExecContext(ctx, address, said)
	return err
}

// Close ends the file and sees it to the disk.
func (m *Map) Close() error {
	if err := errors.Join(m.insert.Close(), m.tx.Commit(), m.db.Close()); err != nil {
		return fmt.Errorf("map %s: %w", m.path, err)
	}
	f, err := os.OpenFile(m.path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("map: %w", err)
	}
	return errors.Join(f.Sync(), f.Close())
}

// Discard lets go of a map that is not to be ended.
func (m *Map) Discard() error { return errors.Join(m.insert.Close(), m.tx.Rollback(), m.db.Close()) }

// LastChange returns a number that grows with every change of a recipient.
func (r *Reader) LastChange(ctx context.Context) (seq int64, err error) {
	err = r.db.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = 'seq'").Scan(&seq)
	return seq, err
}

// Bad calls each for every bad recipient, in the order of their spelling. It
// tells no more than Recipient, Reason and BadSince.
func (r *Reader) Bad(ctx context.Context, each func(*bounce.Recipient) error) error {
	return scanAll(ctx, r.db, "SELECT recipient, coalesce(reason, ''), bad_since FROM recipients WHERE state = 'bad' ORDER BY recipient", func(scan func(...any) error) error {
		var row bounce.Recipient
		if err := scan(&row.Recipient, &row.Reason, &row.BadSince); err != nil {
			return err
		}
		return each(&row)
	})
}
