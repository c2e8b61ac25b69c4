package recipient

import (
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// History is the state of one address as the logs describe it. It is a pure
// function of the address's failures in the order of Sort, its last delivery, the
// policy and the releases, so the order in which logs are imported does not
// matter. Row adds the clock and manual decisions.
type History struct {
	FirstAt, LastAt string // of the failures
	LastDelivery    string // empty if none was seen
	PermanentCount  int
	RetryCount      int
	LastID          int64

	// The deciding failure: while bad, the last one that made the address bad,
	// else the last of all.
	Category   bounce.Category
	Reason     bounce.Reason
	DecidingID int64

	open     bool           // a failure since the last delivery was not released
	badBy    bounce.Decider // empty, ByFailure or ByPolicy
	badSince string
	badUntil string    // empty means forever
	suspect  Suspicion // while not bad by a failure
	counted  tallies
}

// Inputs are the settings, the crowds and the manual releases and confirmations
// that a history depends on.
type Inputs struct {
	Policy   *bounce.Policy
	Releases []Release
	// Confirms are the refusals that make an address bad although they are in a
	// crowd.
	Confirms []Release
	Crowds   []Crowd
	// Accepted reports whether a domain accepted mail after a stamp and until
	// another. It is called only for a refusal in a second crowd.
	Accepted func(domain, after, until string) bool
}

// Replay returns the history of an address in a domain from all its failures, in
// the order of Sort, and its last delivery.
func (in *Inputs) Replay(domain string, failures []Failure, lastDelivery string) History {
	h := History{LastDelivery: lastDelivery}
	for i := range failures {
		in.apply(&h, domain, &failures[i])
	}
	return h
}

// Extend applies events that are newer than everything in h: further failures, in
// the order of Sort, and a new last delivery. It returns false if an event is
// older; h is then invalid and the caller must replay the full history.
func (in *Inputs) Extend(h *History, domain string, failures []Failure, lastDelivery string) bool {
	if lastDelivery != h.LastDelivery {
		if lastDelivery < h.LastAt || h.DecidingID != h.LastID {
			return false
		}
		h.LastDelivery, h.open = lastDelivery, false
		h.reset()
	}
	if len(failures) > 0 && h.suspect.Since != "" && h.suspect.until == "" {
		return false // the end of its crowd is not stored, because it changes
	}
	for i := range failures {
		// A failure of the instant of the last one may sort before it.
		if i == 0 && failures[i].At <= h.LastAt {
			return false
		}
		in.apply(h, domain, &failures[i])
	}
	return true
}

// reset clears the reason why the address was bad and the policy counters.
func (h *History) reset() {
	h.badBy, h.badSince, h.badUntil, h.suspect, h.counted = "", "", "", Suspicion{}, nil
}

// apply adds the next failure.
func (in *Inputs) apply(h *History, domain string, f *Failure) {
	if h.FirstAt == "" {
		h.FirstAt = f.At
	}
	h.LastAt, h.LastID = f.At, f.ID
	if f.Disposition == bounce.Permanent {
		h.PermanentCount++
	} else {
		h.RetryCount++
	}
	decides := false
	// A delivery of the same instant wins: the address was reached.
	if f.At > h.LastDelivery && !in.released(domain, f) {
		h.open = true
		if h.badUntil != "" && f.At >= h.badUntil {
			h.reset() // the time was over before this failure
		}
		decides = in.applyBad(h, domain, f)
	}
	if decides || h.badBy == "" && h.suspect.Since == "" {
		h.Category, h.Reason, h.DecidingID = f.Category, f.Reason, f.ID
	}
}

// applyBad holds a failure against the address and returns whether the failure
// makes or keeps it bad or suspect. A failure that suppresses makes it bad by
// itself, or suspect if it is in a crowd. Others make it bad together, if the
// policy counts them: so many failures over so many days.
func (in *Inputs) applyBad(h *History, domain string, f *Failure) bool {
	t := in.Policy.For(f.Category)
	switch {
	case f.Suppress:
		if h.badBy != bounce.ByFailure && !in.refuse(h, domain, f) {
			return h.badBy == "" // by the policy it is bad already
		}
		h.suspect = Suspicion{}
		if h.badBy == "" || h.badUntil != "" { // else it is bad forever already
			h.badUntil = later(h.badUntil, f.At, t.SuppressDays)
		}
		h.badBy = bounce.ByFailure
	case !f.Counts || t.Failures == 0 || h.badBy == bounce.ByFailure:
		return false
	case h.badBy == bounce.ByPolicy:
		if h.badUntil != "" {
			h.badUntil = later(h.badUntil, f.At, t.BadDays)
		}
	case !h.counted.add(f.Category, dayOf(f.At), t):
		return false
	default:
		h.badBy, h.badUntil = bounce.ByPolicy, later("", f.At, t.BadDays)
	}
	if h.badSince == "" {
		h.badSince = f.At
	}
	return true
}

// later returns the stamp of a number of days after a failure, or until if that
// is later. Zero days mean forever.
func later(until, at string, days int) string {
	if days == 0 {
		return ""
	}
	return max(until, bounce.Stamp(bounce.ParseStamp(at).AddDate(0, 0, days)))
}

// AddPruned counts failures that were deleted for their age. All of them were
// before the last delivery, so the state does not depend on them.
func (h *History) AddPruned(permanent, retry int, firstAt string) {
	h.PermanentCount += permanent
	h.RetryCount += retry
	h.FirstAt = min(h.FirstAt, firstAt)
}

// refuse adds a failure that suppresses to the suspicion, and returns whether the
// address is bad now.
func (in *Inputs) refuse(h *History, domain string, f *Failure) bool {
	crowd := in.Crowd(domain, f, h.LastDelivery != "")
	if crowd == nil && h.suspect.Since == "" || covers(in.Confirms, domain, f) {
		return true
	}
	return h.suspect.Refuse(f.At, crowd, func(after, until string) bool {
		return in.Accepted != nil && in.Accepted(domain, after, until)
	})
}

// Crowd returns the crowd that a failure of an address in a domain is part of, or nil. If
// there are several, it is one with several domains, and of these the one that ends last.
// The address was reached if it ever accepted mail.
func (in *Inputs) Crowd(domain string, f *Failure, reached bool) *Crowd {
	var found *Crowd
	for i := range in.Crowds {
		if c := &in.Crowds[i]; c.outweighs(found) && c.Includes(domain, f, reached) {
			found = c
		}
	}
	return found
}

// released reports whether a failure was released by hand.
func (in *Inputs) released(domain string, f *Failure) bool { return covers(in.Releases, domain, f) }

func covers(all []Release, domain string, f *Failure) bool {
	for i := range all {
		if all[i].Covers(domain, f.At, f.Category, f.Reason) {
			return true
		}
	}
	return false
}

// DeliveredAt returns the stored stamp of a delivery in Unix milliseconds; 0 means
// no delivery and gives the empty stamp.
func DeliveredAt(ms int64) string {
	if ms == 0 {
		return ""
	}
	return bounce.Stamp(time.UnixMilli(ms))
}
