package recipient

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// outage is a crowd of the domain from the start for an hour, which ends an hour
// later.
func outage(hours int) Crowd {
	return Crowd{Unit: Unit{UnitDomain, domain}, Start: at(hours), Last: at(hours + 1), End: at(hours + 2)}
}

// stateOf returns the state of an address that was reached before its failures.
func stateOf(in *Inputs, failures ...Failure) bounce.State {
	h := in.Replay(domain, failures, at(-10))
	row := h.Row(nil, at(10_000))
	return row.State
}

// acceptedAt is a domain that accepted mail once.
func acceptedAt(hours int) func(domain, after, until string) bool {
	return func(_, after, until string) bool { return after < at(hours) && at(hours) <= until }
}

func TestASuspectBecomesBadByAFurtherRefusal(t *testing.T) {
	crowds := []Crowd{outage(0), outage(24), outage(40), outage(336), outage(400)}
	nothing := func(string, string, string) bool { return false }
	something := func(string, string, string) bool { return true }
	for name, tt := range map[string]struct {
		failures []Failure
		accepted func(string, string, string) bool
		want     bounce.State
	}{
		"refused once, in a crowd":               {[]Failure{failure(invalid, 1, 1)}, something, bounce.StateSuspect},
		"again in the crowd":                     {[]Failure{failure(invalid, 1, 1), failure(invalid, 2, 2)}, nothing, bounce.StateSuspect},
		"again after the crowd":                  {[]Failure{failure(invalid, 1, 1), failure(invalid, 3, 2)}, something, bounce.StateBad},
		"refused before the crowd":               {[]Failure{failure(invalid, -1, 1), failure(invalid, 1, 2)}, something, bounce.StateBad},
		"another failure after the crowd":        {[]Failure{failure(invalid, 1, 1), failure(full, 3, 2)}, something, bounce.StateSuspect},
		"in a second crowd, others accepted":     {[]Failure{failure(invalid, 1, 1), failure(invalid, 25, 2)}, something, bounce.StateSuspect},
		"on the next day, nobody accepted":       {[]Failure{failure(invalid, 1, 1), failure(invalid, 25, 2)}, nothing, bounce.StateSuspect},
		"in a second crowd, nobody accepted":     {[]Failure{failure(invalid, 1, 1), failure(invalid, 41, 2)}, nothing, bounce.StateBad},
		"accepted after the second crowd":        {[]Failure{failure(invalid, 1, 1), failure(invalid, 41, 2)}, acceptedAt(50), bounce.StateSuspect},
		"accepted three days after":              {[]Failure{failure(invalid, 1, 1), failure(invalid, 41, 2)}, acceptedAt(74), bounce.StateSuspect},
		"accepted almost fourteen days after":    {[]Failure{failure(invalid, 1, 1), failure(invalid, 41, 2)}, acceptedAt(337), bounce.StateSuspect},
		"accepted more than fourteen days after": {[]Failure{failure(invalid, 1, 1), failure(invalid, 41, 2)}, acceptedAt(338), bounce.StateBad},
		"alone on the next day":                  {[]Failure{failure(invalid, 1, 1), failure(invalid, 30, 2)}, nothing, bounce.StateSuspect},
		"alone two days later":                   {[]Failure{failure(invalid, 1, 1), failure(invalid, 38, 2)}, nothing, bounce.StateBad},
		"alone, accepted before":                 {[]Failure{failure(invalid, 1, 1), failure(invalid, 30, 2)}, acceptedAt(20), bounce.StateBad},
		"alone, accepted three days after":       {[]Failure{failure(invalid, 1, 1), failure(invalid, 38, 2)}, acceptedAt(74), bounce.StateBad},
		"alone, accepted after":                  {[]Failure{failure(invalid, 1, 1), failure(invalid, 38, 2)}, acceptedAt(50), bounce.StateSuspect},
		"after a second crowd":                   {[]Failure{failure(invalid, 1, 1), failure(invalid, 25, 2), failure(invalid, 30, 3)}, something, bounce.StateBad},
		"in crowds for almost fourteen days":     {[]Failure{failure(invalid, 1, 1), failure(invalid, 336, 2)}, something, bounce.StateSuspect},
		"in crowds for fourteen days":            {[]Failure{failure(invalid, 1, 1), failure(invalid, 337, 2)}, something, bounce.StateBad},
		"in crowds for more than fourteen days":  {[]Failure{failure(invalid, 1, 1), failure(invalid, 401, 2)}, something, bounce.StateBad},
	} {
		in := inputs()
		in.Crowds, in.Accepted = crowds, tt.accepted
		if got := stateOf(in, tt.failures...); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

// The end of a crowd decides only about refusals between its old and its new end, because
// only those are judged again when more logs are read.
func TestACrowdThatEndsLaterChangesNothingBefore(t *testing.T) {
	first, again := failure(invalid, 1, 1), failure(invalid, 41, 2)
	again.Relay = "hoster.example"
	hoster := Crowd{Unit: Unit{UnitRelay, again.Relay}, Start: at(40), Last: at(41), End: at(42), Domains: []string{domain}}
	for _, end := range []int{41, 43} {
		own := outage(40)
		own.End = at(end)
		in := inputs()
		in.Crowds, in.Accepted = []Crowd{outage(0), own, hoster}, func(string, string, string) bool { return false }
		if got := stateOf(in, first, again); got != bounce.StateSuspect {
			t.Errorf("in a crowd until %s and in one of several domains until %s: %s, want suspect", own.End, hoster.End, got)
		}
	}
}

func TestOnlyReachedAddressesAreSuspect(t *testing.T) {
	in := inputs()
	in.Crowds = []Crowd{outage(0)}
	h := in.Replay(domain, []Failure{failure(invalid, 1, 1)}, "")
	if row := h.Row(nil, at(2)); row.State != bounce.StateBad {
		t.Errorf("an address that was never reached is %s, want bad", row.State)
	}
	for refused, want := range map[int]bounce.State{89: bounce.StateBad, 90: bounce.StateSuspect} {
		crowd := outage(0)
		crowd.Refused, crowd.Attempts = refused, 100
		in.Crowds = []Crowd{crowd}
		h = in.Replay(domain, []Failure{failure(invalid, 1, 1)}, "")
		if row := h.Row(nil, at(2)); row.State != want {
			t.Errorf("an address that was never reached is %s where %d %% are refused, want %s", row.State, refused, want)
		}
	}
	lookup := invalid
	lookup.Reason = bounce.NoSuchDomain
	in.Crowds = []Crowd{{Unit: Unit{Kind: UnitDNS}, Start: at(0), End: at(2)}}
	h = in.Replay(domain, []Failure{failure(lookup, 1, 1)}, "")
	if row := h.Row(nil, at(2)); row.State != bounce.StateSuspect || row.DecidedBy != bounce.ByCrowd {
		t.Errorf("an address whose domain was not found in an outage of the DNS is %s by %s, want suspect by crowd", row.State, row.DecidedBy)
	}
}

func TestAConfirmedRefusalMakesBad(t *testing.T) {
	in := inputs()
	in.Crowds = []Crowd{outage(0)}
	in.Confirms = []Release{{Since: at(0), Until: at(2), Domain: domain}}
	if got := stateOf(in, failure(invalid, 1, 1)); got != bounce.StateBad {
		t.Errorf("got %s, want bad", got)
	}
	// One that is not covered stays as it is.
	if got := stateOf(in, failure(invalid, 2, 1)); got != bounce.StateSuspect {
		t.Errorf("got %s, want suspect", got)
	}
}

func TestADeliveryEndsASuspicion(t *testing.T) {
	in := inputs()
	in.Crowds = []Crowd{outage(0)}
	failures := []Failure{failure(invalid, 1, 1)}
	h := in.Replay(domain, failures, at(-10))
	row := h.Row(nil, at(2))
	stored, err := row.History()
	if err != nil {
		t.Fatal(err)
	}
	if !in.Extend(&stored, domain, nil, at(5)) {
		t.Fatal("Extend refuses a later delivery")
	}
	if row := stored.Row(nil, at(6)); row.State != bounce.StateOK || row.Memory != "" {
		t.Errorf("after a delivery: %+v", row)
	}
}

func TestACrowdIncludesWhatItsUnitSays(t *testing.T) {
	google := Failure{At: at(1), Reason: bounce.NoSuchUser, Provider: "google"}
	hoster := Failure{At: at(1), Reason: bounce.NoSuchUser, Relay: "hoster.example"}
	lookup := Failure{At: at(1), Reason: bounce.NoSuchDomain, Host: "gone.example"}
	for _, tt := range []struct {
		unit     Unit
		f        Failure
		domain   string
		reached  bool
		includes bool
	}{
		{Unit{UnitDomain, "example.com"}, google, "example.com", true, true},
		{Unit{UnitDomain, "example.com"}, google, "example.com", false, false},
		{Unit{UnitDomain, "example.com"}, google, "example.net", true, false},
		{Unit{UnitDomain, "example.com"}, lookup, "example.com", true, false},
		{Unit{UnitProvider, "google"}, google, "a.example", true, true},
		{Unit{UnitProvider, "google"}, google, "big.example", true, false}, // accepts nearly everything
		{Unit{UnitProvider, "google"}, hoster, "a.example", true, false},
		{Unit{UnitRelay, "hoster.example"}, hoster, "b.example", true, true},
		{Unit{UnitRelay, "hoster.example"}, hoster, "b.example", false, false},
		{Unit{UnitDNS, ""}, lookup, "b.example", false, true},
		{Unit{UnitDNS, ""}, hoster, "b.example", true, false},
		{Unit{UnitHost, "gone.example"}, lookup, "b.example", false, true},
		{Unit{UnitHost, "other.example"}, lookup, "b.example", false, false},
	} {
		c := Crowd{Unit: tt.unit, Start: at(1), End: at(2), Domains: []string{"a.example", "b.example"}}
		if got := c.Includes(tt.domain, &tt.f, tt.reached); got != tt.includes {
			t.Errorf("%v includes %+v of %s, reached %v: %v, want %v", tt.unit, tt.f, tt.domain, tt.reached, got, tt.includes)
		}
		early, late := tt.f, tt.f
		early.At, late.At = at(0), at(3)
		if c.Includes(tt.domain, &early, true) || c.Includes(tt.domain, &late, true) {
			t.Errorf("%v includes a failure of another time", tt.unit)
		}
	}
}

func TestTheUnitsOfARefusal(t *testing.T) {
	of := Unit{UnitDomain, "example.com"}
	for _, tt := range []struct {
		refusal Refusal
		want    []Unit
	}{
		{Refusal{}, []Unit{of}},
		{Refusal{Provider: "google", Relay: "google.example"}, []Unit{of, {UnitProvider, "google"}}},
		{Refusal{Relay: "hoster.example"}, []Unit{of, {UnitRelay, "hoster.example"}}},
		{Refusal{Relay: "example.com"}, []Unit{of}},
		{Refusal{Lookup: true, Provider: "google"}, []Unit{{UnitDNS, ""}}},
		{Refusal{Lookup: true, Host: "mx.example"}, []Unit{{UnitDNS, ""}, {UnitHost, "mx.example"}}},
	} {
		tt.refusal.Domain = of.Name
		if got := tt.refusal.Units(); !slices.Equal(got, tt.want) {
			t.Errorf("units of %+v: %v, want %v", tt.refusal, got, tt.want)
		}
	}
}

func TestACrowdHasRefusalsFromItsStartToItsEnd(t *testing.T) {
	crowd := Crowd{ID: 7, Unit: Unit{UnitDomain, domain}, Start: at(1), Last: at(2), End: at(3)}
	ms := func(hours int) int64 { return bounce.ParseStamp(at(hours)).UnixMilli() }
	for _, tt := range []struct {
		at     int64
		domain string
		has    bool
	}{
		{ms(1) - 1, domain, false},
		{ms(1), domain, true},
		{ms(3), domain, true},
		{ms(3) + 1, domain, false},
		{ms(2), "example.net", false},
	} {
		has := len(CrowdsOf([]Crowd{crowd}, []Refusal{{At: tt.at, Domain: tt.domain}})) == 1
		if has != tt.has {
			t.Errorf("the crowd has a refusal of %s at %d: %v, want %v", tt.domain, tt.at-ms(1), has, tt.has)
		}
		if tt.domain == domain && crowd.Spans(stampOf(tt.at), domain) != tt.has {
			t.Errorf("the crowd spans %d: %v", tt.at-ms(1), !tt.has)
		}
	}
	if crowd.End = ""; crowd.Spans(at(2), domain) {
		t.Error("a crowd without an end spans a time")
	}
	for kind, spans := range map[UnitKind]bool{UnitDomain: true, UnitDNS: true, UnitHost: true, UnitProvider: false, UnitRelay: false} {
		crowd := Crowd{Unit: Unit{Kind: kind}, Start: at(1), End: at(3), Domains: []string{"a.example"}}
		if !crowd.Spans(at(2), "a.example") || crowd.Spans(at(2), "b.example") != spans {
			t.Errorf("a crowd of %s spans a domain that it does not include: %v, want %v", kind, !spans, spans)
		}
	}
}

func TestNamedHost(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"Host or domain name not found. Name service error for name=mx.gone.example type=A: Host not found", "mx.gone.example"},
		{"Name service error for name=example.com type=MX: Host not found", ""},
		{"example.com has mx.gone.example as its mail server", ""},
		{"mx.gone.example is the mail server of EXAMPLE.COM.", ""},
		{"first.example, then second.example", "first.example"},
		{"MX-1.Gone.Example: no address", "mx-1.gone.example"},
		{"mx_1.gone.example", "mx_1.gone.example"},
		{"<mx.gone.example>", "mx.gone.example"},
		{"zone.az and mail.zone.za", "zone.az"},
		{"ZONE.ZA", "zone.za"},
		{"m09.gone.example", "m09.gone.example"},
		{"почта.испытание.example", "почта.испытание.example"},
		{"gone.xn--p1ai", "gone.xn--p1ai"},
		{"user@gone.example does not exist", ""},
		{"192.0.2.1 has no name, nor has version 4.99a", ""},
		{"no host, e.g. this one.", ""},
		{"", ""},
	} {
		if got := NamedHost(tt.text, "example.com"); got != tt.want {
			t.Errorf("NamedHost(%q) = %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestRelayUnit(t *testing.T) {
	for _, tt := range []struct{ host, domain, want string }{
		{"mx1.hoster.example", "example.com", "hoster.example"},
		{"mx.mail.hoster.example", "example.com", "mail.hoster.example"},
		{"hoster.example", "example.com", "hoster.example"},
		{"hoster.co.uk", "example.com", "hoster.co.uk"},
		{"mx1.hoster.co.uk", "example.com", "hoster.co.uk"},
		{"customer.dyndns.org", "example.com", "customer.dyndns.org"},
		{"localhost", "example.com", "localhost"},
		{"192.0.2.1", "example.com", "192.0.2.1"},
		{"2001:db8::1", "example.com", "2001:db8::1"},
		{"mail.example.com", "example.com", "198.51.100.7"},
		{"example.com", "example.com", "198.51.100.7"},
		{"mail.notexample.com", "example.com", "notexample.com"},
		{"", "example.com", "198.51.100.7"},
	} {
		if got := RelayUnit(tt.host, "198.51.100.7", tt.domain); got != tt.want {
			t.Errorf("RelayUnit(%q) for %s = %q, want %q", tt.host, tt.domain, got, tt.want)
		}
	}
}

func TestFresh(t *testing.T) {
	const hour = int64(time.Hour / time.Millisecond)
	for _, tt := range []struct {
		at, accepted, first int64
		want                bool
	}{
		{100, 0, 100, false},              // never reached
		{100, 50, 100, true},              // the first refusal since
		{100 * hour, 1, 90 * hour, true},  // given up lately
		{100 * hour, 1, 20 * hour, false}, // given up long ago
		{100 * hour, 101 * hour, 0, true}, // recovered
		{100 * hour, 100 * hour, 1, true}, // recovered in the same millisecond
		{100 * hour, 1, 28*hour + 1, true},
		{100 * hour, 1, 28 * hour, false}, // 72 hours
	} {
		if got := Fresh(tt.at, tt.accepted, tt.first); got != tt.want {
			t.Errorf("Fresh(%d, %d, %d) = %v", tt.at, tt.accepted, tt.first, got)
		}
	}
}

func TestSendsBetween(t *testing.T) {
	var s Sends
	s.Add(3, 2)
	s.Add(5, 1)
	s.Add(6, 4)
	for _, tt := range []struct {
		from, to Slot
		want     int
	}{{0, 2, 0}, {0, 3, 2}, {3, 3, 2}, {4, 4, 0}, {4, 6, 5}, {6, 9, 4}, {0, 9, 7}, {7, 9, 0}} {
		if got := s.Between(tt.from, tt.to); got != tt.want {
			t.Errorf("Between(%d, %d) = %d, want %d", tt.from, tt.to, got, tt.want)
		}
	}
	if SlotOf(-1) != -1 || SlotOf(0) != 0 || SlotOf(slotLength) != 1 || SlotOf(-slotLength) != -1 || SlotOf(-slotLength-1) != -2 {
		t.Error("SlotOf does not round down")
	}
}

// fixed is traffic to one domain, and refusals that are all evidence.
type fixed struct{ sends Sends }

func (f *fixed) Domain(string) *Sends        { return &f.sends }
func (f *fixed) All() (sent, domains *Sends) { return &f.sends, &f.sends }

func search(traffic Traffic, limits bounce.CrowdLimits) *Search {
	return &Search{
		Limits: limits, Traffic: traffic,
		MarkEvidence: func(all []Refusal) {
			for i := range all {
				all[i].Evidence, all[i].Age = true, 20*24*time.Hour.Milliseconds()
			}
		},
		Before:        func(string, int64, int64) ([]Refusal, []Crowd) { return nil, nil },
		BeforeTraffic: func(int64, int64) Traffic { return traffic },
		Refused:       func(int64, int64, func(*Refusal)) {},
		All:           func(Slot, Slot) int { return 0 },
	}
}

// refusals returns n refusals of as many addresses, one every so many seconds.
func refusals(from, n int, every time.Duration) (all []Refusal) {
	for i := range n {
		all = append(all, Refusal{At: start.Add(time.Duration(from)*time.Hour + time.Duration(i)*every).UnixMilli(), Key: int64(from*1000 + i), Domain: domain})
	}
	return all
}

// unread is traffic that nothing may ask for.
type unread struct{ t *testing.T }

func (u unread) Domain(domain string) *Sends {
	u.t.Errorf("the deliveries to %s are read", domain)
	return &Sends{}
}

func (u unread) All() (sent, domains *Sends) { return u.Domain("all"), &Sends{} }

// A large server has some refusals of most domains within a week, but too few of them
// together.
func TestDeliveriesAreNotReadForTooFewRefusals(t *testing.T) {
	if got := search(unread{t}, defaultLimits).Crowds(Unit{UnitDomain, domain}, refusals(0, 12, 20*time.Hour)); len(got) > 0 {
		t.Errorf("found %+v", got)
	}
}

func TestTheFewerTheMoreTheyMustMakeUp(t *testing.T) {
	for _, tt := range []struct{ refused, sent, crowds int }{
		{4, 0, 0}, {5, 3, 1}, {5, 4, 0}, {8, 13, 1}, {8, 14, 0}, {20, 113, 1}, {20, 115, 0}, {30, 270, 1}, {400, 3600, 1}, {400, 3700, 0},
	} {
		var traffic fixed
		traffic.sends.Add(SlotOf(start.UnixMilli()), tt.sent)
		got := search(&traffic, defaultLimits).Crowds(Unit{UnitDomain, domain}, refusals(0, tt.refused, time.Second/2))
		if len(got) != tt.crowds {
			t.Errorf("%d refused and %d accepted: %d crowds, want %d", tt.refused, tt.sent, len(got), tt.crowds)
		}
	}
	off := defaultLimits
	off.Addresses = 0
	if got := search(&fixed{}, off).Crowds(Unit{UnitDomain, domain}, refusals(0, 100, time.Second)); got != nil {
		t.Errorf("switched off: %v", got)
	}
}

func TestTheLongerAgoTheMoreTheyMustMakeUp(t *testing.T) {
	for _, tt := range []struct{ days, refused, sent, crowds int }{
		{-1, 5, 61, 1},
		{3, 5, 61, 1},
		{3, 5, 62, 0},
		{3, 30, 1950, 1},
		{3, 30, 1990, 0},
		{4, 5, 28, 1},
		{4, 5, 29, 0},
		{8, 60, 1930, 1},
		{8, 60, 1950, 0},
		{9, 5, 15, 1},
		{9, 5, 16, 0},
		{15, 60, 1030, 1},
		{15, 60, 1040, 0},
		{16, 5, 3, 1},
		{16, 5, 4, 0},
		{45, 60, 540, 1},
		{45, 60, 541, 0},
		{46, 5, 0, 1},
		{46, 5, 1, 0},
		{46, 60, 40, 1},
		{46, 60, 41, 0},
		{400, 60, 40, 1},
		{15, 3, 0, 1},
		{15, 2, 0, 0},
		{15, 3, 1, 0},
		{16, 4, 0, 0},
	} {
		var traffic fixed
		traffic.sends.Add(SlotOf(start.UnixMilli()), tt.sent)
		s := search(&traffic, defaultLimits)
		s.MarkEvidence = func(all []Refusal) {
			for i := range all {
				all[i].Evidence, all[i].Age = true, int64(tt.days)*24*hourMS
			}
		}
		if got := s.Crowds(Unit{UnitDomain, domain}, refusals(0, tt.refused, time.Second/2)); len(got) != tt.crowds {
			t.Errorf("%d refused %d days after the last delivery and %d accepted: %d crowds, want %d", tt.refused, tt.days, tt.sent, len(got), tt.crowds)
		}
	}
}

func TestACrowdEndsAnHourAfterItsLastRefusalAndAfterADay(t *testing.T) {
	s := search(&fixed{}, defaultLimits)
	got := s.Crowds(Unit{UnitDomain, domain}, refusals(0, 10, time.Minute))
	if len(got) != 1 || got[0].Start != at(0) || got[0].End != bounce.Stamp(start.Add(69*time.Minute)) {
		t.Errorf("ten refusals in nine minutes: %+v", got)
	}
	got = s.Crowds(Unit{UnitDomain, domain}, refusals(0, 30*60, time.Minute))
	if len(got) != 2 || got[0].End != at(24) || got[1].Start <= got[0].End || got[1].End > at(31) {
		t.Errorf("refusals for thirty hours: %+v", got)
	}
	got = s.Crowds(Unit{UnitDomain, domain}, append(refusals(0, 10, time.Minute), refusals(3, 10, time.Minute)...))
	if len(got) != 2 {
		t.Errorf("two outages with three hours between: %+v", got)
	}
}

func TestACrowdTakesInWhatIsRefusedNearIt(t *testing.T) {
	all := slices.Concat(refusals(0, 1, 0), refusals(4, 10, time.Minute), refusals(7, 1, 0), refusals(10, 10, time.Minute), refusals(15, 1, 0))
	lone := []int64{all[0].At, all[11].At, all[22].At}
	for _, sent := range []int{0, 50} {
		var traffic fixed
		for _, ms := range lone {
			traffic.sends.Add(SlotOf(ms), sent)
		}
		crowds := search(&traffic, defaultLimits).Crowds(Unit{UnitDomain, domain}, all)
		for _, ms := range lone {
			in := slices.ContainsFunc(crowds, func(c Crowd) bool { return c.Spans(stampOf(ms), domain) })
			if in != (sent == 0) {
				t.Errorf("%d accepted near the refusal at %s: in a crowd %v\n%+v", sent, stampOf(ms), in, crowds)
			}
		}
	}
}

func TestACrowdGoesOnToTheNextAndOverNight(t *testing.T) {
	for _, tt := range []struct {
		name     string
		refusals []Refusal
		lone     int // hour
		accepted int // near it
		in       bool
	}{
		{"one of six refused between two outages", slices.Concat(refusals(4, 10, time.Minute), refusals(7, 1, 0), refusals(10, 10, time.Minute)), 7, 5, true},
		{"one of 51", slices.Concat(refusals(4, 10, time.Minute), refusals(7, 1, 0), refusals(10, 10, time.Minute)), 7, 50, false},
		{"one of three on the next morning", slices.Concat(refusals(8, 10, time.Minute), refusals(23, 1, 0)), 23, 2, true},
		{"one of eleven on the next morning", slices.Concat(refusals(8, 10, time.Minute), refusals(23, 1, 0)), 23, 10, false},
		{"one of three on the day after", slices.Concat(refusals(0, 10, time.Minute), refusals(23, 1, 0)), 23, 2, false},
	} {
		var traffic fixed
		lone := start.Add(time.Duration(tt.lone) * time.Hour).UnixMilli()
		traffic.sends.Add(SlotOf(lone), tt.accepted)
		crowds := search(&traffic, defaultLimits).Crowds(Unit{UnitDomain, domain}, tt.refusals)
		if in := slices.ContainsFunc(crowds, func(c Crowd) bool { return c.Spans(stampOf(lone), domain) }); in != tt.in {
			t.Errorf("%s: in a crowd %v, want %v\n%+v", tt.name, in, tt.in, crowds)
		}
	}
}

// byDomain is traffic to several domains.
type byDomain map[string]*Sends

func (b byDomain) Domain(domain string) *Sends { return b[domain] }
func (b byDomain) All() (sent, domains *Sends) { return nil, nil }

func TestServersThatRefuseEverythingKnowNoOtherDomain(t *testing.T) {
	var sends Sends
	sends.Add(SlotOf(start.UnixMilli()), 1)
	unit := Unit{UnitRelay, "gateway.example"}
	refused := Refusal{At: start.UnixMilli(), Domain: "new.example", Relay: unit.Name}
	with := func(change func(*Refusal)) Refusal {
		r := refused
		change(&r)
		return r
	}
	for _, tt := range []struct {
		name     string
		refused  int // of ten
		accepted *Sends
		refusal  Refusal
		in       bool
	}{
		{"everything is refused", 10, nil, refused, true},
		{"half is refused", 5, nil, refused, false},
		{"the domain accepts mail", 10, &sends, refused, false},
		{"by other servers", 10, nil, with(func(r *Refusal) { r.Relay = "mx.example" }), false},
		{"by a provider", 10, nil, with(func(r *Refusal) { r.Provider = "google" }), false},
		{"not found", 10, nil, with(func(r *Refusal) { r.Lookup = true }), false},
	} {
		s := search(byDomain{"new.example": tt.accepted}, defaultLimits)
		s.Refused = func(_, _ int64, each func(*Refusal)) { each(&tt.refusal) }
		c := Crowd{Unit: unit, Start: at(0), End: at(1), Refused: tt.refused, Attempts: 10, Domains: []string{"old.example"}}
		s.includeUnreached(&c)
		if in := c.includesDomain("new.example"); in != tt.in {
			t.Errorf("%s: included %v, want %v", tt.name, in, tt.in)
		}
	}
}

// What is outside of a crowd does not change it, and every refusal in a dense hour
// is part of one.
func TestCrowdsDoNotDependOnDistantRefusals(t *testing.T) {
	repeat(t, func(t *testing.T, r *rand.Rand) {
		if r.IntN(10) > 0 {
			return
		}
		var traffic fixed
		for slot := range 60 * hourSlots {
			traffic.sends.Add(SlotOf(start.UnixMilli())+Slot(slot), r.IntN(30))
		}
		all := refusals(20, 5+r.IntN(200), time.Duration(1+r.IntN(60))*time.Second)
		s := search(&traffic, defaultLimits)
		alone := s.Crowds(Unit{UnitDomain, domain}, all)
		// A single one two days later.
		later := s.Crowds(Unit{UnitDomain, domain}, append(slices.Clone(all), refusals(70, 1, 0)...))
		if !slices.EqualFunc(alone, later, func(a, b Crowd) bool { return a.Start == b.Start && a.End == b.End && a.Addresses == b.Addresses }) {
			t.Errorf("alone %+v\nwith a distant refusal %+v", alone, later)
		}
		for _, c := range alone {
			if c.Refused*100 < c.Attempts*defaultLimits.Share || c.Addresses < defaultLimits.Addresses || c.End <= c.Last || c.Last < c.Start {
				t.Errorf("crowd %+v does not pass the limits", c)
			}
		}
	})
}
