package sqlite

import (
	"bytes"
	"database/sql/driver"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// columns declares once which columns of a table a Go type holds. INSERT, UPDATE
// and SELECT statements, the binding of parameters and the reading of rows are
// made from it.
type columns[T any] []column[T]

// column is one column, and where a T holds it.
type column[T any] struct {
	name string
	// null stores an empty text or a zero number as NULL.
	null  bool
	field func(*T) any // a pointer of one of the types that bind knows
}

// required declares a column that holds a field as it is.
func required[T any](name string, field func(*T) any) column[T] {
	return column[T]{name, false, field}
}

// optional declares a column that is NULL if the field is empty or zero.
func optional[T any](name string, field func(*T) any) column[T] {
	return column[T]{name, true, field}
}

// names lists the columns, each behind a prefix.
func (c columns[T]) names(prefix string) string {
	names := make([]string, len(c))
	for i := range c {
		names[i] = prefix + c[i].name
	}
	return strings.Join(names, ", ")
}

// insert returns an INSERT of all columns.
func (c columns[T]) insert(verb, table string) string {
	return verb + " INTO " + table + " (" + c.names("") + ") VALUES (?" + strings.Repeat(", ?", len(c)-1) + ")"
}

// set lists the columns for an UPDATE, each with a parameter.
func (c columns[T]) set() string { return strings.ReplaceAll(c.names(""), ",", " = ?,") + " = ?" }

// only returns the columns of these names, in their order.
func (c columns[T]) only(names ...string) columns[T] {
	some := make(columns[T], len(names))
	for i, name := range names {
		at := slices.IndexFunc(c, func(one column[T]) bool { return one.name == name })
		if at < 0 {
			panic("no column " + name)
		}
		some[i] = c[at]
	}
	return some
}

// without returns the columns but those of these names.
func (c columns[T]) without(names ...string) columns[T] {
	return slices.DeleteFunc(slices.Clone(c), func(one column[T]) bool { return slices.Contains(names, one.name) })
}

// bind adds the values of all columns to the parameters of a statement.
func (c columns[T]) bind(p *params, row *T) {
	for i := range c {
		field := c[i].field(row)
		if text, isText := field.(*string); isText && (*text != "" || !c[i].null) {
			p.addText(i, *text)
		} else {
			p.add(stored(field, c[i].null))
		}
	}
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
	case *senderOf:
		if !f.HasSender {
			return nil
		}
		return f.Sender
	case *int:
		return number(int64(*f))
	case *int64:
		return number(*f)
	case *uint64:
		return number(int64(*f))
	case *bool:
		return *f
	case *[]byte:
		if *f == nil {
			return nil
		}
		return *f
	case *time.Time:
		return bounce.Stamp(*f)
	case *time.Duration:
		return number(int64(*f / time.Second))
	case *bounce.EventID:
		return f.String()
	}
	panic(fmt.Sprintf("columns: a field of type %T cannot be stored", field))
}

// read sets the fields of a row to the values of all columns. Texts and bytes are
// the row's own. Values of another type, which only other programs write, are
// errors.
func (c columns[T]) read(row *T, values []driver.Value) error {
	for i := range c {
		if !restore(c[i].field(row), values[i]) {
			return fmt.Errorf("column %s holds a value of type %T", c[i].name, values[i])
		}
	}
	return nil
}

// scan is read for database/sql.
func (c columns[T]) scan(row *T, scan func(...any) error) error {
	into := make([]any, len(c))
	for i := range c {
		into[i] = &scanner{c[i].name, c[i].field(row)}
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
	if !restore(s.field, v) {
		return fmt.Errorf("column %s holds a value of type %T", s.name, v)
	}
	return nil
}

// restore sets what a field points to, and returns whether the value fits.
func restore(field any, v driver.Value) bool {
	n, isInt := v.(int64)
	s, isText := v.(string)
	isInt, isText = isInt || v == nil, isText || v == nil
	switch f := field.(type) {
	case *string:
		*f = s
		return isText
	case *senderOf:
		f.Sender, f.HasSender = s, v != nil
		return isText
	case **string:
		*f = nil
		if v != nil {
			*f = &s
		}
		return isText
	case **int64:
		*f = nil
		if v != nil {
			*f = &n
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
	case *bool:
		*f = n != 0
		return isInt
	case *[]byte:
		b, isBytes := v.([]byte)
		*f = b
		return isBytes || v == nil
	case *time.Time:
		*f = bounce.ParseStamp(s)
		return isText
	case *time.Duration:
		*f = time.Duration(n) * time.Second
		return isInt
	case *bounce.EventID:
		*f = bounce.EventID{} // of one that was written by hand
		if len(s) == hex.EncodedLen(len(f)) {
			_, _ = hex.Decode(f[:], []byte(s))
		}
		return isText
	}
	panic(fmt.Sprintf("columns: a field of type %T cannot be read", field))
}

// text is a parameter that is NULL if it is empty.
func text(s string) driver.Value {
	if s == "" {
		return nil
	}
	return s
}

// blob is a parameter that is NULL if there are no bytes.
func blob(b []byte) driver.Value {
	if len(b) == 0 {
		return nil
	}
	return b
}
