package incident

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

const (
	// comesBack is how long after its end a cause opens the same incident again.
	comesBack = time.Hour
	// backlogAge is the age from which lines are old: they are read to catch up.
	backlogAge = 15 * time.Minute
	// foldWithin is the time in which providers must ring for the same reason to be one
	// incident.
	foldWithin = 30 * time.Minute
	foldedFrom = 3 // providers
	// maxOpened is how many incidents one look opens. Strangers name blocklists and
	// domains.
	maxOpened = 500
)

// Book holds the incidents that a look may change.
type Book struct {
	Now time.Time
	// Live is false for an import, in which nothing rings.
	Live bool
	Gap  time.Duration // a longer pause ends an incident that was only gathered
	// Known are the incidents that are open or ended within Gap before the first
	// failure that is looked at.
	Known []*Incident

	changed map[*Incident]bool
	notices []Notice
	opened  int
}

// Changed returns the incidents that changed or are new.
func (b *Book) Changed() []*Incident {
	return slices.DeleteFunc(slices.Clone(b.Known), func(i *Incident) bool { return !b.changed[i] })
}

// Notices returns what there is to say of incidents that rang. NoticeAgain is among them
// at every look at an open one: Incident.Repeat decides whether a reminder is due.
func (b *Book) Notices() []Notice { return b.notices }

func (b *Book) change(i *Incident) {
	if b.changed == nil {
		b.changed = make(map[*Incident]bool)
	}
	b.changed[i] = true
}

func stampOf(ms int64) string { return bounce.Stamp(time.UnixMilli(ms)) }

// find returns the incident that a finding is about, or nil.
func (b *Book) find(f *Finding) *Incident {
	var found *Incident
	for _, i := range b.Known {
		if i.Subject != f.Subject || i.Reason != f.Reason || !sameKind(i.Kind, f.Kind) {
			continue
		}
		if i.Open() {
			// An import can find an earlier time of a cause that is open now.
			if f.Over && f.Until < bounce.ParseStamp(i.StartedAt).Add(-b.Gap).UnixMilli() {
				continue
			}
			return i
		}
		var near bool
		if f.Alarm != nil {
			near = f.Since <= bounce.ParseStamp(i.OverAt).Add(comesBack).UnixMilli() && f.Until >= bounce.ParseStamp(i.StartedAt).UnixMilli()
		} else {
			near = f.Since <= bounce.ParseStamp(i.LastAt).Add(b.Gap).UnixMilli() && f.Until >= bounce.ParseStamp(i.StartedAt).Add(-b.Gap).UnixMilli()
		}
		if near {
			found = i // the last of them
		}
	}
	return found
}

// sameKind reports whether two kinds are those of one cause. A provider that refuses
// connections is unreachable until the detector rings.
func sameKind(a, b Kind) bool {
	refuses := func(k Kind) bool { return k == ProviderRefuses || k == Unreachable }
	return a == b || refuses(a) && refuses(b)
}

// Apply enters a finding, and returns its incident. It returns nil if the finding adds
// nothing.
func (b *Book) Apply(f *Finding) *Incident {
	i := b.find(f)
	if i == nil {
		if b.opened++; b.opened > maxOpened {
			return nil
		}
		i = &Incident{
			Kind: f.Kind, Subject: f.Subject, Reason: f.Reason, Scope: f.Scope, Category: f.Category,
			StartedAt: stampOf(f.Since), LastAt: stampOf(f.Until), OpenedAt: bounce.Stamp(b.Now),
			Backlog: !b.isLive(f.Until),
		}
		b.Known = append(b.Known, i)
	}
	if !i.Open() {
		switch {
		case f.Alarm == nil && i.EndedBy != ByPause:
			return nil // the detector has ended it; single failures are usual again
		case stampOf(f.Until) <= i.LastAt && !f.Over:
			return i // it is known
		case !f.Over:
			i.OverAt, i.EndedBy = "", ""
		}
	}
	b.change(i)
	i.worth = i.worth || f.Rings
	if f.Kind == ProviderRefuses {
		i.Kind = f.Kind
	}
	// What was gathered may include an earlier incident, which the detector has ended.
	if earliest := bounce.ParseStamp(i.StartedAt).Add(-comesBack).UnixMilli(); i.Tried == 0 || f.Since >= earliest {
		i.StartedAt = min(i.StartedAt, stampOf(f.Since))
		i.Attempts, i.Addresses, i.Domains = max(i.Attempts, f.Attempts), max(i.Addresses, f.Addresses), max(i.Domains, f.Domains)
	}
	if last := stampOf(f.Until); last >= i.LastAt {
		i.LastAt = last
		i.BounceID, i.EnhancedCode = cmp.Or(f.BounceID, i.BounceID), cmp.Or(f.EnhancedCode, i.EnhancedCode)
	}
	if f.Alarm != nil && (i.Tried == 0 || i.Kind == Drift) { // as it was found
		i.Tried, i.Refused, i.Baseline, i.P = f.Alarm.Tried, f.Alarm.Refused, f.Alarm.Usual, f.Alarm.P
	}
	if f.Over {
		b.End(i, ByPause, i.LastAt)
	}
	if f.Rings && i.Open() && i.RangAt == "" && b.isLive(f.Until) {
		i.RangAt, i.Backlog = bounce.Stamp(b.Now), false
	}
	return i
}

// isLive reports whether a time in Unix milliseconds is near the clock.
func (b *Book) isLive(ms int64) bool {
	return b.Live && b.Now.Sub(time.UnixMilli(ms)).Abs() <= backlogAge+WindowSeconds*time.Second
}

// End ends an incident.
func (b *Book) End(i *Incident, by Ending, at string) {
	if !i.Open() {
		return
	}
	i.OverAt, i.EndedBy = at, by
	b.change(i)
}

// Close ends what had no failure for too long, folds what several providers have in
// common, and finds the notices. It is called last.
func (b *Book) Close() {
	for _, i := range b.Known {
		// The detector ends what it found.
		if i.Open() && (i.Tried == 0 || i.Kind == Blocklist) && b.Now.Sub(bounce.ParseStamp(i.LastAt)) > b.Gap && endsByPause(i.Kind) {
			b.End(i, ByPause, i.LastAt)
		}
	}
	b.fold()
	for _, i := range b.Known {
		if i.RangAt == "" || !b.Live {
			continue
		}
		switch {
		case i.folded():
		case !i.Open():
			if b.changed[i] {
				b.notices = append(b.notices, Notice{i, NoticeOver})
			}
		case i.RangAt == bounce.Stamp(b.Now):
			b.notices = append(b.notices, Notice{i, NoticeOpened})
		case i.Kind != Drift:
			b.notices = append(b.notices, Notice{i, NoticeAgain})
		}
	}
}

// endsByPause reports whether a kind is over after a pause. The others end when they
// are observed no more.
func endsByPause(k Kind) bool { return k != Inactivity && k != LogStalled && k != Drift }

// fold makes incidents of several providers for one reason parts of the first, and those
// that an outage of our network or a new wording explains parts of that.
func (b *Book) fold() {
	groups := make(map[bounce.Reason][]*Incident)
	var outages []*Incident
	for _, i := range b.Known {
		switch {
		case !i.Open():
		case i.Kind == OwnNetwork || i.Kind == UnclassifiedSurge:
			outages = append(outages, i)
		case i.RangAt == "" || i.Kind != ProviderRefuses:
		case i.Reason == bounce.Unknown, // of any scope
			i.Reason != Mixed && (i.Scope == bounce.ScopeSender || i.Scope == bounce.ScopeNetwork || i.Scope == bounce.ScopeLocal):
			groups[i.Reason] = append(groups[i.Reason], i)
		}
	}
	for _, i := range outages {
		b.explain(i, groups[i.Reason])
	}
	delete(groups, bounce.Unknown) // which is no cause in common
	for _, all := range groups {
		slices.SortFunc(all, func(a, b *Incident) int {
			return cmp.Or(strings.Compare(a.RangAt, b.RangAt), cmp.Compare(a.ID, b.ID), strings.Compare(a.Subject, b.Subject))
		})
		for first := range all {
			if !all[first].folded() {
				b.foldInto(all[first], all[first+1:])
			}
		}
	}
}

// foldInto makes incidents parts of the first, if enough of them rang soon after it.
func (b *Book) foldInto(first *Incident, later []*Incident) {
	until := bounce.Stamp(bounce.ParseStamp(first.RangAt).Add(foldWithin))
	n := 0
	for n < len(later) && later[n].RangAt <= until {
		n++
	}
	if n+1 < foldedFrom {
		return
	}
	for _, i := range later[:n] {
		b.makePart(i, first)
	}
}

// explain makes refusals that began with an outage parts of it. If they are worth a
// notice, so is the outage, which was not reported yet.
func (b *Book) explain(outage *Incident, all []*Incident) {
	began := bounce.ParseStamp(outage.StartedAt)
	for _, i := range all {
		if i.folded() || bounce.ParseStamp(i.StartedAt).Sub(began).Abs() > foldWithin {
			continue
		}
		b.makePart(i, outage)
		if outage.RangAt == "" {
			outage.RangAt, outage.Backlog = i.RangAt, false
			b.change(outage)
		}
	}
}

// makePart makes an incident a part of another.
func (b *Book) makePart(i, of *Incident) {
	if !i.folded() {
		i.PartOf, i.whole = of.ID, of
		b.change(i)
	}
}
