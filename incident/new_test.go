package incident

import (
	"fmt"
	"testing"

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
