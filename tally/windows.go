package tally

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"github.com/bouncetail/bouncetail/bounce"
)

// WindowSeconds is the length of the windows that attempts are counted in. Those of
// incident.Window are the same.
const WindowSeconds = 300

// WindowKey is a window of a provider.
type WindowKey struct {
	Start    int64 // Unix seconds
	Provider string
}

// Window is the number of attempts in a window.
type Window struct {
	Sent, Deferred, Bounced, Expired, Tried, Refused int64

	slug string // the provider's, or bounce.OtherValue: as metrics name it
	// live counts those of Sent that do not count as imported.
	live int64
}

// LastWindow remembers the window of the last delivery of a provider or domain.
// Nearly always the next one is in the same.
type LastWindow struct {
	start int64
	of    *Window
}

// window returns the counts of the window that a time in Unix milliseconds is in.
func (t *Tally) window(at int64, slug, domain string) (w *Window, start int64) {
	start = at/1000 - at/1000%WindowSeconds
	if at < 0 {
		start -= WindowSeconds
	}
	k := WindowKey{start, slug}
	if slug == "" {
		k.Provider = bounce.OtherValue
		if name, large := t.named[bounce.EpochDay(at)][domain]; large {
			k.Provider = name
		}
	}
	w = t.Windows[k]
	if w == nil {
		w = &Window{slug: cmp.Or(slug, bounce.OtherValue)}
		t.Windows[k] = w
	}
	return w, start
}

// NamedDomains are the domains that have separate windows, by day (see
// bounce.EpochDay).
type NamedDomains map[int]map[string]string

const (
	maxNamed     = 200 // that have separate windows on a day
	maxNamedDays = 30  // of which the names are remembered
	// MinAttempts is the number of attempts that such a domain exceeded on the day
	// before.
	MinAttempts = 50
	// MaxCandidates is how many domains with most attempts are enough for Largest.
	MaxCandidates = 2 * maxNamed
)

// Trim forgets the days if they are many.
func (n NamedDomains) Trim() {
	if len(n) > maxNamedDays {
		clear(n)
	}
}

// DaysOf returns the days of a batch. A day may be there several times.
func DaysOf(b *bounce.Batch) (days []int) {
	last := math.MinInt
	add := func(at int64) {
		if day := bounce.EpochDay(at); day != last {
			days, last = append(days, day), day
		}
	}
	for i := range b.Successes {
		add(b.Successes[i].At)
	}
	for i := range b.Records.Len() {
		add(b.Records.At(i).UnixMilli())
	}
	return days
}

// Largest returns the domains with most attempts.
func Largest(attempts map[string]int) map[string]string {
	maps.DeleteFunc(attempts, func(_ string, n int) bool { return n <= MinAttempts })
	largest := slices.SortedFunc(maps.Keys(attempts), func(a, b string) int {
		return cmp.Or(cmp.Compare(attempts[b], attempts[a]), cmp.Compare(a, b))
	})
	named := make(map[string]string)
	for _, domain := range largest[:min(len(largest), maxNamed)] {
		named[domain] = domain
	}
	delete(named, "")
	return named
}

// Success counts a new success in its window. last is by provider, and without one
// by domain.
func (t *Tally) Success(b *bounce.Batch, s *bounce.Success, last []LastWindow) {
	at := int(s.Provider)
	if at == 0 {
		at = len(b.Providers) + 1 + int(s.Domain)
	}
	l := &last[at]
	if second := s.At / 1000; l.of == nil || second < l.start || second >= l.start+WindowSeconds {
		slug := ""
		if s.Provider > 0 {
			slug = b.Providers[s.Provider-1]
		}
		l.of, l.start = t.window(s.At, slug, b.Domains[s.Domain])
	}
	l.of.Sent++
	if s.First {
		l.of.Tried++
	}
	if t.isLive(s.At) {
		l.of.live++
	}
}

// countFailed counts a new failure in its window. Only a first attempt says something
// about the provider, and only if the provider was asked and the recipient is not the
// problem: else each retry, greylisting and list of dead addresses is an incident.
func (w *Window) countFailed(r *bounce.Record) {
	switch r.Outcome {
	case bounce.Deferred:
		w.Deferred++
	case bounce.Bounced:
		w.Bounced++
	case bounce.Expired:
		w.Expired++
	case bounce.Sent: // never a record
	}
	if !r.First || r.Echo || r.Suppress || r.Reason.AsIntended() {
		return
	}
	switch r.Scope {
	case bounce.ScopeSender, bounce.ScopeNetwork, bounce.ScopeMessage, bounce.ScopeDomain:
		w.Tried++
		w.Refused++
	case bounce.ScopeRecipient, bounce.ScopeLocal:
	}
}
