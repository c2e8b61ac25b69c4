// Package feed reads from a database what a fleet is sent: failures by their number,
// and last deliveries by the change numbers of recipients. Both grow and are never
// reused, so the tables themselves are the outbox, and the daemon does nothing for it.
package feed

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite/dbfile"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// Feed is a database that is open to read, while the daemon writes to it.
type Feed struct {
	db   *sql.DB
	path string
	file os.FileInfo
}

// Open opens a database that must exist and have the schema of this version.
func Open(ctx context.Context, path string) (*Feed, error) {
	db, file, err := dbfile.OpenReadOnly(ctx, path)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1) // Changed compares what one connection sees
	if err := dbfile.CheckSchema(ctx, db, path); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &Feed{db, path, file}, nil
}

// Replaced reports whether the path names another file than the one that is open, such
// as a backup that was restored.
func (f *Feed) Replaced() bool {
	now, err := os.Stat(f.path)
	return err == nil && !os.SameFile(now, f.file)
}

// Close closes the database.
func (f *Feed) Close() error { return f.db.Close() }

// DatabaseID returns the number that identifies the database. The first call writes
// it if an older version has made the database.
func (f *Feed) DatabaseID(ctx context.Context) (id int64, err error) {
	id, err = dbfile.ID(ctx, f.db)
	if errors.Is(err, sql.ErrNoRows) {
		return f.NewDatabaseID(ctx)
	}
	return id, f.wrap(err)
}

// NewDatabaseID identifies the database by another number from now on.
func (f *Feed) NewDatabaseID(ctx context.Context) (int64, error) { return dbfile.NewID(ctx, f.path) }

// Settle makes sure that a copy of the file without the write-ahead log has the number
// that identifies the database.
func (f *Feed) Settle(ctx context.Context) error { return dbfile.Settle(ctx, f.path) }

// NoteSent notes for the daemon and status which failure the fleet has got last. It does
// not wait for a busy database.
func (f *Feed) NoteSent(ctx context.Context, failure int64, at time.Time) error {
	db, err := dbfile.OpenBeside(ctx, f.path, "_txlock=immediate&_busy_timeout=200&_synchronous=NORMAL")
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, query.NoteSent, failure, at.Unix())
	return errors.Join(f.wrap(err), db.Close())
}

// Rejudged returns how often stored failures were judged again and got other verdicts.
func (f *Feed) Rejudged(ctx context.Context) (n int64, err error) {
	err = f.db.QueryRowContext(ctx, "SELECT coalesce((SELECT value FROM meta WHERE name = ?), 0)", query.RejudgedName).Scan(&n)
	return n, f.wrap(err)
}

// Failure is a row of bounces.
type Failure struct {
	ID  int64
	Key int64 // of the recipient
	bounce.Record
	// LastDelivery is the stored stamp of the last delivery to the recipient; empty if
	// there was none.
	LastDelivery string
	// NamedHost is the host that the reply names as not found, if that makes the address
	// bad.
	NamedHost string
}

// Failures returns the failures that follow the one with the number after, at most
// limit.
func (f *Feed) Failures(ctx context.Context, after int64, limit int) (list []Failure, err error) {
	list = make([]Failure, 0, limit)
	err = sqldb.ScanValues(ctx, f.db, `
		SELECT id,
		    coalesce((SELECT last_delivery_at FROM recipients r WHERE r.recipient_key = bounces.recipient_key), ''),
		    `+query.BounceColumns.Names("")+`
		FROM bounces
		WHERE id > ?
		ORDER BY id
		LIMIT ?`, func(values []driver.Value) error {
		var row query.BounceRow
		if err := query.BounceColumns.Read(&row, values[2:]); err != nil {
			return err
		}
		one := Failure{Record: row.Record, Key: row.Key}
		one.ID, _ = values[0].(int64)
		one.LastDelivery, _ = values[1].(string)
		if one.Suppress && one.Reason == bounce.NoSuchDomain {
			one.NamedHost = recipient.NamedHost(one.Reply.Text, one.To.Domain)
		}
		list = append(list, one)
		return nil
	}, after, limit)
	return list, f.wrap(err)
}

// Ends returns the highest number that a failure ever had, and the number of the last
// change of a recipient.
func (f *Feed) Ends(ctx context.Context) (failure, change int64, err error) {
	err = f.db.QueryRowContext(ctx, `
		SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'bounces'), 0),
		    coalesce((SELECT value FROM meta WHERE name = 'seq'), 0)`).Scan(&failure, &change)
	return failure, change, f.wrap(err)
}

// EventOf returns the event of the failure with a number, and false if it was deleted.
func (f *Feed) EventOf(ctx context.Context, id int64) (event bounce.EventID, found bool, err error) {
	err = f.db.QueryRowContext(ctx, "SELECT event_id FROM bounces WHERE id = ?", id).Scan((*query.EventID)(&event))
	if errors.Is(err, sql.ErrNoRows) {
		return event, false, nil
	}
	return event, err == nil, f.wrap(err)
}

// Reading is how the daemon is doing.
type Reading struct {
	LastLine string // stored stamp of when a log last grew; empty if none was read
	Gaps     int    // parts of logs that were destroyed before they were read
	Missed   int64  // failures that were deleted before they were sent
}

// Reading returns how the daemon is doing.
func (f *Feed) Reading(ctx context.Context) (r Reading, err error) {
	err = f.db.QueryRowContext(ctx,
		"SELECT (SELECT coalesce(max(updated_at), '') FROM positions), (SELECT count(*) FROM gaps)",
	).Scan(&r.LastLine, &r.Gaps)
	if err == nil {
		var s query.Sent
		s, err = query.ReadSent(ctx, f.db)
		r.Missed = s.Missed
	}
	return r, f.wrap(err)
}

// Changed returns a number that is another one after every change of the file by
// another connection.
func (f *Feed) Changed(ctx context.Context) (version int64, err error) {
	err = f.db.QueryRowContext(ctx, "PRAGMA data_version").Scan(&version)
	return version, f.wrap(err)
}

func (f *Feed) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("database %s: %w", f.path, err)
}
