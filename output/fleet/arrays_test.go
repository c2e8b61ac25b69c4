package fleet

import (
	"math"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
)

// PostgreSQL reads rows as they were sent, whatever is in them.
func TestRowsArriveAsTheyWereSent(t *testing.T) {
	server, _, database := newFleet(t)
	columns := []column[[]any]{}
	for i, kind := range []string{"bigint", "integer", "boolean", "bytea", "text", "timestamptz"} {
		columns = append(columns, column[[]any]{"c" + kind, kind, func(row *[]any) any { return (*row)[i] }})
	}
	rows := [][]any{
		{int64(math.MinInt64), int64(-7), true, []byte{0, 255}, "a,\"b\" {c} \\ é\n", "2026-03-02T12:34:56.789Z"},
		{int64(math.MaxInt64), int64(math.MaxInt32), false, []byte{}, "", "1999-12-31T23:59:59.999Z"},
		{int64(0), int64(math.MaxInt64), false, []byte("x"), "NULL", "0001-01-01T00:00:00.000Z"},
		{int64(1), int64(0), true, []byte("y"), "nul \x00, no UTF-8 \xff", "9999-12-31T23:59:59.999Z"},
		{nil, nil, nil, nil, nil, nil},
	}
	s := Settings{DSN: server.DSN(database, "postgres")}
	conn, err := s.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var got []string
	err = pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
		lines, err := execRows(&transaction{Tx: tx, ctx: t.Context()}, `
			SELECT concat_ws('|', cbigint, cinteger, cboolean, cbytea, ctext, to_char(ctimestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS'), $7::bigint) FROM `+unnest(columns), columns, rows, -5)
		for _, line := range lines {
			got = append(got, string(line))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"-9223372036854775808|-7|t|\\x00ff|a,\"b\" {c} \\ é\n|2026-03-02 12:34:56.789|-5",
		"9223372036854775807|2147483647|f|\\x||1999-12-31 23:59:59.999|-5",
		"0|2147483647|f|\\x78|NULL|0001-01-01 00:00:00.000|-5",
		"1|0|t|\\x79|nul \uFFFD, no UTF-8 \uFFFD|9999-12-31 23:59:59.999|-5",
		"-5",
	}
	if !slices.Equal(got, want) {
		t.Errorf("rows:\n%q, want\n%q", got, want)
	}
}
