// Package pgsql runs statements that were written for SQLite on PostgreSQL, by
// database/sql. It numbers parameters as PostgreSQL does, and gives times as the texts
// that SQLite stores. The types of columns stay those of PostgreSQL, so that its indexes
// are used: a parameter is a literal without a type, and takes that of its column.
//
// A statement must be understood by both. It cannot use GLOB, date, unixepoch, substr of
// a time, json_each or a comparison as a number.
package pgsql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// Server is where the statements run.
type Server struct {
	Connect func(context.Context) (*pgx.Conn, error)
	Schema  string                // that has the tables
	Explain func(err error) error // returns an error of PostgreSQL with the next step
}

// Open returns the database. It can only be read, and only in transactions, each of which
// sees one state of it. A transaction has one statement at a time.
func (s *Server) Open() *sql.DB { return sql.OpenDB(connector{s}) }

type connector struct{ *Server }

// Connect implements driver.Connector.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	pg, err := c.Server.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &conn{c.Server, pg}, nil
}

// Driver implements driver.Connector.
func (c connector) Driver() driver.Driver { return nil }

// conn is a connection.
type conn struct {
	*Server
	pg *pgx.Conn
}

var errReadOnly = errors.New("only queries in a transaction are possible")

// Prepare implements driver.Conn.
func (c *conn) Prepare(string) (driver.Stmt, error) { return nil, errReadOnly }

// Begin implements driver.Conn.
func (c *conn) Begin() (driver.Tx, error) { return nil, errReadOnly }

// Close implements driver.Conn.
func (c *conn) Close() error { return c.pg.Close(context.Background()) }

// IsValid implements driver.Validator.
func (c *conn) IsValid() bool { return !c.pg.IsClosed() && c.pg.PgConn().TxStatus() == 'I' }

// BeginTx begins a transaction that only reads.
func (c *conn) BeginTx(ctx context.Context, _ driver.TxOptions) (driver.Tx, error) {
	// The path is that of the transaction, because pgbouncer may give the connection to
	// another one afterwards. JIT takes longer than it saves.
	_, err := c.pg.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path TO "+c.Schema+"; SET LOCAL jit TO off", pgx.QueryExecModeSimpleProtocol)
	return transaction{c}, c.Explain(err)
}

type transaction struct{ *conn }

// Commit implements driver.Tx.
func (t transaction) Commit() error { return t.Rollback() }

// Rollback implements driver.Tx.
func (t transaction) Rollback() error {
	_, err := t.pg.Exec(context.Background(), "ROLLBACK", pgx.QueryExecModeSimpleProtocol)
	return err
}

// QueryContext implements driver.QueryerContext.
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	with := []any{pgx.QueryExecModeSimpleProtocol}
	for _, arg := range args {
		if text, is := arg.Value.(string); is {
			arg.Value = strings.ReplaceAll(text, "\x00", "\uFFFD") // which PostgreSQL cannot hold
		}
		with = append(with, arg.Value)
	}
	found, err := c.pg.Query(ctx, numbered(query), with...)
	if err != nil {
		return nil, c.Explain(err)
	}
	r := &rows{conn: c, Rows: found}
	r.more = r.Rows.Next() // the columns are known from then on
	if err := r.Err(); err != nil {
		return nil, c.Explain(err)
	}
	return r, nil
}

// numbered numbers the parameters of a query: a question mark is the next one, and one
// with a number is that one.
func numbered(query string) string {
	var b strings.Builder
	next, quoted := 1, false
	for i := range len(query) {
		switch c := query[i]; {
		case c == '\'':
			quoted = !quoted
			b.WriteByte(c)
		case c != '?' || quoted:
			b.WriteByte(c)
		case i+1 < len(query) && '0' <= query[i+1] && query[i+1] <= '9':
			b.WriteByte('$')
		default:
			b.WriteString("$" + strconv.Itoa(next))
			next++
		}
	}
	return b.String()
}

// rows are those of a query.
type rows struct {
	pgx.Rows
	conn *conn
	more bool // there is a row that was not handed out
}

// Columns implements driver.Rows.
func (r *rows) Columns() []string {
	names := make([]string, len(r.FieldDescriptions()))
	for i, d := range r.FieldDescriptions() {
		names[i] = d.Name
	}
	return names
}

// Close implements driver.Rows.
func (r *rows) Close() error {
	r.Rows.Close()
	return nil
}

// Next implements driver.Rows.
func (r *rows) Next(to []driver.Value) error {
	if !r.more && !r.Rows.Next() {
		if err := r.Err(); err != nil {
			return r.conn.Explain(err)
		}
		return io.EOF
	}
	r.more = false
	values, err := r.Values()
	if err != nil {
		return err
	}
	for i, v := range values {
		to[i] = v
		switch v := v.(type) {
		case int16:
			to[i] = int64(v)
		case int32:
			to[i] = int64(v)
		case time.Time:
			to[i] = v.UTC().Format("2006-01-02T15:04:05.000Z")
		case pgtype.Numeric: // a sum
			if to[i], err = v.Value(); err != nil {
				return err
			}
		}
	}
	return nil
}
