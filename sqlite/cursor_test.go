package sqlite

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite/outbox"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// An export by cursor takes back what it handed over, and names nobody else.
func TestChangesNameWhatIsBadAndWhatWasBad(t *testing.T) {
	s, path := openNew(t)
	record := func(name string, minute int, suppress bool) bounce.Record {
		return failed(name, minute, bounce.Bounced, suppress)
	}
	save(t, s, &bounce.Batch{Records: bounce.NewRecords(record("dead", 1, true), record("cured", 1, true), record("healed", 1, true), record("full", 1, false))})
	r := reader(t, path)
	changes := func(after int64) (got []string) {
		_, err := r.Recipients(t.Context(), query.Filter{Changes: true, BadOrLeft: true, AfterSeq: after}, func(row *bounce.Recipient) error {
			got = append(got, row.Recipient+" "+string(row.State))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	last := func() (seq int64) {
		_, seq, err := r.Cursors(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return seq
	}
	want := []string{"cured@example.com bad", "dead@example.com bad", "healed@example.com bad"}
	if got := changes(0); !slices.Equal(got, want) {
		t.Errorf("first changes: %q, want %q", got, want)
	}
	first := last()
	save(t, s, &bounce.Batch{Records: bounce.NewRecords(record("full", 2, false))})
	if got := changes(first); len(got) > 0 {
		t.Errorf("changes after an address that never was bad failed again: %q, want none", got)
	}
	e, err := OpenEditor(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for _, name := range []string{"cured", "healed"} {
		if _, err := e.Decide(t.Context(), recipient.Allow, []bounce.Address{to(name)}, "", time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	want = []string{"cured@example.com ok", "healed@example.com ok"}
	if got := changes(first); !slices.Equal(got, want) {
		t.Errorf("changes after two were allowed: %q, want %q", got, want)
	}
	second := last()
	save(t, s, &bounce.Batch{Records: bounce.NewRecords(record("cured", 3, false))})
	if got := changes(second); len(got) > 0 {
		t.Errorf("changes after one that is known to be good failed again: %q, want none", got)
	}
}

func TestCursorsTellHowMuchWaits(t *testing.T) {
	s, path := openNew(t)
	save(t, s, &bounce.Batch{Records: bounce.NewRecords(failed("a", 1, bounce.Bounced, true), failed("b", 1, bounce.Bounced, true))})
	c, err := outbox.OpenCursor(t.Context(), path, "crm")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Move(t.Context(), 2, day); err != nil {
		t.Fatal(err)
	}
	// One recipient that changes twice waits once.
	save(t, s, &bounce.Batch{Records: bounce.NewRecords(failed("a", 2, bounce.Bounced, true))})
	save(t, s, &bounce.Batch{Records: bounce.NewRecords(failed("a", 3, bounce.Bounced, true))})
	r := reader(t, path)
	got, last, err := r.Cursors(t.Context())
	if want := (query.CursorState{Name: "crm", Seq: 2, MovedAt: bounce.Stamp(day), Waiting: 1}); err != nil || len(got) != 1 || got[0] != want || last != 4 {
		t.Errorf("Cursors() = %+v, %d, %v; want %+v, 4", got, last, err, want)
	}
	if err := c.Forget(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, _, err := r.Cursors(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("Cursors() = %+v, %v; want none", got, err)
	}
}

// BenchmarkChanges reads what changed behind a cursor, on a million recipients
// that failed once each.
func BenchmarkChanges(b *testing.B) {
	const million = 1_000_000
	path := filepath.Join(b.TempDir(), "b.db")
	s, err := Open(b.Context(), path, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	const numbers = `WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ?) `
	for _, statement := range []string{
		`INSERT INTO bounces (id, event_id, occurred_at, recipient, domain, mta, outcome, smtp_code, enhanced_code, reply,
		  category, reason, scope, disposition, suppress, rule, recipient_key)
		` + numbers + `SELECT i, printf('%024x', i), '2026-11-20T09:00:00.000Z', 'user' || i || '@example' || (i % 1000) || '.com', 'example' || (i % 1000) || '.com',
		  'postfix', 'bounced', 550, '5.1.1', '550 5.1.1 <user' || i || '@example.com>: Recipient address rejected: User unknown',
		  'invalid-address', 'no-such-user', 'recipient', 'permanent', 1, 'no-such-user', i FROM n`,
		`INSERT INTO recipients (recipient, domain, state, decided_by, category, reason, first_failure_at, last_failure_at, permanent_count, retry_count,
		  bad_since, last_bounce_id, deciding_bounce_id, recipient_key, seq)
		` + numbers + `SELECT 'user' || i || '@example' || (i % 1000) || '.com', 'example' || (i % 1000) || '.com', 'bad', 'failure', 'invalid-address', 'no-such-user',
		  '2026-11-20T09:00:00.000Z', '2026-11-20T09:00:00.000Z', 1, 0, '2026-11-20T09:00:00.000Z', i, i, i, i FROM n`,
		`UPDATE meta SET value = ? WHERE name = 'seq'`,
	} {
		if _, err := s.db.ExecContext(b.Context(), statement, million); err != nil {
			b.Fatal(err)
		}
	}
	r, err := query.OpenReader(b.Context(), path)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	for _, changed := range []int{0, 100, 10_000, million} {
		b.Run(fmt.Sprint(changed), func(b *testing.B) {
			for b.Loop() {
				n := 0
				_, err := r.Recipients(b.Context(), query.Filter{Changes: true, AfterSeq: int64(million - changed)}, func(*bounce.Recipient) error { n++; return nil })
				if err != nil || n != changed {
					b.Fatalf("%d rows, %v; want %d", n, err, changed)
				}
			}
		})
	}
}
