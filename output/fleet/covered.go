package fleet

import (
	"cmp"
	"maps"
	"slices"
)

// A log that several hosts follow is counted by each of them, and its deliveries are not
// sent one by one, so their counters cannot be compared line by line. Their failures can:
// a host that has read nearly all failures of another one follows the logs of that. Then
// its counters include those of the other, which are not added: the other host is covered.
// That is decided for each day, because what a host follows may change. It follows from
// what is stored alone, in whatever order that came.

// dayCounts are numbers by day.
type dayCounts map[string]int64

// evidence is what shows which hosts follow the same logs. Hosts are given by their
// numbers.
type evidence struct {
	read      map[int64]dayCounts    // failures that a host has read
	both      map[[2]int64]dayCounts // failures that two hosts have read; the lower number first
	attempts  map[int64]dayCounts    // that a host has counted, of days that it has sent
	delivered map[int64]dayCounts    // 1 if a host has sent its deliveries of that day, by domain
}

func newEvidence() evidence {
	return evidence{make(map[int64]dayCounts), make(map[[2]int64]dayCounts), make(map[int64]dayCounts), make(map[int64]dayCounts)}
}

// coverage is who covers each host that is covered, by day.
type coverage map[string]map[int64]int64

const (
	// enoughFailures is how many failures show what a host follows. A day with fewer is
	// judged together with the nearest days.
	enoughFailures = 20
	// Nearly all are 19 of 20, so that some lines that were lost, or are still to be sent,
	// do not make a host count again.
	nearlyAll, ofAll = 19, 20
)

// coverage returns who is covered on the days that were counted, and on the day after,
// so that it is known when that begins.
func (e *evidence) coverage() coverage {
	set := make(map[string]bool)
	for _, of := range e.attempts {
		for day := range of {
			set[day] = true
		}
	}
	days := slices.Sorted(maps.Keys(set))
	if len(days) == 0 || len(e.both) == 0 {
		return nil
	}
	last := days[len(days)-1]
	if next := dayAfter(last, 1); next > last { // days have years of four digits
		days = append(days, next)
	}
	others, overlaps := make(map[int64][]int64), make(map[[2]int64]*overlap)
	for pair := range e.both {
		for _, p := range [][2]int64{pair, {pair[1], pair[0]}} {
			others[p[0]] = append(others[p[0]], p[1])
			overlaps[p] = e.overlapOf(p[0], e.both[pair])
		}
	}
	for _, of := range others {
		slices.Sort(of)
	}
	all := make(coverage)
	for _, day := range days {
		follows := func(a, b int64) bool {
			return overlaps[[2]int64{a, b}].nearlyAll(day) && e.hasCounted(b, a, day, day >= last)
		}
		if covered := e.coveredOn(day, others, follows); len(covered) > 0 {
			all[day] = covered
		}
	}
	return all
}

// hasCounted reports whether a host has counted a day about as much as another one. A host
// that is behind, or has stopped, does not cover the other. Of the last day, each host has
// sent another part, which is seldom less than half of two days.
func (e *evidence) hasCounted(host, other int64, day string, isLast bool) bool {
	mine, its := e.attempts[host], e.attempts[other]
	if isLast {
		before := dayAfter(day, -1)
		return 2*(mine[before]+mine[day]) >= its[before]+its[day]
	}
	return ofAll*mine[day] >= nearlyAll*its[day] && e.delivered[host][day] >= e.delivered[other][day]
}

// coveredOn returns who is covered on a day. follows(a, b) reports whether b follows the
// logs of a. Of hosts that follow each other's, the one with the lowest number counts.
func (e *evidence) coveredOn(day string, others map[int64][]int64, follows func(a, b int64) bool) map[int64]int64 {
	order := slices.SortedFunc(maps.Keys(others), func(a, b int64) int {
		return cmp.Or(cmp.Compare(e.attempts[a][day], e.attempts[b][day]), cmp.Compare(b, a))
	})
	covered := make(map[int64]int64)
	for _, a := range order {
		for _, b := range others[a] {
			// b is not covered so far, so that one of several hosts always counts.
			if covered[b] == 0 && follows(a, b) && (b < a || !follows(b, a)) {
				covered[a] = b
				break
			}
		}
	}
	for a, b := range covered {
		for covered[b] != 0 {
			b = covered[b]
		}
		covered[a] = b
	}
	return covered
}

// overlap is how many failures a host has read, and how many of these another one has
// read, by day.
type overlap struct {
	days       []string
	read, both []int64
}

func (e *evidence) overlapOf(host int64, both dayCounts) *overlap {
	o := &overlap{days: slices.Sorted(maps.Keys(e.read[host]))}
	for _, day := range o.days {
		o.read, o.both = append(o.read, e.read[host][day]), append(o.both, both[day])
	}
	return o
}

// nearlyAll reports whether the other host has read nearly all failures around a day:
// of this day and those before, or of this day and those after, as long as they are few.
// So it is also known for the first and the last days of a log that both follow.
func (o *overlap) nearlyAll(day string) bool {
	at, found := slices.BinarySearch(o.days, day)
	last := at
	if !found {
		last--
	}
	return o.nearlyAllFrom(last, -1) || o.nearlyAllFrom(at, 1)
}

// nearlyAllFrom looks at days from one on, by step, and then at those in the other direction.
func (o *overlap) nearlyAllFrom(at, step int) bool {
	var read, both int64
	add := func(i, step int) {
		for ; i >= 0 && i < len(o.days) && read < enoughFailures; i += step {
			read += o.read[i]
			both += o.both[i]
		}
	}
	add(at, step)
	add(at-step, -step)
	return both > 0 && ofAll*both >= nearlyAll*read
}
