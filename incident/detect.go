package incident

import "fmt"

// Sensitivity is how readily the detector reports that a provider refuses mail.
type Sensitivity struct {
	// P is the upper limit of the probability of so many refusals if twice the usual
	// share is refused.
	P float64
	// Windows is the number of windows that must each have an unusual share. Chance
	// and single bad mailings fill one or two. If less than half is refused, one more is
	// needed: chance fills three with a fifth now and then.
	Windows int
}

// Sensitivities are the settings, by name. In 20 times 210 simulated months low reports
// no incident that is none, normal 6 and high 13.
var Sensitivities = map[string]Sensitivity{
	"low":    {1e-9, 4},
	"normal": {1e-6, 3},
	"high":   {1e-4, 3},
}

// ParseSensitivity returns the sensitivity with a name.
func ParseSensitivity(name string) (Sensitivity, error) {
	s, known := Sensitivities[name]
	if !known {
		return s, fmt.Errorf("%q is not one of low, normal, high", name)
	}
	return s, nil
}

const (
	// persistent: one in so many of the windows of a span that have attempts must show
	// an unusual share.
	persistent     = 3
	fewestRefusals = 4    // in a span
	unusualShare   = 0.20 // of a span, and of its windows
	clearShare     = 0.50 // of a span
	// withoutWorst is the upper limit of the probability without the window with most
	// refusals. One mailing that is refused as a whole makes everything else improbable
	// too.
	withoutWorst = 1e-3
)

// spans are the lengths over which refusals are added up, in seconds. In an hour, a
// third that is refused since 20 minutes is less than a fifth.
var spans = [...]int64{15 * 60, 30 * 60, 3600, Memory}

// Memory is how far back the detector looks, in seconds.
const Memory = 6 * 3600

// Alarm is what made the detector report a provider.
type Alarm struct {
	From, To       int64 // the span, in Unix seconds
	Tried, Refused int
	Usual          float64 // the share of refusals that is usual
	P              float64 // see Sensitivity
}

// Detect judges the windows before end, which are sorted by their start. A span is
// reported if it has four refusals and a fifth of the attempts is refused, if that is
// improbable at twice the usual share, also without the worst window, and if several of
// its windows, and a third of those with attempts, show it.
func (s Sensitivity) Detect(windows []Window, end int64, usual float64) (Alarm, bool) {
	windows = between(windows, end-Memory, end)
	for _, span := range spans {
		from := end - span
		var sum, worst Window
		active, unusual := 0, 0
		for i := len(windows) - 1; i >= 0 && windows[i].Start >= from; i-- {
			w := &windows[i]
			sum.add(w)
			if w.Refused > worst.Refused {
				worst = *w
			}
			if w.Tried > 0 {
				active++
			}
			if w.Refused > 0 && w.share() >= unusualShare {
				unusual++
			}
		}
		needed := s.Windows
		if sum.share() < clearShare {
			needed++
		}
		if sum.Refused < fewestRefusals || sum.share() < unusualShare || unusual < max(needed, active/persistent) {
			continue
		}
		twice := min(0.5, 2*usual)
		p := binomialTail(sum.Tried, sum.Refused, twice)
		if p < s.P && binomialTail(sum.Tried-worst.Tried, sum.Refused-worst.Refused, twice) < withoutWorst {
			return Alarm{from, end, sum.Tried, sum.Refused, usual, p}, true
		}
	}
	return Alarm{}, false
}

// Ending is why an incident is over.
type Ending string

// The endings, as they are stored.
const (
	ByDelivery Ending = "delivery" // mail is accepted again
	ByPause    Ending = "pause"    // no failure for as long as the settings say
	// ByQuiet means that no mail went there any more. It is not known whether the
	// cause is gone.
	ByQuiet Ending = "quiet"
)

const (
	calmSeconds = 3600 // with a usual share and a delivery: the incident is over
	calmShare   = 0.05 // the lowest share that is considered unusual at the end
)

// ended reports whether an incident of a provider is over at a time, and why.
func ended(windows []Window, end int64, usual float64) (Ending, bool) {
	var hour, all Window
	windows = between(windows, end-Memory, end)
	for i := range windows {
		w := &windows[i]
		all.add(w)
		if w.Start >= end-calmSeconds {
			hour.add(w)
		}
	}
	switch {
	case hour.Sent > 0 && hour.share() < max(2*usual, calmShare):
		return ByDelivery, true
	case all.Tried == 0 && all.Sent == 0:
		return ByQuiet, true
	}
	return "", false
}
