package recipient

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/crowdgen"
)

// ledger is the records of all transactions in memory, as a database holds them.
type ledger struct {
	refusals  []Refusal // sorted by time
	delivered map[int64]int64
	before    map[int64]bool // addresses that were refused and reached before a transaction; nil if none runs
	sends     map[string]map[Slot]int
	crowds    []Crowd
	memory    CrowdMemory
	lastID    int64
	reads     int // calls of Refusals
}

func newLedger() *ledger {
	return &ledger{delivered: make(map[int64]int64), sends: make(map[string]map[Slot]int)}
}

func (l *ledger) where(is func(*Refusal) bool) []Refusal {
	return slices.DeleteFunc(slices.Clone(l.refusals), func(r Refusal) bool { return !is(&r) })
}

func (l *ledger) Refusals(from, to int64, each func(*Refusal)) error {
	l.reads++
	for _, r := range l.refusals {
		if from <= r.At && r.At <= to && (l.before == nil || r.Lookup || l.before[r.Key]) {
			each(&r)
		}
	}
	return nil
}

func (l *ledger) AllRefusals(from, to int64, each func(*Refusal)) error {
	for _, r := range l.refusals {
		if from <= r.At && r.At <= to {
			each(&r)
		}
	}
	return nil
}

func (l *ledger) RefusalCounts(from, to int64) (*Sends, error) {
	bySlot := make(map[Slot]int)
	for _, r := range l.refusals {
		if from <= r.At && r.At <= to {
			bySlot[SlotOf(r.At)]++
		}
	}
	counts := &Sends{}
	for _, slot := range sortedKeys(bySlot) {
		counts.Add(slot, bySlot[slot])
	}
	return counts, nil
}

func (l *ledger) DomainRefusals(domain string, from, to int64) ([]Refusal, error) {
	return l.where(func(r *Refusal) bool { return r.Domain == domain && !r.Lookup && from <= r.At && r.At <= to }), nil
}

func (l *ledger) Lookups(domains []string) ([]Refusal, error) {
	return l.where(func(r *Refusal) bool { return r.Lookup && slices.Contains(domains, r.Domain) }), nil
}

func (l *ledger) RefusedAfter(at int64) (bool, error) {
	return slices.ContainsFunc(l.refusals, func(r Refusal) bool { return r.At > at }), nil
}

func (l *ledger) RefusalsOf(keys []int64) (all []Refusal, err error) {
	for _, r := range l.refusals {
		if slices.Contains(keys, r.Key) {
			all = append(all, r)
		}
	}
	return all, nil
}

func (l *ledger) RefusedAt(keys []int64, each func(key, at int64)) error {
	for _, r := range l.refusals {
		if slices.Contains(keys, r.Key) {
			each(r.Key, r.At)
		}
	}
	return nil
}

func (l *ledger) LastDeliveries(keys []int64) (map[int64]int64, error) {
	found := make(map[int64]int64)
	for _, key := range keys {
		if at := l.delivered[key]; at > 0 {
			found[key] = at
		}
	}
	return found, nil
}

func (l *ledger) Accepted(domains []string, each func(string)) error {
	for _, d := range domains {
		if len(l.sends[d]) > 0 {
			each(d)
		}
	}
	return nil
}

func dayOfSlot(s Slot) int { return bounce.EpochDay(s.Start()) }

func (l *ledger) AcceptedDays(domains []string) (map[string]int, error) {
	found := make(map[string]int)
	for _, d := range domains {
		days := make(map[int]bool)
		for slot := range l.sends[d] {
			days[dayOfSlot(slot)] = true
		}
		found[d] = len(days)
	}
	return found, nil
}

func (l *ledger) NotFound() (map[string]bool, error) {
	found := make(map[string]bool)
	for _, r := range l.refusals {
		if r.Lookup {
			found[r.Domain] = true
		}
	}
	return found, nil
}

func (l *ledger) Horizon() (string, error) { return "", nil }

func (l *ledger) Traffic(int64, int64) StoredTraffic {
	return ledgerTraffic{&world{sends: l.sends, cache: make(map[string]*Sends)}}
}

type ledgerTraffic struct{ *world }

func (ledgerTraffic) Err() error { return nil }

func (ledgerTraffic) Load(func() []string) {}

// add stores the events of one transaction, and brings the crowds up to date.
func (l *ledger) add(t *testing.T, events []crowdgen.Event) {
	t.Helper()
	l.before = make(map[int64]bool)
	defer func() { l.before = nil }()
	for _, r := range l.refusals {
		l.before[r.Key] = l.delivered[r.Key] > 0
	}
	news := CrowdNews{NoneBefore: len(l.refusals) == 0}
	if n := len(l.refusals); n > 0 {
		news.LastRefusal = l.refusals[n-1].At
	}
	reaches := make(map[int64]*Reach)
	reach := func(key int64) *Reach {
		r := reaches[key]
		if r == nil {
			r = &Reach{Key: key, Last: l.delivered[key], LastBefore: l.delivered[key]}
			r.Failed = slices.ContainsFunc(l.refusals, func(one Refusal) bool { return one.Key == key })
			reaches[key] = r
		}
		return r
	}
	sent := make(map[string]map[Slot]int)
	for _, e := range events {
		_, domain, _ := strings.Cut(e.To, "@")
		key, at := keyOf(e.To), e.At.UnixMilli()
		r := reach(key)
		if e.Reason == "" {
			r.Last = max(r.Last, at)
			if sent[domain] == nil {
				sent[domain] = make(map[Slot]int)
			}
			sent[domain][SlotOf(at)]++
			continue
		}
		news.Refusals = append(news.Refusals, NewRefusal(at, key, domain, "", e.Relay, e.IP(), bounce.Reason(e.Reason), e.Reply))
	}
	news.Sent = l.send(sent)
	for key, r := range reaches {
		l.delivered[key] = r.Last
	}
	l.refusals = append(l.refusals, news.Refusals...)
	slices.SortStableFunc(l.refusals, func(a, b Refusal) int { return int(a.At - b.At) })
	news.Of = func(key int64) Reach { return *reach(key) }
	news.Reached = func(yield func(Reach) bool) {
		for _, r := range reaches {
			if !yield(*r) {
				return
			}
		}
	}
	f := &CrowdFinder{Records: l, Memory: &l.memory, Limits: defaultLimits, Crowds: l.crowds, News: news}
	changes, err := f.Update()
	if err != nil {
		t.Fatal(err)
	}
	l.apply(changes)
}

// send stores deliveries, and returns them by day.
func (l *ledger) send(sent map[string]map[Slot]int) (days []SentDay) {
	for domain, slots := range sent {
		byDay := make(map[int]*SentDay)
		for _, slot := range slices.Sorted(maps.Keys(slots)) {
			d := byDay[dayOfSlot(slot)]
			if d == nil {
				d = &SentDay{Domain: domain, First: slot, New: true}
				for known := range l.sends[domain] {
					d.New = d.New && dayOfSlot(known) != dayOfSlot(slot)
				}
				byDay[dayOfSlot(slot)] = d
			}
			d.Last, d.Sent = slot, d.Sent+slots[slot]
		}
		for _, d := range byDay {
			days = append(days, *d)
		}
		if l.sends[domain] == nil {
			l.sends[domain] = make(map[Slot]int)
		}
		for slot, n := range slots {
			l.sends[domain][slot] += n
		}
	}
	return days
}

func (l *ledger) apply(changes *CrowdChanges) {
	l.crowds = slices.DeleteFunc(slices.Clone(l.crowds), func(c Crowd) bool {
		return slices.Contains(changes.Delete, c.ID) || slices.ContainsFunc(changes.Save, func(s Crowd) bool { return s.ID == c.ID })
	})
	for _, c := range changes.Save {
		if c.ID == 0 {
			l.lastID++
			c.ID = l.lastID
		}
		l.crowds = append(l.crowds, c)
	}
	slices.SortFunc(l.crowds, func(a, b Crowd) int { return strings.Compare(a.Start, b.Start) })
}

func (l *ledger) describe() []string {
	var all []string
	for _, c := range l.crowds {
		c.ID = 0
		all = append(all, fmt.Sprintf("%+v", c))
	}
	slices.Sort(all)
	return all
}

// The crowds depend on the events only: not on their order, not on how many are in a
// transaction, and they are the same if all of them are found again.
func TestCrowdsDoNotDependOnTheOrderOfEvents(t *testing.T) {
	crowds := 0
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 9))
		events := crowdgen.Bursts(r)
		once := newLedger()
		once.add(t, events)
		want := once.describe()
		crowds += len(want)
		if once.reads > 0 {
			t.Errorf("seed %d: refusals were read %d times from a database that had none before", seed, once.reads)
		}
		for _, size := range []int{1, 7, 60} {
			r.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
			l := newLedger()
			for piece := range slices.Chunk(events, size) {
				l.add(t, piece)
			}
			if got := l.describe(); !slices.Equal(got, want) {
				t.Errorf("seed %d, %d at a time:\n got %q\nwant %q", seed, size, got, want)
			}
		}
		once.memory = CrowdMemory{}
		for _, week := range RebuildWeeks(stampOf(once.refusals[0].At), stampOf(once.refusals[len(once.refusals)-1].At)) {
			f := &CrowdFinder{Records: once, Memory: &once.memory, Limits: defaultLimits, Crowds: once.crowds}
			changes, err := f.Rebuild(week)
			if err != nil {
				t.Fatal(err)
			}
			if len(changes.Save)+len(changes.Delete)+len(changes.Affected) > 0 {
				t.Errorf("seed %d: to find all again changes %+v", seed, changes)
			}
			once.apply(changes)
		}
	}
	if crowds < 40 {
		t.Errorf("%d crowds in 40 stories, want at least 40", crowds)
	}
}

func TestCrowdsOfScenariosDoNotDependOnTheOrderOfDays(t *testing.T) {
	for _, s := range crowdgen.Scenarios {
		l := s.Generate(7)
		if len(l.Events) > 4000 {
			continue // takes seconds
		}
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			once := newLedger()
			once.add(t, l.Events)
			days := l.Days()
			r := rand.New(rand.NewPCG(1, 2))
			for round := range 3 {
				other := newLedger()
				for _, day := range days {
					other.add(t, day)
				}
				if got, want := other.describe(), once.describe(); !slices.Equal(got, want) {
					t.Errorf("round %d:\n got %q\nwant %q", round, got, want)
				}
				r.Shuffle(len(days), func(i, j int) { days[i], days[j] = days[j], days[i] })
			}
		})
	}
}

// A domain that accepts nothing for weeks has runs of refusals that are longer than a
// search reaches, if a few addresses are refused each day.
func TestLongRunsAreCutTheSameDayByDay(t *testing.T) {
	s, _ := crowdgen.Find("free-provider-ends")
	for _, seed := range []uint64{6, 8, 16} {
		l := s.Generate(seed)
		once, byDay := newLedger(), newLedger()
		once.add(t, l.Events)
		for _, day := range l.Days() {
			byDay.add(t, day)
		}
		if got, want := byDay.describe(), once.describe(); !slices.Equal(got, want) {
			t.Errorf("seed %d:\n got %q\nwant %q", seed, got, want)
		}
	}
}

func TestAFrozenCrowdIsNotDeletedAndMayGoOn(t *testing.T) {
	l := newLedger()
	start := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	event := func(n, minute int, reason string) crowdgen.Event {
		return crowdgen.Event{At: start.Add(time.Duration(minute) * time.Minute), To: fmt.Sprintf("a%d@d.example", n), Relay: "mx.d.example", Reason: reason, Reply: "550 5.1.1"}
	}
	var events []crowdgen.Event
	for n := range 8 {
		events = append(events, event(n, -600, ""), event(n, n, "no-such-user"))
	}
	l.add(t, events)
	if len(l.crowds) != 1 {
		t.Fatalf("crowds %v, want one", l.describe())
	}
	l.crowds[0].Frozen = true
	before := l.crowds[0]
	l.add(t, []crowdgen.Event{event(3, 30, "no-such-user")})
	got := l.crowds[0]
	if len(l.crowds) != 1 || got.Start != before.Start || got.Addresses != before.Addresses || got.Last <= before.Last {
		t.Errorf("the frozen crowd %+v became %+v, want only later ends", before, got)
	}
	// Its refusals are deleted: what is found again does not have it.
	l.refusals, l.memory = nil, CrowdMemory{}
	f := &CrowdFinder{Records: l, Memory: &l.memory, Limits: defaultLimits, Crowds: l.crowds}
	if changes, err := f.Rebuild(start.UnixMilli()); err != nil || len(changes.Delete) > 0 {
		t.Errorf("Rebuild without the refusals: %+v, %v, want the frozen crowd to stay", changes, err)
	}
}
