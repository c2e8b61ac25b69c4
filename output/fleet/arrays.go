package fleet

import (
	"strconv"
	"strings"
)

// column is a column of a table whose rows are inserted many at once, each column as an
// array: that needs no temporary table, so that a pooler may be in between.
type column[T any] struct {
	name, kind string
	value      func(*T) any // a string, int64, bool or []byte; nil is NULL
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

// arrays returns the parameters of rows.
func arrays[T any](columns []column[T], rows []T) []any {
	all := make([]any, len(columns))
	for i := range columns {
		c := &columns[i]
		switch c.kind {
		case "bigint", "integer":
			all[i] = array(rows, c, func(v any) int64 { return v.(int64) })
		case "boolean":
			all[i] = array(rows, c, func(v any) bool { return v.(bool) })
		case "bytea":
			list := make([][]byte, len(rows))
			for n := range rows {
				list[n], _ = c.value(&rows[n]).([]byte)
			}
			all[i] = list
		default:
			all[i] = array(rows, c, func(v any) string { return clean(v.(string)) })
		}
	}
	return all
}

func array[T, V any](rows []T, c *column[T], value func(any) V) []*V {
	list := make([]*V, len(rows))
	values := make([]V, len(rows))
	for i := range rows {
		if v := c.value(&rows[i]); v != nil {
			values[i] = value(v)
			list[i] = &values[i]
		}
	}
	return list
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
