package query

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/sqlite/dbfile"
)

// failures makes a database with a number of failures, one at each second or all at once,
// of as many addresses. Every tenth is unclassified.
func failures(t *testing.T, n int, atOnce bool) *Reader {
	t.Helper()
	f, err := dbfile.Open(t.Context(), filepath.Join(t.TempDir(), "b.db"), dbfile.CacheSize, false, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close(false) })
	_, err = f.DB.ExecContext(t.Context(), `
		WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ?1 - 1)
		INSERT INTO bounces (event_id, occurred_at, recipient, domain, sender, reply, mta, outcome, category, reason, scope, disposition, suppress, rule, recipient_key)
		SELECT i, strftime('%Y-%m-%dT%H:%M:%fZ', 1767225600 + iif(?2, 0, i), 'unixepoch'), printf('u%06d@d%d.example', i, i % 2), printf('d%d.example', i % 2), printf('s%d@example.com', i % 3), 'reply',
		  'postfix', 'bounced', iif(i % 10 = 0, 'unclassified', 'mailbox'), 'x', 'recipient', 'permanent', i % 5 = 0, 'x', i
		FROM n;
		INSERT INTO recipients (recipient, domain, state, decided_by, category, reason, last_failure_at, permanent_count, retry_count, recipient_key, seq)
		SELECT recipient, domain, iif(recipient_key % 1000 = 0, 'suspect', 'failing'), 'failure', 'x', 'x', occurred_at, 1, 0, recipient_key, recipient_key
		FROM bounces`, n, atOnce)
	if err != nil {
		t.Fatal(err)
	}
	return &Reader{f.DB, f.DB, f.DB.Close}
}

func TestSpanIsReadInPartsAndNothingTwice(t *testing.T) {
	const n = 2*chunk + 7
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, atOnce := range []bool{false, true} {
		r := failures(t, n, atOnce)
		for _, c := range []struct {
			from, to  time.Duration
			bound     Bound
			want      int
			wantAll   bool
			wantParts int
		}{
			{-time.Hour, 100 * time.Hour, Bound{}, n, true, 3},
			{-time.Hour, 100 * time.Hour, Bound{Failures: 1}, chunk, false, 1},
			{-time.Hour, 100 * time.Hour, Bound{Time: 1}, chunk, false, 1},
			{-time.Hour, 100 * time.Hour, Bound{Failures: chunk + 1}, 2 * chunk, false, 2},
			{10 * time.Second, 20 * time.Second, Bound{}, 10, true, 1},
			{10 * time.Second, 10 * time.Second, Bound{}, 0, true, 0},
		} {
			if atOnce {
				if c.want = n; c.from > 0 {
					c.want = 0
				}
				c.wantAll = c.bound.Time == 0 && c.bound.Failures == 0
			}
			counted := 0
			read, all, err := r.LastFailures(t.Context(), "", start.Add(c.from), start.Add(c.to), c.bound, func(s *FailureSum) {
				counted += s.Failures
			})
			if err != nil || read != c.want || counted != c.want || all != c.wantAll {
				t.Errorf("at once %v, %+v: read %d, counted %d, all %v: %v", atOnce, c, read, counted, all, err)
			}
			parts := 0
			_, _, err = Recent(t.Context(), r.db, bounce.Stamp(start.Add(c.from)), bounce.Stamp(start.Add(c.to)), c.bound, func(string, string) (int, error) { parts++; return chunk, nil })
			if err != nil || !atOnce && parts != c.wantParts {
				t.Errorf("%+v: read in %d parts: %v", c, parts, err)
			}
		}
	}
}

func TestLastUnclassifiedRepliesAreBounded(t *testing.T) {
	r := failures(t, 3000, false)
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for bound, want := range map[Bound]int{{}: 300, {Failures: 7}: 7, {Time: 1}: 99, {Failures: 300}: 300} {
		n := 0
		all, err := r.LastUnclassified(t.Context(), start, start.Add(time.Hour), bound, func(string) { n++ })
		if err != nil || n != want || all != (want == 300) {
			t.Errorf("%+v: %d replies, all %v, %v; want %d", bound, n, all, err, want)
		}
	}
}

// A search that takes too long returns how far it came, and continues from there to the same
// addresses.
func TestSearchStopsAndGoesOn(t *testing.T) {
	const n = 5*chunk + 3
	r := failures(t, n, false)
	for _, b := range []Browse{{Match: "00@"}, {Match: "nobody"}, {State: "failing", Match: "99@d1"}, {Reason: "y"}, {}} {
		walk := func(limit time.Duration, rows int) (list []string, steps int) {
			b.Time, b.Limit, b.After = limit, rows, ""
			for {
				steps++
				part, looked, err := r.Browse(t.Context(), b)
				if err != nil || len(part) > rows {
					t.Fatalf("%+v: %d rows: %v", b, len(part), err)
				}
				for i := range part {
					list = append(list, part[i].Recipient)
				}
				switch {
				case looked != "":
					b.After = looked
				case len(part) == rows:
					b.After = part[rows-1].Recipient
				default:
					return list, steps
				}
			}
		}
		want, once := walk(time.Hour, n+1)
		got, steps := walk(0, 1000)
		if fmt.Sprint(got) != fmt.Sprint(want) || once != 1 || steps < 3 {
			t.Errorf("%+v: %d addresses in %d steps, %d in %d", b, len(got), steps, len(want), once)
		}
	}
}

func TestFiltersWithAnIndexLookAtLittle(t *testing.T) {
	r := failures(t, 3*chunk, false)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, b := range []Browse{{State: "suspect"}, {Domain: "d1.example"}, {Domain: "d7.example"}} {
		b.Limit = 5
		list, looked, err := r.Browse(ctx, b)
		want := map[string]int{"d7.example": 0}
		n, none := want[b.Domain]
		if !none {
			n = 5
		}
		if err != nil || len(list) != n || looked != "" {
			t.Errorf("%+v: %d addresses, looked up to %q: %v", b, len(list), looked, err)
		}
		for i := range list {
			if row := &list[i]; b.State != "" && string(row.State) != b.State || b.Domain != "" && row.Domain != b.Domain {
				t.Errorf("%+v: found %+v", b, row)
			}
		}
	}
}
