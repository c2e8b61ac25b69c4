package sqlite

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

func TestTopTellsWhoFailsInAPeriod(t *testing.T) {
	s, path := openNew(t)
	b := &bounce.Batch{Successes: []bounce.Success{reachedAt("a", day), reachedAt("b", day)}}
	for i := range 5 {
		r := at(failed(fmt.Sprint("user", i), 0, bounce.Bounced, i < 3), day.Add(time.Duration(i)*time.Hour))
		r.Provider, r.Sender, r.HasSender = "google", "news@shop.example", true
		if i == 4 {
			r.Provider, r.HasSender, r.Sender = "", false, ""
			r.To = bounce.Address{Normal: "x@other.example", Domain: "other.example"}
		}
		b.Records.Add(&r)
	}
	b.Records.Add(new(at(failed("early", 0, bounce.Deferred, false), day.AddDate(0, 0, -3))))
	save(t, s, b)
	r := reader(t, path)
	name := func(row *query.Top) string {
		if row.Name == nil {
			return "?"
		}
		return *row.Name
	}
	for kind, want := range map[string][]string{
		"domains":    {"example.com 4 0 0 2 3   0", "other.example 1 0 0 0 0   0"},
		"providers":  {"google 4 3 3 0 3 invalid-address no-such-user 3", "? 1 0 0 0 0 rate-limit greylisted 1"},
		"categories": {"invalid-address 3 3 3 0 0 invalid-address no-such-user 3", "rate-limit 2 0 0 0 0 rate-limit greylisted 2"},
		"reasons":    {"no-such-user 3 3 3 0 0 invalid-address no-such-user 3", "greylisted 2 0 0 0 0 rate-limit greylisted 2"},
		"senders":    {"news@shop.example 4 3 3 0 0 invalid-address no-such-user 3", "? 1 0 0 0 0 rate-limit greylisted 1"},
	} {
		rows, failed, err := r.Top(t.Context(), kind, day.AddDate(0, 0, -1), day.AddDate(0, 0, 1), query.Filter{Limit: 0})
		var got []string
		for i := range rows {
			row := &rows[i]
			got = append(got, fmt.Sprint(name(row), " ", row.Failed, " ", row.Permanent, " ", row.Suppress, " ", row.Sent, " ", row.Dead, " ", row.MostCategory, " ", row.MostReason, " ", row.MostFailed))
		}
		if err != nil || failed != 5 || !slices.Equal(got, want) {
			t.Errorf("Top(%s): %q of %d, %v; want %q of 5", kind, got, failed, err, want)
		}
		rows, failed, err = r.Top(t.Context(), kind, day.AddDate(0, 0, -1), day.AddDate(0, 0, 1), query.Filter{Limit: 1})
		if err != nil || len(rows) != 1 || failed != 5 {
			t.Errorf("Top(%s) of one: %d rows of %d, %v", kind, len(rows), failed, err)
		}
	}
	// until is not in.
	rows, failed, err := r.Top(t.Context(), "categories", day, day.Add(time.Hour), query.Filter{Limit: 0})
	if err != nil || len(rows) != 1 || failed != 1 {
		t.Errorf("Top of one hour: %d rows of %d, %v; want the first failure", len(rows), failed, err)
	}
	if _, _, err := r.Top(t.Context(), "colours", day, day, query.Filter{Limit: 0}); err == nil {
		t.Error("Top(colours) gives no error")
	}
	if last, err := r.LastFailure(t.Context()); err != nil || last != bounce.Stamp(day.Add(4*time.Hour)) {
		t.Errorf("LastFailure: %s, %v", last, err)
	}
}
