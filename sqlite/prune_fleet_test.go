package sqlite

import (
	"slices"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// Failures are kept until a fleet has them, and no longer than it may be away.
func TestPruningWaitsForAFleet(t *testing.T) {
	const maxLag = 30 * 24 * time.Hour
	now := day.AddDate(1, 0, 0)
	keep := Retention{Bounces: 30, Recipients: 60, Fleet: true, MaxLag: maxLag}
	// b was reached since, so that its failure can be deleted; a has not failed for long.
	fill := func(t *testing.T) *Store {
		s, _ := openNew(t)
		save(t, s, &bounce.Batch{
			Records: bounce.NewRecords(at(failed("a", 0, bounce.Bounced, true), day), at(failed("a", 0, bounce.Deferred, false), day.Add(time.Minute)),
				at(failed("b", 0, bounce.Deferred, false), day.Add(2*time.Minute)), at(failed("b", 0, bounce.Bounced, true), now.AddDate(0, 0, -3))),
			Successes: []bounce.Success{reachedAt("b", now.AddDate(0, 0, -2))},
		})
		return s
	}
	sent := func(t *testing.T, s *Store, failure int64, at time.Time) {
		t.Helper()
		if _, err := s.db.ExecContext(t.Context(), query.NoteSent, failure, at.Unix()); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		sent   int64 // -1: no sender has ever run
		ago    time.Duration
		maxLag time.Duration
		left   string
		missed int64
	}{
		"everything is sent":      {4, time.Minute, maxLag, "1", 0},
		"nothing is sent yet":     {-1, 0, maxLag, "4", 0},
		"nothing is waited for":   {-1, 0, 0, "1", 3},
		"a part is sent":          {1, time.Minute, maxLag, "4", 0},
		"an address is sent":      {2, time.Minute, maxLag, "2", 0},
		"away, but not for long":  {1, maxLag - time.Hour, maxLag, "4", 0},
		"away for too long":       {1, maxLag + time.Hour, maxLag, "1", 2},
		"all was sent, then away": {4, 10 * maxLag, maxLag, "1", 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := fill(t)
			if c.sent >= 0 {
				sent(t, s, c.sent, now.Add(-c.ago))
			}
			keep.MaxLag = c.maxLag
			r, err := query.OpenReader(t.Context(), s.file.Path)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			planned, err := Prunable(t.Context(), r, keep, now)
			if err != nil {
				t.Fatal(err)
			}
			done := prune(t, s, keep, now)
			if c.left == "4" && len(planned) > 0 || c.left != "4" && !slices.ContainsFunc(planned, func(c query.Count) bool { return c.Name == oldRecipients }) {
				t.Errorf("planned are %v, done %v", planned, done)
			}
			if got := dump(t, s.db, "SELECT count(*) FROM bounces"); got[0] != c.left {
				t.Errorf("%s failures are left, want %s", got[0], c.left)
			}
			state, err := query.ReadSent(t.Context(), s.db)
			if err != nil || state.Missed != c.missed {
				t.Errorf("%d failures are missing in the fleet, %v; want %d", state.Missed, err, c.missed)
			}
			if c.sent < 0 && !state.At.IsZero() {
				t.Errorf("the fleet was reached at %v, and no sender has run", state.At)
			}
			if c.sent < 0 && c.maxLag > 0 { // the time began with the first look
				prune(t, s, keep, now.Add(maxLag+time.Hour))
				if state, err = query.ReadSent(t.Context(), s.db); err != nil || state.Missed != 3 {
					t.Errorf("after a time without a sender, %d failures are missing, %v; want 3", state.Missed, err)
				}
			}
		})
	}
}
