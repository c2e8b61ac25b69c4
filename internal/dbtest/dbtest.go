// Package dbtest reads rows in tests.
package dbtest

import (
	"database/sql"
	"testing"
)

// All returns all rows, each with its values, and closes them.
func All[T any](t testing.TB, rows *sql.Rows) (all [][]T) {
	t.Helper()
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		row := make([]T, len(columns))
		into := make([]any, len(columns))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		all = append(all, row)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}
