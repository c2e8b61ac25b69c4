package incident

import "sort"

// WindowSeconds is the length of a window, in seconds.
const WindowSeconds = 300

// Window counts the delivery attempts to one provider in five minutes of the log's
// time.
type Window struct {
	// Start is in Unix seconds, a multiple of WindowSeconds.
	Start int64
	// Sent counts all deliveries.
	Sent int
	// Tried counts first attempts that say something about the provider, and Refused
	// those of them that failed for a problem of the sender, the message, the network
	// or the domain. Later attempts of the same message are left out: one refusal that
	// is retried thirty times is one refusal.
	Tried, Refused int
}

func (w *Window) add(o *Window) {
	w.Sent += o.Sent
	w.Tried += o.Tried
	w.Refused += o.Refused
}

func (w *Window) share() float64 {
	if w.Tried == 0 {
		return 0
	}
	return float64(w.Refused) / float64(w.Tried)
}

// WindowOf returns the start of the window that a time in Unix seconds lies in.
func WindowOf(second int64) int64 {
	start := second - second%WindowSeconds
	if second%WindowSeconds < 0 {
		start -= WindowSeconds
	}
	return start
}

// between returns the windows that start in [from, to). The windows are sorted.
func between(windows []Window, from, to int64) []Window {
	first := sort.Search(len(windows), func(i int) bool { return windows[i].Start >= from })
	last := sort.Search(len(windows), func(i int) bool { return windows[i].Start >= to })
	return windows[first:max(first, last)]
}
