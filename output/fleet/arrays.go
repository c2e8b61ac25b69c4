package fleet

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/bouncetail/bouncetail/bounce"
)

// column is a column of a table whose rows are inserted many at once, each column as an
// array: that needs no temporary table, so that a pooler may be in between.
type column[T any] struct {
	name, kind string
	value      func(*T) any // a string, int64, bool or []byte; nil is NULL. Times are stored stamps
}

// names lists the columns.
func names[T any](columns []column[T]) string {
	all := make([]string, len(columns))
	for i := range columns {
		all[i] = columns[i].name
	}
	return strings.Join(all, ", ")
}

// unnest returns the parameters as a table, the first of which has the number 1.
func unnest[T any](columns []column[T]) string {
	all := make([]string, len(columns))
	for i := range columns {
		all[i] = "$" + strconv.Itoa(i+1) + "::" + columns[i].kind + "[]"
	}
	return "unnest(" + strings.Join(all, ", ") + ") AS new (" + names(columns) + ")"
}

// execRows runs a statement with the arrays of rows as its first parameters, and
// further ones after them. It returns the first column of what the statement returns.
// The arrays are sent in the binary format of PostgreSQL: pgx would send them as text,
// because it does not know the types of the parameters.
func execRows[T any](t *transaction, statement string, columns []column[T], rows []T, more ...int64) (first [][]byte, err error) {
	const asText, inBinary = 0, 1
	var params [][]byte
	var formats []int16
	for i := range columns {
		params = append(params, array(&columns[i], rows))
		formats = append(formats, inBinary)
	}
	for _, n := range more {
		params = append(params, strconv.AppendInt(nil, n, 10))
		formats = append(formats, asText)
	}
	result := t.Conn().PgConn().ExecParams(t.ctx, statement, params, nil, formats, []int16{inBinary}).Read()
	for _, row := range result.Rows {
		first = append(first, row[0])
	}
	return first, result.Err
}

// elements are the numbers of the types in PostgreSQL.
var elements = map[string]uint32{
	"boolean": pgtype.BoolOID, "bytea": pgtype.ByteaOID, "bigint": pgtype.Int8OID, "integer": pgtype.Int4OID, "text": pgtype.TextOID,
	"date": pgtype.DateOID, "timestamptz": pgtype.TimestamptzOID,
}

// array returns a column of rows as an array of PostgreSQL in binary.
func array[T any](c *column[T], rows []T) []byte {
	const dimensions, mayHoldNull, lowerBound = 1, 1, 1
	b := make([]byte, 0, 20+24*len(rows))
	for _, n := range []uint32{dimensions, mayHoldNull, elements[c.kind], uint32(len(rows)), lowerBound} {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	for i := range rows {
		value := c.value(&rows[i])
		if value == nil {
			b = append(b, 0xff, 0xff, 0xff, 0xff) // the length -1
			continue
		}
		begin := len(b)
		b = appendElement(append(b, 0, 0, 0, 0), c.kind, value)
		binary.BigEndian.PutUint32(b[begin:], uint32(len(b)-begin-4))
	}
	return b
}

// year2000 is from where PostgreSQL counts days and microseconds.
var year2000 = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// appendElement appends a value that is not NULL.
func appendElement(b []byte, kind string, value any) []byte {
	switch kind {
	case "boolean":
		if value.(bool) {
			return append(b, 1)
		}
		return append(b, 0)
	case "bytea":
		return append(b, value.([]byte)...)
	case "bigint":
		return binary.BigEndian.AppendUint64(b, uint64(value.(int64)))
	case "integer":
		return binary.BigEndian.AppendUint32(b, uint32(min(value.(int64), math.MaxInt32)))
	case "date":
		days := bounce.EpochDay(msOf(value.(string)+"T00:00:00.000Z")) - bounce.EpochDay(year2000.UnixMilli())
		return binary.BigEndian.AppendUint32(b, uint32(days))
	case "timestamptz":
		return binary.BigEndian.AppendUint64(b, uint64(1000*(msOf(value.(string))-year2000.UnixMilli())))
	default:
		return append(b, clean(value.(string))...)
	}
}

// clean returns a text that PostgreSQL can store: UTF-8 without NUL.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// optional is NULL if a text is empty.
func optional(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func optionalInt(n int) any {
	if n == 0 {
		return nil
	}
	return int64(n)
}

// excluded lists the columns of the row that an INSERT could not insert.
func excluded[T any](columns []column[T]) string {
	all := make([]string, len(columns))
	for i := range columns {
		all[i] = "excluded." + columns[i].name
	}
	return strings.Join(all, ", ")
}
