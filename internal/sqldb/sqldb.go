// Package sqldb is what bouncetail's databases have in common with any other of
// SQLite: connections, prepared statements of the driver, named columns, error
// codes. It knows no table.
package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"

	"github.com/mattn/go-sqlite3"
)

// FileHeader is what the file of each database of SQLite begins with.
const FileHeader = "SQLite format 3\x00"

// Connect opens a pool of connections. The mode is that of SQLite's URI: ro, rw or
// rwc. The pragmas go into the DSN, not into Exec: the pool may open more
// connections. Each of these is used by one goroutine at a time, so SQLite need
// not lock it.
func Connect(path, mode, pragmas string) *sql.DB {
	return sql.OpenDB(connector{uri(path) + "?mode=" + mode + "&_mutex=no&_foreign_keys=on&" + pragmas})
}

// uri returns the name of a file as SQLite reads it. A file that is called :memory: is
// one, and not a database that is gone with the process.
func uri(path string) string {
	if path == ":memory:" {
		path = "./" + path
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath()
}

// connector opens connections that leave the write-ahead log and its index in
// place when the last of them is closed. A reader who may not write to the folder
// can then open the database also while nothing runs. The log is emptied then, which
// SQLite does only if its size is limited.
type connector struct{ dsn string }

func (c connector) Connect(context.Context) (driver.Conn, error) { return c.Driver().Open(c.dsn) }

func (c connector) Driver() driver.Driver {
	return &sqlite3.SQLiteDriver{ConnectHook: func(conn *sqlite3.SQLiteConn) error {
		if _, err := conn.Exec(fmt.Sprintf("PRAGMA journal_size_limit = %d", defaultLogLimit), nil); err != nil {
			return err
		}
		return conn.SetFileControlInt("main", sqlite3.SQLITE_FCNTL_PERSIST_WAL, 1)
	}}
}

// defaultLogLimit is the size in bytes to which the write-ahead log is cut when it
// starts again.
const defaultLogLimit = 4 << 20

// Querier is a database, a connection or a transaction.
type Querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// ScanAll calls each for every row that a query returns.
func ScanAll(ctx context.Context, db Querier, query string, each func(scan func(...any) error) error, args ...any) error {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// ScanValues calls each with the values of every row that a query returns: texts are
// strings, which may be kept, and the list is valid during the call. It takes half of
// the time of ScanAll, because database/sql converts nothing.
func ScanValues(ctx context.Context, db Querier, query string, each func([]driver.Value) error, args ...any) error {
	if pool, isPool := db.(*sql.DB); isPool {
		conn, err := pool.Conn(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
		db = conn
	}
	conn, isConn := db.(*sql.Conn)
	if !isConn {
		return errors.New("the values of a transaction cannot be read directly")
	}
	return conn.Raw(func(c any) (err error) {
		named := make([]driver.NamedValue, len(args))
		for i, arg := range args {
			named[i].Ordinal = i + 1
			if named[i].Value, err = driver.DefaultParameterConverter.ConvertValue(arg); err != nil {
				return err
			}
		}
		// A context that can end costs more than the row.
		rows, err := c.(driver.QueryerContext).QueryContext(context.WithoutCancel(ctx), query, named)
		if err != nil {
			return err
		}
		defer rows.Close()
		values := make([]driver.Value, len(rows.Columns()))
		for n := 0; ; n++ {
			err := rows.Next(values)
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err == nil && n%1000 == 0 {
				err = ctx.Err()
			}
			if err == nil {
				err = each(values)
			}
			if err != nil {
				return err
			}
		}
	})
}

// Numbers returns the numbers that a query finds.
func Numbers(ctx context.Context, db Querier, query string, args ...any) ([]int64, error) {
	var all []int64
	err := ScanAll(ctx, db, query, func(scan func(...any) error) error {
		var n int64
		err := scan(&n)
		all = append(all, n)
		return err
	}, args...)
	return all, err
}

// NumberList is a parameter for json_each. Numbers are written as they are: SQLite
// reads all 64 bits.
func NumberList(numbers []int64) string {
	list := make([]byte, 0, 21*len(numbers)+2)
	list = append(list, '[')
	for i, n := range numbers {
		if i > 0 {
			list = append(list, ',')
		}
		list = strconv.AppendInt(list, n, 10)
	}
	return string(append(list, ']'))
}

// TextList is a parameter for json_each. No texts are no rows: json.Marshal writes null for
// them, which is a row.
func TextList(texts []string) string {
	if len(texts) == 0 {
		return "[]"
	}
	list, err := json.Marshal(texts)
	if err != nil {
		panic(err) // strings have a JSON form
	}
	return string(list)
}

// CodeOf returns SQLite's primary result code, or 0 if the error is another.
func CodeOf(err error) sqlite3.ErrNo {
	e, _ := errors.AsType[sqlite3.Error](err)
	return e.Code
}
