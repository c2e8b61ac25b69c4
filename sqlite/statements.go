package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"strings"

	"github.com/mattn/go-sqlite3"
)

// Most rows are written by few statements. Calling the driver's prepared
// statements directly takes 3 µs less per row than database/sql, which locks,
// converts and allocates for each, and starts a goroutine if the context can end.

// statements are the prepared statements of the one connection of a store.
type statements struct {
	conn *sqlite3.SQLiteConn
	all  map[string]*sqlite3.SQLiteStmt
}

// get returns the statement of a query, which it prepares the first time.
func (s *statements) get(conn *sqlite3.SQLiteConn, query string) (*sqlite3.SQLiteStmt, error) {
	if s.conn != conn { // database/sql has opened another
		_ = s.close() // with the connection that they belonged to
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

// close must be called before the connection is closed, which otherwise stays
// open, with its locks, until the garbage collector finds the statements.
func (s *statements) close() error {
	var errs []error
	for _, stmt := range s.all {
		errs = append(errs, stmt.Close())
	}
	s.conn, s.all = nil, nil
	return errors.Join(errs...)
}

// params are the parameters of one execution of a statement.
type params struct {
	values []driver.NamedValue
	n      int
	texts  []boxedTexts // by column, see addText
}

// add adds the next parameter: nil, a string, an int64, a bool or bytes.
func (p *params) add(v driver.Value) {
	if p.n < len(p.values) {
		p.values[p.n].Value = v
	}
	p.n++
}

// addText is add for a text of a column. Most columns have few different texts,
// and making an interface value of a text allocates.
func (p *params) addText(column int, s string) {
	for column >= len(p.texts) {
		p.texts = append(p.texts, boxedTexts{})
	}
	p.add(p.texts[column].box(s))
}

// boxedTexts are some texts of a column as they are bound, each at a place that
// its length and its ends tell.
type boxedTexts [8]driver.Value

func (t *boxedTexts) box(s string) driver.Value {
	if s == "" {
		return s // which allocates nothing
	}
	at := &t[(len(s)+int(s[0])+int(s[len(s)-1]))%len(t)]
	if known, isText := (*at).(string); !isText || known != s {
		*at = s
	}
	return *at
}

// each runs a statement for n rows. bind adds the parameters of row i, and found
// is called with every row that the statement returns; values is valid during the
// call, and its texts and bytes may be kept. found may be nil. bind and found must
// not use the transaction.
func (tx *Tx) each(n int, query string, bind func(i int, p *params), found func(i int, values []driver.Value) error) error {
	var values []driver.Value
	return tx.run(n, query, bind, func(_ *sqlite3.SQLiteConn, i int, rows driver.Rows) error {
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

// rowsInInsert is how many rows one INSERT takes at most: a row of an import takes
// 4.3 µs then, and 5.6 µs alone. More gain nothing.
const rowsInInsert = 16

// insertion inserts rows into a table unless their unique column has a value that
// is there already.
type insertion struct {
	one, many string // inserts one row, or rowsInInsert rows
	newest    string // selects the highest id
	id        string // selects the id of a row by its unique column
}

func newInsertion[T any](c columns[T], table, unique string) insertion {
	// Of a statement of several rows SQLite keeps a journal, which doubles the time,
	// to undo those before one that fails. OR FAIL leaves them: the transaction is
	// rolled back.
	one := c.insert("INSERT OR FAIL", table)
	_, row, _ := strings.Cut(one, " VALUES ")
	end := " ON CONFLICT (" + unique + ") DO NOTHING"
	return insertion{
		one: one + end, many: one + strings.Repeat(", "+row, rowsInInsert-1) + end,
		newest: "SELECT coalesce(max(id), 0) FROM " + table,
		id:     "SELECT id FROM " + table + " WHERE " + unique + " = ?",
	}
}

// insert inserts n rows. bind adds the parameters of row i, unique returns its
// value of the unique column, and inserted is called with the id of every row that
// was not there before. The three are called for rowsInInsert rows one after
// another: bind for each of them, then the others. (RETURNING would tell the ids,
// too, but SQLite then keeps a journal of every statement in a temporary file.)
func (tx *Tx) insert(n int, into *insertion, bind func(i int, p *params), unique func(i int) string, inserted func(i int, id int64)) error {
	var newest int64
	err := tx.each(min(n, 1), into.newest, func(int, *params) {}, func(_ int, values []driver.Value) error {
		newest, _ = values[0].(int64)
		return nil
	})
	if err != nil {
		return err
	}
	report := func(conn *sqlite3.SQLiteConn, first, rows int) error {
		var counts [2]driver.Value
		if err := tx.statements.row(conn, "SELECT changes(), last_insert_rowid()", nil, counts[:]); err != nil {
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
				if err := tx.statements.row(conn, into.id, []driver.NamedValue{{Ordinal: 1, Value: unique(first + i)}}, counts[:1]); err != nil {
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
	whole := n - n%rowsInInsert
	err = tx.run(whole/rowsInInsert, into.many, func(i int, p *params) {
		for row := range rowsInInsert {
			bind(i*rowsInInsert+row, p)
		}
	}, func(conn *sqlite3.SQLiteConn, i int, _ driver.Rows) error {
		return report(conn, i*rowsInInsert, rowsInInsert)
	})
	if err != nil {
		return err
	}
	return tx.run(n-whole, into.one,
		func(i int, p *params) { bind(whole+i, p) },
		func(conn *sqlite3.SQLiteConn, i int, _ driver.Rows) error { return report(conn, whole+i, 1) })
}

// row runs a statement that returns one row, whose values it sets.
func (s *statements) row(conn *sqlite3.SQLiteConn, query string, args []driver.NamedValue, values []driver.Value) error {
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
func (tx *Tx) run(n int, query string, bind func(i int, p *params), do func(conn *sqlite3.SQLiteConn, i int, rows driver.Rows) error) error {
	if n == 0 {
		return nil
	}
	return tx.conn.Raw(func(c any) error {
		conn := c.(*sqlite3.SQLiteConn)
		stmt, err := tx.statements.get(conn, query)
		if err != nil {
			return err
		}
		p := params{values: make([]driver.NamedValue, stmt.NumInput())}
		for i := range p.values {
			p.values[i].Ordinal = i + 1
		}
		for i := range n {
			p.n = 0
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
