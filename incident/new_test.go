package incident

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

func TestTooManyNewFailuresAreNotKept(t *testing.T) {
	var n NewFailures
	n.Begin()
	add := func(id int64) {
		n.Add(id, id, &bounce.Record{Verdict: bounce.Verdict{Scope: bounce.ScopeDomain}, To: bounce.Address{Domain: fmt.Sprintf("d%d.example", id)}})
		n.Commit()
	}
	for id := range int64(maxNewDomains) {
		add(id + 1)
	}
	if first, last := n.IDs(); first != 1 || last != maxNewDomains {
		t.Errorf("%d to %d are kept, want 1 to %d", first, last, maxNewDomains)
	}
	add(maxNewDomains + 1)
	add(maxNewDomains + 2)
	if first, last := n.IDs(); first != 0 || last != 0 || n.all.failures != nil {
		t.Errorf("%d to %d are kept, want none", first, last)
	}
}

func TestAddressesThatFailForTheFirstTimeAreNotOlder(t *testing.T) {
	var n NewFailures
	at := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	add := func(id, address int64, reason bounce.Reason) {
		n.Add(id, address, &bounce.Record{
			Delivery: bounce.Delivery{At: at},
			Verdict:  bounce.Verdict{Scope: bounce.ScopeNetwork, Reason: reason},
			To:       bounce.Address{Domain: "a.example"},
		})
	}
	n.Begin()
	for i, address := range []int64{9, 3, 7, 3, 5} {
		add(int64(i+1), address, bounce.SystemTrouble)
	}
	add(6, 3, bounce.Suppressed)
	n.AddFirst(7)
	n.AddFirst(3)
	n.Commit()
	n.Begin()
	n.AddFirst(5) // of a transaction that fails
	n.Begin()
	n.Commit()
	n.Gather(&Gatherer{Gap: time.Hour})
	for reason, want := range map[bounce.Reason][]int64{
		bounce.SystemTrouble: {5, 9},
		bounce.Suppressed:    {3}, // of which there may be older ones
	} {
		stamp := bounce.Stamp(at)
		if got := n.Count(&Incident{Kind: OwnNetwork, Reason: reason, StartedAt: stamp, LastAt: stamp}); !slices.Equal(got.Older, want) {
			t.Errorf("%s: %v may have failed before, want %v", reason, got.Older, want)
		}
	}
}
