package report

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/sqlite"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

var day = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// databaseOfFailures returns a database with two deliveries and five failures in as
// many hours, and one failure three days before.
func databaseOfFailures(t *testing.T) *query.Reader {
	t.Helper()
	b := &bounce.Batch{Domains: []string{"example.com"}}
	for i, name := range []string{"a", "b"} {
		to := bounce.Address{Normal: name + "@example.com", Domain: "example.com"}
		b.Successes = append(b.Successes, bounce.Success{ID: bounce.NewEventID(uint32(i), name), At: day.UnixMilli(), Key: to.Key()})
	}
	add := func(n int, at time.Time, suppress bool, change func(*bounce.Record)) {
		r := bounce.Record{
			Delivery: bounce.Delivery{ID: bounce.NewEventID(uint32(at.Unix()), fmt.Sprint(n)), At: at, MTA: bounce.Postfix, Outcome: bounce.Deferred},
			Verdict:  bounce.Verdict{Category: bounce.RateLimit, Reason: bounce.Greylisted, Scope: bounce.ScopeSender, Disposition: bounce.Retry, Rule: "test"},
			To:       bounce.Address{Normal: fmt.Sprintf("user%d@example.com", n), Domain: "example.com"},
		}
		if suppress {
			r.Outcome = bounce.Bounced
			r.Verdict = bounce.Verdict{Category: bounce.InvalidAddress, Reason: bounce.NoSuchUser, Scope: bounce.ScopeRecipient, Disposition: bounce.Permanent, Suppress: true, Rule: "test"}
		}
		change(&r)
		b.Records.Add(&r)
	}
	for i := range 5 {
		add(i, day.Add(time.Duration(i)*time.Hour), i < 3, func(r *bounce.Record) {
			if i == 4 {
				r.To = bounce.Address{Normal: "x@other.example", Domain: "other.example"}
				return
			}
			r.Provider, r.Sender, r.HasSender = "google", "news@shop.example", true
		})
	}
	add(9, day.AddDate(0, 0, -3), false, func(*bounce.Record) {})
	path := filepath.Join(t.TempDir(), "b.db")
	s, err := sqlite.Open(t.Context(), path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Save(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := query.OpenReader(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func topOf(t *testing.T, r *query.Reader, kind string, since, until time.Time, f query.Filter) TopList {
	t.Helper()
	i := slices.IndexFunc(TopKinds, func(k TopKind) bool { return k.Name == kind })
	l := TopList{TopKind: TopKinds[i], Since: since, Until: until}
	if err := l.Read(t.Context(), r, f); err != nil {
		t.Fatal(err)
	}
	return l
}

func TestTopListsWhoFailsInAPeriod(t *testing.T) {
	r := databaseOfFailures(t)
	since, until := day.AddDate(0, 0, -1), day.AddDate(0, 0, 1)
	for kind, want := range map[string][]string{
		"domains":    {"example.com 4 0 0 2 3   0", "other.example 1 0 0 0 0   0"},
		"providers":  {"google 4 3 3 0 3 invalid-address no-such-user 3", "? 1 0 0 0 0 rate-limit greylisted 1"},
		"categories": {"invalid-address 3 3 3 0 0 invalid-address no-such-user 3", "rate-limit 2 0 0 0 0 rate-limit greylisted 2"},
		"reasons":    {"no-such-user 3 3 3 0 0 invalid-address no-such-user 3", "greylisted 2 0 0 0 0 rate-limit greylisted 2"},
		"senders":    {"news@shop.example 4 3 3 0 0 invalid-address no-such-user 3", "? 1 0 0 0 0 rate-limit greylisted 1"},
	} {
		l := topOf(t, r, kind, since, until, query.Filter{})
		var got []string
		for i := range l.Rows {
			row := &l.Rows[i]
			name := "?"
			if row.Name != nil {
				name = *row.Name
			}
			got = append(got, fmt.Sprint(name, " ", row.Failed, " ", row.Permanent, " ", row.Suppress, " ", row.Sent, " ", row.Dead, " ", row.MostCategory, " ", row.MostReason, " ", row.MostFailed))
		}
		if l.Failed != 5 || !slices.Equal(got, want) {
			t.Errorf("top %s: %q of %d; want %q of 5", kind, got, l.Failed, want)
		}
		if l := topOf(t, r, kind, since, until, query.Filter{Limit: 1}); len(l.Rows) != 1 || l.Failed != 5 {
			t.Errorf("top %s with a limit of one: %d rows of %d", kind, len(l.Rows), l.Failed)
		}
	}
	// With a filter, domains are counted from the failures.
	if l := topOf(t, r, "domains", since, until, query.Filter{Provider: "google"}); len(l.Rows) != 1 || l.Failed != 4 || l.Rows[0].Dead != 3 {
		t.Errorf("top domains with a filter: %+v of %d, want one of 4", l.Rows, l.Failed)
	}
	if l := topOf(t, r, "categories", day, day.Add(time.Hour), query.Filter{}); len(l.Rows) != 1 || l.Failed != 1 {
		t.Errorf("top of one hour: %d rows of %d; want the first failure, because until is not included", len(l.Rows), l.Failed)
	}
	if last, err := r.LastFailure(t.Context()); err != nil || last != bounce.Stamp(day.Add(4*time.Hour)) {
		t.Errorf("LastFailure: %s, %v", last, err)
	}
}

func TestTheSameReasonInTwoCategoriesIsTwoRows(t *testing.T) {
	name := "policy"
	groups := []query.FailureGroup{
		{Name: &name, Category: "blocked", Reason: name, Failed: 2},
		{Name: &name, Category: "content", Reason: name, Failed: 3},
		{Name: &name, Category: "content", Reason: name, Failed: 1},
	}
	if rows := foldGroups(groups, true); len(rows) != 2 || rows[1].Failed != 4 || rows[1].Category != "content" {
		t.Errorf("rows of a reason: %+v", rows)
	}
	if rows := foldGroups(groups, false); len(rows) != 1 || rows[0].Failed != 6 || rows[0].MostCategory != "content" || rows[0].MostFailed != 3 {
		t.Errorf("rows of a name: %+v", rows)
	}
}
