package fleet

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/bouncetail/bouncetail/bounce"
)

// column is a column of a table whose rows are inserted many at once, each column as an
// array: that needs no temporary table, so that a pooler may be in between.
type column[T any] struct {
	name, kind string
	// value returns a string, int64, bool or []byte, or a pointer to a string, an int64, an
	// int, a bool, a time.Time or a bounce.EventID of the row, which allocates nothing. nil
	// is NULL. Strings are stored stamps if the kind is timestamptz.
	value func(*T) any
}

// names lists the columns.
func names[T any](columns []column[T]) string { return prefixed("", columns) }

// unnest returns the parameters as a table, the first of which has the number 1. In FROM,
// PostgreSQL would store each array in a table before it reads the first row.
func unnest[T any](columns []column[T]) string {
	all := make([]string, len(columns))
	for i := range columns {
		all[i] = "unnest($" + strconv.Itoa(i+1) + "::" + columns[i].kind + "[])"
	}
	return "(SELECT " + strings.Join(all, ", ") + ") AS new (" + names(columns) + ")"
}

// execRows runs a statement with the arrays of rows as its first parameters, and
// further ones after them. It returns the first column of what the statement returns.
// The arrays are sent in the binary format of PostgreSQL: pgx would send them as text,
// because it does not know the types of the parameters.
func execRows[T any](t *transaction, statement string, columns []column[T], rows []T, more ...int64) (first [][]byte, err error) {
	err = t.send(rowsStatement(statement, columns, rows, more...).scan(func(r *fields) error {
		first = append(first, slices.Clone(r.next()))
		return nil
	}))
	return first, err
}

// rowsStatement returns the statement of execRows.
func rowsStatement[T any](sql string, columns []column[T], rows []T, more ...int64) statement {
	params := make([]any, 0, len(columns)+len(more))
	for i := range columns {
		params = append(params, array(&columns[i], rows))
	}
	for _, n := range more {
		params = append(params, n)
	}
	return newStatement(sql, params...)
}

// elements are the numbers of the types in PostgreSQL.
var elements = map[string]uint32{
	"boolean": pgtype.BoolOID, "bytea": pgtype.ByteaOID, "bigint": pgtype.Int8OID, "integer": pgtype.Int4OID, "text": pgtype.TextOID,
	"timestamptz": pgtype.TimestamptzOID,
}

// array returns a column of rows as an array of PostgreSQL in binary.
func array[T any](c *column[T], rows []T) []byte {
	const dimensions, mayHoldNull, lowerBound = 1, 1, 1
	b := make([]byte, 0, 20+24*len(rows))
	for _, n := range []uint32{dimensions, mayHoldNull, elements[c.kind], uint32(len(rows)), lowerBound} {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	for i := range rows {
		b = appendValue(b, c.kind, c.value(&rows[i]))
	}
	return b
}

// appendValue appends a value with its length.
func appendValue(b []byte, kind string, value any) []byte {
	if value == nil {
		return append(b, 0xff, 0xff, 0xff, 0xff) // the length -1
	}
	begin := len(b)
	b = appendElement(append(b, 0, 0, 0, 0), kind, value)
	binary.BigEndian.PutUint32(b[begin:], uint32(len(b)-begin-4))
	return b
}

// copyData returns rows in the binary format of COPY.
func copyData[T any](columns []column[T], rows []T) []byte {
	b := make([]byte, 0, 64+600*len(rows))
	b = append(b, "PGCOPY\n\xff\r\n\x00"...)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0) // no flags, and no more header
	for i := range rows {
		b = binary.BigEndian.AppendUint16(b, uint16(len(columns)))
		for c := range columns {
			b = appendValue(b, columns[c].kind, columns[c].value(&rows[i]))
		}
	}
	return append(b, 0xff, 0xff) // the end
}

// year2000 is from where PostgreSQL counts microseconds.
var year2000 = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// appendElement appends a value that is not NULL.
func appendElement(b []byte, kind string, value any) []byte {
	switch v := value.(type) {
	case *string:
		return appendString(b, kind, *v)
	case string:
		return appendString(b, kind, v)
	case *int64:
		return appendNumber(b, kind, *v)
	case int64:
		return appendNumber(b, kind, v)
	case *int:
		return appendNumber(b, kind, int64(*v))
	case *bool:
		return appendBool(b, *v)
	case bool:
		return appendBool(b, v)
	case *time.Time:
		return appendTime(b, storable(*v).UnixMilli())
	case *bounce.EventID:
		return append(b, v[:]...)
	case []byte:
		return append(b, v...)
	}
	panic(fmt.Sprintf("a value of type %T cannot be sent", value))
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

func appendNumber(b []byte, kind string, n int64) []byte {
	if kind == "integer" {
		return binary.BigEndian.AppendUint32(b, uint32(min(n, math.MaxInt32)))
	}
	return binary.BigEndian.AppendUint64(b, uint64(n))
}

func appendString(b []byte, kind, s string) []byte {
	if kind == "timestamptz" {
		return appendTime(b, msOf(s))
	}
	return append(b, clean(s)...)
}

func appendTime(b []byte, ms int64) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(1000*(ms-year2000.UnixMilli())))
}

// clean returns a text that PostgreSQL can store: UTF-8 without NUL.
func clean(s string) string {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// optional is NULL if a text is empty.
func optional(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// pointer is NULL if what it points to is empty or 0.
func pointer[T comparable](to *T) any {
	var empty T
	if *to == empty {
		return nil
	}
	return to
}

// excluded lists the columns of the row that an INSERT could not insert.
func excluded[T any](columns []column[T]) string { return prefixed("excluded.", columns) }

// prefixed lists the columns, each behind a prefix.
func prefixed[T any](prefix string, columns []column[T]) string {
	all := make([]string, len(columns))
	for i := range columns {
		all[i] = prefix + columns[i].name
	}
	return strings.Join(all, ", ")
}
