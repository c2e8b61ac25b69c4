package incident

import (
	"math"
	"math/rand/v2"
	"testing"
)

// days sums the windows of simulated days. The usual share is multiplied by times[n] on
// day n.
func (c cell) days(seed uint64, times func(day int) float64, n int) []Day {
	s := simulation{c, rand.New(rand.NewPCG(seed, 28)), 0}
	var all []Day
	for day := range n {
		s.share = c.share * times(day)
		d := Day{Number: int64(20_000 + day)}
		for of := range windowsOfDay {
			w := s.window(day*windowsOfDay+of, 0)
			d.Tried, d.Refused = d.Tried+w.Tried, d.Refused+w.Refused
		}
		all = append(all, d)
	}
	return all
}

func steady(int) float64 { return 1 }

// TestSteadySharesDoNotDrift looks at simulated providers once a week for half a year.
func TestSteadySharesDoNotDrift(t *testing.T) {
	looks, alarms := 0, 0
	for i, c := range cells[:6] { // the last one takes long
		for n := range uint64(10) {
			days := c.days(3000*uint64(i)+n, steady, 26*7)
			for end := DriftDays; end <= len(days); end += 7 {
				looks++
				if trend, rises := FindTrend(days[end-DriftDays : end]); rises {
					alarms++
					t.Logf("%v: %+v", c, trend)
				}
			}
		}
	}
	t.Logf("%d false alarms in %d weeks of providers", alarms, looks)
	if alarms > 1 {
		t.Errorf("%d false alarms in %d weeks of providers, want at most 1", alarms, looks)
	}
}

// TestRisingSharesAreFound lets the share of refusals grow to three times in four weeks.
func TestRisingSharesAreFound(t *testing.T) {
	for i, c := range cells[2:6] {
		found := 0
		for n := range uint64(10) {
			days := c.days(5000*uint64(i)+n, func(day int) float64 { return math.Pow(3, float64(day)/(DriftDays-1)) }, DriftDays)
			if _, rises := FindTrend(days); rises {
				found++
			}
		}
		if found < 9 {
			t.Errorf("%v: found %d of 10 shares that grew to three times, want 9", c, found)
		}
	}
}

func TestFindTrend(t *testing.T) {
	days := func(tried int, refused func(day int) int) (all []Day) {
		for n := range DriftDays {
			all = append(all, Day{int64(n), tried, refused(n)})
		}
		return all
	}
	for _, c := range []struct {
		name  string
		days  []Day
		rises bool
	}{
		{"it rises every day", days(1000, func(n int) int { return 10 + n }), true},
		{"it falls", days(1000, func(n int) int { return 40 - n }), false},
		{"it rises a little, for sure", days(1_000_000, func(n int) int { return 10_000 + 100*n }), false},
		{"one bad day at the end", days(1000, func(n int) int { return 10 + 500*(n/27) }), false},
		{"too few refusals", days(1000, func(n int) int { return n / 14 }), false},
		{"everything is refused", days(10, func(int) int { return 10 }), false},
		{"nothing is refused until the last day", days(100, func(n int) int { return 60 * (n / 27) }), false},
		{"no day", nil, false},
		{"too few days", days(1000, func(n int) int { return 10 + n })[:13], false},
	} {
		if trend, got := FindTrend(c.days); got != c.rises {
			t.Errorf("%s: %v (%+v), want %v", c.name, got, trend, c.rises)
		}
	}
	trend, _ := FindTrend(days(1000, func(n int) int { return 10 + n }))
	if math.Abs(trend.From-0.012) > 0.003 || math.Abs(trend.To-0.038) > 0.003 {
		t.Errorf("the trend is %+v, want from 0.012 to 0.038", trend)
	}
}

// The values are those of a table of Student's t.
func TestStudentTail(t *testing.T) {
	for _, c := range []struct {
		t       float64
		freedom int
		p       float64
	}{{2.179, 12, 0.05}, {4.318, 12, 0.001}, {3.707, 26, 0.001}, {2.056, 26, 0.05}, {-3.707, 26, 0.001}, {0, 26, 1}} {
		if got := studentTail(c.t, c.freedom); math.Abs(got-c.p) > 0.02*c.p {
			t.Errorf("studentTail(%v, %d) = %v, want %v", c.t, c.freedom, got, c.p)
		}
	}
}
