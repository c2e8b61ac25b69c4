package sqlite

import (
	"fmt"
	"slices"
	"testing"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// Records are inserted several at a time. Those that are there already, or that a
// batch holds twice, may stand anywhere among them.
func TestOnlyNewRecordsAreReportedWithTheirIDs(t *testing.T) {
	s, _ := openNew(t)
	record := func(n int) bounce.Record { return failed(fmt.Sprint("user", n), n, bounce.Bounced, true) }
	numbers := func(from, to, step int) (all []int) {
		for n := from; n < to; n += step {
			all = append(all, n)
		}
		return all
	}
	known := make(map[int]bool)
	for _, batch := range [][]int{
		{0},
		numbers(0, 3*sqldb.RowsInInsert, 7),       // fewer than one statement takes
		numbers(0, 3*sqldb.RowsInInsert+5, 1),     // some are known
		numbers(0, 3*sqldb.RowsInInsert+5, 1),     // all are known
		slices.Repeat(numbers(100, 110, 1), 4),    // several times in one batch
		numbers(200, 200+2*sqldb.RowsInInsert, 1), // all are new
		append(numbers(300, 300+20, 1), 5, 6, 20), // a statement of known ones follows
	} {
		var b bounce.Batch
		want := 0
		for _, n := range batch {
			r := record(n)
			b.Records.Add(&r)
			if !known[n] {
				known[n] = true
				want++
			}
		}
		if got := save(t, s, &b); got != want {
			t.Errorf("%v: %d are new, want %d", batch, got, want)
		}
	}
	wrong := dump(t, s.db, `SELECT r.recipient, r.last_bounce_id, b.recipient FROM recipients r
		LEFT JOIN bounces b ON b.id = r.last_bounce_id WHERE b.recipient IS NOT r.recipient OR r.permanent_count <> 1`)
	if len(wrong) > 0 {
		t.Errorf("rows that name the failure of another, or were counted twice: %v", wrong)
	}
	if rows := dump(t, s.db, "SELECT count(*) FROM recipients"); rows[0] != fmt.Sprint(len(known)) {
		t.Errorf("%s recipients, want %d", rows[0], len(known))
	}
}
