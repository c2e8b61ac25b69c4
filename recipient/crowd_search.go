package recipient

import (
	"cmp"
	"slices"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// Slot is a stretch of ten minutes, counted from 1970. Deliveries are counted by
// domain and slot.
type Slot int64

const (
	slotLength = 10 * 60 * 1000 // milliseconds
	hourSlots  = 6
	slowGap    = 6 * hourSlots  // the longest pause within a slow crowd
	slowSlots  = 24 * hourSlots // the longest slow crowd
	daysGap    = 24 * hourSlots // the longest pause within a crowd of several days
	daysSlots  = 72 * hourSlots // the longest crowd of several days
)

// SlotOf returns the slot of a time in Unix milliseconds.
func SlotOf(ms int64) Slot {
	if ms < 0 {
		return Slot((ms+1)/slotLength - 1)
	}
	return Slot(ms / slotLength)
}

// Start returns the beginning of the slot in Unix milliseconds.
func (s Slot) Start() int64 { return int64(s) * slotLength }

// Sends are deliveries counted by slot.
type Sends struct {
	slots []Slot
	sums  []int // up to and including the slot
}

// Add counts n deliveries in a slot. Slots are added in ascending order.
func (s *Sends) Add(slot Slot, n int) {
	if last := len(s.sums) - 1; last >= 0 {
		n += s.sums[last]
	}
	s.slots, s.sums = append(s.slots, slot), append(s.sums, n)
}

// Between returns the number of deliveries from one slot to another, both included.
func (s *Sends) Between(from, to Slot) int {
	return s.upTo(to) - s.upTo(from-1)
}

func (s *Sends) upTo(slot Slot) int {
	if s == nil {
		return 0
	}
	i, found := slices.BinarySearch(s.slots, slot)
	if found {
		return s.sums[i]
	}
	if i == 0 {
		return 0
	}
	return s.sums[i-1]
}

// before returns the last slot before another one that has deliveries, or 0.
func (s *Sends) before(slot Slot) Slot {
	if s == nil {
		return 0
	}
	i, _ := slices.BinarySearch(s.slots, slot)
	if i == 0 {
		return 0
	}
	return s.slots[i-1]
}

// Traffic gives the deliveries that refusals are compared with.
type Traffic interface {
	// Domain returns the deliveries to a domain.
	Domain(domain string) *Sends
	// All returns all deliveries, and the number of domains with a delivery.
	All() (sent, domains *Sends)
}

// Search finds crowds.
type Search struct {
	Limits  bounce.CrowdLimits
	Traffic Traffic
	// MarkEvidence sets Refusal.Evidence and Refusal.Stale. It costs look-ups, so it is
	// called only if there may be a crowd.
	MarkEvidence func([]Refusal)
	// Before returns the refusals of a domain in the four weeks before a time, with
	// their evidence, and the stored crowds of the domain that began then.
	Before func(domain string, from, to int64) ([]Refusal, []Crowd)
	// BeforeTraffic returns the deliveries in that time.
	BeforeTraffic func(from, to int64) Traffic
	// Refused calls each for every refusal between two times, also of addresses that were
	// never reached.
	Refused func(from, to int64, each func(*Refusal))
	// All returns the number of refusals of all units from one slot to another.
	All func(from, to Slot) int
	// Run is called with the first refusal and the end of each run of refusals that is
	// cut into crowds. It may be nil.
	Run func(first int64, end string)

	tier *tier
}

// Crowds returns the crowds of a unit. The refusals are all of the unit, sorted by
// time, from a stretch of time that no crowd crosses.
func (s *Search) Crowds(unit Unit, refusals []Refusal) []Crowd {
	s = s.of(withinWeeks)
	if s.Limits.Addresses == 0 || len(refusals) < s.of(withinWeek).fewest(unit) {
		return nil
	}
	if !s.group(unit, refusals).possible() {
		return nil
	}
	refusals = slices.Clone(refusals)
	if unit.Kind == UnitHost {
		for i := range refusals {
			refusals[i].Evidence = true
		}
	} else {
		s.MarkEvidence(refusals)
	}
	if unit.Kind == UnitDomain {
		return s.crowdsOfDomain(unit, refusals)
	}
	refusals = slices.DeleteFunc(refusals, func(r Refusal) bool { return !r.Evidence })
	var crowds []Crowd
	switch unit.Kind {
	case UnitHost:
		crowds = s.take(nil, unit, refusals, hourSlots, hourSlots)
	case UnitDNS:
		crowds = s.take(nil, unit, refusals, slowSlots, slowGap)
	case UnitProvider, UnitRelay: // a few refusals an hour over many hours
		crowds = s.of(withinWeeks).take(nil, unit, refusals, slowSlots, slowGap)
		crowds = s.of(ever).take(crowds, unit, refusals, slowSlots, slowGap)
	case UnitDomain: // see above
	}
	sortByStart(crowds)
	if unit.Kind == UnitRelay {
		for i := range crowds {
			s.includeUnreached(&crowds[i])
		}
	}
	return crowds
}

// crowdsOfDomain returns the crowds of a domain, by refusals whose evidence is marked.
func (s *Search) crowdsOfDomain(unit Unit, refusals []Refusal) []Crowd {
	reached := slices.DeleteFunc(slices.Clone(refusals), func(r Refusal) bool { return !r.Evidence && !r.Stale })
	refusals = slices.DeleteFunc(refusals, func(r Refusal) bool { return !r.Evidence })
	var crowds []Crowd
	for _, take := range []struct {
		tier          *tier
		length, pause Slot
	}{
		{withinWeeks, hourSlots, hourSlots},
		{withinWeeks, slowSlots, slowGap},
		{withinWeeks, daysSlots, daysGap}, // a few refusals a day
		{withinDays, slowSlots, slowGap},
		{withinWeek, slowSlots, slowGap},
		{withinFortnight, slowSlots, slowGap},
		{ever, hourSlots, hourSlots},
		{ever, slowSlots, slowGap},
	} {
		crowds = s.of(take.tier).take(crowds, unit, refusals, take.length, take.pause)
	}
	crowds = s.again(crowds, unit, reached)
	sortByStart(crowds)
	if s.Limits.Usual > 0 {
		crowds = s.unusual(unit.Name, crowds)
	}
	s.join(unit, crowds, refusals)
	return crowds
}

func sortByStart(crowds []Crowd) {
	slices.SortFunc(crowds, func(a, b Crowd) int { return cmp.Compare(a.Start, b.Start) })
}

// join lets a crowd go on to the next one of the same domain, if that begins less than
// a night later and enough is refused between: a directory that fails for a third of
// all look-ups refuses too few at times.
func (s *Search) join(unit Unit, crowds []Crowd, refusals []Refusal) {
	for i := 1; i < len(crowds); i++ {
		c, next := &crowds[i-1], crowds[i].Start
		end, start := msOf(c.End), msOf(next)
		if start-end > nightPause {
			continue
		}
		between := 0
		for k := range refusals {
			if at := refusals[k].At; end < at && at < start {
				between++
			}
		}
		if share(between, s.Traffic.Domain(unit.Name).Between(SlotOf(end)+1, SlotOf(start)-1)) >= s.least(unit) {
			c.End = max(c.End, min(next, stampOf(msOf(c.Start)+maxCrowd.Milliseconds())))
		}
	}
}

// includeUnreached adds to a crowd of servers that refuse nearly everything the domains
// in which they refused only addresses that were never reached, if those accepted nothing
// in that time: a smart host that has lost its table knows nobody behind it. A provider
// has so many other domains that its crowd says nothing of them.
func (s *Search) includeUnreached(c *Crowd) {
	if !c.total() {
		return
	}
	from, to := msOf(c.Start), msOf(c.End)
	others := make(map[string]bool)
	s.Refused(from, to, func(r *Refusal) {
		if !r.Lookup && r.Provider == "" && r.Relay == c.Unit.Name && !c.includesDomain(r.Domain) {
			others[r.Domain] = true
		}
	})
	for domain := range others {
		if s.Traffic.Domain(domain).Between(SlotOf(from), SlotOf(to)) == 0 {
			c.Domains = append(c.Domains, domain)
		}
	}
	slices.Sort(c.Domains)
}

// take appends the crowds of refusals in windows of at most so many slots without a
// longer pause. It leaves out those that are not of the tier, or in a crowd already.
func (s *Search) take(crowds []Crowd, unit Unit, refusals []Refusal, length, pause Slot) []Crowd {
	taken := make([][2]int64, len(crowds))
	for i := range crowds {
		taken[i] = [2]int64{msOf(crowds[i].Start), msOf(crowds[i].End)}
	}
	refusals = slices.DeleteFunc(slices.Clone(refusals), func(r Refusal) bool {
		return !s.tier.includes(&r) || slices.ContainsFunc(taken, func(t [2]int64) bool { return t[0] <= r.At && r.At <= t[1] })
	})
	if len(refusals) < s.fewest(unit) {
		return crowds
	}
	g := s.group(unit, refusals)
	return append(crowds, g.crowds(g.windows(length, pause))...)
}

// again appends the crowds in which nearly everything is refused, so that addresses
// that an earlier outage refused say as much as others: a weekly newsletter that meets
// two outages.
func (s *Search) again(crowds []Crowd, unit Unit, refusals []Refusal) []Crowd {
	return s.of(nearlyTotal).take(crowds, unit, refusals, hourSlots, hourSlots)
}

const (
	// UsualTime is how far back the usual share of refusals is measured.
	UsualTime = 28 * 24 * time.Hour
	// usualAttempts is the least number of attempts that give a usual share.
	usualAttempts = 100
)

// unusual returns the crowds whose share of refusals is unusual for the domain.
func (s *Search) unusual(domain string, crowds []Crowd) []Crowd {
	var kept []Crowd
	for _, c := range crowds {
		start := bounce.ParseStamp(c.Start).UnixMilli()
		from := start - UsualTime.Milliseconds()
		refusals, earlier := s.Before(domain, from, start)
		earlier = append(slices.Clone(earlier), kept...)
		// Earlier outages are not usual.
		refusals = slices.DeleteFunc(refusals, func(r Refusal) bool {
			at := stampOf(r.At)
			return !r.Evidence || r.At >= start || slices.ContainsFunc(earlier, func(c Crowd) bool { return c.Start <= at && at <= c.End })
		})
		before := *s
		before.Traffic = s.BeforeTraffic(from, start)
		g := before.group(Unit{UnitDomain, domain}, refusals)
		refused := 0
		for i := range g.slots {
			refused += len(g.slots[i].refused)
		}
		sent := g.sent(SlotOf(from), SlotOf(start)-1)
		if refused+sent < usualAttempts || float64(c.Refused)/float64(c.Attempts) >= float64(s.Limits.Usual)*share(refused, sent) {
			kept = append(kept, c)
		}
	}
	return kept
}

func stampOf(ms int64) string { return bounce.Stamp(time.UnixMilli(ms)) }
