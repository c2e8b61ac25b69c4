package incident

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// world is a log of one or more providers, looked at once a minute as the daemon does.
type world struct {
	t         *testing.T
	now       time.Time
	live      bool
	gatherer  *Gatherer
	providers map[string]*Provider
	failures  map[string][]Refusal // by provider, in the order of time
	known     []*Incident
	told      []string
	nextID    int64
	unreached float64
	again     time.Duration
	bounceID  int64
}

func newWorld(t *testing.T) *world {
	return &world{
		t: t, now: day, live: true, gatherer: &Gatherer{Gap: 6 * time.Hour},
		providers: make(map[string]*Provider), failures: make(map[string][]Refusal),
	}
}

// attempts makes first attempts of which some are refused for a reason, now.
func (w *world) attempts(provider string, tried, refused int, reason bounce.Reason, scope bounce.Scope, blocklist string) {
	p := w.providers[provider]
	if p == nil {
		p = &Provider{Name: provider}
		w.providers[provider] = p
	}
	start := WindowOf(w.now.Unix())
	if n := len(p.Windows); n == 0 || p.Windows[n-1].Start != start {
		p.Windows = append(p.Windows, Window{Start: start})
	}
	last := &p.Windows[len(p.Windows)-1]
	last.add(&Window{Sent: tried - refused, Tried: tried, Refused: refused})
	for range refused {
		w.bounceID++
		if scope != bounce.ScopeMessage { // which are not gathered
			w.gatherer.Add(&Failure{
				ID: w.bounceID, At: w.now.UnixMilli(), Address: w.bounceID, Domain: provider, Provider: provider, Blocklist: blocklist,
				Scope: scope, Category: bounce.Rejection, Reason: reason,
			})
		}
		w.failures[provider] = append(w.failures[provider], Refusal{
			Scope: scope, Category: bounce.Rejection, Reason: reason, Blocklist: blocklist, Addresses: 1, Domains: 1, Attempts: 1,
			Since: w.now.UnixMilli(), Until: w.now.UnixMilli(), LastID: w.bounceID,
		})
	}
}

func (w *world) look() {
	w.t.Helper()
	l := Look{
		Settings:  Settings{Sensitivities["normal"], 10, 6 * time.Hour},
		Book:      Book{Now: w.now, Live: w.live, Gap: 6 * time.Hour, Known: w.known},
		Gatherer:  w.gatherer,
		Unreached: w.unreached,
		Refusals: func(provider string, from, to int64) ([]Refusal, error) {
			sums := make(map[string]*Refusal)
			var all []string
			for _, r := range w.failures[provider] {
				if r.Since < from*1000 || r.Since >= to*1000 {
					continue
				}
				k := string(r.Reason) + r.Blocklist
				s := sums[k]
				if s == nil {
					sums[k] = &r
					all = append(all, k)
					continue
				}
				s.Addresses++
				s.Attempts++
				s.Until, s.LastID = r.Until, r.LastID
			}
			var list []Refusal
			for _, k := range all {
				list = append(list, *sums[k])
			}
			return list, nil
		},
	}
	for _, p := range w.providers {
		if p.From == 0 {
			p.From = p.Windows[0].Start + WindowSeconds
		}
		l.Providers = append(l.Providers, p)
	}
	if err := l.Do(); err != nil {
		w.t.Fatal(err)
	}
	for _, i := range l.Known {
		if i.ID == 0 {
			w.nextID++
			i.ID = w.nextID
		}
	}
	for _, i := range l.Known {
		i.Join()
	}
	for _, p := range l.Providers {
		if p.Current() != nil {
			p.Incident = p.Current().ID
		}
	}
	for _, n := range l.Notices() {
		what := n.What
		if what == NoticeAgain {
			var due bool
			if what, due = n.Incident.Repeat(w.again, w.now); !due {
				continue
			}
		}
		line := fmt.Sprintf("%s #%d %s", w.now.Format("15:04"), n.Incident.ID, what)
		if !slices.ContainsFunc(w.told, func(told string) bool { return told[5:] == line[5:] }) {
			w.told = append(w.told, line)
		}
	}
	w.known = slices.DeleteFunc(l.Known, func(i *Incident) bool {
		return !i.Open() && w.now.Sub(bounce.ParseStamp(i.LastAt)) > 24*time.Hour
	})
}

// pass lets minutes pass, with attempts in each of them.
func (w *world) pass(minutes int, each func(minute int)) {
	w.t.Helper()
	for m := range minutes {
		each(m)
		w.now = w.now.Add(time.Minute)
		w.look()
	}
}

func (w *world) want(lines ...string) {
	w.t.Helper()
	var got []string
	for _, i := range w.known {
		state := "open"
		if !i.Open() {
			state = "over by " + string(i.EndedBy) + " at " + i.OverAt[8:16]
		}
		got = append(got, fmt.Sprintf("#%d %s %s %s since %s, rang %v, part of %d, %s", i.ID, i.Kind, i.Reason, i.Subject, i.StartedAt[8:16], i.RangAt != "", i.PartOf, state))
	}
	if !slices.Equal(got, lines) {
		w.t.Errorf("incidents:\n got %q\nwant %q", got, lines)
	}
}

func (w *world) wantTold(lines ...string) {
	w.t.Helper()
	if !slices.Equal(w.told, lines) {
		w.t.Errorf("told:\n got %q\nwant %q", w.told, lines)
	}
}

func TestAProviderThatRefusesRingsAndEnds(t *testing.T) {
	w := newWorld(t)
	good := func(int) { w.attempts("google", 4, 0, "", "", "") }
	bad := func(int) { w.attempts("google", 4, 4, bounce.DMARCFailed, bounce.ScopeSender, "") }
	w.pass(24*60, good)
	w.want()
	w.pass(120, bad)
	w.want("#1 provider-refuses dmarc google since 24T12:00, rang true, part of 0, open")
	w.pass(90, good)
	w.want("#1 provider-refuses dmarc google since 24T12:00, rang true, part of 0, over by delivery at 24T15:00")
	w.wantTold("12:15 #1 opened", "15:00 #1 over")
	w.pass(20, bad) // comes back within the hour
	w.want("#1 provider-refuses dmarc google since 24T12:00, rang true, part of 0, open")
	w.pass(200, good)
	w.pass(120, bad) // and later
	if n := len(w.known); n != 2 || w.known[1].RangAt == "" {
		t.Errorf("%d incidents, want a second that rang", n)
	}
}

func TestAnOpenIncidentIsToldAgainOnceADay(t *testing.T) {
	w := newWorld(t)
	w.pass(24*60, func(int) { w.attempts("google", 4, 0, "", "", "") })
	w.pass(60*60, func(int) { w.attempts("google", 4, 4, bounce.DMARCFailed, bounce.ScopeSender, "") })
	w.wantTold("12:15 #1 opened", "12:15 #1 again-2026-11-25", "12:15 #1 again-2026-11-26")
}

func TestAnOpenIncidentIsToldAsOftenAsTheChannelSays(t *testing.T) {
	for every, want := range map[time.Duration][]string{
		8 * time.Hour:  {"12:15 #1 opened", "20:15 #1 again-2026-11-24T20:15", "04:15 #1 again-2026-11-25T04:15"},
		96 * time.Hour: {"12:15 #1 opened"},
	} {
		w := newWorld(t)
		w.again = every
		w.pass(24*60, func(int) { w.attempts("google", 4, 0, "", "", "") })
		w.pass(20*60, func(int) { w.attempts("google", 4, 4, bounce.DMARCFailed, bounce.ScopeSender, "") })
		w.wantTold(want...)
	}
}

func TestABlocklistIsOneIncidentOfAllProviders(t *testing.T) {
	w := newWorld(t)
	names := []string{"google", "microsoft", "yahoo"}
	w.pass(24*60, func(int) {
		for _, name := range names {
			w.attempts(name, 2, 0, "", "", "")
		}
	})
	w.attempts("google", 1, 1, bounce.IPBlocklisted, bounce.ScopeSender, "zen.spamhaus.org")
	w.pass(1, func(int) {})
	w.want("#1 blocklist ip-blocklisted zen.spamhaus.org since 24T12:00, rang false, part of 0, open")
	w.pass(60, func(int) {
		for _, name := range names {
			w.attempts(name, 2, 2, bounce.IPBlocklisted, bounce.ScopeSender, "zen.spamhaus.org")
		}
	})
	w.want("#1 blocklist ip-blocklisted zen.spamhaus.org since 24T12:00, rang true, part of 0, open")
	w.wantTold("12:02 #1 opened")
}

func TestOneReasonAtThreeProvidersIsFolded(t *testing.T) {
	w := newWorld(t)
	names := []string{"apple", "google", "yahoo"}
	w.pass(24*60, func(int) {
		for _, name := range names {
			w.attempts(name, 3, 0, "", "", "")
		}
	})
	w.pass(120, func(m int) {
		for n, name := range names {
			if m >= 5*n {
				w.attempts(name, 3, 3, bounce.SPFFailed, bounce.ScopeSender, "")
			}
		}
	})
	parts := 0
	for _, i := range w.known {
		if i.PartOf == w.known[0].ID {
			parts++
		}
	}
	if len(w.known) != 3 || parts != 2 || w.known[0].PartOf != 0 {
		t.Errorf("%d incidents, %d of them parts of the first; want 3 and 2", len(w.known), parts)
	}
}

// Ten domains cannot be reached. The detector rings for them too, at the same time.
func TestAnOutageOfOurNetworkIsOneIncident(t *testing.T) {
	w := newWorld(t)
	var names []string
	for n := range 10 {
		names = append(names, fmt.Sprintf("d%d.example", n))
	}
	w.pass(24*60, func(int) {
		for _, name := range names {
			w.attempts(name, 3, 0, "", "", "")
		}
	})
	w.unreached = 1
	w.pass(60, func(int) {
		for _, name := range names {
			w.attempts(name, 3, 3, bounce.ConnectionFailed, bounce.ScopeNetwork, "")
		}
	})
	w.wantTold("12:01 #1 opened")
	for _, i := range w.known {
		if i.ID != 1 && (i.Kind != ProviderRefuses || i.PartOf != 1) {
			t.Errorf("#%d %s %s is part of #%d, want #1", i.ID, i.Kind, i.Subject, i.PartOf)
		}
	}
	if len(w.known) != 11 || w.known[0].Kind != OwnNetwork {
		t.Errorf("%d incidents, the first %s; want 11 and own-network", len(w.known), w.known[0].Kind)
	}
}

// The domains are less than half of all mail, so that the outage alone would not ring.
func TestAnOutageOfOurNetworkRingsWithItsParts(t *testing.T) {
	w := newWorld(t)
	names := []string{"d0.example", "d1.example", "d2.example", "d3.example", "d4.example"}
	w.pass(24*60, func(int) {
		for _, name := range names {
			w.attempts(name, 3, 0, "", "", "")
		}
	})
	w.pass(60, func(int) {
		for _, name := range names {
			w.attempts(name, 3, 3, bounce.ConnectionFailed, bounce.ScopeNetwork, "")
		}
	})
	w.wantTold("12:15 #1 opened")
	if w.known[0].Kind != OwnNetwork {
		t.Errorf("#1 is %s, want own-network", w.known[0].Kind)
	}
}

// After a pause of the daemon, the rule still holds for the hours before. The last failure
// is that of the log.
func TestTheLastFailureIsNotTheLastAlarm(t *testing.T) {
	w := newWorld(t)
	w.pass(24*60, func(int) { w.attempts("google", 4, 0, "", "", "") })
	w.pass(30, func(int) { w.attempts("google", 4, 4, bounce.DMARCFailed, bounce.ScopeSender, "") })
	last := w.now
	for range 4 {
		w.now = w.now.Add(time.Hour)
		w.look()
	}
	if got := w.known[0].LastAt; got > bounce.Stamp(last) {
		t.Errorf("the last failure is at %s, want %s at most", got, bounce.Stamp(last))
	}
	if i := w.known[0]; i.Tried != 60 {
		t.Errorf("it was found after %d attempts, want 60", i.Tried)
	}
}

func TestWhatOnlyGathersDoesNotRing(t *testing.T) {
	w := newWorld(t)
	w.pass(24*60, func(int) { w.attempts("b.example", 4, 0, "", "", "") })
	w.pass(24*60, func(m int) {
		refused := 0
		if m%90 == 0 && m < 24*30 {
			refused = 1
		}
		w.attempts("b.example", 4, refused, bounce.RateLimited, bounce.ScopeSender, "")
	})
	w.want("#1 provider-refuses rate-limited b.example since 24T12:00, rang false, part of 0, over by pause at 24T22:30")
	w.wantTold()
}

func TestNothingOfABacklogRings(t *testing.T) {
	for _, live := range []bool{true, false} {
		w := newWorld(t)
		// All of it is read at once: a day, an outage, and a quiet evening.
		for m := range 36 * 60 {
			refused := 0
			if m >= 24*60 && m < 26*60 {
				refused = 4
			}
			w.attempts("google", 4, refused, bounce.DMARCFailed, bounce.ScopeSender, "")
			w.now = w.now.Add(time.Minute)
		}
		w.live = live
		w.look()
		w.want("#1 provider-refuses dmarc google since 24T12:00, rang false, part of 0, over by delivery at 24T15:00")
		if i := w.known[0]; !i.Backlog || i.Tried == 0 {
			t.Errorf("backlog %v, tried %d; want an incident of the detector in a backlog", i.Backlog, i.Tried)
		}
		w.pass(60, func(int) { w.attempts("google", 4, 0, "", "", "") })
		w.wantTold()
	}
}

func TestAnOutageThatABacklogEndsWithRings(t *testing.T) {
	w := newWorld(t)
	for m := range 26 * 60 {
		refused := 0
		if m >= 24*60 {
			refused = 4
		}
		w.attempts("google", 4, refused, bounce.DMARCFailed, bounce.ScopeSender, "")
		w.now = w.now.Add(time.Minute)
	}
	w.pass(2, func(int) { w.attempts("google", 4, 4, bounce.DMARCFailed, bounce.ScopeSender, "") })
	w.want("#1 provider-refuses dmarc google since 24T12:00, rang true, part of 0, open")
}

func TestMixedReasonsAreSaidToBeMixed(t *testing.T) {
	w := newWorld(t)
	w.pass(24*60, func(int) { w.attempts("google", 9, 0, "", "", "") })
	w.pass(60, func(int) {
		for _, reason := range []bounce.Reason{bounce.DMARCFailed, bounce.SPFFailed, bounce.SpamContent} {
			w.attempts("google", 3, 3, reason, bounce.ScopeMessage, "")
		}
	})
	w.want("#1 provider-refuses mixed google since 24T12:00, rang true, part of 0, open")
}
