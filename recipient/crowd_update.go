package recipient

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"sync"
)

// search finds the crowds of the touched units again, near what was touched. It adds
// what changes to changes, and returns the crowds as they are then.
func (f *CrowdFinder) search(t *touched, changes *CrowdChanges) ([]Crowd, error) {
	core := span{t.from - crowdReach, t.to + crowdReach}
	for {
		from, to := core.from-crowdReach, core.to+crowdReach
		if err := f.loadRefusals(from, to); err != nil {
			return nil, err
		}
		refusals := func(u Unit) []Refusal { return f.Memory.refusals.unitRefusals(u, from, to) }
		found, runs, err := f.searchUnits(sortedUnits(t.units), refusals, core)
		if err != nil {
			return nil, err
		}
		if runs == core {
			horizon, err := f.Records.Horizon()
			if err != nil {
				return nil, err
			}
			return f.replace(t, found, core, horizon, changes)
		}
		core = runs
	}
}

// span is the time from one instant to another, in Unix milliseconds.
type span struct{ from, to int64 }

// searchUnits finds the crowds of units that are in the core. It also returns the core
// with all runs of refusals that reach into it: what is touched decides where a run begins
// and ends, and so where all of it is cut.
func (f *CrowdFinder) searchUnits(units []Unit, refusalsOf func(Unit) []Refusal, core span) (found []Crowd, runs span, err error) {
	from, to := core.from-crowdReach, core.to+crowdReach
	t, e := f.Records.Traffic(from, to), f.newEvidence()
	keep := func(other error) { err = cmp.Or(err, other) }
	s := Search{Limits: f.Limits, Traffic: t, MarkEvidence: e.mark}
	s.Before = func(domain string, from, to int64) ([]Refusal, []Crowd) {
		known := f.Memory.usual[domain]
		if known.to != to {
			refusals, err := f.Records.DomainRefusals(domain, from, to-1)
			keep(err)
			known = usualRefusals{from: from, to: to, refusals: refusals}
			e.mark(known.refusals)
			if f.Memory.usual == nil {
				f.Memory.usual = make(map[string]usualRefusals)
			}
			f.Memory.usual[domain] = known
		}
		return slices.Clone(known.refusals), slices.DeleteFunc(slices.Clone(f.Crowds), func(c Crowd) bool {
			return c.Unit != Unit{Kind: UnitDomain, Name: domain} || c.Start >= stampOf(to)
		})
	}
	s.BeforeTraffic = func(from, to int64) Traffic { return f.Records.Traffic(from, to) }
	counts := sync.OnceValue(func() *Sends {
		// Whole slots.
		counts, err := f.Records.RefusalCounts(SlotOf(from).Start(), (SlotOf(to)+1).Start()-1)
		keep(err)
		return counts
	})
	s.All = func(from, to Slot) int { return counts().Between(from, to) }
	s.Refused = func(from, to int64, each func(*Refusal)) { keep(f.Records.AllRefusals(from, to, each)) }
	coreFrom, coreTo := stampOf(core.from), stampOf(core.to)
	runs = core
	s.Run = func(first int64, end string) {
		if end >= coreFrom && first <= core.to {
			runs = span{min(runs.from, first), max(runs.to, msOf(end))}
		}
	}
	t.Load(func() []string { return s.comparedDomains(units, refusalsOf) })
	for _, u := range units {
		for _, c := range s.Crowds(u, refusalsOf(u)) {
			if c.End >= coreFrom && c.Start <= coreTo {
				found = append(found, c)
			}
		}
	}
	return found, runs, cmp.Or(err, t.Err(), e.err)
}

// comparedDomains returns the domains whose deliveries the refusals of units are first
// compared with.
func (s *Search) comparedDomains(units []Unit, refusalsOf func(Unit) []Refusal) []string {
	domains := make(map[string]bool)
	for _, u := range units {
		if u.Kind == UnitDNS || u.Kind == UnitHost { // lookups, which are not compared with deliveries to a domain
			continue
		}
		refusals := refusalsOf(u)
		if len(refusals) < s.of(withinWeek).fewest(u) {
			continue
		}
		for i := range refusals {
			domains[refusals[i].Domain] = true
		}
	}
	return slices.Sorted(maps.Keys(domains))
}

func sortedUnits(set map[Unit]bool) []Unit {
	return slices.SortedFunc(maps.Keys(set), Unit.Compare)
}

// replace puts the crowds of the touched units that were found in the place of those
// that are stored, and notes whose refusals the changes concern.
func (f *CrowdFinder) replace(t *touched, found []Crowd, core span, horizon string, changes *CrowdChanges) ([]Crowd, error) {
	coreFrom, coreTo := stampOf(core.from), stampOf(core.to)
	all := slices.Clone(f.Crowds)
	stored := slices.DeleteFunc(slices.Clone(f.Crowds), func(c Crowd) bool {
		return !t.units[c.Unit] || c.End < coreFrom || c.Start > coreTo
	})
	var replaced []replacement
	used := make(map[int64]bool)
	for _, c := range found {
		at := slices.IndexFunc(stored, func(s Crowd) bool {
			return !used[s.ID] && s.Unit == c.Unit && s.Start <= c.End && c.Start <= s.End
		})
		if at < 0 {
			if c.Start >= horizon {
				changes.Save, all = append(changes.Save, c), append(all, c)
				replaced = append(replaced, replacement{now: c})
			}
			continue
		}
		s := &stored[at]
		used[s.ID] = true
		c = s.replacedBy(c)
		if c.Equal(s) {
			continue
		}
		changes.Save = append(changes.Save, c)
		all[slices.IndexFunc(all, func(one Crowd) bool { return one.ID == s.ID })] = c
		replaced = append(replaced, replacement{now: c, was: *s})
	}
	for i := range stored {
		if s := &stored[i]; !used[s.ID] && !s.Frozen {
			changes.Delete = append(changes.Delete, s.ID)
			all = slices.DeleteFunc(all, func(one Crowd) bool { return one.ID == s.ID })
			replaced = append(replaced, replacement{was: *s})
		}
	}
	return all, f.affect(replaced, changes)
}

// replacement is a crowd before and after an update. Either may be empty.
type replacement struct{ now, was Crowd }

// span returns the time in which the crowds may differ, in Unix milliseconds.
func (r *replacement) span() (from, to int64) {
	now, was := &r.now, &r.was
	switch {
	case now.End == "":
		return msOf(was.Start), msOf(was.End)
	case was.End == "":
		return msOf(now.Start), msOf(now.End)
	case now.Start == was.Start && now.total() == was.total() && slices.Equal(now.Domains, was.Domains): // it goes on, as in a daemon
		return min(msOf(now.End), msOf(was.End)), max(msOf(now.End), msOf(was.End))
	}
	return min(msOf(now.Start), msOf(was.Start)), max(msOf(now.End), msOf(was.End))
}

// endMoved reports whether a stamp lies between the ends of the two crowds. An address
// that was refused in a crowd is in the same outage until the crowd ends, even if its next
// refusal is of another unit.
func (r *replacement) endMoved(at string) bool {
	return r.now.End != "" && r.was.End != "" && min(r.now.End, r.was.End) < at && at <= max(r.now.End, r.was.End)
}

// replacements are those that may concern a refusal.
type replacements struct {
	byUnit   map[Unit][]replacement
	byDomain map[string][]replacement // whose end has moved, by the domains that they include
	moved    []replacement            // whose end has moved, of any domain
}

func (r *replacements) add(one replacement) {
	unit := one.now.Unit
	if one.now.End == "" {
		unit = one.was.Unit
	}
	r.byUnit[unit] = append(r.byUnit[unit], one)
	switch {
	case one.now.End == one.was.End || one.now.End == "" || one.was.End == "":
	case unit.Kind == UnitDomain:
		r.byDomain[unit.Name] = append(r.byDomain[unit.Name], one)
	case unit.Kind == UnitProvider || unit.Kind == UnitRelay:
		for _, domain := range one.was.Domains {
			r.byDomain[domain] = append(r.byDomain[domain], one)
		}
	default:
		r.moved = append(r.moved, one)
	}
}

// concern reports whether a refusal is in one of two crowds only, or one of them includes
// it only if the address was reached, or it is between their ends.
func (r *replacements) concern(refusal *Refusal) bool {
	at := stampOf(refusal.At)
	for _, u := range refusal.Units() {
		for _, one := range r.byUnit[u] {
			in := one.now.Spans(at, refusal.Domain)
			if in != one.was.Spans(at, refusal.Domain) || in && one.now.total() != one.was.total() {
				return true
			}
		}
	}
	moved := func(one replacement) bool { return one.endMoved(at) }
	return slices.ContainsFunc(r.byDomain[refusal.Domain], moved) || slices.ContainsFunc(r.moved, moved)
}

// affect notes the addresses of the refusals that the replacements concern.
func (f *CrowdFinder) affect(replaced []replacement, changes *CrowdChanges) error {
	if len(replaced) == 0 {
		return nil
	}
	all := replacements{byUnit: make(map[Unit][]replacement), byDomain: make(map[string][]replacement)}
	from, to := int64(math.MaxInt64), int64(math.MinInt64)
	for _, one := range replaced {
		all.add(one)
		first, last := one.span()
		from, to = min(from, first), max(to, last)
	}
	return f.Records.AllRefusals(from, to, func(r *Refusal) {
		if all.concern(r) {
			changes.Affected = append(changes.Affected, r.Key)
		}
	})
}

// replacedBy returns what becomes of a stored crowd that was found again.
func (c *Crowd) replacedBy(found Crowd) Crowd {
	found.ID = c.ID
	if !c.Frozen {
		return found
	}
	// What was deleted cannot be found again, but the crowd may go on.
	kept := *c
	kept.Last, kept.End = max(c.Last, found.Last), max(c.End, found.End)
	return kept
}

// rebuildStep is how much time is searched at once.
const rebuildStep = 7 * 24 * hourMS

// Rebuild returns what changes if the crowds are found again in the week after a
// time. It takes no news.
func (f *CrowdFinder) Rebuild(from int64) (*CrowdChanges, error) {
	if err := f.loadRefusals(from-2*crowdReach, from+rebuildStep+2*crowdReach); err != nil {
		return nil, err
	}
	t := touched{memory: f.Memory, units: make(map[Unit]bool), from: from, to: from + rebuildStep}
	c := &f.Memory.refusals
	for i := range c.all {
		r := c.unpack(&c.all[i])
		for _, u := range r.Units() {
			t.units[u] = true
		}
	}
	for _, c := range f.Crowds { // also those without any refusal
		t.units[c.Unit] = true
	}
	changes := &CrowdChanges{}
	_, err := f.search(&t, changes)
	return changes, err
}

// RebuildWeeks returns the times that Rebuild is called for, by the first refusal
// and the last.
func RebuildWeeks(first, last string) (weeks []int64) {
	for from := msOf(first); first != "" && from <= msOf(last); from += rebuildStep {
		weeks = append(weeks, from)
	}
	return weeks
}
