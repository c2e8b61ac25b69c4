package fleet

import (
	"cmp"
	"context"
	"encoding/binary"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bouncetail/bouncetail/bounce"
)

// The formats of values in the protocol.
const asText, inBinary = 0, 1

// statement is a statement with its parameters, in the format of the protocol.
type statement struct {
	sql     string
	params  [][]byte
	formats []int16
	each    func(r *fields) error // is called with each row that it returns; nil ignores them
}

// newStatement returns a statement with parameters: arrays in binary, numbers, texts, and
// nil for NULL.
func newStatement(sql string, params ...any) statement {
	s := statement{sql: sql}
	for _, p := range params {
		format := int16(asText)
		var value []byte
		switch p := p.(type) {
		case nil:
		case []byte:
			value, format = p, inBinary
		case int64:
			value = strconv.AppendInt(nil, p, 10)
		case string:
			value = []byte(clean(p))
		}
		s.params, s.formats = append(s.params, value), append(s.formats, format)
	}
	return s
}

// scan has each called with each row that the statement returns.
func (s statement) scan(each func(r *fields) error) statement {
	s.each = each
	return s
}

// inTransaction calls do with a transaction that queues statements, and commits it.
func inTransaction(ctx context.Context, conn *pgx.Conn, do func(t *transaction) error) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		t := &transaction{Tx: tx, ctx: ctx, queues: true}
		if err := do(t); err != nil {
			return err
		}
		return t.send()
	})
}

// later sends a statement together with the next one, because each round trip takes as
// long as some small statements.
func (t *transaction) later(s statement) error {
	if !t.queues {
		return t.send(s)
	}
	t.queue = append(t.queue, s)
	return nil
}

// send sends statements in one round trip, behind those that are queued.
func (t *transaction) send(s ...statement) error {
	all := append(t.queue, s...)
	t.queue = nil
	return send(t.ctx, t.Conn(), all...)
}

// send sends statements in one round trip.
func send(ctx context.Context, conn *pgx.Conn, all ...statement) (err error) {
	if len(all) == 0 {
		return nil
	}
	batch := &pgconn.Batch{}
	for _, s := range all {
		batch.ExecParams(s.sql, s.params, nil, s.formats, []int16{inBinary})
	}
	results := conn.PgConn().ExecBatch(ctx, batch)
	for _, s := range all {
		if !results.NextResult() {
			break
		}
		for reader := results.ResultReader(); reader.NextRow(); {
			if s.each != nil && err == nil {
				err = s.each(&fields{values: reader.Values()})
			}
		}
	}
	return cmp.Or(results.Close(), err)
}

// Query is that of pgx, behind the statements that are queued.
func (t *transaction) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if err := t.send(); err != nil {
		return nil, err
	}
	return t.Tx.Query(ctx, sql, args...)
}

// QueryRow is that of pgx, behind the statements that are queued.
func (t *transaction) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if err := t.send(); err != nil {
		return failedRow{err}
	}
	return t.Tx.QueryRow(ctx, sql, args...)
}

// Exec is that of pgx, behind the statements that are queued.
func (t *transaction) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if err := t.send(); err != nil {
		return pgconn.CommandTag{}, err
	}
	return t.Tx.Exec(ctx, sql, args...)
}

type failedRow struct{ err error }

func (r failedRow) Scan(...any) error { return r.err }

// fields reads the columns of a row in their order. NULL is read as the empty value.
type fields struct {
	values [][]byte
	at     int
}

func (r *fields) next() []byte {
	r.at++
	return r.values[r.at-1]
}

func (r *fields) text() string { return string(r.next()) }

func (r *fields) bool() bool {
	b := r.next()
	return len(b) == 1 && b[0] == 1
}

// number reads an integer or a bigint.
func (r *fields) number() int64 {
	switch b := r.next(); len(b) {
	case 4:
		return int64(int32(binary.BigEndian.Uint32(b)))
	case 8:
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

// ms reads a time in Unix milliseconds, and returns false if it is NULL.
func (r *fields) ms() (ms int64, known bool) {
	b := r.next()
	if len(b) != 8 {
		return 0, false
	}
	micros := int64(binary.BigEndian.Uint64(b))
	return year2000.UnixMilli() + floor(micros, 1000), true
}

func floor(n, by int64) int64 {
	if n%by < 0 {
		return n/by - 1
	}
	return n / by
}

// stamp reads a time as a stored stamp, and NULL as an empty text.
func (r *fields) stamp() string {
	ms, known := r.ms()
	if !known {
		return ""
	}
	return bounce.Stamp(time.UnixMilli(ms))
}

// event reads the ID of an event.
func (r *fields) event() (id bounce.EventID) {
	copy(id[:], r.next())
	return id
}

// textArray returns texts as an array of PostgreSQL in binary.
func textArray(texts []string) []byte {
	return array(&column[string]{"", "text", func(text *string) any { return text }}, texts)
}

// keyArray returns keys as an array of PostgreSQL in binary.
func keyArray(keys []int64) []byte {
	return array(&column[int64]{"", "bigint", func(key *int64) any { return key }}, keys)
}
