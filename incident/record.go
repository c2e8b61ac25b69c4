package incident

import (
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// Incident is one problem from its first failure to its end. Times are as stored; an
// empty time is not known.
type Incident struct {
	ID           int64           `json:"id"` // 0 if it is not stored yet
	Kind         Kind            `json:"kind"`
	Scope        bounce.Scope    `json:"scope"`
	Category     bounce.Category `json:"category"`
	Reason       bounce.Reason   `json:"reason"`
	EnhancedCode string          `json:"enhanced_code"`
	Subject      string          `json:"subject"`
	StartedAt    string          `json:"started_at"` // in the time of the log
	LastAt       string          `json:"last_at"`    // likewise
	OpenedAt     string          `json:"opened_at"`  // by the clock
	RangAt       string          `json:"rang_at"`    // empty if it never was worth a notice
	OverAt       string          `json:"over_at"`    // empty while it is open
	EndedBy      Ending          `json:"ended_by"`
	PartOf       int64           `json:"part_of"` // the incident that it belongs to, or 0
	Backlog      bool            `json:"backlog"` // it was found in old lines
	// Of the span in which the detector found it; Tried is 0 if it did not.
	Tried     int     `json:"tried"`
	Refused   int     `json:"refused"`
	Baseline  float64 `json:"baseline"`
	P         float64 `json:"p"`
	Attempts  int     `json:"attempts"`
	Addresses int     `json:"addresses"`
	Domains   int     `json:"domains"`
	BounceID  int64   `json:"bounce_id"` // the last failure, or 0

	whole *Incident // that it was made a part of by this look, or nil
	worth bool      // a notice, also if it was found in old lines by this look
}

// WorthNotice reports whether what this look found is worth a notice, if it is not old.
func (i *Incident) WorthNotice() bool { return i.worth }

// folded reports whether the incident is a part of another.
func (i *Incident) folded() bool { return i.PartOf != 0 || i.whole != nil }

// Join sets PartOf once all incidents have numbers, and reports whether it changed.
func (i *Incident) Join() bool {
	if i.whole == nil || i.PartOf != 0 {
		return false
	}
	i.PartOf = i.whole.ID
	return true
}

// Open reports whether the incident is not over.
func (i *Incident) Open() bool { return i.OverAt == "" }

// Cause returns what identifies the incident among those of its time.
func (i *Incident) Cause() Cause { return Cause{i.Kind, i.Subject, i.Reason} }

// Listed reports whether the incident is listed if those with fewer addresses than a
// number are not. A blocklisting concerns all mail, and what rang is never hidden.
func (i *Incident) Listed(addresses int) bool {
	if i.RangAt != "" {
		return true
	}
	switch i.Kind {
	case Blocklist, LogGap, LogStalled, Inactivity:
		return true
	default:
		g := Group{Cause: i.Cause(), Scope: i.Scope}
		return i.Addresses >= g.enough(addresses)
	}
}

// Ours reports whether the incident is a problem of this server, its addresses or its
// network.
func (i *Incident) Ours() bool {
	switch i.Kind {
	case ProviderRefuses, Blocklist, OwnNetwork, OwnServer, Inactivity, BadList, LogGap, LogStalled, Drift:
		return true
	case Unreachable, BadSurge, UnclassifiedSurge:
	}
	return false
}

// Advice returns what an admin can do about the incident.
func (i *Incident) Advice() string {
	for _, k := range Kinds {
		if k.Kind == i.Kind && k.Advice != "" {
			return k.Advice
		}
	}
	return i.Reason.Advice()
}

// Mixed is the reason of an incident whose failures have no reason in common.
const Mixed bounce.Reason = "mixed"

// What a notice says.
const (
	NoticeOpened = "opened"
	NoticeOver   = "over"
	NoticeAgain  = "again" // Repeat adds the time
)

// daily is how often an incident that stays open is reported, if nothing else is said.
const daily = 24 * time.Hour

// Repeat returns the name of the last reminder of an open incident that is due, if there
// is one every so often: the day, or the time if there are several a day. Every 0 is once
// a day.
func (i *Incident) Repeat(every time.Duration, now time.Time) (what string, due bool) {
	if every <= 0 {
		every = daily
	}
	rang := bounce.ParseStamp(i.RangAt)
	n := now.Sub(rang) / every
	if n < 1 {
		return "", false
	}
	layout := time.DateOnly
	if every%daily != 0 {
		layout = "2006-01-02T15:04"
	}
	return NoticeAgain + "-" + rang.Add(n*every).UTC().Format(layout), true
}

// Notice is a message to send about an incident.
type Notice struct {
	Incident *Incident
	What     string
}

// Refusal is a number of first attempts of a provider that failed for one reason.
type Refusal struct {
	Scope        bounce.Scope
	Category     bounce.Category
	Reason       bounce.Reason
	EnhancedCode string
	Blocklist    string
	Addresses    int
	Domains      int
	Attempts     int
	Since, Until int64 // Unix milliseconds
	LastID       int64
}

// Finding is what was found about one cause: new, or more of what is known.
type Finding struct {
	Cause
	Scope        bounce.Scope
	Category     bounce.Category
	EnhancedCode string
	Since, Until int64 // Unix milliseconds
	Attempts     int
	Addresses    int
	Domains      int
	BounceID     int64
	Rings        bool   // worth a notice, if it is not about old lines
	Alarm        *Alarm // of the detector, or nil
	Over         bool   // it has ended
}

// cause names the cause of an alarm: what half of the addresses were refused for.
func cause(provider string, refusals []Refusal, alarm *Alarm) Finding {
	f := Finding{Cause: Cause{ProviderRefuses, provider, Mixed}, Alarm: alarm, Rings: true, Since: alarm.From * 1000, Until: alarm.To*1000 - 1}
	best, total := -1, 0
	for i := range refusals {
		r := &refusals[i]
		total += r.Addresses
		if best < 0 || r.Addresses > refusals[best].Addresses {
			best = i
		}
		if i == 0 || r.Since < f.Since {
			f.Since = r.Since
		}
		if r.LastID > f.BounceID {
			f.BounceID, f.Until = r.LastID, r.Until
		}
		f.Attempts += r.Attempts
		f.Addresses += r.Addresses
		f.Domains = max(f.Domains, r.Domains)
	}
	if best < 0 || 2*refusals[best].Addresses < total {
		return f
	}
	r := &refusals[best]
	f.Reason, f.Scope, f.Category, f.EnhancedCode = r.Reason, r.Scope, r.Category, r.EnhancedCode
	f.Since, f.Until, f.BounceID = r.Since, r.Until, r.LastID
	f.Attempts, f.Addresses, f.Domains = r.Attempts, r.Addresses, r.Domains
	if r.Blocklist != "" && r.Scope == bounce.ScopeSender {
		f.Kind, f.Subject = Blocklist, r.Blocklist
	}
	return f
}
