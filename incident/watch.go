package incident

import (
	"cmp"
	"slices"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// Settings say when there is an incident.
type Settings struct {
	Sensitivity Sensitivity
	Addresses   int           // of what is only gathered
	Gap         time.Duration // a longer pause ends what is only gathered
}

// Provider is a provider whose windows are looked at.
type Provider struct {
	Name string // as in provider_windows
	Tracker
	Incident int64 // of the open alarm; 0 if there is none
	// From is the end of the first window that is judged, in Unix seconds.
	From int64
	// To is the last end that is judged; 0 is now.
	To int64

	current *Incident // of the open alarm
}

// Look is one look at what is new.
type Look struct {
	Settings
	Book
	Gatherer  *Gatherer // which has the new failures
	Providers []*Provider
	// RingsFrom is the time, in Unix seconds, at which the windows are old enough to
	// show what is usual. Until then the detector does not ring.
	RingsFrom int64
	// Refusals returns what a provider refused in [from, to), in Unix seconds.
	Refusals func(provider string, from, to int64) ([]Refusal, error)
	// Unreached is the share of all first attempts of the last 15 minutes that failed.
	Unreached float64
	// Findings are those that were made without the detector and the gatherer.
	Findings []Finding
}

// Do enters everything in the book.
func (l *Look) Do() error {
	slices.SortFunc(l.Providers, func(a, b *Provider) int { return cmp.Compare(a.Name, b.Name) })
	for _, p := range l.Providers {
		if err := l.follow(p); err != nil {
			return err
		}
	}
	for _, g := range l.Gatherer.Take(l.Now, l.Addresses) {
		l.Apply(l.finding(&g))
	}
	for i := range l.Findings {
		l.Apply(&l.Findings[i])
	}
	l.Close()
	return nil
}

const (
	listedBy      = 2   // providers that must name a blocklist
	listedFor     = 5   // or so many failures
	unreachedFrom = 10  // domains
	unreachedHalf = 0.5 // of the first attempts
)

// finding returns what a group of failures is.
func (l *Look) finding(g *Group) *Finding {
	f := &Finding{
		Cause: g.Cause, Scope: g.Scope, Category: g.Category, EnhancedCode: g.EnhancedCode, Since: g.Since, Until: g.Until,
		Attempts: g.Attempts, Addresses: g.Addresses, Domains: g.Domains, BounceID: g.LastID, Over: g.Ended || l.Now.UnixMilli()-g.Until > l.Settings.Gap.Milliseconds(),
	}
	switch g.Kind {
	case Blocklist:
		f.Rings = g.Providers >= listedBy || g.Attempts >= listedFor
	case OwnNetwork:
		f.Rings = g.Domains >= unreachedFrom && l.Unreached >= unreachedHalf
	default: // only listed
	}
	return f
}

// follow judges the windows of a provider up to now.
func (l *Look) follow(p *Provider) error {
	p.Sensitivity = l.Sensitivity
	for _, i := range l.Known {
		if i.ID != 0 && i.ID == p.Incident {
			p.current = i
		}
	}
	limit := l.Now.Unix() - l.Now.Unix()%WindowSeconds
	if p.To > 0 {
		limit = min(limit, p.To)
	}
	windows := p.Windows
	for end := p.From; end <= limit; end += WindowSeconds {
		if !p.Open && len(between(windows, end-WindowSeconds, end)) == 0 {
			// Nothing can begin before the next window that has attempts.
			next := between(windows, end, limit)
			if len(next) == 0 {
				break
			}
			end = next[0].Start
			continue
		}
		step := p.Step(end)
		switch {
		case step.Alarmed && end < l.RingsFrom:
			p.Open = false
		case step.Alarmed:
			if err := l.alarm(p, &step.Alarm, end == limit && p.To == 0); err != nil {
				return err
			}
		case step.Ended != "":
			l.endOf(p, step.Ended, end)
		}
	}
	if !p.Open {
		p.learn(limit - learnAfter)
	}
	if n := len(windows); n > 0 {
		p.From = max(p.From, min(limit, windows[n-1].Start+WindowSeconds))
	}
	return nil
}

// alarm enters an alarm. The cause of one that is open already is looked up only for
// the present.
func (l *Look) alarm(p *Provider, a *Alarm, present bool) error {
	if p.current != nil && p.current.Open() && !present {
		if last := stampOf(p.lastRefusal(a)); last > p.current.LastAt {
			p.current.LastAt = last
			l.change(p.current)
		}
		return nil
	}
	refusals, err := l.Refusals(p.Name, a.From, a.To)
	if err != nil {
		return err
	}
	f := cause(p.Name, refusals, a)
	if i := l.Apply(&f); i != nil {
		p.current = i
	}
	return nil
}

// lastRefusal returns the end of the last window of an alarm that has a refusal, in Unix
// milliseconds. The rule can hold for hours after it.
func (p *Provider) lastRefusal(a *Alarm) int64 {
	windows := between(p.Windows, a.From, a.To)
	for _, window := range slices.Backward(windows) {
		if window.Refused > 0 {
			return (window.Start+WindowSeconds)*1000 - 1
		}
	}
	return a.From * 1000
}

// Current returns the incident of the open alarm, or nil.
func (p *Provider) Current() *Incident { return p.current }

// endOf ends the incidents of a provider.
func (l *Look) endOf(p *Provider, by Ending, end int64) {
	for _, i := range l.Known {
		if i.Open() && i.Kind == ProviderRefuses && i.Subject == p.Name && i.Tried > 0 {
			l.End(i, by, bounce.Stamp(time.Unix(end, 0)))
		}
	}
	p.current, p.Incident = nil, 0
}
