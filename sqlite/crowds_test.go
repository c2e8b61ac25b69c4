package sqlite

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/crowdgen"
	"github.com/bouncetail/bouncetail/internal/volume"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite/outbox"
)

var crowdLimits = bounce.CrowdLimits{Addresses: 5, Domains: 3, Share: 10, Usual: 3}

const crowdsQuery = `SELECT kind, unit, started_at, last_at, ended_at, addresses, refused, attempts, coalesce(domains, '-'), frozen
	FROM crowds ORDER BY kind, unit, started_at`

const statesQuery = `SELECT recipient, state, decided_by, coalesce(bad_since, '-'), coalesce(memory, '-') FROM recipients ORDER BY recipient`

// batchOfEvents makes a batch of events, as the stages before would.
func batchOfEvents(events []crowdgen.Event) *bounce.Batch {
	b := &bounce.Batch{}
	domains := make(map[string]uint32)
	for _, e := range events {
		_, domain, _ := strings.Cut(e.To, "@")
		address := bounce.Address{Normal: e.To, Domain: domain}
		h := fnv.New64()
		fmt.Fprint(h, e.To, e.At)
		id := bounce.NewSuccessID(uint32(e.At.Unix()), h.Sum64())
		if e.Reason == "" {
			n, known := domains[domain]
			if !known {
				n = uint32(len(b.Domains))
				domains[domain] = n
				b.Domains = append(b.Domains, domain)
			}
			b.Successes = append(b.Successes, bounce.Success{ID: id, Domain: n, At: e.At.UnixMilli(), Key: address.Key()})
			continue
		}
		v := bounce.Verdict{Category: bounce.InvalidAddress, Reason: bounce.Reason(e.Reason), Scope: bounce.ScopeRecipient, Disposition: bounce.Permanent, Suppress: true, Rule: "test"}
		code := 550
		if v.Reason == bounce.NoSuchDomain {
			v.Scope, code = bounce.ScopeDomain, 0
		}
		if strings.HasSuffix(e.Relay, ".google.com") {
			v.Provider = "google"
		}
		b.Records.Add(&bounce.Record{
			Delivery: bounce.Delivery{
				ID: id, At: e.At, MTA: bounce.Postfix, Outcome: bounce.Bounced, QueueID: fmt.Sprintf("%X", h.Sum64()),
				Reply: bounce.Reply{SMTPCode: code, Text: e.Reply, RelayHost: e.Relay, RelayIP: e.IP()},
			},
			Verdict: v, To: address,
		})
	}
	return b
}

func openWithCrowds(t testing.TB, path string) *Store {
	t.Helper()
	s := open(t, path)
	t.Cleanup(func() { s.Close() })
	if _, _, err := s.UsePolicy(t.Context(), &bounce.Policy{Crowds: crowdLimits}); err != nil {
		t.Fatal(err)
	}
	return s
}

// storeOf saves events in pieces, each in a transaction.
func storeOf(t *testing.T, pieces [][]crowdgen.Event) *Store {
	t.Helper()
	s := openWithCrowds(t, filepath.Join(t.TempDir(), "b.db"))
	for _, events := range pieces {
		if _, err := s.Save(t.Context(), batchOfEvents(events)); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func wrongStates(t *testing.T, s *Store, truth map[string]crowdgen.Truth) (wrong []string) {
	t.Helper()
	states := make(map[string]string)
	for _, row := range dump(t, s.db, "SELECT recipient, state FROM recipients") {
		address, state, _ := strings.Cut(row, " ")
		states[address] = state
	}
	for address, want := range truth {
		got := states[address]
		if ok := got == string(want) || want == crowdgen.NotBad && got != "bad"; !ok {
			wrong = append(wrong, fmt.Sprintf("%s is %s, want %s", address, got, want))
		}
	}
	slices.Sort(wrong)
	return wrong
}

func diff(got, want []string) string {
	var lines []string
	for _, line := range got {
		if !slices.Contains(want, line) {
			lines = append(lines, "+ "+line)
		}
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			lines = append(lines, "- "+line)
		}
	}
	return strings.Join(lines[:min(len(lines), 12)], "\n")
}

// Scenarios of more events are read in fewer orders, because each takes seconds.
const manyEvents = 8000

func TestScenariosEndInTheTruthInAnyOrderOfImport(t *testing.T) {
	for _, scenario := range crowdgen.Scenarios {
		t.Run(scenario.Name, func(t *testing.T) {
			t.Parallel()
			l := scenario.Generate(7)
			piece := 700
			if len(l.Events) > manyEvents {
				piece = 5000
			}
			s := storeOf(t, slices.Collect(slices.Chunk(l.Events, piece)))
			crowds, states := dump(t, s.db, crowdsQuery), dump(t, s.db, statesQuery)
			if wrong := wrongStates(t, s, l.Truth); len(wrong) > 0 {
				t.Errorf("%d of %d addresses are wrong:\n%s\ncrowds:\n%s", len(wrong), len(l.Truth), strings.Join(wrong[:min(5, len(wrong))], "\n"), strings.Join(crowds, "\n"))
			}
			r := rand.New(rand.NewPCG(1, 2))
			shuffled := func(pieces [][]crowdgen.Event) [][]crowdgen.Event {
				r.Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
				return pieces
			}
			single := slices.Clone(l.Events)
			r.Shuffle(len(single), func(i, j int) { single[i], single[j] = single[j], single[i] })
			for name, pieces := range map[string][][]crowdgen.Event{
				"all at once":         {l.Events},
				"pieces in any order": shuffled(slices.Collect(slices.Chunk(l.Events, 1500))),
				"days in any order":   shuffled(l.Days()),
				"events in any order": slices.Collect(slices.Chunk(single, len(single)/3+1)),
			} {
				if len(l.Events) > manyEvents && name != "days in any order" {
					continue
				}
				other := storeOf(t, pieces)
				if d := diff(dump(t, other.db, crowdsQuery), crowds); d != "" {
					t.Errorf("%s: other crowds:\n%s", name, d)
				}
				if d := diff(dump(t, other.db, statesQuery), states); d != "" {
					t.Errorf("%s: other states:\n%s", name, d)
				}
			}
			n, err := s.Rebuild(t.Context())
			if err != nil || n != 0 {
				t.Errorf("Rebuild changes %d rows: %v", n, err)
			}
			if d := diff(dump(t, s.db, crowdsQuery), crowds); d != "" {
				t.Errorf("Rebuild gives other crowds:\n%s", d)
			}
		})
	}
}

// small is the outage of a company with eight addresses, which all become suspect.
func small(t *testing.T) (s *Store, path string, l *crowdgen.Log) {
	t.Helper()
	scenario, _ := crowdgen.Find("small-company")
	l = scenario.Generate(1)
	path = filepath.Join(t.TempDir(), "b.db")
	s = openWithCrowds(t, path)
	if _, err := s.Save(t.Context(), batchOfEvents(l.Events)); err != nil {
		t.Fatal(err)
	}
	return s, path, l
}

const countsQuery = "SELECT state, count(*) FROM recipients GROUP BY 1 ORDER BY 1"

func TestAConfirmationMakesSuspectsBad(t *testing.T) {
	s, path, l := small(t)
	e, err := OpenEditor(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	outage := recipient.Release{Since: "2026-03-06T00:00:00.000Z", Until: "2026-03-07T00:00:00.000Z", Domain: "small.example"}
	done, err := e.Confirm(t.Context(), outage, true)
	if err != nil || done.ID != 0 || done.Failures != 8 || done.Bad != 8 {
		t.Errorf("a dry run: %+v, %v", done, err)
	}
	if got := dump(t, s.db, countsQuery); !slices.Equal(got, []string{"suspect 8"}) {
		t.Errorf("after a dry run: %q", got)
	}
	if done, err = e.Confirm(t.Context(), outage, false); err != nil || done.ID != 1 || done.Bad != 8 {
		t.Errorf("Confirm: %+v, %v", done, err)
	}
	if got := dump(t, s.db, countsQuery); !slices.Equal(got, []string{"bad 8"}) {
		t.Errorf("after the confirmation: %q", got)
	}
	// A line of that time that is read later obeys it.
	late := l.Events[len(l.Events)-1]
	late.To = "late@small.example"
	sent := late
	sent.At, sent.Reason = sent.At.AddDate(0, 0, -1), ""
	if _, err := s.Save(t.Context(), batchOfEvents([]crowdgen.Event{sent, late})); err != nil {
		t.Fatal(err)
	}
	if got := dump(t, s.db, countsQuery); !slices.Equal(got, []string{"bad 9"}) {
		t.Errorf("with a line that was read later: %q", got)
	}
	if n, err := s.Rebuild(t.Context()); n != 0 || err != nil {
		t.Errorf("Rebuild changes %d rows: %v", n, err)
	}
	if done, err = e.WithdrawConfirm(t.Context(), 1); err != nil || done.Good != 9 {
		t.Errorf("WithdrawConfirm: %+v, %v", done, err)
	}
	if got := dump(t, s.db, countsQuery); !slices.Equal(got, []string{"suspect 9"}) {
		t.Errorf("after it was taken back: %q", got)
	}
	if _, err = e.WithdrawConfirm(t.Context(), 1); err == nil || !strings.Contains(err.Error(), "there is no confirmation 1 in force") {
		t.Errorf("WithdrawConfirm again: %v", err)
	}
}

func TestForgettingAndPruningKeepCrowds(t *testing.T) {
	s, _, l := small(t)
	crowds := dump(t, s.db, crowdsQuery)
	// Four of the eight are forgotten: four would be no crowd.
	f := Forgetting{Now: l.Events[len(l.Events)-1].At.AddDate(0, 0, 1)}
	for i := range 4 {
		f.People = append(f.People, bounce.Address{Normal: fmt.Sprintf("staff%d@small.example", i), Domain: "small.example"})
	}
	if _, err := s.Forget(t.Context(), &f); err != nil {
		t.Fatal(err)
	}
	frozen := strings.TrimSuffix(crowds[0], "0") + "1"
	check := func(what string) {
		t.Helper()
		if n, err := s.Rebuild(t.Context()); n != 0 || err != nil {
			t.Errorf("%s: Rebuild changes %d rows: %v", what, n, err)
		}
		if got := dump(t, s.db, crowdsQuery); !slices.Equal(got, []string{frozen}) {
			t.Errorf("%s: crowds %q, want %q", what, got, frozen)
		}
		if got := dump(t, s.db, countsQuery); !slices.Equal(got, []string{"suspect 4"}) {
			t.Errorf("%s: states %q", what, got)
		}
	}
	check("forgotten")
	if _, err := s.Prune(t.Context(), Retention{Bounces: 30, Successes: 30, DailyCounts: 30}, f.Now.AddDate(0, 2, 0)); err != nil {
		t.Fatal(err)
	}
	check("pruned")
}

func TestOtherLimitsFindOtherCrowds(t *testing.T) {
	s, _, _ := small(t)
	for _, tt := range []struct {
		addresses int
		crowds    string
		want      string
	}{{16, "0", "bad 8"}, {14, "1", "suspect 8"}, {0, "0", "bad 8"}} {
		limits := crowdLimits
		limits.Addresses = tt.addresses
		other, _, err := s.UsePolicy(t.Context(), &bounce.Policy{Crowds: limits})
		if err != nil || !other {
			t.Fatalf("UsePolicy: %v, %v", other, err)
		}
		if got := dump(t, s.db, "SELECT count(*) FROM crowds"); got[0] != tt.crowds {
			t.Errorf("%d addresses: %s crowds, want %s", tt.addresses, got[0], tt.crowds)
		}
		if got := dump(t, s.db, countsQuery); !slices.Equal(got, []string{tt.want}) {
			t.Errorf("%d addresses: %q, want %q", tt.addresses, got, tt.want)
		}
	}
}

// Counts of a time when deliveries were not counted by ten minutes make no crowds.
func TestOldCountsMakeNoCrowds(t *testing.T) {
	s, path := openNew(t)
	scenario, _ := crowdgen.Find("small-company")
	l := scenario.Generate(1)
	// On that day, but not in that hour, four hundred were accepted.
	at := l.Events[len(l.Events)-1].At.Add(-8 * time.Hour)
	for i := range 400 {
		l.Events = append(l.Events, crowdgen.Event{At: at, To: fmt.Sprintf("other%d@small.example", i), Relay: "mx"})
	}
	if _, err := s.Save(t.Context(), batchOfEvents(l.Events)); err != nil {
		t.Fatal(err)
	}
	for _, change := range []string{"UPDATE daily_counts SET sent_slots = NULL", "UPDATE daily_traffic SET slots = NULL"} {
		if _, err := s.db.ExecContext(t.Context(), change); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openWithCrowds(t, path)
	if got := dump(t, s.db, "SELECT count(*) FROM crowds"); got[0] != "0" {
		t.Errorf("%s crowds, want none", got[0])
	}
}

// A webhook that received an address as bad receives it as suspect, too. Here an older
// log shows that the addresses accepted mail.
func TestAddressesThatBecomeSuspectAreRecalled(t *testing.T) {
	scenario, _ := crowdgen.Find("small-company")
	days := scenario.Generate(1).Days()
	path := filepath.Join(t.TempDir(), "b.db")
	s := openWithCrowds(t, path)
	last := days[len(days)-1]
	if _, err := s.Save(t.Context(), batchOfEvents(last)); err != nil {
		t.Fatal(err)
	}
	o, err := outbox.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	changes := func(after int64, states ...string) (int64, map[bounce.State]int) {
		t.Helper()
		page, err := o.Changes(t.Context(), after, states, 100)
		if err != nil {
			t.Fatal(err)
		}
		n := make(map[bounce.State]int)
		for i := range page.Changes {
			n[page.Changes[i].State]++
		}
		return page.UpTo, n
	}
	upTo, n := changes(0, "bad")
	if n[bounce.StateBad] != 8 {
		t.Fatalf("at first: %v", n)
	}
	for _, day := range days[:len(days)-1] {
		if _, err := s.Save(t.Context(), batchOfEvents(day)); err != nil {
			t.Fatal(err)
		}
	}
	for _, states := range [][]string{{"bad"}, {"bad", "ok"}} {
		if _, n := changes(upTo, states...); n[bounce.StateSuspect] != 8 || len(n) != 1 {
			t.Errorf("with states %q: %v, want 8 suspect", states, n)
		}
	}
	if _, n := changes(upTo, "ok"); len(n) != 0 {
		t.Errorf("a webhook without the state bad gets %v", n)
	}
	// Those that were suspect from the start are not news.
	other := openWithCrowds(t, filepath.Join(t.TempDir(), "b.db"))
	if _, err := other.Save(t.Context(), batchOfEvents(slices.Concat(days...))); err != nil {
		t.Fatal(err)
	}
	if got := dump(t, other.db, "SELECT count(*) FROM recalls"); got[0] != "0" {
		t.Errorf("%s recalls of addresses that were never bad", got[0])
	}
}

// Refusals of addresses that were not reached yet are remembered, too: a later
// delivery makes evidence of them.
func TestRefusalsOfUnreachedAddressesAreRemembered(t *testing.T) {
	at := time.Date(2026, 3, 6, 10, 0, 0, 0, time.UTC)
	event := func(n, minute int, reason string) crowdgen.Event {
		return crowdgen.Event{At: at.Add(time.Duration(minute) * time.Minute), To: fmt.Sprintf("staff%d@small.example", n), Relay: "mx.small.example", Reason: reason, Reply: "550 5.1.1 unknown"}
	}
	s := openWithCrowds(t, filepath.Join(t.TempDir(), "b.db"))
	save := func(events ...crowdgen.Event) {
		t.Helper()
		if _, err := s.Save(t.Context(), batchOfEvents(events)); err != nil {
			t.Fatal(err)
		}
	}
	// The first fills the cache, because it was reached.
	save(event(0, -600, ""))
	save(event(0, 0, "no-such-user"))
	for n := range 6 {
		save(event(n+1, n, "no-such-user"))
	}
	for n := range 6 {
		save(event(n+1, 100+n, ""))
	}
	if got := dump(t, s.db, countsQuery); !slices.Equal(got, []string{"ok 6", "suspect 1"}) {
		t.Errorf("got %q, want one suspect", got)
	}
	if n, err := s.Rebuild(t.Context()); n != 0 || err != nil {
		t.Errorf("Rebuild changes %d rows: %v", n, err)
	}
}

// Random events of few addresses, so dense that crowds come, grow, split and go, give
// the same tables in any order and in any pieces.
func TestRandomEventsGiveTheSameCrowdsInAnyOrder(t *testing.T) {
	found := 0
	seeds := []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 114, 136, 148, 376}
	for _, seed := range volume.Of(seeds[11:], seeds) {
		r := rand.New(rand.NewPCG(seed, 9))
		events := crowdgen.Bursts(r)
		once := storeOf(t, [][]crowdgen.Event{events})
		crowds, states := dump(t, once.db, crowdsQuery), dump(t, once.db, statesQuery)
		found += len(crowds)
		check := func(what string, s *Store) {
			t.Helper()
			if d := diff(dump(t, s.db, crowdsQuery), crowds); d != "" {
				t.Errorf("seed %d, %s: other crowds:\n%s", seed, what, d)
			}
			if d := diff(dump(t, s.db, statesQuery), states); d != "" {
				t.Errorf("seed %d, %s: other states:\n%s", seed, what, d)
			}
		}
		for _, size := range []int{1, 7, 60} {
			r.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
			check(fmt.Sprintf("%d at a time", size), storeOf(t, slices.Collect(slices.Chunk(events, size))))
		}
		slices.SortFunc(events, func(a, b crowdgen.Event) int { return a.At.Compare(b.At) })
		check("in order", storeOf(t, slices.Collect(slices.Chunk(events, 3))))
		if n, err := once.Rebuild(t.Context()); n != 0 || err != nil {
			t.Errorf("seed %d: Rebuild changes %d rows: %v", seed, n, err)
		}
		check("rebuilt", once)
	}
	if want := volume.Of(20, 14); found < want {
		t.Errorf("%d crowds, want at least %d", found, want)
	}
}
