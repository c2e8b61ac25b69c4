package fleet

import (
	"testing"

	"github.com/bouncetail/bouncetail/output/fleet"
)

// A host that is silent, or gone, is not reported to have what it had when it was seen.
func TestTheProblemOfAHost(t *testing.T) {
	for want, i := range map[string]fleet.InstanceStatus{
		"none": {},
		"silent: is bouncetail-fleet.service running there?": {SeenAgo: 1000, Silent: true, Missed: 3, ToForget: 1},
		"removed":                         {SeenAgo: 1000, Removed: true, Missed: 3},
		"has still to forget 2 addresses": {ToForget: 2, Missed: 3},
		"3 failures deleted there before they were sent":                       {Missed: 3, Twice: 1},
		"none, mx1 counts the same logs":                                       {Shared: 1200, CoveredBy: "mx1"},
		"shares a log with mx2: counters of 7 days count 1,200 failures twice": {Shared: 1300, Twice: 1200, SharesWith: "mx2"},
	} {
		cells := StatusCells(&i)
		if got := cells[len(cells)-1]; got != want {
			t.Errorf("%+v: %q, want %q", i, got, want)
		}
	}
}
