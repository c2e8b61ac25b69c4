package packed

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// What is in a bucket after any merges is the newest delivery of each address, and
// whether it ever failed.
func TestMergedDeliveriesAreTheNewestOfEach(t *testing.T) {
	var s Sorter
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		var bucket []byte
		want := make(map[uint64]int64)
		for range 5 {
			var added []Delivery
			for range r.IntN(20) {
				d := Reached(r.Int64N(12), r.Int64N(1000))
				if r.IntN(4) == 0 {
					d = Failed(int64(d.Key))
				}
				added = append(added, d)
				want[d.Key] = newest(want[d.Key], d.Last)
			}
			before := bucket
			var changed bool
			bucket, changed = MergeDeliveries(bucket, s.Deliveries(added), func(Delivery, int64, int64) {})
			if !changed && !slices.Equal(before, bucket) {
				t.Fatalf("seed %d: the bucket has changed, and that is not reported", seed)
			}
		}
		got := make(map[uint64]int64)
		last := int64(-1)
		rest, changes := FilterDeliveries(bucket, func(d Delivery) (int64, bool) {
			if int64(d.Key) <= last {
				t.Errorf("seed %d: %d follows %d", seed, d.Key, last)
			}
			last = int64(d.Key)
			got[d.Key] = d.Last
			return d.Last, true
		})
		if !maps.Equal(got, want) || changes != 0 || !slices.Equal(rest, bucket) {
			t.Errorf("seed %d: the bucket holds %v, want %v", seed, got, want)
		}
		for key := range int64(12) {
			if d := FindDelivery(bucket, key); d.Last != want[uint64(key)] {
				t.Errorf("seed %d: FindDelivery(%d) is %d, want %d", seed, key, d.Last, want[uint64(key)])
			}
		}
		rest, changes = FilterDeliveries(bucket, func(d Delivery) (int64, bool) { return d.Last, d.Key != 3 })
		if _, was := want[3]; (changes == 1) != was || FindDelivery(rest, 3) != (Delivery{}) {
			t.Errorf("seed %d: %d changes by the removal of one address", seed, changes)
		}
	}
}

func TestASuccessIsMergedOnce(t *testing.T) {
	one := []Success{{id: 5, Index: 0}, {id: 5, Index: 1}, {id: 9, Index: 2}}
	var isNew []int32
	note := func(index int32) { isNew = append(isNew, index) }
	bucket := MergeSuccesses(nil, one, note)
	bucket = MergeSuccesses(bucket, []Success{{id: 1, Index: 3}, {id: 9, Index: 4}, {id: 10, Index: 5}}, note)
	if want := []int32{0, 2, 3, 5}; !slices.Equal(isNew, want) || len(bucket) != 8*4 {
		t.Errorf("new are %v, want %v; %d bytes are stored", isNew, want, len(bucket))
	}
}
