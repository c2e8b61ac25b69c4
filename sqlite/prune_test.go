package sqlite

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

func prune(t *testing.T, s *Store, r Retention, now time.Time) []query.Count {
	t.Helper()
	counts, err := s.Prune(t.Context(), r, now)
	if err != nil {
		t.Fatalf("Prune: %v", err)
	}
	return counts
}

// at sets the time of a record.
func at(r bounce.Record, when time.Time) bounce.Record {
	r.At = when
	r.ID = id(fmt.Sprint(r.To.Normal, when, r.Outcome))
	return r
}

func reachedAt(local string, when time.Time) bounce.Success {
	s := succeeded(local, 0)
	s.At = when.UnixMilli()
	s.ID = bounce.NewEventID(uint32(when.Unix()), fmt.Sprint(local, when))
	return s
}

// A database that is pruned again and again has to say of every address what
// one says that keeps everything.
func TestPruningChangesNoState(t *testing.T) {
	pruned := 0
	for seed := range uint64(8) {
		rng := rand.New(rand.NewPCG(seed, 2))
		all, _ := openNew(t)
		some, _ := openNew(t)
		horizon := time.Time{}
		var batches []*bounce.Batch
		for round := range 12 {
			now := day.Add(time.Duration(round) * 10 * 24 * time.Hour)
			b := &bounce.Batch{}
			for range 20 {
				// Some lines are read late.
				when := now.Add(-time.Duration(rng.IntN(40*24*60)) * time.Minute)
				if when.Before(horizon) {
					continue
				}
				local := string(rune('a' + rng.IntN(5)))
				switch rng.IntN(4) {
				case 0:
					b.Successes = append(b.Successes, reachedAt(local, when))
				case 1:
					b.Records.Add(new(at(failed(local, 0, bounce.Bounced, true), when)))
				case 2:
					b.Records.Add(new(at(failed(local, 0, bounce.Bounced, false), when)))
				case 3:
					b.Records.Add(new(at(failed(local, 0, bounce.Deferred, false), when)))
				}
			}
			save(t, all, b)
			save(t, some, b)
			batches = append(batches, b)
			for _, c := range prune(t, some, Retention{Bounces: 30, Successes: 30}, now) {
				pruned += c.N
			}
			horizon = now.AddDate(0, 0, -30)
			want := slices.Concat(dump(t, all.db, recipientsQuery), dump(t, all.db, dailyQuery))
			if got := slices.Concat(dump(t, some.db, recipientsQuery), dump(t, some.db, dailyQuery)); !slices.Equal(got, want) {
				t.Fatalf("seed %d, round %d:\ngot  %q\nwant %q", seed, round, got, want)
			}
			if n, err := some.Rebuild(t.Context()); n != 0 || err != nil {
				t.Fatalf("seed %d, round %d: Rebuild after pruning: %d rows, %v; want none", seed, round, n, err)
			}
		}
		// Everything read once more changes nothing.
		before := slices.Concat(dump(t, some.db, "SELECT * FROM bounces"), dump(t, some.db, recipientsQuery), dump(t, some.db, dailyQuery), dump(t, some.db, "SELECT * FROM deliveries"))
		for _, b := range batches {
			if n := save(t, some, b); n != 0 {
				t.Fatalf("seed %d: Save of what was read before: %d new records", seed, n)
			}
		}
		after := slices.Concat(dump(t, some.db, "SELECT * FROM bounces"), dump(t, some.db, recipientsQuery), dump(t, some.db, dailyQuery), dump(t, some.db, "SELECT * FROM deliveries"))
		if !slices.Equal(before, after) {
			t.Fatalf("seed %d: reading all again changed\n%q\nto\n%q", seed, before, after)
		}
		all.Close()
		some.Close()
	}
	if pruned < 200 {
		t.Errorf("only %d rows were pruned in all", pruned)
	}
}

func TestPruningDeletesAnAddressWithoutFailureForSoLong(t *testing.T) {
	s, path := openNew(t)
	old, now := day, day.AddDate(0, 0, 100)
	b := &bounce.Batch{
		Records: bounce.NewRecords(
			at(failed("gone", 0, bounce.Bounced, true), old), at(failed("lively", 0, bounce.Bounced, true), old),
			at(failed("lively", 0, bounce.Deferred, false), now), at(failed("reached", 0, bounce.Deferred, false), old),
		),
		Successes: []bounce.Success{reachedAt("reached", now), reachedAt("longago", old), reachedAt("lately", now)},
	}
	save(t, s, b)
	keep := Retention{Bounces: 30, Recipients: 60}
	want := []query.Count{{Name: oldRecipients, N: 2}, {Name: oldDeliveries, N: 1}}
	dry, err := Prunable(t.Context(), reader(t, path), keep, now)
	if err != nil || !slices.Equal(dry, want) {
		t.Errorf("Prunable: %v, %v; want %v", dry, err, want)
	}
	if got := prune(t, s, keep, now); !slices.Equal(got, want) {
		t.Errorf("Prune: %v, want %v", got, want)
	}
	if got := prune(t, s, keep, now); len(got) != 0 {
		t.Errorf("Prune again: %v", got)
	}
	everything := func() []string {
		return slices.Concat(dump(t, s.db, recipientsQuery), dump(t, s.db, "SELECT recipient FROM bounces"), dump(t, s.db, dailyQuery))
	}
	before := everything()
	if got := dump(t, s.db, "SELECT recipient, permanent_count, retry_count FROM recipients"); !slices.Equal(got, []string{"lively@example.com 1 1"}) {
		t.Errorf("recipients after pruning: %q", got)
	}
	save(t, s, b) // the same log again
	if after := everything(); !slices.Equal(before, after) {
		t.Errorf("the log read again changed\n%q\nto\n%q", before, after)
	}
	// A delivery to an address whose row is gone makes none; a failure does,
	// and knows of the delivery.
	save(t, s, &bounce.Batch{Successes: []bounce.Success{reachedAt("gone", now.Add(time.Hour)), reachedAt("reached", now.Add(time.Hour))}})
	save(t, s, &bounce.Batch{Records: bounce.NewRecords(at(failed("gone", 0, bounce.Bounced, true), now.Add(2*time.Hour)))})
	got := dump(t, s.db, "SELECT recipient, state, permanent_count, first_failure_at = last_failure_at, last_delivery_at FROM recipients WHERE recipient NOT LIKE 'lively%'")
	if want := []string{"gone@example.com bad 1 1 " + bounce.Stamp(now.Add(time.Hour))}; !slices.Equal(got, want) {
		t.Errorf("recipients later: got %q, want %q", got, want)
	}
}

func TestPruningDeletesEachKindByItsOwnAge(t *testing.T) {
	s, path := openNew(t)
	now := day.AddDate(0, 0, 50)
	b := &bounce.Batch{
		Records:   bounce.NewRecords(at(failed("a", 0, bounce.Deferred, false), day)),
		Successes: []bounce.Success{reachedAt("a", day), reachedAt("a", now)},
		Positions: []bounce.StreamState{
			{Position: bounce.Position{Stream: 1, Closed: true, UpdatedAt: day}},
			{Position: bounce.Position{Stream: 2, Closed: true, UpdatedAt: now}},
			{Position: bounce.Position{Stream: 3, UpdatedAt: day}},
		},
		Gaps:     []bounce.Gap{{At: day, Why: "old"}, {At: now, Why: "new"}},
		Unparsed: []bounce.Unparsed{{MTA: bounce.Exim, Shape: "new", Lines: []bounce.EventID{bounce.NewSuccessID(uint32(now.Unix()), 1)}, Example: "new"}},
	}
	save(t, s, b)
	if _, err := s.db.ExecContext(t.Context(), `
		UPDATE unparsed_lines SET last_read_at = ?;
		INSERT INTO unparsed_lines (mta, shape, count, example, last_read_at) VALUES ('exim', 'old', 1, 'old', ?)`, bounce.Stamp(now), bounce.Stamp(day)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		keep  Retention
		kind  string
		query string
		want  string
	}{
		{Retention{Positions: 30}, oldPositions, "SELECT stream FROM positions", "2 3"},
		{Retention{Gaps: 30}, oldGaps, "SELECT why FROM gaps", "new"},
		{Retention{UnparsedLines: 30}, oldUnparsed, "SELECT shape FROM unparsed_lines", "new"},
		{Retention{Successes: 30}, oldSuccesses, "SELECT count(*) FROM successes", "1"},
		{Retention{DailyCounts: 30}, oldCounts, "SELECT day, sent, deferred FROM daily_counts", now.Format(time.DateOnly) + " 1 0"},
	} {
		dry, err := Prunable(t.Context(), reader(t, path), c.keep, now)
		if want := []query.Count{{Name: c.kind, N: 1}}; err != nil || !slices.Equal(dry, want) {
			t.Errorf("Prunable(%+v): %v, %v; want %v", c.keep, dry, err, want)
		}
		if got := prune(t, s, c.keep, now); !slices.Equal(got, dry) {
			t.Errorf("Prune(%+v): %v, want %v", c.keep, got, dry)
		}
		if got := strings.Join(dump(t, s.db, c.query), " "); got != c.want {
			t.Errorf("%s after Prune(%+v): %q, want %q", c.query, c.keep, got, c.want)
		}
	}
	// Neither the ids of deliveries nor the day that is gone count anything twice.
	b.Positions, b.Gaps, b.Unparsed = nil, nil, nil
	b.Records.Add(new(at(failed("b", 0, bounce.Deferred, false), day)))
	save(t, s, b)
	if got, want := dump(t, s.db, dailyQuery), []string{now.Format(time.DateOnly) + " example.com 1 0 0 0"}; !slices.Equal(got, want) {
		t.Errorf("daily counts after reading again: %q, want %q", got, want)
	}
}

// The ids of logs without a year are filed under the seconds of the year: what
// may be of the last days has to stay, around the turn of a year too.
func TestPruningKeepsTheSeasonOfLogsWithoutAYear(t *testing.T) {
	season := func(when time.Time, local string) bounce.Success {
		s := reachedAt(local, when)
		start := time.Date(when.Year(), 1, 1, 0, 0, 0, 0, time.UTC)
		s.ID = bounce.NewEventID(uint32(when.Sub(start)/time.Second), fmt.Sprint(local, when))
		return s
	}
	for _, c := range []struct {
		now  string
		days int
		gone []string
		kept []string
	}{
		{"2026-11-23", 30, []string{"2026-10-01", "2025-12-15", "2026-01-02"}, []string{"2026-10-25", "2026-11-23"}},
		{"2026-01-10", 30, []string{"2025-12-01", "2025-06-01", "2025-01-20"}, []string{"2025-12-12", "2026-01-01", "2026-01-10"}},
		{"2026-11-23", 400, nil, []string{"2026-10-01", "2025-12-15", "2026-01-02"}},
	} {
		s, _ := openNew(t)
		parse := func(date string) time.Time {
			when, err := time.Parse(time.DateOnly, date)
			if err != nil {
				t.Fatal(err)
			}
			return when
		}
		b := &bounce.Batch{}
		for _, date := range append(slices.Clone(c.gone), c.kept...) {
			b.Successes = append(b.Successes, season(parse(date), "a"))
		}
		save(t, s, b)
		prune(t, s, Retention{Successes: c.days}, parse(c.now))
		if got, want := dump(t, s.db, "SELECT count(*) FROM successes"), fmt.Sprint(len(c.kept)); got[0] != want {
			t.Errorf("%s, %d days: %s runs are left, want %s", c.now, c.days, got[0], want)
		}
		counts := dump(t, s.db, dailyQuery)
		save(t, s, b)
		if got := dump(t, s.db, dailyQuery); !slices.Equal(got, counts) {
			t.Errorf("%s, %d days: counted twice: %q, before %q", c.now, c.days, got, counts)
		}
		s.Close()
	}
}

func TestAddressesAreNotDeletedBeforeTheirFailures(t *testing.T) {
	s, _ := openNew(t)
	for _, r := range []Retention{{Recipients: 30}, {Recipients: 30, Bounces: 31}} {
		if _, err := s.Prune(t.Context(), r, day); err == nil || !strings.Contains(err.Error(), "cannot be kept longer than their address") {
			t.Errorf("Prune(%+v): %v", r, err)
		}
	}
}

// Batches are saved between the pieces of a prune, also by way of the same
// connection.
func TestBatchesAreSavedWhilePruning(t *testing.T) {
	s, _ := openNew(t)
	now := day.AddDate(0, 0, 100)
	b := &bounce.Batch{}
	for i := range 20_000 {
		local := fmt.Sprint("user", i%100)
		b.Records.Add(new(at(failed(local, 0, bounce.Deferred, false), day.Add(time.Duration(i)*time.Second))))
	}
	for i := range 100 {
		b.Successes = append(b.Successes, reachedAt(fmt.Sprint("user", i), now))
	}
	save(t, s, b)
	done := make(chan error, 1)
	go func() {
		_, err := s.Prune(t.Context(), Retention{Bounces: 30}, now)
		done <- err
	}()
	saves := 0
	for running := true; running; saves++ {
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Prune: %v", err)
			}
			running = false
		default:
			save(t, s, &bounce.Batch{Records: bounce.NewRecords(at(failed("busy", 0, bounce.Deferred, false), now.Add(time.Duration(saves)*time.Second)))})
		}
	}
	if got, want := dump(t, s.db, "SELECT count(*) FROM bounces"), fmt.Sprint(100+saves-1); got[0] != want {
		t.Errorf("%s failures are left after %d saves, want %s", got[0], saves-1, want)
	}
}
