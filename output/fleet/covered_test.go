package fleet

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// followed makes evidence of hosts that have read logs: failures of each log by day, and
// twenty times as many attempts.
type followed struct {
	days  int
	hosts map[int64]map[string]func(day int) int // the failures that a host has read of a log

	waiting []int64 // hosts that have still to send their deliveries by domain
}

// of returns how many failures of some days were read.
func of(n int) func(int) int { return func(int) int { return n } }

// between returns how many failures were read of the days from one on until another.
func between(first, last, n int) func(int) int {
	return func(day int) int {
		if day < first || day > last {
			return 0
		}
		return n
	}
}

// evidence takes the failures that one of two hosts has read of a log and the other has
// not to be those that the latter lost.
func (f *followed) evidence() *evidence {
	e := newEvidence()
	for host, logs := range f.hosts {
		for other, otherLogs := range f.hosts {
			for log, n := range logs {
				for day := range f.days {
					if m := otherLogs[log]; m != nil && host < other && min(n(day), m(day)) > 0 {
						addTo(e.both, [2]int64{host, other}, day, min(n(day), m(day)))
					}
				}
			}
		}
		for _, n := range logs {
			for day := range f.days {
				addTo(e.read, host, day, n(day))
				addTo(e.attempts, host, day, 20*n(day))
				if !slices.Contains(f.waiting, host) {
					addTo(e.delivered, host, day, min(n(day), 1))
				}
			}
		}
	}
	return &e
}

func addTo[K comparable](all map[K]dayCounts, key K, day, n int) {
	if n == 0 {
		return
	}
	if all[key] == nil {
		all[key] = make(dayCounts)
	}
	all[key][dayAfter("2026-03-01", day)] += int64(n)
}

// text writes who is covered on which days: "1-3: 2 by 1".
func (c coverage) text(days int) string {
	var lines []string
	var was string
	for day := range days + 1 {
		var covered []string
		of := c[dayAfter("2026-03-01", day)]
		for _, host := range slices.Sorted(maps.Keys(of)) {
			covered = append(covered, fmt.Sprintf("%d by %d", host, of[host]))
		}
		if now := strings.Join(covered, ", "); day == 0 || now != was {
			lines = append(lines, fmt.Sprintf("%d: %s", day, now))
			was = now
		}
	}
	return strings.Join(lines, "; ")
}

func TestOneOfTheHostsThatFollowALogCounts(t *testing.T) {
	type logs = map[string]func(int) int
	for _, one := range []struct {
		name  string
		days  int
		hosts map[int64]logs
		want  string

		waiting []int64
	}{
		{"each has its own log", 10, map[int64]logs{1: {"a": of(9)}, 2: {"b": of(9)}}, "0: ", nil},
		{"two have the same", 10, map[int64]logs{1: {"a": of(9)}, 2: {"a": of(9)}}, "0: 2 by 1", nil},
		{"three have the same", 10, map[int64]logs{1: {"a": of(9)}, 2: {"a": of(9)}, 3: {"a": of(9)}}, "0: 2 by 1, 3 by 1", nil},
		{"one has those of all", 10, map[int64]logs{1: {"a": of(9)}, 2: {"b": of(9)}, 3: {"a": of(9), "b": of(9)}}, "0: 1 by 3, 2 by 3", nil},
		{"two have those of all", 10, map[int64]logs{1: {"a": of(9)}, 2: {"a": of(9), "b": of(9)}, 3: {"a": of(9), "b": of(9)}}, "0: 1 by 2, 3 by 2", nil},
		{"a part of the logs, and others", 10, map[int64]logs{1: {"a": of(9)}, 2: {"a": of(9)}, 3: {"b": of(9)}}, "0: 2 by 1", nil},
		{"each has one that the other has not", 10, map[int64]logs{1: {"a": of(9), "c": of(9)}, 2: {"b": of(9), "c": of(9)}}, "0: ", nil},
		{"lines of the second were lost", 10, map[int64]logs{1: {"a": of(100)}, 2: {"a": of(99)}}, "0: 2 by 1", nil},
		{"lines of the first were lost", 10, map[int64]logs{1: {"a": of(99)}, 2: {"a": of(100)}}, "0: 2 by 1", nil},
		{"many lines of the first were lost", 10, map[int64]logs{1: {"a": of(90)}, 2: {"a": of(100)}}, "0: 1 by 2", nil},
		{"the first is behind", 10, map[int64]logs{1: {"a": between(0, 5, 30)}, 2: {"a": of(30)}}, "0: 2 by 1; 6: 1 by 2", nil},
		{"the second is behind", 10, map[int64]logs{1: {"a": of(30)}, 2: {"a": between(0, 5, 30)}}, "0: 2 by 1", nil},
		{"the second joins", 10, map[int64]logs{1: {"a": of(30)}, 2: {"a": between(4, 10, 30)}}, "0: 2 by 1", nil},
		{"the one with all joins", 10, map[int64]logs{1: {"a": of(30)}, 2: {"b": of(30), "a": between(4, 10, 30)}}, "0: ; 4: 1 by 2", nil},
		{"the one with all leaves", 10, map[int64]logs{1: {"a": of(30)}, 2: {"b": of(30), "a": between(0, 4, 30)}}, "0: 1 by 2; 5: ", nil},
		{"few failures", 10, map[int64]logs{1: {"a": between(3, 3, 1)}, 2: {"a": between(3, 3, 1), "b": of(1)}}, "0: 1 by 2", nil},
		{"nothing on the last days", 10, map[int64]logs{1: {"a": between(0, 3, 1)}, 2: {"a": between(0, 3, 1)}, 3: {"b": of(1)}}, "0: 2 by 1", nil},
		{"one line in another log", 10, map[int64]logs{1: {"a": of(5), "x": between(3, 3, 1)}, 2: {"b": of(5), "x": between(3, 3, 1)}}, "0: ", nil},
		{"a host dies, and there are few failures", 40, map[int64]logs{1: {"a": between(0, 29, 1)}, 2: {"a": of(1)}}, "0: 2 by 1; 30: 1 by 2", nil},
		{"the first has still to send the last day", 40, map[int64]logs{1: {"a": between(0, 38, 1)}, 2: {"a": of(1)}}, "0: 2 by 1; 40: 1 by 2", nil},
		{"the one with all has not sent its deliveries", 10, map[int64]logs{1: {"a": of(9)}, 2: {"a": of(9), "b": of(9)}}, "0: ; 9: 1 by 2", []int64{2}},
	} {
		f := &followed{one.days, one.hosts, one.waiting}
		if got := f.evidence().coverage().text(one.days); got != one.want {
			t.Errorf("%s: %q, want %q", one.name, got, one.want)
		}
	}
}

// Nearly all of nearly all is less. Nobody is left out because of that.
func TestOneOfTheHostsThatLoseLinesCounts(t *testing.T) {
	e := newEvidence()
	for host := range int64(3) {
		addTo(e.read, 1+host, 0, 100)
		addTo(e.attempts, 1+host, 0, 1000)
	}
	for pair, n := range map[[2]int64]int{{1, 2}: 96, {2, 3}: 96, {1, 3}: 92} {
		addTo(e.both, pair, 0, n)
	}
	if got := e.coverage().text(0); got != "0: 2 by 1, 3 by 1" {
		t.Errorf("%q, want that 1 counts", got)
	}
}

// Behind the last day that a line can have there is none. A day of the year 10000, which sorts
// before the others, is taken for an old one when it is read again.
func TestNoDayFollowsTheYear9999(t *testing.T) {
	day := func() dayCounts { return dayCounts{"9999-12-31": 40} }
	e := &evidence{
		both: map[[2]int64]dayCounts{{1, 2}: day()}, read: map[int64]dayCounts{1: day(), 2: day()},
		attempts: map[int64]dayCounts{1: day(), 2: day()}, delivered: map[int64]dayCounts{1: day(), 2: day()},
	}
	for day := range e.coverage() {
		if day != "9999-12-31" {
			t.Errorf("covered on %s, want 9999-12-31 only", day)
		}
	}
	if len(e.coverage()) != 1 {
		t.Errorf("coverage() = %v, want one day", e.coverage())
	}
}
