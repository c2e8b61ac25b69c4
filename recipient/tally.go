package recipient

import (
	"cmp"
	"slices"

	"github.com/bouncetail/bouncetail/bounce"
)

// tallies are the failures that the policy has counted, by category.
type tallies []tally

type tally struct {
	category bounce.Category
	days     []dayCount // oldest first
}

// dayCount is the number of failures on a day (bounce.EpochDay).
type dayCount struct{ day, n int }

func dayOf(at string) int { return bounce.EpochDay(bounce.ParseStamp(at).UnixMilli()) }

// add counts a failure, drops those that have left the window, and returns
// whether the threshold is reached.
func (t *tallies) add(c bounce.Category, day int, limit bounce.Threshold) bool {
	i := slices.IndexFunc(*t, func(one tally) bool { return one.category == c })
	if i < 0 {
		i = len(*t)
		*t = append(*t, tally{category: c})
	}
	one := &(*t)[i]
	one.days = slices.DeleteFunc(one.days, func(d dayCount) bool { return d.day <= day-limit.Window })
	if last := len(one.days) - 1; last >= 0 && one.days[last].day == day {
		one.days[last].n++
	} else {
		one.days = append(one.days, dayCount{day, 1})
	}
	return one.failures() >= limit.Failures && one.span() >= limit.Days
}

func (t *tally) failures() int {
	n := 0
	for _, d := range t.days {
		n += d.n
	}
	return n
}

// span is the number of days between the first failure and the last.
func (t *tally) span() int {
	if len(t.days) == 0 {
		return 0
	}
	return t.days[len(t.days)-1].day - t.days[0].day
}

// Counted is what the policy has counted of one category since the last delivery,
// with the threshold that makes the address bad.
type Counted struct {
	Category bounce.Category  `json:"category"`
	Failures int              `json:"failures"`
	Days     int              `json:"days"` // between the first and the last
	Policy   bounce.Threshold `json:"policy"`
}

// CountedBy returns what a policy has counted, from the memory of a row.
func CountedBy(policy *bounce.Policy, memory string) ([]Counted, error) {
	m, err := parseMemory(memory)
	if err != nil {
		return nil, err
	}
	all := []Counted{}
	for _, t := range m.tallies() {
		all = append(all, Counted{t.category, t.failures(), t.span(), policy.For(t.category)})
	}
	return all, nil
}

// tallies returns what was counted, sorted by category and day.
func (m *memory) tallies() tallies {
	var all tallies
	for c, days := range m.Counted {
		t := tally{category: c}
		for name, n := range days {
			t.days = append(t.days, dayCount{dayOf(name + "T00:00:00.000Z"), n})
		}
		slices.SortFunc(t.days, func(a, b dayCount) int { return cmp.Compare(a.day, b.day) })
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b tally) int { return cmp.Compare(a.category, b.category) })
	return all
}
