package sqlite

// #include <stdlib.h>
// #include "bulk.h"
// #include "wal.h"
import "C"

import (
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"
	"unsafe"

	"github.com/bouncetail/bouncetail/bounce"
)

// register makes the SQL functions of bulk.c and the VFS of wal.c known, once a
// process.
var register = sync.OnceValue(func() error {
	if code := C.bouncetail_bulk_register(); code != 0 {
		return fmt.Errorf("register SQL functions: SQLite error %d", int(code))
	}
	if code := C.bouncetail_wal_register(); code != 0 {
		return fmt.Errorf("register the VFS: SQLite error %d", int(code))
	}
	return nil
})

// packedRows gathers the parameters of a statement for many rows, in the form that
// bulk.c reads. A row is the values of all parameters, in their order.
type packedRows struct {
	data []byte
}

func (r *packedRows) null() { r.data = append(r.data, C.BULK_NULL) }

func (r *packedRows) int(n int64) {
	r.data = binary.NativeEndian.AppendUint64(append(r.data, C.BULK_INT), uint64(n))
}

func (r *packedRows) bool(b bool) {
	if b {
		r.int(1)
	} else {
		r.int(0)
	}
}

// text adds a string, which may be empty.
func (r *packedRows) text(s string) {
	r.data = append(binary.NativeEndian.AppendUint32(append(r.data, C.BULK_TEXT), uint32(len(s))), s...)
}

func (r *packedRows) blob(b []byte) {
	r.data = append(binary.NativeEndian.AppendUint32(append(r.data, C.BULK_BLOB), uint32(len(b))), b...)
}

// id adds an event id as its hexadecimal digits.
func (r *packedRows) id(id bounce.EventID) {
	r.data = binary.NativeEndian.AppendUint32(append(r.data, C.BULK_TEXT), uint32(2*len(id)))
	r.data = hex.AppendEncode(r.data, id[:])
}

// time adds a time as it is stored.
func (r *packedRows) time(t time.Time) {
	start := len(r.data)
	r.data = bounce.AppendStamp(append(r.data, C.BULK_TEXT, 0, 0, 0, 0), t)
	binary.NativeEndian.PutUint32(r.data[start+1:], uint32(len(r.data)-start-5))
}

// value adds a value of one of the types that database/sql knows.
func (r *packedRows) value(v any) error {
	switch v := v.(type) {
	case nil:
		r.null()
	case string:
		r.text(v)
	case int:
		r.int(int64(v))
	case int64:
		r.int(v)
	case bool:
		r.bool(v)
	case []byte:
		if v == nil {
			r.null()
		} else {
			r.blob(v)
		}
	default:
		return fmt.Errorf("a value of type %T cannot be stored", v)
	}
	return nil
}

// known and number store what is not known as NULL.
func (r *packedRows) known(s string) {
	if s == "" {
		r.null()
	} else {
		r.text(s)
	}
}

func (r *packedRows) number(n int) {
	if n == 0 {
		r.null()
	} else {
		r.int(int64(n))
	}
}

// bulkBytes is how much is handed to SQLite at a time.
const bulkBytes = 1 << 20

// each runs a statement for n rows, and tells the ids of the rows that it
// inserted. args gives the values of row i.
func (w *writer) each(n int, query string, args func(i int) []any, inserted func(i int, id int64)) error {
	var bad error
	err := w.bulk(n, query, func(i int, r *packedRows) {
		for _, v := range args(i) {
			if err := r.value(v); err != nil && bad == nil {
				bad = err
			}
		}
	}, inserted)
	return errors.Join(bad, err)
}

// bulk is each for the tables that get most of the rows: it makes no value of
// an interface type. row adds the values of row i.
func (w *writer) bulk(n int, query string, row func(i int, r *packedRows), inserted func(i int, id int64)) error {
	r := packedRows{data: w.packed[:0]}
	defer func() {
		if cap(r.data) <= 4*bulkBytes { // else a row had megabytes
			w.packed = r.data
		}
	}()
	first := 0 // the first row in r
	for i := range n {
		row(i, &r)
		if len(r.data) < bulkBytes && i < n-1 {
			continue
		}
		ids := slices.Grow(w.ids[:0], i+1-first)[:i+1-first]
		if err := w.run(query, r.data, ids); err != nil {
			return err
		}
		for j, id := range ids {
			if id != 0 && inserted != nil { // else it was there already
				inserted(first+j, id)
			}
		}
		r.data, w.ids = r.data[:0], ids
		first = i + 1
	}
	return nil
}

// run runs a statement for packed rows, and writes the id of each row that it
// inserted or changed to ids, else 0.
func (w *writer) run(query string, rows []byte, ids []int64) error {
	if len(rows) == 0 { // a statement without parameters
		return fmt.Errorf("no values for %q", query)
	}
	ran, err := call(w, "SELECT bouncetail_bulk(?, ?, ?, ?)", query, rows, &ids[0])
	if err == nil && ran.Int64 != int64(len(ids)) {
		err = fmt.Errorf("%d rows where %d were given", ran.Int64, len(ids))
	}
	return err
}

// call calls a function of bulk.c with packed rows and the memory for what it
// answers, and returns its value.
func call[T any](w *writer, function, query string, rows []byte, answer *T) (value sql.NullInt64, err error) {
	var pinned runtime.Pinner
	defer pinned.Unpin()
	pinned.Pin(&rows[0])
	pinned.Pin(answer)
	err = w.tx.QueryRowContext(w.ctx, function, query, address(unsafe.Pointer(&rows[0])), len(rows), address(unsafe.Pointer(answer))).Scan(&value)
	return value, err
}

// address is how the SQL functions are told where memory lies, which has to be
// pinned.
func address(p unsafe.Pointer) int64 { return int64(uintptr(p)) }

// values reads the columns of a row, in their order.
type values struct{ data string }

// next returns the tag and the bytes of the next column.
func (v *values) next() (tag byte, text string) {
	tag, v.data = v.data[0], v.data[1:]
	n := 0
	switch tag {
	case C.BULK_NULL:
		return tag, ""
	case C.BULK_INT:
		n = 8
	default:
		n = int(binary.NativeEndian.Uint32([]byte(v.data[:4])))
		v.data = v.data[4:]
	}
	text, v.data = v.data[:n], v.data[n:]
	return tag, text
}

// text returns a text, empty where it is NULL.
func (v *values) text() string {
	_, text := v.next()
	return text
}

// blob returns a blob, which must not be changed: a bucket may have megabytes.
func (v *values) blob() []byte {
	_, text := v.next()
	return unsafe.Slice(unsafe.StringData(text), len(text))
}

// int returns a whole number, 0 where it is NULL.
func (v *values) int() int64 {
	if tag, text := v.next(); tag == C.BULK_INT {
		return int64(binary.NativeEndian.Uint64([]byte(text)))
	}
	return 0
}

// rowsOf runs a query once for each of n rows of parameters, and calls each for
// every row that it finds; it has to read all columns. The texts that it gets
// are of one piece, so that what is kept of one keeps the others too.
func (w *writer) rowsOf(n int, query string, parameters func(i int, r *packedRows), each func(row *values)) error {
	r := packedRows{data: w.packed[:0]}
	for i := range n {
		parameters(i, &r)
	}
	w.packed = r.data[:0]
	if n == 0 {
		return nil
	}
	answer := new(C.struct_bouncetail_answer)
	if _, err := call(w, "SELECT bouncetail_rows(?, ?, ?, ?)", query, r.data, answer); err != nil || answer.data == nil {
		return err
	}
	v := values{string(unsafe.Slice((*byte)(answer.data), answer.size))}
	C.free(answer.data)
	for len(v.data) > 0 {
		each(&v)
	}
	return nil
}
