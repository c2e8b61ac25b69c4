package sqlite

import (
	"errors"
	"slices"
	"testing"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

func TestRejudgingBringsTheRecipientsUpToDate(t *testing.T) {
	s, _ := openNew(t)
	save(t, s, &bounce.Batch{
		Records: bounce.NewRecords(
			failed("good", 1, bounce.Bounced, true), failed("bad", 2, bounce.Bounced, true),
			failed("reached", 3, bounce.Bounced, false), failed("other", 4, bounce.Deferred, false),
		),
		Successes: []bounce.Success{succeeded("reached", 5)},
	})
	to := map[string]bool{"good@example.com": false, "bad@example.com": true, "reached@example.com": true}
	judge := func(d *bounce.Delivery) bounce.Verdict {
		if suppress, known := to[d.Recipient]; known && !suppress {
			return failed("", 0, bounce.Bounced, false).Verdict
		} else if known {
			return failed("", 0, bounce.Bounced, true).Verdict
		}
		return failed("", 0, bounce.Deferred, false).Verdict
	}
	seqs := dump(t, s.db, "SELECT seq FROM recipients WHERE recipient IN ('bad@example.com', 'other@example.com')")
	var told []string
	n, err := s.Rejudge(t.Context(), judge, func(old *query.Stored, _ bounce.Verdict) { told = append(told, old.Delivery.Recipient) })
	if err != nil || n != 2 || !slices.Equal(told, []string{"good@example.com", "reached@example.com"}) {
		t.Fatalf("Rejudge: %d, %v, told of %q", n, err, told)
	}
	got := dump(t, s.db, "SELECT recipient, state, permanent_count, retry_count FROM recipients ORDER BY recipient")
	want := []string{"bad@example.com bad 1 0", "good@example.com failing 0 1", "other@example.com failing 0 1", "reached@example.com ok 1 0"}
	if !slices.Equal(got, want) {
		t.Errorf("recipients\n got %q\nwant %q", got, want)
	}
	if after := dump(t, s.db, "SELECT seq FROM recipients WHERE recipient IN ('bad@example.com', 'other@example.com')"); !slices.Equal(seqs, after) {
		t.Errorf("rows that did not change got new numbers: %q, then %q", seqs, after)
	}
	if n, err := s.Rejudge(t.Context(), judge, func(*query.Stored, bounce.Verdict) {}); n != 0 || err != nil {
		t.Errorf("Rejudge again: %d, %v", n, err)
	}
}

func TestRejudgingIsWholeOrNotAtAll(t *testing.T) {
	s, _ := openNew(t)
	save(t, s, &bounce.Batch{Records: bounce.NewRecords(failed("a", 1, bounce.Bounced, true), failed("b", 2, bounce.Bounced, true))})
	if _, err := s.db.ExecContext(t.Context(), "CREATE TRIGGER refuse BEFORE UPDATE ON recipients BEGIN SELECT raise(ABORT, 'no'); END"); err != nil {
		t.Fatal(err)
	}
	judge := func(*bounce.Delivery) bounce.Verdict { return failed("", 0, bounce.Bounced, false).Verdict }
	if _, err := s.Rejudge(t.Context(), judge, func(*query.Stored, bounce.Verdict) {}); err == nil {
		t.Fatal("Rejudge succeeded in spite of the trigger")
	}
	if got := dump(t, s.db, "SELECT sum(suppress) FROM bounces"); !slices.Equal(got, []string{"2"}) {
		t.Errorf("verdicts were changed all the same: %q", got)
	}
}

func TestRebuildingGivesTheSameTable(t *testing.T) {
	s, _ := openNew(t)
	save(t, s, &bounce.Batch{
		Records:   bounce.NewRecords(failed("a", 1, bounce.Bounced, true), failed("b", 2, bounce.Deferred, false), failed("a", 9, bounce.Bounced, true)),
		Successes: []bounce.Success{succeeded("a", 5), succeeded("b", 6)},
	})
	before := dump(t, s.db, "SELECT * FROM recipients")
	rows := dump(t, s.db, recipientsQuery)
	if n, err := s.Rebuild(t.Context()); n != 0 || err != nil {
		t.Errorf("Rebuild: %d rows, %v; want none", n, err)
	}
	if after := dump(t, s.db, "SELECT * FROM recipients"); !slices.Equal(before, after) {
		t.Errorf("got %q, want %q", after, before)
	}
	if _, err := s.db.ExecContext(t.Context(), "UPDATE recipients SET state = 'ok', bad_since = NULL, permanent_count = 7"); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Rebuild(t.Context()); n != 2 || err != nil {
		t.Errorf("Rebuild: %d rows, %v; want 2", n, err)
	}
	if after := dump(t, s.db, recipientsQuery); !slices.Equal(rows, after) {
		t.Errorf("got %q, want %q", after, rows)
	}
}

func TestRecordsAreReadInPages(t *testing.T) {
	s, path := openNew(t)
	var b bounce.Batch
	for i := range query.PageSize + 5 {
		b.Records.Add(new(failed("a", i, bounce.Deferred, false)))
	}
	save(t, s, &b)
	r, err := query.OpenReader(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	n := 0
	if err := r.Records(t.Context(), func(*query.Stored) error { n++; return nil }); err != nil || n != b.Records.Len() {
		t.Errorf("%d records, %v; want %d", n, err, b.Records.Len())
	}
	stop := errors.New("enough")
	if err := r.Records(t.Context(), func(*query.Stored) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v, want %v", err, stop)
	}
}
