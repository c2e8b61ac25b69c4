// Package recipient decides the state of an address: bad, suspect, failing or ok.
//
// The state is a pure function of the address's failures, its last delivery, the
// policy, the releases, the crowds, the manual decisions and the clock:
//
//	failures, last delivery ─┐
//	policy, releases, crowds ┴─ Inputs.Replay or Extend ─▶ History ─┐
//	manual decision, clock ──────────────────────────────────────────┴─▶ Row
//
// When does an address become bad? See applyBad. When does it become good again?
// By a delivery or a release (History.open), when its time is over, or by a
// manual decision (History.Row). When is it only suspect? See Crowd.
//
// The package uses no database and no clock. Times are stored stamps
// (bounce.Stamp), which compare as texts.
package recipient

import (
	"cmp"
	"slices"

	"github.com/bouncetail/bouncetail/bounce"
)

// Failure is what the state of an address needs to know about a failed attempt.
type Failure struct {
	ID          int64  // of the row in bounces, which grows in the order of reading
	At          string // stored stamp
	Place       Place
	Category    bounce.Category
	Reason      bounce.Reason
	Disposition bounce.Disposition
	Suppress    bool
	Counts      bool // the policy may count it, see bounce.Verdict.Counts

	// Where the failure may be part of a crowd, see Refusal. Empty if there are no
	// crowds at the time.
	Provider, Relay, Host string
}

// Place orders failures of the same instant and the same meaning. It is the start
// of the queue ID, which does not depend on how addresses are stored.
type Place [16]byte

// PlaceOf returns the place of a failure of the message with a queue ID.
func PlaceOf(queueID string) (p Place) {
	copy(p[:], queueID)
	return p
}

// Sort sorts failures by time. Failures of the same instant are ordered by their
// meaning, so that the state does not depend on the order of reading: permanent
// before retry, suppressing first, then category and reason. Only failures that
// mean the same are ordered by place and by the order of reading.
func Sort(failures []Failure) {
	slices.SortFunc(failures, compare)
}

func compare(a, b Failure) int {
	return cmp.Or(
		cmp.Compare(a.At, b.At),
		trueFirst(a.Disposition == bounce.Permanent, b.Disposition == bounce.Permanent),
		trueFirst(a.Suppress, b.Suppress),
		cmp.Compare(a.Category, b.Category),
		cmp.Compare(a.Reason, b.Reason),
		trueFirst(a.Counts, b.Counts),
		slices.Compare(a.Place[:], b.Place[:]),
		cmp.Compare(a.ID, b.ID),
	)
}

func trueFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}
