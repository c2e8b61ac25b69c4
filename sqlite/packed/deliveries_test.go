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
				want[d.Key] = Newest(want[d.Key], d.Last)
			}
			bucket = MergeDeliveries(bucket, s.Deliveries(added))
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
		rest, changes = FilterDeliveries(bucket, func(d Delivery) (int64, bool) { return d.Last, d.Key != 3 })
		if _, was := want[3]; (changes == 1) != was {
			t.Errorf("seed %d: %d changes by the removal of one address", seed, changes)
		}
		within, others := SplitDeliveries(rest, 2, 5)
		if slices.ContainsFunc(within, func(d Delivery) bool { return d.Key < 2 || d.Key == 3 || d.Key > 5 }) {
			t.Errorf("seed %d: entries of 2 to 5 are %v", seed, within)
		}
		if !slices.Equal(MergeDeliveries(others, within), rest) {
			t.Errorf("seed %d: split and merged again, other entries are there", seed)
		}
	}
}

func TestASuccessIsMergedOnce(t *testing.T) {
	one := []Success{{Key: 5, Last: 0}, {Key: 5, Last: 1}, {Key: 9, Last: 2}}
	var isNew []int32
	note := func(index int32) { isNew = append(isNew, index) }
	bucket := MergeSuccesses(nil, one, note)
	bucket = MergeSuccesses(bucket, []Success{{Key: 1, Last: 3}, {Key: 9, Last: 4}, {Key: 10, Last: 5}}, note)
	if want := []int32{0, 2, 3, 5}; !slices.Equal(isNew, want) || len(bucket) != 8*4 {
		t.Errorf("new are %v, want %v; %d bytes are stored", isNew, want, len(bucket))
	}
}

// Entries are found by reading a bucket in turn and by searching in it.
func TestEntriesOfAddressesAreJoined(t *testing.T) {
	var s Sorter
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 2))
		var all []Delivery
		for range r.IntN(400) {
			all = append(all, Reached(r.Int64N(500), 1+r.Int64N(1000)))
		}
		want := make(map[uint64]int64)
		for _, d := range all {
			want[d.Key] = Newest(want[d.Key], d.Last)
		}
		bucket := MergeDeliveries(nil, s.Deliveries(all))
		var of []Delivery
		for range 1 + r.IntN(20) {
			of = append(of, Reached(r.Int64N(500), 0))
		}
		of = s.Deliveries(of)
		last := make([]int64, len(of))
		JoinDeliveries(bucket, of, last)
		for i, d := range of {
			if last[i] != want[d.Key] {
				t.Errorf("seed %d: the entry of %d is %d, want %d", seed, d.Key, last[i], want[d.Key])
			}
		}
	}
}
