package pgsql

import (
	"context"
	"database/sql"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/bouncetail/bouncetail/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestParametersAreNumbered(t *testing.T) {
	for query, want := range map[string]string{
		"SELECT 1":                               "SELECT 1",
		"a = ? AND b = ?":                        "a = $1 AND b = $2",
		"a = ?2 AND b = ?1 OR ?2 = ''":           "a = $2 AND b = $1 OR $2 = ''",
		"a = '?' AND b = 'it''s ?1' AND c = ?12": "a = '?' AND b = 'it''s ?1' AND c = $12",
	} {
		if got := numbered(query); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

// open returns a transaction of a database with a table of 10,000 rows and a view of it.
func open(t *testing.T) *sql.Tx {
	t.Helper()
	server := pgtest.Get(t)
	name := server.Database(t)
	server.SQL(t, name, `
		CREATE TABLE times (at timestamptz(3) PRIMARY KEY, n integer, name text, yes boolean, sum bigint, share float8, bytes bytea);
		INSERT INTO times SELECT '2026-11-01T00:00:00Z'::timestamptz + i * interval '1.5 s', i, 'it''s ' || i, i % 2 = 0, i, i / 2.0, '\x0102' FROM generate_series(1, 10000) i;
		INSERT INTO times (at) VALUES ('2027-01-01T00:00:00Z');
		CREATE SCHEMA shown;
		CREATE VIEW shown.moments AS SELECT * FROM times;
		ANALYZE times`)
	s := &Server{Schema: "shown", Explain: func(err error) error { return err }, Connect: func(ctx context.Context) (*pgx.Conn, error) {
		return pgx.Connect(ctx, server.DSN(name, "postgres"))
	}}
	db := s.Open()
	t.Cleanup(func() { db.Close() })
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback() })
	return tx
}

func TestValuesAreThoseThatSQLiteHas(t *testing.T) {
	tx := open(t)
	var at, name, bytes string
	var n, sum int
	var yes bool
	var share float64
	err := tx.QueryRowContext(t.Context(), "SELECT at, n, name, yes, sum, share, bytes FROM moments WHERE name = ? AND n >= ?", "it's 3", 3).Scan(&at, &n, &name, &yes, &sum, &share, &bytes)
	if err != nil || at != "2026-11-01T00:00:04.500Z" || n != 3 || name != "it's 3" || yes || sum != 3 || share != 1.5 || bytes != "\x01\x02" {
		t.Errorf("%s %d %q %v %d %v %q, %v", at, n, name, yes, sum, share, bytes, err)
	}
	var none *string
	err = tx.QueryRowContext(t.Context(), "SELECT sum(sum), max(name) FROM moments WHERE at >= ?2 AND ?1 = ''", "", "2026-11-01T04:09:58.500Z").Scan(&sum, &name)
	if err != nil || sum != 19999 || name != "it's 9999" {
		t.Errorf("%d %s, %v", sum, name, err)
	}
	if err := tx.QueryRowContext(t.Context(), "SELECT name FROM moments WHERE at = ?", "2027-01-01T00:00:00.000Z").Scan(&none); err != nil || none != nil {
		t.Errorf("NULL is %v, %v", none, err)
	}
	if err := tx.QueryRowContext(t.Context(), "SELECT name FROM moments WHERE name = ?", "a\x00' OR true --").Scan(&name); err != sql.ErrNoRows {
		t.Errorf("a name that nothing has: %v", err)
	}
}

// A stamp is compared as a time, by the index.
func TestStampsUseTheIndexOfTimes(t *testing.T) {
	tx := open(t)
	var plan strings.Builder
	rows, err := tx.QueryContext(t.Context(), "EXPLAIN SELECT n FROM moments WHERE at >= ? AND at < ? ORDER BY at DESC LIMIT 5", "2026-11-01T00:00:04.500Z", "2026-11-01T00:01:00.000Z")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		plan.WriteString(line + "\n")
	}
	if err := rows.Err(); err != nil || !strings.Contains(plan.String(), "Index Scan Backward using times_pkey") {
		t.Errorf("the plan is %v\n%s", err, plan.String())
	}
}

func TestNothingCanBeWritten(t *testing.T) {
	tx := open(t)
	rows, err := tx.QueryContext(t.Context(), "DELETE FROM public.times RETURNING n")
	if err == nil {
		defer rows.Close()
		err = rows.Err()
	}
	if err == nil || !strings.Contains(err.Error(), "read-only transaction") {
		t.Errorf("a statement that writes: %v", err)
	}
}
