package recipient

import (
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/crowdgen"
)

var defaultLimits = bounce.CrowdLimits{Addresses: 5, Domains: 3, Share: 10, Usual: 3}

// world is everything that crowds and states follow from, without a database.
type world struct {
	limits    bounce.CrowdLimits
	refusals  []Refusal
	reasons   map[int64][]Failure // of each address
	names     map[int64]bounce.Address
	delivered map[int64]int64
	sends     map[string]map[Slot]int
	cache     map[string]*Sends
	all, doms *Sends
	crowds    []Crowd
}

func keyOf(text string) int64 {
	h := fnv.New64()
	h.Write([]byte(text))
	return int64(h.Sum64())
}

// newWorld takes events in any order.
func newWorld(events []crowdgen.Event) *world {
	w := &world{
		limits: defaultLimits, reasons: make(map[int64][]Failure), names: make(map[int64]bounce.Address),
		delivered: make(map[int64]int64), sends: make(map[string]map[Slot]int), cache: make(map[string]*Sends),
	}
	for i, e := range events {
		_, domain, _ := strings.Cut(e.To, "@")
		key, at := keyOf(e.To), e.At.UnixMilli()
		w.names[key] = bounce.Address{Normal: e.To, Domain: domain}
		if e.Reason == "" {
			w.delivered[key] = max(w.delivered[key], at)
			if w.sends[domain] == nil {
				w.sends[domain] = make(map[Slot]int)
			}
			w.sends[domain][SlotOf(at)]++
			continue
		}
		r := Refusal{At: at, Key: key, Domain: domain, Lookup: e.Reason == "no-such-domain"}
		if strings.HasSuffix(e.Relay, ".google.com") {
			r.Provider = "google"
		}
		r.Relay = RelayUnit(e.Relay, e.IP(), domain)
		w.refusals = append(w.refusals, r)
		w.reasons[key] = append(w.reasons[key], Failure{
			ID: int64(i + 1), At: bounce.Stamp(e.At), Category: bounce.InvalidAddress, Reason: bounce.Reason(e.Reason),
			Disposition: bounce.Permanent, Suppress: true, Provider: r.Provider, Relay: r.Relay,
		})
	}
	slices.SortFunc(w.refusals, func(a, b Refusal) int { return int(a.At - b.At) })
	w.mark(w.refusals)
	w.find()
	return w
}

func (w *world) Domain(domain string) *Sends {
	if s := w.cache[domain]; s != nil {
		return s
	}
	s := &Sends{}
	for _, slot := range slices.Sorted(maps.Keys(w.sends[domain])) {
		s.Add(slot, w.sends[domain][slot])
	}
	w.cache[domain] = s
	return s
}

func (w *world) All() (sent, domains *Sends) {
	if w.all == nil {
		n, d := make(map[Slot]int), make(map[Slot]int)
		for _, slots := range w.sends {
			for slot, count := range slots {
				n[slot] += count
				d[slot]++
			}
		}
		w.all, w.doms = &Sends{}, &Sends{}
		for _, slot := range slices.Sorted(maps.Keys(n)) {
			w.all.Add(slot, n[slot])
			w.doms.Add(slot, d[slot])
		}
	}
	return w.all, w.doms
}

func (w *world) mark(refusals []Refusal) {
	type times struct{ last, first int64 }
	addresses := make(map[int64]times)
	for _, r := range w.refusals {
		t := addresses[r.Key]
		if t.last = w.delivered[r.Key]; t.first == 0 && r.At > t.last {
			t.first = r.At
		}
		addresses[r.Key] = t
	}
	for i := range refusals {
		r := &refusals[i]
		t := addresses[r.Key]
		r.mark(t.last, t.first)
		if r.Lookup {
			r.Evidence = len(w.sends[r.Domain]) > 0 && Fresh(r.At, max(t.last, 1), t.first)
		}
	}
}

func (w *world) find() {
	units := make(map[Unit][]Refusal)
	for _, r := range w.refusals {
		for _, u := range r.Units() {
			units[u] = append(units[u], r)
		}
	}
	s := &Search{
		Limits: w.limits, Traffic: w, MarkEvidence: w.mark,
		Before: func(domain string, from, to int64) ([]Refusal, []Crowd) {
			var before []Refusal
			for _, r := range units[Unit{UnitDomain, domain}] {
				if from <= r.At && r.At < to {
					before = append(before, r)
				}
			}
			return before, nil
		},
		BeforeTraffic: func(int64, int64) Traffic { return w },
		Refused: func(from, to int64, each func(*Refusal)) {
			for i := range w.refusals {
				if at := w.refusals[i].At; from <= at && at <= to {
					each(&w.refusals[i])
				}
			}
		},
		All: func(from, to Slot) int {
			n := 0
			for _, r := range w.refusals {
				if slot := SlotOf(r.At); from <= slot && slot <= to {
					n++
				}
			}
			return n
		},
	}
	for u, refusals := range units {
		w.crowds = append(w.crowds, s.Crowds(u, refusals)...)
	}
}

// states returns the state of each address.
func (w *world) states() map[string]bounce.State {
	in := &Inputs{Policy: &bounce.Policy{}, Crowds: w.crowds, Accepted: func(domain, after, until string) bool {
		from, to := SlotOf(bounce.ParseStamp(after).UnixMilli())+1, SlotOf(bounce.ParseStamp(until).UnixMilli())
		return w.Domain(domain).Between(from, to) > 0
	}}
	states := make(map[string]bounce.State)
	for key, to := range w.names {
		failures := slices.Clone(w.reasons[key])
		if len(failures) == 0 {
			states[to.Normal] = bounce.StateOK
			continue
		}
		Sort(failures)
		h := in.Replay(to.Domain, failures, DeliveredAt(w.delivered[key]))
		row := h.Row(nil, at(24*365))
		states[to.Normal] = row.State
	}
	return states
}

// wrong lists the addresses whose state is not the truth.
func wrong(truth map[string]crowdgen.Truth, states map[string]bounce.State) (all []string) {
	for a, want := range truth {
		got := states[a]
		ok := got == bounce.StateBad
		switch want {
		case crowdgen.NotBad:
			ok = !ok
		case crowdgen.Suspect:
			ok = got == bounce.StateSuspect
		case crowdgen.Bad:
		}
		if !ok {
			all = append(all, fmt.Sprintf("%s is %s, want %s", a, got, want))
		}
	}
	slices.Sort(all)
	return all
}

func (w *world) describe() string {
	var b strings.Builder
	for _, c := range w.crowds {
		fmt.Fprintf(&b, "%s %s: %s to %s (last %s), %d addresses, %d of %d, %d domains\n", c.Unit.Kind, c.Unit.Name, c.Start, c.End, c.Last, c.Addresses, c.Refused, c.Attempts, len(c.Domains))
	}
	return b.String()
}

func TestScenariosEndInTheTruth(t *testing.T) {
	for _, s := range crowdgen.Scenarios {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(2) {
				l := s.Generate(seed)
				w := newWorld(l.Events)
				states := w.states()
				if bad := wrong(l.Truth, states); len(bad) > 0 {
					t.Errorf("seed %d: %d of %d addresses are wrong:\n%s\ncrowds:\n%s", seed, len(bad), len(l.Truth), strings.Join(bad[:min(5, len(bad))], "\n"), w.describe())
					continue
				}
				if seed > 0 {
					continue
				}
				t.Log(w.describe())
				events := slices.Clone(l.Events)
				rand.New(rand.NewPCG(seed, 5)).Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
				if !maps.Equal(newWorld(events).states(), states) {
					t.Errorf("another order of the events gives other states")
				}
			}
		})
	}
}

func TestACrowdWithinTheHourAfterAnother(t *testing.T) {
	var events []crowdgen.Event
	for i, when := range []string{"08:00", "08:01", "08:02", "08:03", "08:04", "09:09", "10:01", "10:02", "10:03", "10:04", "10:05"} {
		at, err := time.Parse("2006-01-02 15:04", "2026-03-02 "+when)
		if err != nil {
			t.Fatal(err)
		}
		e := crowdgen.Event{At: at.AddDate(0, 0, -1), To: fmt.Sprintf("user%d@mail.example", i), Relay: "mx.mail.example"}
		events = append(events, e)
		e.At, e.Reason = at, "no-such-user"
		events = append(events, e)
	}
	for address, state := range newWorld(events).states() {
		if state != bounce.StateSuspect {
			t.Errorf("%s is %s, want suspect", address, state)
		}
	}
}
