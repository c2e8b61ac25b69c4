package sqlite

import (
	"slices"
	"testing"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/sqlite/outbox"
)

// refusedByUs is what a transport map that was published bounces.
func refusedByUs(local string, minute int) bounce.Record {
	r := failed(local, minute, bounce.Bounced, false)
	r.Category, r.Reason, r.Scope = bounce.Blocked, bounce.Suppressed, bounce.ScopeLocal
	return r
}

func TestOurOwnRefusalsSayNothingOfAnAddress(t *testing.T) {
	const rows = "SELECT recipient, state, reason, first_failure_at, last_failure_at, last_delivery_at, permanent_count, retry_count, bad_since, last_bounce_id, seq FROM recipients ORDER BY 1"
	s, _ := openNew(t)
	save(t, s, &bounce.Batch{Records: bounce.NewRecords(failed("gone", 1, bounce.Bounced, true), failed("good", 1, bounce.Bounced, true))})
	save(t, s, &bounce.Batch{Successes: []bounce.Success{succeeded("good", 2)}})
	before := dump(t, s.db, rows)
	save(t, s, &bounce.Batch{Records: bounce.NewRecords(refusedByUs("gone", 3), refusedByUs("good", 3), refusedByUs("never", 3))})
	if got := dump(t, s.db, rows); !slices.Equal(got, before) {
		t.Errorf("recipients are now\n%q, were\n%q", got, before)
	}
	if got := dump(t, s.db, "SELECT count(*) FROM bounces WHERE reason = 'suppressed'"); got[0] != "3" {
		t.Errorf("%s refusals are kept, want 3", got[0])
	}
	if n, err := s.Rebuild(t.Context()); err != nil || n != 0 {
		t.Errorf("Rebuild changes %d rows, %v", n, err)
	}
	// An older failure makes the history be replayed.
	save(t, s, &bounce.Batch{Records: bounce.NewRecords(failed("gone", 0, bounce.Bounced, true))})
	if got := dump(t, s.db, "SELECT state, permanent_count FROM recipients WHERE recipient LIKE 'gone@%'"); got[0] != "bad 2" {
		t.Errorf("gone is %s, want bad after 2 failures", got[0])
	}
}

func TestOutboxLooksAtEachChangeOnce(t *testing.T) {
	s, path := openNew(t)
	save(t, s, &bounce.Batch{Records: bounce.NewRecords(failed("a", 1, bounce.Bounced, true), failed("b", 1, bounce.Deferred, false), failed("c", 1, bounce.Bounced, true))})
	o, err := outbox.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	for _, c := range []struct {
		after  int64
		states []string
		limit  int
		want   []string
		upTo   int64
	}{
		{0, []string{"bad"}, 10, []string{"a@example.com", "c@example.com"}, 3},
		{0, []string{"bad"}, 1, []string{"a@example.com"}, 1},
		{1, []string{"bad", "failing"}, 1, []string{"b@example.com"}, 2},
		{0, []string{"ok"}, 10, nil, 3},
		{3, []string{"bad"}, 10, nil, 3},
	} {
		page, err := o.Changes(t.Context(), c.after, c.states, c.limit)
		var got []string
		upTo := page.UpTo
		for i := range page.Changes {
			got = append(got, page.Changes[i].Recipient.Recipient)
		}
		if err != nil || !slices.Equal(got, c.want) || upTo != c.upTo || page.LastFailure != 3 {
			t.Errorf("Changes(%d, %v, %d) = %v, %d, %v; want %v, %d", c.after, c.states, c.limit, got, upTo, err, c.want, c.upTo)
		}
	}
	// A dead letter of an address of which nothing is left is dropped.
	if _, err := o.Cursor(t.Context(), "crm", false, day); err != nil {
		t.Fatal(err)
	}
	if err := o.DeadLetter(t.Context(), "crm", 3, []bounce.Change{
		{Recipient: bounce.Recipient{Recipient: "a@example.com", Seq: 1}},
		{Recipient: bounce.Recipient{Recipient: "forgotten@example.com", Seq: 2}},
	}, "410", day); err != nil {
		t.Fatal(err)
	}
	if rows, err := o.DeadLetters(t.Context(), "crm"); err != nil || len(rows) != 1 || rows[0].Recipient.Recipient != "a@example.com" {
		t.Errorf("DeadLetters() = %v, %v", rows, err)
	}
	if got := dump(t, s.db, "SELECT count(*) FROM webhook_dead_letters"); got[0] != "1" {
		t.Errorf("%s dead letters are left, want 1", got[0])
	}
	if got := dump(t, s.db, "SELECT seq, trouble FROM webhook_cursors"); got[0] != "3 <nil>" {
		t.Errorf("the cursor is at %s, want 3", got[0])
	}
}
