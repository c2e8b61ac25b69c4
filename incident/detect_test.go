package incident

import (
	"math"
	"testing"
)

// windows returns windows with the same counts, before minute 0 of end.
func windows(end int64, n, tried, refused int) []Window {
	var all []Window
	for i := n; i > 0; i-- {
		all = append(all, Window{end - int64(i)*WindowSeconds, tried - refused, tried, refused})
	}
	return all
}

func TestBinomialTail(t *testing.T) {
	for _, c := range []struct {
		n, k int
		p    float64
		want float64
	}{
		{10, 0, 0.1, 1},
		{10, 11, 0.1, 0},
		{3, 3, 0.1, 0.001},
		{3, 2, 0.1, 0.028},
		{20, 5, 0.02, 3.859e-05},
		{100, 100, 0.02, math.Pow(0.02, 100)},
	} {
		if got := binomialTail(c.n, c.k, c.p); math.Abs(got-c.want) > 0.02*c.want {
			t.Errorf("binomialTail(%d, %d, %v) = %v, want %v", c.n, c.k, c.p, got, c.want)
		}
	}
}

func TestDetect(t *testing.T) {
	const end = 1_000_000 * WindowSeconds
	normal := Sensitivities["normal"]
	for _, c := range []struct {
		name    string
		windows []Window
		usual   float64
		alarm   bool
	}{
		{"all refused for 15 minutes", windows(end, 3, 10, 10), 0.01, true},
		{"all refused for 10 minutes", windows(end, 2, 20, 20), 0.01, false},
		{"three refusals", windows(end, 3, 1, 1), 0.001, false},
		{"four refusals, one a window", windows(end, 4, 1, 1), 0.01, true},
		{"a third refused for 15 minutes", windows(end, 3, 30, 10), 0.01, false},
		{"a third refused for 20 minutes", append(windows(end-4*WindowSeconds, 8, 30, 0), windows(end, 4, 30, 10)...), 0.01, true},
		{"a mailing that is refused, and little else", append(windows(end-WindowSeconds, 2, 4, 1), windows(end, 1, 40, 40)...), 0.02, false},
		{"less than a fifth", windows(end, 12, 100, 19), 0.01, false},
		{"usual for this provider", windows(end, 12, 10, 4), 0.3, false},
		{"all in one window of many", append(windows(end-2*WindowSeconds, 10, 10, 0), windows(end, 1, 500, 500)...), 0.01, false},
		{"three bad windows in a busy hour", append(windows(end-3*WindowSeconds, 9, 20, 0), windows(end, 3, 40, 24)...), 0.01, true},
		{"three single windows in a busy hour", func() []Window {
			all := windows(end, 12, 20, 0)
			for _, i := range []int{0, 5, 9} {
				all[i].Tried, all[i].Refused = 100, 60
			}
			return all
		}(), 0.01, false},
		{"what comes later is not known yet", windows(end+10*WindowSeconds, 10, 10, 10), 0.01, false},
		{"what was seven hours ago is over", windows(end-7*3600, 12, 10, 10), 0.01, false},
	} {
		if a, got := normal.Detect(c.windows, end, c.usual); got != c.alarm {
			t.Errorf("%s: reported %v (%+v), want %v", c.name, got, a, c.alarm)
		}
	}
}

func TestAnOutageDoesNotBecomeUsual(t *testing.T) {
	tr := &Tracker{Sensitivity: Sensitivities["normal"]}
	var end int64 = 1_000_000 * WindowSeconds
	run := func(hours, tried, refused int) (alarms int, ended Ending) {
		for range hours * 12 {
			tr.Windows = append(tr.Windows, Window{end, tried - refused, tried, refused})
			end += WindowSeconds
			s := tr.Step(end)
			if s.Alarmed {
				alarms++
			}
			if s.Ended != "" {
				ended = s.Ended
			}
		}
		return alarms, ended
	}
	if run(48, 10, 0); tr.Open {
		t.Fatal("an alarm without a refusal")
	}
	before := tr.Usual.Share(nil)
	if alarms, _ := run(72, 10, 9); alarms < 72*12-3 {
		t.Errorf("the rule held in %d of %d windows of an outage of three days, want nearly all", alarms, 72*12)
	}
	if after := tr.Usual.Share(nil); math.Abs(after-before) > 0.005 {
		t.Errorf("the usual share is %.3f after the outage and was %.3f before", after, before)
	}
	if _, ended := run(2, 10, 0); ended != ByDelivery || tr.Open {
		t.Errorf("two good hours later it is open=%v, ended %q", tr.Open, ended)
	}
	if run(24, 10, 0); tr.Usual.Share(nil) > before {
		t.Errorf("the usual share is %.3f a day later and was %.3f before", tr.Usual.Share(nil), before)
	}
}

func TestNoMailIsNotMended(t *testing.T) {
	tr := &Tracker{Sensitivity: Sensitivities["normal"]}
	var end int64 = 1_000_000 * WindowSeconds
	tr.Windows = windows(end, 12, 10, 10)
	if s := tr.Step(end); !s.Alarmed {
		t.Fatal("no alarm")
	}
	for hours := range 8 {
		s := tr.Step(end + int64(hours+1)*3600)
		if want := Ending(""); hours+1 == 6 {
			if s.Ended != ByQuiet {
				t.Errorf("after 6 hours without mail it ended %q, want %q", s.Ended, ByQuiet)
			}
		} else if s.Ended != want {
			t.Errorf("after %d hours it ended %q, want %q", hours+1, s.Ended, want)
		}
	}
}

func TestANewProviderBeginsWithTheShareOfAll(t *testing.T) {
	all := &Baseline{Tried: 10_000, Refused: 3_000}
	var fresh Baseline
	if got := fresh.Share(all); math.Abs(got-0.3) > 0.01 {
		t.Errorf("Share of a new provider = %v, want 0.3", got)
	}
	if got := (&Baseline{Tried: 10}).Share(nil); math.Abs(got-0.0083) > 0.001 {
		t.Errorf("Share after ten clean messages = %v, want 0.008", got)
	}
	if got := (&Baseline{Tried: 1e6}).Share(all); got != lowestShare {
		t.Errorf("Share without refusals = %v, want %v", got, lowestShare)
	}
	b := Baseline{Tried: 100, Refused: 10, Until: 1}
	if b.Skip(1 + halfLife); b.Tried != 50 || b.Refused != 5 {
		t.Errorf("after the half-life the sums are %v and %v, want 50 and 5", b.Tried, b.Refused)
	}
}
