package recipient

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

func TestAFailureLogReturnsTheFailuresOfEachAddress(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var l FailureLog
	last := make([]int32, 50)
	want := make([][]Failure, len(last))
	for id := range int64(3*failuresInPiece + 10) {
		who := r.IntN(len(last))
		v := bounce.Verdict{Category: bounce.RateLimit, Reason: bounce.Greylisted, Disposition: bounce.Retry}
		if r.IntN(3) == 0 {
			v = bounce.Verdict{Category: bounce.InvalidAddress, Reason: bounce.NoSuchUser, Disposition: bounce.Permanent, Suppress: true}
		}
		record := &bounce.Record{Delivery: bounce.Delivery{At: time.UnixMilli(r.Int64N(5000)), QueueID: "Q", Outcome: bounce.Bounced}, Verdict: v}
		last[who] = l.Add(record, id, last[who])
		want[who] = append(want[who], Failure{
			ID: id, At: bounce.Stamp(record.At), Place: PlaceOf("Q"), Category: v.Category, Reason: v.Reason,
			Disposition: v.Disposition, Suppress: v.Suppress, Counts: v.Counts(bounce.Bounced),
		})
	}
	for who := range last {
		Sort(want[who])
		if got := l.Of(last[who], nil); !slices.Equal(got, want[who]) {
			t.Errorf("address %d: %d failures, want %d in this order: %v", who, len(got), len(want[who]), want[who])
		}
	}
	if got := l.Of(0, nil); len(got) > 0 {
		t.Errorf("an address without failures has %v", got)
	}
}
