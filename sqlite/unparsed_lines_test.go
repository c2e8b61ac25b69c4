package sqlite

import (
	"fmt"
	"slices"
	"testing"

	"github.com/bouncetail/bouncetail/bounce"
)

// A log may be imported any number of times, in parts and in any order.
func TestEachUnparsedLineIsCountedOnce(t *testing.T) {
	s, _ := openNew(t)
	lines := func(from, to int) *bounce.Batch {
		shapes := []bounce.Unparsed{{MTA: bounce.Postfix, Shape: "odd"}, {MTA: bounce.Exim, Shape: "even"}}
		for n := from; n < to; n++ {
			u := &shapes[1-n%2]
			u.Example = fmt.Sprint("line ", n)
			u.Lines = append(u.Lines, bounce.NewSuccessID(uint32(n/100), uint64(n)<<40))
		}
		return &bounce.Batch{Unparsed: shapes}
	}
	const counts = `SELECT shape, count, example, (SELECT value FROM metric_totals WHERE name = 'unparsed_lines' AND labels LIKE '%' || mta || '%')
		FROM unparsed_lines ORDER BY shape`
	for _, step := range []struct {
		from, to   int
		even, odd  int
		transacted bool
	}{
		{0, 10, 5, 5, false},
		{0, 10, 5, 5, false},
		{5, 2000, 1000, 1000, true}, // twice in one transaction
		{0, 2000, 1000, 1000, false},
		{1999, 2001, 1001, 1000, false},
	} {
		if b := lines(step.from, step.to); step.transacted {
			saveTogether(t, s, b, b)
		} else {
			save(t, s, b)
		}
		want := []string{fmt.Sprintf("even %d line 8 %[1]d", step.even), fmt.Sprintf("odd %d line 9 %[1]d", step.odd)}
		if got := dump(t, s.db, counts); !slices.Equal(got, want) {
			t.Errorf("after the lines from %d to %d: %q, want %q", step.from, step.to, got, want)
		}
	}
	// They are no deliveries.
	if got := dump(t, s.db, dailyQuery); len(got) > 0 {
		t.Errorf("counted as deliveries: %q", got)
	}
}
