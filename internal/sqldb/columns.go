package sqldb

import (
	"bytes"
	"database/sql"
	"database/sql/driver"
	"encoding"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Columns declares once which columns of a table a Go type holds. INSERT, UPDATE
// and SELECT statements, the binding of parameters and the reading of rows are
// made from it.
type Columns[T any] []Column[T]

// Column is one column, and where a T holds it.
type Column[T any] struct {
	Name string
	// null stores an empty text or a zero number as NULL.
	null bool
	// field returns a pointer, of one of the types that stored and Restore know or
	// of one that implements driver.Valuer and sql.Scanner. If it also implements
	// encoding.TextAppender or OptionalText, binding it allocates nothing.
	field func(*T) any
}

// Required declares a column that holds a field as it is.
func Required[T any](name string, field func(*T) any) Column[T] {
	return Column[T]{name, false, field}
}

// Optional declares a column that is NULL if the field is empty or zero.
func Optional[T any](name string, field func(*T) any) Column[T] {
	return Column[T]{name, true, field}
}

// Names lists the columns, each behind a prefix.
func (c Columns[T]) Names(prefix string) string {
	names := make([]string, len(c))
	for i := range c {
		names[i] = prefix + c[i].Name
	}
	return strings.Join(names, ", ")
}

// Insert returns an INSERT of all columns.
func (c Columns[T]) Insert(verb, table string) string {
	return verb + " INTO " + table + " (" + c.Names("") + ") VALUES (?" + strings.Repeat(", ?", len(c)-1) + ")"
}

// Set lists the columns for an UPDATE, each with a parameter.
func (c Columns[T]) Set() string { return strings.ReplaceAll(c.Names(""), ",", " = ?,") + " = ?" }

// Only returns the columns of these names, in their order.
func (c Columns[T]) Only(names ...string) Columns[T] {
	some := make(Columns[T], len(names))
	for i, name := range names {
		at := slices.IndexFunc(c, func(one Column[T]) bool { return one.Name == name })
		if at < 0 {
			panic("no column " + name)
		}
		some[i] = c[at]
	}
	return some
}

// Without returns the columns but those of these names.
func (c Columns[T]) Without(names ...string) Columns[T] {
	return slices.DeleteFunc(slices.Clone(c), func(one Column[T]) bool { return slices.Contains(names, one.Name) })
}

// Bind adds the values of all columns to the parameters of a statement.
func (c Columns[T]) Bind(p *Params, row *T) {
	for i := range c {
		null := c[i].null
		switch f := c[i].field(row).(type) {
		case *string:
			p.addText(*f, !null || *f != "")
		case *int64:
			p.addNumber(*f, !null || *f != 0)
		case *int:
			p.addNumber(int64(*f), !null || *f != 0)
		case encoding.TextAppender:
			p.AddBuilt(f)
		case OptionalText:
			p.addText(f.Text())
		default:
			p.Add(stored(f, null))
		}
	}
}

// OptionalText is a field that is a text or NULL.
type OptionalText interface {
	Text() (s string, known bool)
}

func (p *Params) addText(s string, known bool) {
	if known {
		p.AddText(s)
	} else {
		p.Add(nil)
	}
}

func (p *Params) addNumber(n int64, known bool) {
	if known {
		p.AddNumber(n)
	} else {
		p.Add(nil)
	}
}

// Values returns the values of all columns, as parameters of database/sql.
func (c Columns[T]) Values(row *T) []any {
	values := make([]any, len(c))
	for i := range c {
		values[i] = stored(c[i].field(row), c[i].null)
	}
	return values
}

// stored returns the value that is stored of what a field points to.
func stored(field any, null bool) driver.Value {
	text := func(s string) driver.Value {
		if null && s == "" {
			return nil
		}
		return s
	}
	number := func(n int64) driver.Value {
		if null && n == 0 {
			return nil
		}
		return n
	}
	switch f := field.(type) {
	case *string:
		return text(*f)
	case *int:
		return number(int64(*f))
	case *int64:
		return number(*f)
	case *uint64:
		return number(int64(*f))
	case *float64:
		if null && *f == 0 {
			return nil
		}
		return *f
	case *bool:
		return *f
	case *[]byte:
		if *f == nil {
			return nil
		}
		return *f
	case *time.Duration:
		return number(int64(*f / time.Second))
	case driver.Valuer:
		v, err := f.Value()
		if err != nil {
			panic(fmt.Sprintf("columns: a field of type %T: %v", field, err))
		}
		return v
	}
	panic(fmt.Sprintf("columns: a field of type %T cannot be stored", field))
}

// Read sets the fields of a row to the values of all columns. Texts and bytes are
// the row's own. Values of another type, which only other programs write, are
// errors.
func (c Columns[T]) Read(row *T, values []driver.Value) error {
	for i := range c {
		if !Restore(c[i].field(row), values[i]) {
			return fmt.Errorf("column %s holds a value of type %T", c[i].Name, values[i])
		}
	}
	return nil
}

// Scan is read for database/sql.
func (c Columns[T]) Scan(row *T, scan func(...any) error) error {
	into := make([]any, len(c))
	for i := range c {
		into[i] = &scanner{c[i].Name, c[i].field(row)}
	}
	return scan(into...)
}

// scanner is a sql.Scanner into a field.
type scanner struct {
	name  string
	field any
}

func (s *scanner) Scan(v any) error {
	if b, isBytes := v.([]byte); isBytes {
		v = bytes.Clone(b) // which is database/sql's own
	}
	if !Restore(s.field, v) {
		return fmt.Errorf("column %s holds a value of type %T", s.name, v)
	}
	return nil
}

// Restore sets what a field points to, and returns whether the value fits.
func Restore(field any, v driver.Value) bool {
	n, isInt := v.(int64)
	s, isText := v.(string)
	isInt, isText = isInt || v == nil, isText || v == nil
	switch f := field.(type) {
	case *string:
		*f = s
		return isText
	case **string:
		*f = nil
		if v != nil {
			*f = new(s) // not &s, by which each call would allocate
		}
		return isText
	case **int64:
		*f = nil
		if v != nil {
			*f = new(n)
		}
		return isInt
	case *int:
		*f = int(n)
		return isInt
	case *int64:
		*f = n
		return isInt
	case *uint64:
		*f = uint64(n)
		return isInt
	case *float64:
		x, isFloat := v.(float64)
		*f = x
		return isFloat || v == nil
	case *bool:
		*f = n != 0
		return isInt
	case *[]byte:
		b, isBytes := v.([]byte)
		*f = b
		return isBytes || v == nil
	case *time.Duration:
		*f = time.Duration(n) * time.Second
		return isInt
	case sql.Scanner:
		return f.Scan(v) == nil
	}
	panic(fmt.Sprintf("columns: a field of type %T cannot be read", field))
}

// Text is a parameter that is NULL if it is empty.
func Text(s string) driver.Value {
	if s == "" {
		return nil
	}
	return s
}

// Blob is a parameter that is NULL if there are no bytes.
func Blob(b []byte) driver.Value {
	if len(b) == 0 {
		return nil
	}
	return b
}
