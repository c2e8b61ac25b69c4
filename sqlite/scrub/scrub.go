// Package scrub takes people out of the texts of a database, and out of its files.
package scrub

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/privacy"
)

// laterBy is the time of the rows about a person, of tables from which other rows follow.
// A decision is as late as its withdrawal: another host has still to hear of that.
var laterBy = map[string]string{
	"bounces":   "occurred_at",
	"decisions": "max(decided_at, CASE WHEN ended_at IS NOT until THEN coalesce(ended_at, '') ELSE '' END)",
}

// Rows deletes the rows of a table about people: all, or those until the time, a stored
// stamp, at which each was forgotten.
func Rows(ctx context.Context, db sqldb.Querier, table string, until map[int64]string, all bool) (deleted int, err error) {
	times, err := json.Marshal(until)
	if err != nil {
		return 0, err
	}
	query := "DELETE FROM " + table + " WHERE recipient_key IN (SELECT CAST(key AS INTEGER) FROM json_each(?))"
	if time := laterBy[table]; time != "" && !all {
		query = `
			DELETE FROM ` + table + `
			WHERE rowid IN (
			    SELECT t.rowid
			    FROM json_each(?) k
			    CROSS JOIN ` + table + ` t ON t.recipient_key = CAST(k.key AS INTEGER)
			    WHERE ` + time + ` <= k.value
			)`
	}
	result, err := db.ExecContext(ctx, query, string(times))
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	return int(n), err
}

// primaryKey returns the columns of the primary key of a table.
func primaryKey(ctx context.Context, db sqldb.Querier, table string) (columns []string, err error) {
	err = sqldb.ScanAll(ctx, db, `
		SELECT name
		FROM pragma_table_info(?)
		WHERE pk > 0
		ORDER BY pk`, func(scan func(...any) error) error {
		var name string
		err := scan(&name)
		columns = append(columns, name)
		return err
	}, table)
	return columns, err
}

// row is a row that changes.
type row struct {
	key, values []any
	drop        bool
}

// scrubbed returns what becomes of the texts in some columns of a row, and whether any of
// them is touched.
func scrubbed(places privacy.Table, columns []string, texts []*string, e *privacy.Erasure) (r row, touched bool, err error) {
	r.values = make([]any, len(columns))
	for i, column := range columns {
		if texts[i] == nil {
			continue
		}
		value, hit, drop, err := e.Value(places[column], *texts[i])
		if err != nil {
			return row{}, false, err
		}
		r.values[i], r.drop, touched = value, r.drop || drop, touched || hit
	}
	return r, touched, nil
}

// pointers returns the addresses of some values.
func pointers[T any](values []T) []any {
	into := make([]any, len(values))
	for i := range values {
		into[i] = &values[i]
	}
	return into
}

// Table takes people out of all rows of a table.
func Table(ctx context.Context, db sqldb.Querier, table string, e *privacy.Erasure) (changed, deleted int, err error) {
	columns := privacy.Places[table].Scrubbed()
	if len(columns) == 0 {
		return 0, 0, nil
	}
	key, err := primaryKey(ctx, db, table)
	if err != nil {
		return 0, 0, err
	}
	var rows []row // those that change
	err = sqldb.ScanAll(ctx, db, `
		SELECT `+strings.Join(append(slices.Clone(columns), key...), ", ")+`
		FROM `+table, func(scan func(...any) error) error {
		texts, keys := make([]*string, len(columns)), make([]any, len(key))
		if err := scan(append(pointers(texts), pointers(keys)...)...); err != nil {
			return err
		}
		r, touched, err := scrubbed(privacy.Places[table], columns, texts, e)
		if r.key = keys; touched {
			rows = append(rows, r)
		}
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	where := " WHERE " + strings.Join(key, " = ? AND ") + " = ?"
	for _, r := range rows {
		if r.drop {
			deleted++
			_, err = db.ExecContext(ctx, "DELETE FROM "+table+where, r.key...)
		} else {
			changed++
			_, err = db.ExecContext(ctx, `
				UPDATE `+table+`
				SET `+strings.Join(columns, " = ?, ")+` = ?`+where, append(r.values, r.key...)...)
		}
		if err != nil {
			return changed, deleted, err
		}
	}
	return changed, deleted, nil
}

// Files removes the bytes from the files. Deleted rows are overwritten already, but SQLite
// leaves copies behind when it moves rows within the file. So the file is searched, and
// written again if it holds any. It is always written again if search is nil, or if it
// has local users, whose names may be words that are anywhere.
func Files(ctx context.Context, db *sql.DB, path string, file io.ReaderAt, search *privacy.Traces) error {
	if err := EmptyWAL(ctx, db, path); err != nil {
		return err
	}
	if search != nil && !search.HasLocalUsers() {
		left, err := search.FoundIn(io.NewSectionReader(file, 0, math.MaxInt64))
		if err != nil || !left {
			return err
		}
	}
	if err := sqldb.Await(ctx, patience, func() error {
		_, err := db.ExecContext(ctx, "VACUUM")
		return err
	}); err != nil {
		return fmt.Errorf(
			"database %s: the rows are deleted, but the file was not written again without their remains: %w. Run bouncetail forget again",
			path, err,
		)
	}
	return EmptyWAL(ctx, db, path)
}

// patience is how long EmptyWAL waits for other programs, as SQLite does for readers.
const patience = 5 * time.Second

// EmptyWAL moves everything from the write-ahead log into the file of the database. SQLite
// waits for readers, but not for a checkpoint of another connection, such as that of the
// daemon: it reports at once that the log is busy.
func EmptyWAL(ctx context.Context, db *sql.DB, path string) error {
	for begun := time.Now(); ; {
		var busy, pages, moved int
		if err := db.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &pages, &moved); err != nil {
			return fmt.Errorf("database %s: %w", path, err)
		}
		switch {
		case busy == 0:
			return nil
		case time.Since(begun) >= patience:
			return fmt.Errorf(
				"database %s: the rows are deleted, but the file %s-wal still holds them, because another program reads the database. End that program, and run bouncetail forget again",
				path, path,
			)
		}
		time.Sleep(20 * time.Millisecond) // there is no event to wait for
	}
}
