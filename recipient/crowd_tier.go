package recipient

import (
	"math"
	"time"
)

// tier is what is needed of a crowd of addresses that accepted mail so long ago. The
// longer ago it is, the more of them have ceased to exist since.
type tier struct {
	within time.Duration // since the last delivery
	part   float64       // of CrowdLimits.Share that is enough of many addresses
	few    float64       // the share of attempts that CrowdLimits.Addresses need
}

// Each share is some four times the part of all addresses that cease to exist within the
// time. A weekly mailing is in withinWeek, a monthly one in withinWeeks.
var (
	withinDays      = &tier{within: 3 * 24 * time.Hour, part: 0.15, few: 0.075}
	withinWeek      = &tier{within: 8 * 24 * time.Hour, part: 0.3, few: 0.15}
	withinFortnight = &tier{within: 15 * 24 * time.Hour, part: 0.55, few: 0.25}
	withinWeeks     = &tier{within: 45 * 24 * time.Hour, part: 1, few: most}
	// A list that was not mailed for longer has many dead addresses.
	ever = &tier{within: math.MaxInt64, part: 6, few: 4 * most}
	// Only nearly all attempts pass, see again.
	nearlyTotal = &tier{within: math.MaxInt64, few: nearlyAll}
)

const most, tenth = 0.6, 0.1

// includes reports whether the address of a refusal accepted mail within the time.
func (t *tier) includes(r *Refusal) bool { return r.Age <= t.within.Milliseconds() }

// recent reports whether addresses cease to exist so seldom within the time that few are
// enough.
func (t *tier) recent() bool { return t.within < withinWeeks.within }

// of returns a search among the refusals of a tier.
func (s *Search) of(t *tier) *Search {
	one := *s
	one.tier = t
	return &one
}

// fewest is the least number of addresses or domains that are a crowd.
func (s *Search) fewest(unit Unit) int {
	switch {
	case unit.Kind == UnitDNS || unit.Kind == UnitHost:
		return s.Limits.Domains
	case unit.Kind == UnitDomain && s.tier.recent():
		return (s.Limits.Addresses + 2) / 2
	}
	return s.Limits.Addresses
}

// share is the least share of attempts that n refused addresses or domains must
// make up. Few must make up most of them. Domains that accepted mail cease to exist
// far less often than addresses do, so fewer together are unusual.
func (s *Search) share(unit Unit, n int) float64 {
	switch {
	case unit.Kind == UnitDNS:
		return max(s.least(unit), tenth*float64(s.Limits.Domains)/float64(n))
	case n < s.Limits.Addresses:
		return nearlyAll
	}
	return min(nearlyAll, max(s.least(unit), s.tier.few*float64(s.Limits.Addresses)/float64(n)))
}

// least is the share that is needed at least, whatever the number.
func (s *Search) least(unit Unit) float64 {
	t := s.tier
	switch {
	case t == nearlyTotal:
		return nearlyAll
	case unit.Kind == UnitDNS:
		t = withinWeek
	}
	return min(nearlyAll, t.part*float64(s.Limits.Share)/100)
}
