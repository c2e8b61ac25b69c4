package sqlite

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// refusal is a first attempt that google refused, seconds after a time.
func refusal(n int, after time.Time) bounce.Record {
	r := failed(fmt.Sprint("r", n), 0, bounce.Bounced, false)
	r.ID, r.At, r.First = id(fmt.Sprint("refusal", n)), after.Add(time.Duration(n)*time.Second), true
	r.Verdict = bounce.Verdict{Category: bounce.DMARC, Reason: bounce.DMARCFailed, Scope: bounce.ScopeSender, Disposition: bounce.Permanent, Rule: "test", Provider: "google"}
	return r
}

// acceptance is a first attempt that a provider took; 0 is none that is known.
func acceptance(n int, after time.Time, provider uint16) bounce.Success {
	s := succeeded(fmt.Sprint("s", n), 0)
	s.ID, s.At, s.First, s.Provider = id(fmt.Sprint("acceptance", n)), after.Add(time.Duration(n)*time.Second).UnixMilli(), true, provider
	return s
}

func saveAll(t *testing.T, s *Store, records []bounce.Record, successes []bounce.Success) {
	t.Helper()
	save(t, s, &bounce.Batch{Records: bounce.NewRecords(records...), Successes: slices.Clone(successes), Providers: []string{"google", "yahoo"}})
}

const (
	daySums     = "SELECT day, sum(sent), sum(deferred), sum(bounced), sum(expired) FROM daily_counts GROUP BY day ORDER BY day"
	dailyTotals = "SELECT sum(sent), sum(deferred), sum(bounced), sum(expired) FROM daily_counts"
	// metricSums are the same numbers by the metrics.
	metricSums = `SELECT group_concat(n, ' ') FROM (
		SELECT (SELECT coalesce(sum(value), 0) FROM metric_totals
		  WHERE name IN ('attempts', 'imported_attempts') AND labels LIKE 'outcome="' || column1 || '"%') AS n
		FROM (VALUES ('sent'), ('deferred'), ('bounced'), ('expired')))`
)

func TestAttemptsAreCountedOnceInAnyOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 24))
	now := day.Add(24 * time.Hour)
	var records []bounce.Record
	var successes []bounce.Success
	for n := range 300 {
		at := now.Add(-time.Duration(rng.IntN(40)) * time.Minute) // some count as imported
		r := refusal(n, at)
		r.Outcome = []bounce.Outcome{bounce.Deferred, bounce.Bounced, bounce.Expired}[n%3]
		records, successes = append(records, r), append(successes, acceptance(n, at, uint16(n%3)))
	}
	var want map[string][]string
	for round := range 5 {
		s, _ := openNew(t)
		s.Now = func() time.Time { return now }
		rng.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
		rng.Shuffle(len(successes), func(i, j int) { successes[i], successes[j] = successes[j], successes[i] })
		for i := 0; i < 300; i += 30 {
			// What a crash undoes is not counted.
			tx, err := s.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Add(&bounce.Batch{Records: bounce.NewRecords(records[i:]...), Successes: slices.Clone(successes[i:]), Domains: []string{"example.com"}, Providers: []string{"google", "yahoo"}}); err != nil {
				t.Fatal(err)
			}
			if err := tx.Rollback(); err != nil {
				t.Fatal(err)
			}
			saveAll(t, s, records[max(0, i-20):i+30], successes[max(0, i-20):i+30]) // some again
		}
		got := make(map[string][]string)
		for _, q := range []string{
			"SELECT name, labels, value FROM metric_totals WHERE name NOT LIKE 'commit%' AND name <> 'recipients_turned_bad' ORDER BY 1, 2",
			"SELECT * FROM provider_windows ORDER BY 1, 2, 3", "SELECT * FROM daily_reasons ORDER BY 1, 2, 3", dailyTotals,
		} {
			got[q] = dump(t, s.db, q)
		}
		if sums := dump(t, s.db, metricSums); !slices.Equal(sums, got[dailyTotals]) {
			t.Errorf("the metrics count %q, daily_counts %q", sums, got[dailyTotals])
		}
		if days, sums := dump(t, s.db, "SELECT * FROM daily_totals ORDER BY day"), dump(t, s.db, daySums); !slices.Equal(days, sums) {
			t.Errorf("daily_totals has %q, the sums of daily_counts are %q", days, sums)
		}
		if imported := dump(t, s.db, "SELECT count(*) FROM metric_totals WHERE name = 'imported_attempts'"); imported[0] != "4" {
			t.Errorf("%s rows of imported attempts, want 4", imported[0])
		}
		if round == 0 {
			want = got
		}
		for q := range want {
			if !slices.Equal(got[q], want[q]) {
				t.Errorf("round %d: %s\n got %q\nwant %q", round, q, got[q], want[q])
			}
		}
		s.Close()
	}
}

func TestOnlyFirstAttemptsThatSaySomethingAreTried(t *testing.T) {
	s, _ := openNew(t)
	start := day.Truncate(5 * time.Minute)
	change := func(n int, f func(*bounce.Record)) bounce.Record {
		r := refusal(n, start)
		f(&r)
		return r
	}
	again := acceptance(20, start, 1)
	again.First = false
	saveAll(t, s, []bounce.Record{
		refusal(1, start),
		change(2, func(r *bounce.Record) { r.First = false }),
		change(3, func(r *bounce.Record) { r.Echo = true }),
		change(4, func(r *bounce.Record) { r.Reason = bounce.Greylisted }),
		change(5, func(r *bounce.Record) { r.Reason = bounce.Suppressed }),
		change(6, func(r *bounce.Record) { r.Scope = bounce.ScopeRecipient }),
		change(7, func(r *bounce.Record) { r.Scope = bounce.ScopeLocal }),
		change(8, func(r *bounce.Record) { r.Scope, r.Outcome = bounce.ScopeNetwork, bounce.Deferred }),
		change(9, func(r *bounce.Record) { r.Provider = "" }), // of a small domain
	}, []bounce.Success{acceptance(10, start, 1), acceptance(11, start, 2), again, acceptance(12, start, 0)})
	want := []string{"google 2 1 7 0 3 2", "other 1 0 1 0 2 1", "yahoo 1 0 0 0 1 0"}
	if got := dump(t, s.db, "SELECT provider, sent, deferred, bounced, expired, tried, refused FROM provider_windows ORDER BY 1"); !slices.Equal(got, want) {
		t.Errorf("provider_windows:\n got %q\nwant %q", got, want)
	}
}

func TestALargeDomainHasWindowsOfItsOwnOnTheNextDay(t *testing.T) {
	s, _ := openNew(t)
	var successes []bounce.Success
	for n := range 51 {
		successes = append(successes, acceptance(n, day, 0))
	}
	saveAll(t, s, nil, successes)
	saveAll(t, s, nil, []bounce.Success{acceptance(100, day.Add(24*time.Hour), 0), acceptance(101, day.Add(48*time.Hour), 0)})
	want := []string{"other 51", "example.com 1", "other 1"}
	if got := dump(t, s.db, "SELECT provider, sum(sent) FROM provider_windows GROUP BY date(start, 'unixepoch'), provider ORDER BY min(start)"); !slices.Equal(got, want) {
		t.Errorf("windows: %q, want %q", got, want)
	}
}

func TestStrangersMakeFewRows(t *testing.T) {
	s, _ := openNew(t)
	s.Now = func() time.Time { return day }
	const domains = 20_000
	b := &bounce.Batch{}
	for n := range domains {
		domain := fmt.Sprintf("d%d.example", n)
		r := refusal(0, day)
		r.ID, r.Provider, r.Blocklist = id(domain), "", domain+".dnsbl.example"
		r.Host, r.Reply.RelayHost = domain, "mx."+domain
		r.To = bounce.Address{Normal: "a@" + domain, Domain: domain}
		b.Records.Add(&r)
	}
	if _, err := s.Save(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if got := dump(t, s.db, "SELECT (SELECT count(*) FROM metric_totals) < 40, (SELECT count(*) FROM provider_windows), (SELECT count(*) FROM daily_reasons)"); got[0] != "1 1 1" {
		t.Errorf("few metrics, windows, reasons: %q, want 1 1 1", got[0])
	}
}

func TestMigrationCountsWhatIsStored(t *testing.T) {
	path := oldDatabase(t, 8, `
		INSERT INTO bounces (event_id, occurred_at, recipient, domain, mta, outcome, category, reason, scope, disposition, suppress, rule, recipient_key, provider)
		VALUES ('01', '2026-01-01T00:00:00.000Z', 'a@example.com', 'example.com', 'postfix', 'deferred', 'dmarc', 'dmarc', 'sender', 'retry', 0, 'x', 7, 'google'),
		  ('02', '2026-01-01T01:00:00.000Z', 'b@example.com', 'example.com', 'postfix', 'deferred', 'dmarc', 'dmarc', 'sender', 'retry', 0, 'x', 8, 'google'),
		  ('03', '2026-01-02T01:00:00.000Z', 'b@example.com', 'example.com', 'postfix', 'bounced', 'mailbox', 'unknown', 'recipient', 'retry', 0, 'x', 8, NULL);
		INSERT INTO daily_counts (day, domain, sent, deferred, bounced, expired) VALUES ('2026-01-01', 'example.com', 5, 2, 0, 0), ('2026-01-02', 'example.com', 6, 0, 1, 0);`)
	s, err := Open(t.Context(), path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for q, want := range map[string][]string{
		"SELECT * FROM daily_reasons ORDER BY day": {"2026-01-01 google dmarc dmarc sender 2", "2026-01-02 other mailbox unknown recipient 1"},
		"SELECT * FROM daily_totals ORDER BY day":  {"2026-01-01 5 2 0 0", "2026-01-02 6 0 1 0"},
		metricSums: {"11 2 1 0"},
		"SELECT value FROM meta WHERE name = 'rows_bounces'": {"3"},
		"SELECT count(*) FROM provider_windows":              {"0"},
		"SELECT value FROM metric_totals WHERE value = 0":    nil,
		"SELECT DISTINCT name FROM metric_totals ORDER BY 1": {"imported_attempts"},
	} {
		if got := dump(t, s.db, q); !slices.Equal(got, want) {
			t.Errorf("%s\n got %q\nwant %q", q, got, want)
		}
	}
}

func TestJudgingAgainMovesFailuresBetweenReasons(t *testing.T) {
	s, _ := openNew(t)
	saveAll(t, s, []bounce.Record{refusal(1, day), refusal(2, day), refusal(3, day.Add(24*time.Hour))}, nil)
	n := 0
	_, err := s.Rejudge(t.Context(), func(*bounce.Delivery) bounce.Verdict {
		v := refusal(0, day).Verdict
		if n++; n > 1 {
			v.Reason = bounce.SPFFailed
		}
		return v
	}, func(*query.Stored, bounce.Verdict) {})
	if err != nil {
		t.Fatal(err)
	}
	const sums = "SELECT day, provider, category, reason, scope, failures FROM daily_reasons WHERE failures > 0 ORDER BY 1, 4"
	const bounces = "SELECT substr(occurred_at, 1, 10), coalesce(provider, 'other'), category, reason, scope, count(*) FROM bounces GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 4"
	if got, want := dump(t, s.db, sums), dump(t, s.db, bounces); !slices.Equal(got, want) || len(got) != 3 {
		t.Errorf("daily_reasons:\n got %q\nwant %q", got, want)
	}
}

func TestOldWindowsAreAddedUp(t *testing.T) {
	s, _ := openNew(t)
	now := day.Add(200 * 24 * time.Hour)
	var successes []bounce.Success
	for n := range 200 {
		for minute := range 3 {
			successes = append(successes, acceptance(1000*n+minute, now.Add(-time.Duration(n)*24*time.Hour).Truncate(time.Hour).Add(time.Duration(5*minute)*time.Minute-time.Duration(1000*n)*time.Second), 1))
		}
	}
	saveAll(t, s, nil, successes)
	before := dump(t, s.db, "SELECT sum(sent), sum(tried) FROM provider_windows")
	for range 2 {
		if err := s.RollUp(t.Context(), now); err != nil {
			t.Fatal(err)
		}
	}
	if got := dump(t, s.db, "SELECT sum(sent), sum(tried) FROM provider_windows"); !slices.Equal(got, before) {
		t.Errorf("attempts: %q, want %q as before", got, before)
	}
	for span, age := range map[int]int{300: 14, 3600: 90} {
		oldest := dump(t, s.db, fmt.Sprintf("SELECT min(start) > %d, count(*) > 10, sum(start %% span) FROM provider_windows WHERE span = %d", now.Add(-time.Duration(age+1)*24*time.Hour).Unix(), span))
		if oldest[0] != "1 1 0" {
			t.Errorf("windows of %d seconds: young, many, misplaced %q, want 1 1 0", span, oldest[0])
		}
	}
}

// Forgetting, pruning and rebuilding change the numbers of rows, and let no counter fall.
func TestNumbersOfRecipientsAndFailuresAreKept(t *testing.T) {
	s, _ := openNew(t)
	rng := rand.New(rand.NewPCG(2, 24))
	const counted = "SELECT substr(name, 12), value FROM meta WHERE name LIKE 'recipients\\_%' ESCAPE '\\' AND value <> 0 ORDER BY 1"
	const true_ = "SELECT state, count(*) FROM recipients GROUP BY 1 ORDER BY 1"
	if _, err := s.db.ExecContext(t.Context(), "CREATE TABLE before (name, labels, value)"); err != nil {
		t.Fatal(err)
	}
	for round := range 30 {
		switch round % 10 {
		case 7:
			forget(t, s, func(f *Forgetting) { f.People = []bounce.Address{to(fmt.Sprint("u", rng.IntN(20)))} })
		case 8:
			prune(t, s, Retention{Bounces: 1, Recipients: 1}, day.Add(time.Duration(24+round/2)*time.Hour))
		case 9:
			if _, err := s.Rebuild(t.Context()); err != nil {
				t.Fatal(err)
			}
		default:
			var records []bounce.Record
			var successes []bounce.Success
			for range 10 {
				who, minute := fmt.Sprint("u", rng.IntN(20)), 40*round+rng.IntN(60)
				records = append(records, failed(who, minute, bounce.Bounced, rng.IntN(2) == 0))
				successes = append(successes, succeeded(fmt.Sprint("u", rng.IntN(20)), minute))
			}
			saveAll(t, s, records, successes)
		}
		if got, want := dump(t, s.db, counted), dump(t, s.db, true_); !slices.Equal(got, want) {
			t.Fatalf("round %d: meta counts %q, there are %q", round, got, want)
		}
		if fell := dump(t, s.db, "SELECT name, labels FROM before b LEFT JOIN metric_totals m USING (name, labels) WHERE coalesce(m.value, 0) < b.value"); fell != nil {
			t.Fatalf("round %d: counters fell: %q", round, fell)
		}
		for _, keep := range []string{"DELETE FROM before", "INSERT INTO before SELECT name, labels, value FROM metric_totals"} {
			if _, err := s.db.ExecContext(t.Context(), keep); err != nil {
				t.Fatal(err)
			}
		}
		if got, want := dump(t, s.db, "SELECT value FROM meta WHERE name = 'rows_bounces'"), dump(t, s.db, "SELECT count(*) FROM bounces"); !slices.Equal(got, want) {
			t.Fatalf("round %d: meta counts %q failures, there are %q", round, got, want)
		}
	}
}
