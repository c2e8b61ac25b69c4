package query

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/mattn/go-sqlite3"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// Day holds the attempts of one day in UTC.
type Day struct {
	Day       string `json:"day"` // YYYY-MM-DD
	Delivered int64  `json:"delivered"`
	Deferred  int64  `json:"deferred"`
	Bounced   int64  `json:"bounced"` // expired ones included
}

// Days returns the days from a day on that have attempts, in order.
func (r *Reader) Days(ctx context.Context, from string) (days []Day, err error) {
	err = sqldb.ScanAll(ctx, r.db, `
		SELECT day, sent, deferred, bounced + expired
		FROM daily_totals
		WHERE day >= ?
		ORDER BY day`,
		func(scan func(...any) error) error {
			var d Day
			err := scan(&d.Day, &d.Delivered, &d.Deferred, &d.Bounced)
			days = append(days, d)
			return err
		}, from)
	return days, err
}

// LastHost returns the host and the mail server of the last failure, empty if there
// is none.
func (r *Reader) LastHost(ctx context.Context) (host, mta string, err error) {
	err = r.db.QueryRowContext(ctx, `
		SELECT coalesce(host, ''), mta
		FROM bounces
		ORDER BY id DESC
		LIMIT 1`).Scan(&host, &mta)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return host, mta, err
}

// NewBad returns the number of addresses that are bad and turned so since a time.
func (r *Reader) NewBad(ctx context.Context, since time.Time) (n int, err error) {
	err = r.db.QueryRowContext(ctx, `
		SELECT count(*)
		FROM recipients
		WHERE state = 'bad' AND bad_since >= ?`, bounce.Stamp(since)).Scan(&n)
	return n, err
}

// ErrWrites is returned for a statement that would write.
var ErrWrites = errors.New("the statement would change the database")

// Query runs a statement of the user. It cannot write: the connection is opened
// read-only. It calls head with the names of the columns, then row for each row,
// with blobs as strings.
func (r *Reader) Query(ctx context.Context, query string, head func(columns []string) error, row func(values []any) error) (err error) {
	conn, err := r.pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer func() {
		if code := sqldb.CodeOf(err); code == sqlite3.ErrReadonly || code == sqlite3.ErrAuth {
			err = ErrWrites
		}
	}()
	if err := conn.Raw(func(driver any) error { return refuseToWrite(driver, query) }); err != nil {
		return err
	}
	rows, err := conn.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	if err := head(columns); err != nil {
		return err
	}
	values := make([]any, len(columns))
	into := make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		for i, v := range values {
			if blob, ok := v.([]byte); ok {
				values[i] = string(blob)
			}
		}
		if err := row(values); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Gaps returns the stretches of log that were destroyed before they could be
// read, by source and cause, with the number of each.
func (r *Reader) Gaps(ctx context.Context) ([]Count, error) {
	return r.counts(ctx, `
		SELECT source || ': ' || why
		    || CASE WHEN max(bytes) > 0 THEN '; ' || sum(CASE WHEN bytes > 0 THEN bytes ELSE 0 END) || ' bytes' ELSE '' END
		    || CASE WHEN max(bytes) < 0 THEN '; how much, nobody can know' ELSE '' END,
		    count(*)
		FROM gaps
		GROUP BY source, why
		ORDER BY 2 DESC, 1`)
}

// Unparsed returns the shapes of delivery lines that were not parsed, most
// frequent first.
func (r *Reader) Unparsed(ctx context.Context) ([]Count, error) {
	return r.counts(ctx, "SELECT mta || ': ' || example, count FROM unparsed_lines ORDER BY count DESC, 1 LIMIT 10")
}

// refuseToWrite returns ErrWrites if a statement writes. That a statement cannot be
// prepared is reported when it runs. Only the first of several is looked at; the others
// cannot write to this file, nor attach another one, which would be open for writing.
func refuseToWrite(driver any, query string) error {
	c, is := driver.(*sqlite3.SQLiteConn)
	if !is {
		return fmt.Errorf("the driver of the database is a %T", driver)
	}
	c.SetLimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
	prepared, err := c.Prepare(query)
	if err != nil {
		return nil //nolint:nilerr // see above
	}
	defer prepared.Close()
	if s, is := prepared.(*sqlite3.SQLiteStmt); is && !s.Readonly() {
		return ErrWrites
	}
	return nil
}
