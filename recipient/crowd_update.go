package recipient

import (
	"cmp"
	"slices"
)

// search finds the crowds of the touched units again, near what was touched. It adds
// what changes to changes, and returns the crowds as they are then.
func (f *CrowdFinder) search(t *touched, changes *CrowdChanges) ([]Crowd, error) {
	core := [2]int64{t.from - crowdReach, t.to + crowdReach}
	from := core[0] - crowdReach
	for {
		if _, err := f.refusalsBetween(from, core[1]+crowdReach); err != nil {
			return nil, err
		}
		byUnit := make(map[Unit][]Refusal, len(t.units))
		for u := range t.units {
			if refusals := f.Memory.refusals.unitRefusals(u, from, core[1]+crowdReach); len(refusals) > 0 {
				byUnit[u] = refusals
			}
		}
		found, again, err := f.searchUnits(byUnit, from, core)
		if err != nil {
			return nil, err
		}
		if !again {
			horizon, err := f.Records.Horizon()
			if err != nil {
				return nil, err
			}
			return f.replace(t, byUnit, found, core, horizon, changes), nil
		}
		from -= 2 * crowdReach // a crowd goes on before
	}
}

// searchUnits finds the crowds of units. It returns true if one begins where the
// refusals begin, so that those before are needed as well.
func (f *CrowdFinder) searchUnits(byUnit map[Unit][]Refusal, from int64, core [2]int64) (found []Crowd, again bool, err error) {
	t, e := f.Records.Traffic(from, core[1]+crowdReach), f.newEvidence()
	keep := func(other error) { err = cmp.Or(err, other) }
	s := Search{Limits: f.Limits, Traffic: t, MarkEvidence: e.mark}
	s.Before = func(domain string, from, to int64) ([]Refusal, []Crowd) {
		known := f.Memory.usual[domain]
		if known.to != to {
			known = usualRefusals{from: from, to: to}
			refusals, err := f.Records.Refusals(from, to-1)
			keep(err)
			known.refusals = slices.DeleteFunc(refusals, func(r Refusal) bool { return r.Lookup || r.Domain != domain })
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
	s.All = func(from, to Slot) int {
		refusals, err := f.refusalsBetween(from.Start(), (to+1).Start()-1)
		keep(err)
		return len(refusals)
	}
	coreFrom, coreTo := stampOf(core[0]), stampOf(core[1])
	for _, u := range sortedUnits(byUnit) {
		for _, c := range s.Crowds(u, byUnit[u]) {
			again = again || c.Start <= stampOf(byUnit[u][0].At) && byUnit[u][0].At < from+2*hourMS && c.End >= coreFrom
			if c.End >= coreFrom && c.Start <= coreTo {
				found = append(found, c)
			}
		}
	}
	return found, again, cmp.Or(err, t.Err(), e.err)
}

func sortedUnits(byUnit map[Unit][]Refusal) []Unit {
	units := make([]Unit, 0, len(byUnit))
	for u := range byUnit {
		units = append(units, u)
	}
	slices.SortFunc(units, Unit.Compare)
	return units
}

// replace puts the crowds of the touched units that were found in the place of those
// that are stored, and notes whose refusals the changes concern.
func (f *CrowdFinder) replace(t *touched, byUnit map[Unit][]Refusal, found []Crowd, core [2]int64, horizon string, changes *CrowdChanges) []Crowd {
	coreFrom, coreTo := stampOf(core[0]), stampOf(core[1])
	all := slices.Clone(f.Crowds)
	stored := slices.DeleteFunc(slices.Clone(f.Crowds), func(c Crowd) bool {
		return !t.units[c.Unit] || c.End < coreFrom || c.Start > coreTo
	})
	// affect notes the addresses of refusals that are in one of two crowds only.
	affect := func(c, other *Crowd) {
		for i := range byUnit[c.Unit] {
			r := &byUnit[c.Unit][i]
			if at := stampOf(r.At); c.Spans(at, r.Domain) != other.Spans(at, r.Domain) {
				changes.Affected = append(changes.Affected, r.Key)
			}
		}
	}
	none := &Crowd{}
	used := make(map[int64]bool)
	for _, c := range found {
		at := slices.IndexFunc(stored, func(s Crowd) bool {
			return !used[s.ID] && s.Unit == c.Unit && s.Start <= c.End && c.Start <= s.End
		})
		if at < 0 {
			if c.Start >= horizon {
				changes.Save, all = append(changes.Save, c), append(all, c)
				affect(&c, none)
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
		affect(&c, s)
	}
	for i := range stored {
		if s := &stored[i]; !used[s.ID] && !s.Frozen {
			changes.Delete = append(changes.Delete, s.ID)
			all = slices.DeleteFunc(all, func(one Crowd) bool { return one.ID == s.ID })
			affect(s, none)
		}
	}
	return all
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
	refusals, err := f.refusalsBetween(from-2*crowdReach, from+rebuildStep+2*crowdReach)
	if err != nil {
		return nil, err
	}
	t := touched{memory: f.Memory, units: make(map[Unit]bool), from: from, to: from + rebuildStep}
	for i := range refusals {
		for _, u := range refusals[i].Units() {
			t.units[u] = true
		}
	}
	for _, c := range f.Crowds { // also those without any refusal
		t.units[c.Unit] = true
	}
	changes := &CrowdChanges{}
	_, err = f.search(&t, changes)
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
