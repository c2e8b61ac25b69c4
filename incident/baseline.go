package incident

import "math"

// halfLife is the time in which the sums of a baseline halve.
const halfLife = 7 * 24 * 3600

// priorAttempts is the weight of the share that is assumed before anything is known.
// The measured rates of false alarms depend on it. With 1 instead of 50, ten clean
// messages would give a baseline of 4.5 % and not 0.8 %.
const priorAttempts = 50

// assumedShare is the share of refusals that is assumed before anything is known.
const assumedShare = 0.01

// lowestShare is the lower limit of a baseline.
const lowestShare = 0.005

// Baseline is the usual share of refusals of a provider: exponentially weighted sums
// of its windows.
type Baseline struct {
	Tried, Refused float64
	// Until is the end of the last window that was added or skipped, in Unix seconds;
	// 0 if there was none.
	Until int64
}

// Add adds a window that ends after Until.
func (b *Baseline) Add(w *Window) {
	b.Skip(w.Start + WindowSeconds)
	b.Tried += float64(w.Tried)
	b.Refused += float64(w.Refused)
}

// Skip leaves out the windows that end before a time.
func (b *Baseline) Skip(until int64) {
	if until <= b.Until {
		return
	}
	if b.Until != 0 {
		f := math.Exp2(-float64(until-b.Until) / halfLife)
		b.Tried *= f
		b.Refused *= f
	}
	b.Until = until
}

// Share returns the usual share of refusals. A provider about which little is known
// begins with the share of all providers together; all may be nil.
func (b *Baseline) Share(all *Baseline) float64 {
	assumed := assumedShare
	if all != nil {
		assumed = max(assumed, all.Share(nil))
	}
	return max(lowestShare, (b.Refused+priorAttempts*assumed)/(b.Tried+priorAttempts))
}
