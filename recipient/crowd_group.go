package recipient

// group is the refusals of one unit by slot.
type group struct {
	*Search
	unit     Unit
	refusals []Refusal // sorted by time
	slots    []active  // sorted
	domains  []string  // of the addresses, by number
	who      int       // how many addresses, or domains, there are
}

// active is a slot with refusals.
type active struct {
	slot       Slot
	first, end int       // the refusals from first up to, and without, end
	refused    []refused // each address, or domain, once
}

// refused is an address or a domain that was refused in a slot, by number.
type refused struct {
	who, domain int32
	age         int64 // see Refusal.Age
}

// window is a number of slots that pass the limits: from one active slot to
// another, both included.
type window struct{ from, to int }

func (s *Search) group(unit Unit, refusals []Refusal) *group {
	g := &group{Search: s, unit: unit, refusals: refusals}
	byDomain := unit.Kind == UnitDNS || unit.Kind == UnitHost
	if unit.Kind == UnitDomain {
		g.domains = []string{unit.Name}
	}
	addresses, domains := make(map[int64]int32), make(map[string]int32)
	var lastSlot []int // of each address or domain
	for i := range refusals {
		r := &refusals[i]
		domain, known := int32(0), unit.Kind == UnitDomain
		if !known {
			domain, known = domains[r.Domain]
		}
		if !known {
			domain = int32(len(g.domains))
			domains[r.Domain] = domain
			g.domains = append(g.domains, r.Domain)
		}
		who := domain
		if !byDomain {
			if who, known = addresses[r.Key]; !known {
				who = int32(len(addresses))
				addresses[r.Key] = who
			}
		}
		if int(who) == len(lastSlot) {
			lastSlot = append(lastSlot, -1)
		}
		if slot := SlotOf(r.At); len(g.slots) == 0 || g.slots[len(g.slots)-1].slot != slot {
			g.slots = append(g.slots, active{slot: slot, first: i})
		}
		a := &g.slots[len(g.slots)-1]
		a.end = i + 1
		if lastSlot[who] != len(g.slots)-1 {
			lastSlot[who] = len(g.slots) - 1
			a.refused = append(a.refused, refused{who, domain, r.Age})
		}
	}
	g.who = len(lastSlot)
	return g
}

// several reports whether the unit has several domains, of whose deliveries only
// those are known that go to a domain with a refusal.
func (g *group) several() bool { return g.unit.Kind == UnitProvider || g.unit.Kind == UnitRelay }

// sent returns the deliveries from one slot to another that refusals are compared
// with: of UnitDNS, the domains with a delivery.
func (g *group) sent(from, to Slot) int {
	switch g.unit.Kind {
	case UnitDomain:
		return g.Traffic.Domain(g.unit.Name).Between(from, to)
	case UnitDNS:
		_, domains := g.Traffic.All()
		return domains.Between(from, to)
	case UnitProvider, UnitRelay, UnitHost: // deliveries are known by domain
	}
	return 0
}

func share(refused, sent int) float64 {
	if refused == 0 {
		return 0
	}
	return float64(refused) / float64(refused+sent)
}

// possible returns false if no evidence can make a crowd of the refusals. It
// assumes that all of them are evidence.
func (g *group) possible() bool {
	switch {
	case g.several():
		if len(g.domains) < g.Limits.Domains {
			return false
		}
	case g.unit.Kind == UnitDomain:
		recent := *g
		recent.Search = g.of(withinDays)
		return len(recent.windows(slowSlots, slowGap)) > 0 || len(g.windows(daysSlots, daysGap)) > 0
	case g.unit.Kind == UnitDNS:
		return len(g.windows(slowSlots, slowGap)) > 0
	default:
		return len(g.windows(hourSlots, hourSlots)) > 0
	}
	return g.possibleOfAll() || g.possibleOfADomain()
}

// possibleOfADomain reports whether the refusals of a domain may be enough of the
// deliveries to it, in a unit with several domains.
func (g *group) possibleOfADomain() bool {
	byDomain := make(map[int32][]slotRefusals)
	for _, a := range g.slots {
		for _, r := range a.refused {
			of := byDomain[r.domain]
			if last := len(of) - 1; last >= 0 && of[last].slot == a.slot {
				of[last].n++
			} else {
				byDomain[r.domain] = append(of, slotRefusals{a.slot, 1})
			}
		}
	}
	for domain, slots := range byDomain {
		if len(slots) == 1 && slots[0].n == 1 {
			continue
		}
		sends := g.Traffic.Domain(g.domains[domain])
		for i := range slots {
			if g.possibleFrom(slots[i:], sends) {
				return true
			}
		}
	}
	return false
}

// possibleFrom reports whether the refusals of a domain from its first slot on may be
// enough.
func (g *group) possibleFrom(slots []slotRefusals, sends *Sends) bool {
	n := -1 // leaving one out, as severalPass does
	for _, at := range slots {
		if at.slot-slots[0].slot >= slowSlots {
			break
		}
		if n += at.n; n > 0 && share(n, sends.Between(slots[0].slot, at.slot)) >= g.least(g.unit) {
			return true
		}
	}
	return false
}

// possibleOfAll reports whether the refusals of a unit with several domains may be
// enough of all deliveries, see severalPass.
func (g *group) possibleOfAll() bool {
	all, _ := g.Traffic.All()
	sent := make([]int, len(g.slots)) // up to and including the slot
	for i, a := range g.slots {
		sent[i] = all.upTo(a.slot)
	}
	for i, first := range g.slots {
		before := all.upTo(first.slot - 1)
		n := 0
		for j, a := range g.slots[i:] {
			if a.slot-first.slot >= slowSlots {
				break
			}
			if n += len(a.refused); n < g.Limits.Addresses {
				continue
			}
			s := share(n, sent[i+j]-before)
			switch {
			case s >= g.share(g.unit, n-1),
				n >= manyAddresses && s >= littleShare,
				n >= g.fewestRecent(withinDays) && s >= g.recentShare(withinDays, n):
				return true
			}
		}
	}
	return false
}

type slotRefusals struct {
	slot Slot
	n    int
}

// windows returns the windows of at most so many slots that pass the limits, in
// the order of their start. No pause in them is longer than gap.
func (g *group) windows(length, gap Slot) []window {
	var found []window
	w := g.count()
	for i := range g.slots {
		if !g.enough(i, length, gap) || !g.dense(i) {
			continue
		}
		w.reset()
		longest := -1
		for j := i; j < len(g.slots) && g.slots[j].slot-g.slots[i].slot < length; j++ {
			if j > i && g.slots[j].slot-g.slots[j-1].slot > gap {
				break
			}
			w.add(&g.slots[j])
			if w.n >= g.fewest(g.unit) && g.dense(j) && w.passes(g.slots[i].slot, g.slots[j].slot) {
				longest = j
			}
		}
		if longest >= 0 {
			found = append(found, window{i, longest})
		}
	}
	return found
}

// enough reports whether the windows from a slot on may have the fewest addresses of a
// crowd. Most have not, and then no deliveries need be read.
func (g *group) enough(from int, length, gap Slot) bool {
	refused, last := 0, g.slots[from].slot
	for _, a := range g.slots[from:] {
		if a.slot-g.slots[from].slot >= length || a.slot-last > gap {
			return false
		}
		if refused += len(a.refused); refused >= g.fewest(g.unit) {
			return true
		}
		last = a.slot
	}
	return false
}

// dense reports whether the share of a slot alone is that of a crowd, so that
// quiet slots before and after an outage are no part of it.
func (g *group) dense(i int) bool {
	if g.several() || g.unit.Kind == UnitHost {
		return true
	}
	a := &g.slots[i]
	return share(len(a.refused), g.sent(a.slot, a.slot)) >= g.least(g.unit)
}

// counts is what is counted in a window.
type counts struct {
	*group
	n       int // addresses, or domains
	refused int // each once in a slot
	round   int32
	seen    []int32       // the round in which each was counted last
	of      map[int32]int // addresses by domain, if there are several
	// Of each domain, the address that accepted mail last, see Refusal.Age.
	youngest map[int32]int64
}

func (g *group) count() *counts {
	return &counts{group: g, round: 1, seen: make([]int32, g.who), of: make(map[int32]int), youngest: make(map[int32]int64)}
}

// reset begins another window.
func (w *counts) reset() {
	w.n, w.refused = 0, 0
	w.round++
	clear(w.of)
	clear(w.youngest)
}

func (w *counts) add(a *active) {
	w.refused += len(a.refused)
	for _, r := range a.refused {
		if w.seen[r.who] == w.round {
			continue
		}
		w.seen[r.who] = w.round
		if w.n++; !w.several() {
			continue
		}
		if w.of[r.domain]++; w.of[r.domain] == 1 || r.age < w.youngest[r.domain] {
			w.youngest[r.domain] = r.age
		}
	}
}

// passes reports whether the window passes the limits.
func (w *counts) passes(from, to Slot) bool {
	switch {
	case w.unit.Kind == UnitHost:
		return true
	case w.tier == nearlyTotal: // also in the hours before and after, so that no part of a mailing passes by chance
		return share(w.refused, w.sent(from-hourSlots, to+hourSlots)) >= w.share(w.unit, w.n)
	case !w.several():
		return share(w.refused, w.sent(from, to)) >= w.share(w.unit, w.n)
	}
	return w.severalPass(from, to)
}
