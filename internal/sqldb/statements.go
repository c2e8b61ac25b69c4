package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding"
	"errors"
	"fmt"
	"io"
	"strings"
	"unsafe"

	"github.com/mattn/go-sqlite3"
)

// Most rows are written by few statements. Calling the driver's prepared
// statements directly takes 3 µs less per row than database/sql, which locks,
// converts and allocates for each, and starts a goroutine if the context can end.

// Statements are the prepared statements of the one connection of a writer.
type Statements struct {
	conn *sqlite3.SQLiteConn
	all  map[string]*sqlite3.SQLiteStmt
}

// get returns the statement of a query, which it prepares the first time.
func (s *Statements) get(conn *sqlite3.SQLiteConn, query string) (*sqlite3.SQLiteStmt, error) {
	if s.conn != conn { // database/sql has opened another
		_ = s.Close() // with the connection that they belonged to
		s.conn, s.all = conn, make(map[string]*sqlite3.SQLiteStmt)
	}
	if stmt := s.all[query]; stmt != nil {
		return stmt, nil
	}
	prepared, err := conn.Prepare(query)
	if err != nil {
		return nil, err
	}
	stmt := prepared.(*sqlite3.SQLiteStmt)
	s.all[query] = stmt
	return stmt, nil
}

// Close must be called before the connection is closed, which otherwise stays
// open, with its locks, until the garbage collector finds the statements.
func (s *Statements) Close() error {
	var errs []error
	for _, stmt := range s.all {
		errs = append(errs, stmt.Close())
	}
	s.conn, s.all = nil, nil
	return errors.Join(errs...)
}

// Params are the parameters of one execution of a statement. Making an interface value
// of a text or a number allocates, which took a third of the time of binding a failure.
// So the values refer to texts and numbers that are reused.
type Params struct {
	values  []driver.NamedValue
	texts   []string // what the values of AddText refer to
	numbers []int64  // what those of AddNumber refer to
	built   []byte   // the texts of AddBuilt
	n       int
}

func newParams(n int) Params {
	p := Params{values: make([]driver.NamedValue, n), texts: make([]string, n), numbers: make([]int64, n)}
	for i := range p.values {
		p.values[i].Ordinal = i + 1
	}
	return p
}

// reset starts with the first parameter again.
func (p *Params) reset() { p.n, p.built = 0, p.built[:0] }

// Add adds the next parameter: nil, a string, an int64, a bool or bytes.
func (p *Params) Add(v driver.Value) {
	if p.n < len(p.values) {
		p.values[p.n].Value = v
	}
	p.n++
}

// AddText is Add for a text.
func (p *Params) AddText(s string) {
	if p.n < len(p.values) {
		p.texts[p.n] = s
		p.values[p.n].Value = valueAt("", unsafe.Pointer(&p.texts[p.n]))
	}
	p.n++
}

// AddNumber is Add for a number.
func (p *Params) AddNumber(n int64) {
	if p.n < len(p.values) {
		p.numbers[p.n] = n
		p.values[p.n].Value = valueAt(int64(0), unsafe.Pointer(&p.numbers[p.n]))
	}
	p.n++
}

// AddBuilt is Add for a text that is made now.
func (p *Params) AddBuilt(text encoding.TextAppender) {
	start := len(p.built)
	built, err := text.AppendText(p.built)
	if err != nil {
		panic(fmt.Sprintf("a parameter of type %T: %v", text, err))
	}
	p.built = built
	made := built[start:]
	p.AddText(unsafe.String(unsafe.SliceData(made), len(made)))
}

// valueAt returns an interface value of the type of an example that refers to what is
// at an address, instead of to a copy of it.
func valueAt(example driver.Value, at unsafe.Pointer) driver.Value {
	(*[2]unsafe.Pointer)(unsafe.Pointer(&example))[1] = at // the type is the first
	return example
}

// Each runs a statement for n rows. bind adds the parameters of row i, and found
// is called with every row that the statement returns; values is valid during the
// call, and its texts and bytes may be kept. found may be nil. bind and found must
// not use the connection.
func (s *Statements) Each(db *sql.Conn, n int, query string, bind func(i int, p *Params), found func(i int, values []driver.Value) error) error {
	var values []driver.Value
	return s.run(db, n, query, bind, func(_ *sqlite3.SQLiteConn, i int, rows driver.Rows) error {
		if values == nil {
			values = make([]driver.Value, len(rows.Columns()))
		}
		for {
			err := rows.Next(values)
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err == nil && found != nil {
				err = found(i, values)
			}
			if err != nil {
				return err
			}
		}
	})
}

// RowsInInsert is how many rows one INSERT takes at most: a row of an import takes
// 4.3 µs then, and 5.6 µs alone. More gain nothing.
const RowsInInsert = 16

// Insertion inserts rows into a table unless their unique column has a value that
// is there already.
type Insertion struct {
	one, many string // inserts one row, or RowsInInsert rows
	newest    string // selects the highest id
	id        string // selects the id of a row by its unique column
}

// NewInsertion returns the insertion of rows with these columns.
func NewInsertion[T any](c Columns[T], table, unique string) Insertion {
	// Of a statement of several rows SQLite keeps a journal, which doubles the time,
	// to undo those before one that fails. OR FAIL leaves them: the transaction is
	// rolled back.
	one := c.Insert("INSERT OR FAIL", table)
	_, row, _ := strings.Cut(one, " VALUES ")
	end := " ON CONFLICT (" + unique + ") DO NOTHING"
	return Insertion{
		one: one + end, many: one + strings.Repeat(", "+row, RowsInInsert-1) + end,
		newest: "SELECT coalesce(max(id), 0) FROM " + table,
		id:     "SELECT id FROM " + table + " WHERE " + unique + " = ?",
	}
}

// Insert inserts n rows. bind adds the parameters of row i, unique returns its
// value of the unique column, and inserted is called with the id of every row that
// was not there before. The three are called for RowsInInsert rows one after
// another: bind for each of them, then the others. (RETURNING would tell the ids,
// too, but SQLite then keeps a journal of every statement in a temporary file.)
func (s *Statements) Insert(db *sql.Conn, n int, into *Insertion, bind func(i int, p *Params), unique func(i int) string, inserted func(i int, id int64)) error {
	var newest int64
	err := s.Each(db, min(n, 1), into.newest, func(int, *Params) {}, func(_ int, values []driver.Value) error {
		newest, _ = values[0].(int64)
		return nil
	})
	if err != nil {
		return err
	}
	report := func(conn *sqlite3.SQLiteConn, first, rows int) error {
		var counts [2]driver.Value
		if err := s.row(conn, "SELECT changes(), last_insert_rowid()", nil, counts[:]); err != nil {
			return err
		}
		changes, _ := counts[0].(int64)
		last, _ := counts[1].(int64)
		if changes == 0 {
			return nil
		}
		for i := range rows {
			id := last - int64(rows-1-i)
			if changes < int64(rows) {
				if err := s.row(conn, into.id, []driver.NamedValue{{Ordinal: 1, Value: unique(first + i)}}, counts[:1]); err != nil {
					return err
				}
				id, _ = counts[0].(int64)
			}
			if id > newest {
				newest = id
				inserted(first+i, id)
			}
		}
		return nil
	}
	whole := n - n%RowsInInsert
	err = s.run(db, whole/RowsInInsert, into.many, func(i int, p *Params) {
		for row := range RowsInInsert {
			bind(i*RowsInInsert+row, p)
		}
	}, func(conn *sqlite3.SQLiteConn, i int, _ driver.Rows) error {
		return report(conn, i*RowsInInsert, RowsInInsert)
	})
	if err != nil {
		return err
	}
	return s.run(db, n-whole, into.one,
		func(i int, p *Params) { bind(whole+i, p) },
		func(conn *sqlite3.SQLiteConn, i int, _ driver.Rows) error { return report(conn, whole+i, 1) })
}

// row runs a statement that returns one row, whose values it sets.
func (s *Statements) row(conn *sqlite3.SQLiteConn, query string, args []driver.NamedValue, values []driver.Value) error {
	stmt, err := s.get(conn, query)
	if err != nil {
		return err
	}
	rows, err := stmt.QueryContext(context.Background(), args)
	if err != nil {
		return err
	}
	return errors.Join(rows.Next(values), rows.Close())
}

// run runs a statement for n rows, and calls do after each.
func (s *Statements) run(db *sql.Conn, n int, query string, bind func(i int, p *Params), do func(conn *sqlite3.SQLiteConn, i int, rows driver.Rows) error) error {
	if n == 0 {
		return nil
	}
	return db.Raw(func(c any) error {
		conn := c.(*sqlite3.SQLiteConn)
		stmt, err := s.get(conn, query)
		if err != nil {
			return err
		}
		p := newParams(stmt.NumInput())
		for i := range n {
			p.reset()
			if bind(i, &p); p.n != len(p.values) {
				return errors.New("wrong number of parameters for: " + query)
			}
			// The driver binds and takes the first step in one call into C. A context
			// that can end would cost a goroutine for each row.
			rows, err := stmt.QueryContext(context.Background(), p.values)
			if err != nil {
				return err
			}
			if err := errors.Join(do(conn, i, rows), rows.Close()); err != nil {
				return err
			}
		}
		return nil
	})
}
