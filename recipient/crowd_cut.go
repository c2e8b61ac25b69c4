package recipient

import (
	"math"
	"slices"
)

// crowds makes crowds of windows.
func (g *group) crowds(windows []window) []Crowd {
	var crowds []Crowd
	free := 0 // the first refusal that is in no crowd yet
	for len(windows) > 0 {
		run := windows[0]
		n := 1
		for n < len(windows) && (windows[n].from <= run.to || g.pause(run.to, windows[n].from) <= graceTime.Milliseconds()) {
			run.to = max(run.to, windows[n].to)
			n++
		}
		windows = windows[n:]
		dense, end, next := g.slots[run.from].first, g.slots[run.to].end, len(g.refusals)
		if len(windows) > 0 {
			next = g.slots[windows[0].from].first
		}
		first := dense
		// The outage may have begun in a slot with too many deliveries to show it.
		for first > free && g.refusals[dense].At-g.refusals[first-1].At <= graceTime.Milliseconds() {
			first--
		}
		around := g.shareAround(g.refusals[first:end])
		first, end = g.earliest(free, first, around), g.latest(end, next, around)
		crowds = g.cut(crowds, first, dense, end)
		free = end
		if g.Run != nil {
			g.Run(g.refusals[first].At, crowds[len(crowds)-1].End)
		}
	}
	return crowds
}

const (
	// mostly is the share from which refusals before and after the windows of a crowd
	// belong to it, although they are too few for a window.
	mostly = 0.5
	// Of a domain it is mostlyOf the share of the windows, between leastAround, which
	// ordinary deaths do not reach, and mostAround: a partial outage refuses less than
	// most, and its windows are where it refused more by chance.
	mostlyOf, leastAround, mostAround = 0.6, 0.2, 0.3
	// mostlyPause is the longest pause before and after them. Of a domain it is
	// nightPause, because an outage may go on in the morning.
	mostlyPause, nightPause = int64(slowGap) * slotLength, 18 * hourMS
)

// shareAround returns the share from which refusals before and after those of the
// windows of a crowd belong to it.
func (g *group) shareAround(refusals []Refusal) float64 {
	w, _, _ := g.counted(refusals)
	of := mostlyOf * share(w.refused, g.sentAround(refusals[0].At, refusals[len(refusals)-1].At))
	switch {
	case g.tier == ever:
		return most
	case g.several():
		return max(recentPart*g.least(g.unit), min(mostly, of))
	case g.unit.Kind == UnitDomain && !g.tier.recent():
		return max(leastAround, min(mostAround, of))
	}
	return max(g.least(g.unit), min(mostAround, of))
}

// longestPause returns the longest pause before and after those refusals, in
// milliseconds.
func (g *group) longestPause() int64 {
	if g.several() {
		return mostlyPause
	}
	return nightPause
}

// earliest returns the first refusal that belongs to a crowd that begins with
// another one, by the share around it. Refusals before low are in another crowd.
func (g *group) earliest(low, first int, around float64) int {
	earliest, recent := first, 0
	for i := first - 1; i >= low && g.refusals[i+1].At-g.refusals[i].At <= g.longestPause(); i-- {
		if withinWeek.includes(&g.refusals[i]) {
			recent++
		}
		if g.belong(first-i, recent, g.sentAround(g.refusals[i].At, g.refusals[first].At), around) {
			earliest = i
		}
	}
	return earliest
}

// latest returns the index after the last refusal that belongs to a crowd that has
// those up to end, without end.
func (g *group) latest(end, high int, around float64) int {
	latest, recent := end, 0
	for i := end; i < high && g.refusals[i].At-g.refusals[i-1].At <= g.longestPause(); i++ {
		if withinWeek.includes(&g.refusals[i]) {
			recent++
		}
		if g.belong(i+1-end, recent, g.sentAround(g.refusals[end-1].At, g.refusals[i].At), around) {
			latest = i + 1
		}
	}
	return latest
}

// belong reports whether refusals next to a crowd belong to it. Of a domain, few are enough of
// addresses that accepted mail within a week: they seldom cease to exist that soon.
func (g *group) belong(n, recent, sent int, around float64) bool {
	return share(n, sent) >= around || g.unit.Kind == UnitDomain && share(recent, sent) >= g.of(withinWeek).least(g.unit)
}

// sentAround returns the deliveries that a few refusals between two times are compared
// with: those to all domains, if the unit has several.
func (g *group) sentAround(from, to int64) int {
	if g.several() {
		all, _ := g.Traffic.All()
		return all.Between(SlotOf(from), SlotOf(to))
	}
	return g.sent(SlotOf(from), SlotOf(to))
}

// pause is the time between the last refusal of a slot and the first of another.
func (g *group) pause(from, to int) int64 {
	return g.refusals[g.slots[to].first].At - g.refusals[g.slots[from].end-1].At
}

// cut appends the crowd of the refusals from first up to end, in pieces of at most
// 24 hours. It is measured from the refusal dense on, where the windows begin.
func (g *group) cut(crowds []Crowd, first, dense, end int) []Crowd {
	after := int64(math.MinInt64)
	for first < end {
		// From the start of the slot: dead addresses, which are no evidence, may
		// have been refused before the first that is.
		start := max(SlotOf(g.refusals[first].At).Start(), after)
		n := first
		for n < end && g.refusals[n].At <= start+maxCrowd.Milliseconds() {
			n++
		}
		last := g.refusals[n-1].At
		c := Crowd{
			Unit: g.unit, Start: stampOf(start), Last: stampOf(last),
			End: stampOf(min(last+graceTime.Milliseconds(), start+maxCrowd.Milliseconds())),
		}
		g.measure(&c, g.refusals[min(max(first, dense), n-1):n])
		if g.several() {
			g.include(&c, g.refusals[first:n])
		}
		crowds = append(crowds, c)
		first, after = n, start+maxCrowd.Milliseconds()+1
	}
	return crowds
}

// measure fills in the numbers of a crowd.
func (g *group) measure(c *Crowd, refusals []Refusal) {
	w, from, to := g.counted(refusals)
	c.Addresses, c.Refused = w.n, w.refused
	switch {
	case g.unit.Kind == UnitHost:
		return
	case !g.several():
		c.Attempts = w.refused + g.sent(from, to)
		return
	}
	c.Attempts = w.refused
	for domain := range w.of {
		c.Attempts += g.Traffic.Domain(w.domains[domain]).Between(from, to)
	}
}

// include fills in the domains of a crowd: those with enough refusals of their own.
// A big domain that accepts nearly everything has no outage.
func (g *group) include(c *Crowd, refusals []Refusal) {
	w, from, to := g.counted(refusals)
	for domain, n := range w.of {
		name := w.domains[domain]
		if share(n, g.Traffic.Domain(name).Between(from, to)) >= float64(g.Limits.Share)/100 {
			c.Domains = append(c.Domains, name)
		}
	}
	slices.Sort(c.Domains)
}

// counted counts refusals, and returns their first slot and their last.
func (g *group) counted(refusals []Refusal) (w *counts, from, to Slot) {
	part := g.group(g.unit, refusals)
	w = part.count()
	for i := range part.slots {
		w.add(&part.slots[i])
	}
	return w, part.slots[0].slot, part.slots[len(part.slots)-1].slot
}
