package query

import (
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/sqlite/dbfile"
)

// The cost of an export by cursor follows what changed, so no table may be scanned
// and nothing sorted.
func TestChangesAreFoundByTheirIndex(t *testing.T) {
	f, err := dbfile.Open(t.Context(), filepath.Join(t.TempDir(), "b.db"), dbfile.CacheSize, false, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close(false)
	for _, filter := range []Filter{
		{Changes: true},
		{Changes: true, AfterSeq: 1},
		{Changes: true, AfterSeq: 1, BadOrLeft: true},
		{Changes: true, AfterSeq: 1, State: "bad", Domain: "example.com", Category: "mailbox", Since: bounce.Stamp(time.Now())},
	} {
		statement, args := filter.query()
		var plan []string
		err := sqldb.ScanAll(t.Context(), f.DB, "EXPLAIN QUERY PLAN "+statement, func(scan func(...any) error) error {
			var id, parent, unused int
			var step string
			err := scan(&id, &parent, &unused, &step)
			plan = append(plan, step)
			return err
		}, args...)
		if err != nil {
			t.Fatal(err)
		}
		if steps := strings.Join(plan, "; "); !strings.Contains(steps, "SEARCH r USING INDEX recipients_by_seq (seq>?)") || strings.Contains(steps, "SCAN") || strings.Contains(steps, "TEMP B-TREE") {
			t.Errorf("plan for %+v: %s", filter, steps)
		}
	}
}

// The addresses that failed last are found among the newest failures, and are the same
// as those that a look through all recipients finds.
func TestTheNewestRecipientsAreThoseOfTheNewestFailures(t *testing.T) {
	defer func(n int) { newestFailures = n }(newestFailures)
	newestFailures = 12
	f, err := dbfile.Open(t.Context(), filepath.Join(t.TempDir(), "b.db"), dbfile.CacheSize, false, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close(false)
	// 60 failures, two at each time, of 40 addresses; every third is bad.
	_, err = f.DB.ExecContext(t.Context(), `
		WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 59)
		INSERT INTO bounces (event_id, occurred_at, recipient, domain, mta, outcome, category, reason, scope, disposition, suppress, rule, recipient_key)
		SELECT printf('%02d', i), printf('2026-01-01T00:%02d:00.000Z', i / 2), printf('u%d@example.com', i * 7 % 40), 'example.com', 'postfix', 'bounced', 'x', 'x', 'recipient', 'permanent', 0, 'x', i * 7 % 40
		FROM n;
		INSERT INTO recipients (recipient, domain, state, decided_by, category, reason, last_failure_at, permanent_count, retry_count, recipient_key, seq)
		SELECT recipient, domain, iif(recipient_key % 3 = 0, 'bad', 'failing'), 'failure', 'x', 'x', max(occurred_at), count(*), 0, recipient_key, recipient_key
		FROM bounces GROUP BY recipient`)
	if err != nil {
		t.Fatal(err)
	}
	r := &Reader{f.DB, f.DB, f.DB.Close}
	for _, filter := range []Filter{{}, {State: "bad"}, {Since: "2026-01-01T00:28:00.000Z"}, {Since: "2026-01-01T00:10:00.000Z", State: "failing"}, {Match: "u1"}} {
		for _, filter.Limit = range []int{1, 2, 3, 5, 9, 12, 30, 100} {
			var got, want []string
			if _, err := r.Recipients(t.Context(), filter, func(row *bounce.Recipient) error { got = append(got, row.Recipient); return nil }); err != nil {
				t.Fatal(err)
			}
			if err := filter.scan(t.Context(), f.DB, func(row *bounce.Recipient) error { want = append(want, row.Recipient); return nil }); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, want) || len(want) == 0 {
				t.Errorf("%+v: %q, want %q", filter, got, want)
			}
		}
	}
}

func TestLikeFindsWhatGlobFinds(t *testing.T) {
	for match, want := range map[string]string{
		"Jane":       `%jane%`,
		"jane*":      `jane%`,
		"j?ne@*":     `j_ne@%`,
		"a_b":        `%a\_b%`,
		"100%":       `%100\%%`,
		`back\slash`: `%back\\slash%`,
		"*_*":        `%\_%`,
	} {
		if got := LikeOf(match); got != want {
			t.Errorf("LikeOf(%q) = %q, want %q", match, got, want)
		}
	}
}

// SQLite ends a pattern at a NUL, which would find every address.
func TestAMatchWithNULFindsNothing(t *testing.T) {
	f, err := dbfile.Open(t.Context(), filepath.Join(t.TempDir(), "b.db"), dbfile.CacheSize, false, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close(false)
	for _, match := range []string{"\x00", "j\x00", "*\x00"} {
		var found bool
		if err := f.DB.QueryRowContext(t.Context(), "SELECT 'jane@example.com' GLOB ?", globOf(match)).Scan(&found); err != nil || found {
			t.Errorf("globOf(%q) finds jane@example.com: %v (%v)", match, found, err)
		}
		if strings.Contains(LikeOf(match), "\x00") {
			t.Errorf("LikeOf(%q) has a NUL, which PostgreSQL refuses", match)
		}
	}
}
