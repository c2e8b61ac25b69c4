package packed

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestSuccessesAreSortedByBucketAndID(t *testing.T) {
	byID := func(a, b Success) int { return cmp.Or(cmp.Compare(a.Bucket(), b.Bucket()), cmp.Compare(a.Key, b.Key)) }
	byIndex := func(a, b Success) int { return cmp.Compare(a.Index(), b.Index()) }
	var r Sorter
	for _, n := range []int{0, 1, 2, 7, 8, 100, 5000} {
		for _, ids := range []uint64{1, 3, 1 << 63} { // few ids, and many
			all := make([]Success, n)
			for i := range all {
				all[i] = Success{rand.Uint64N(ids) << (rand.IntN(2) * 40), rand.Int64N(3)<<32 | int64(i)}
			}
			sorted := slices.Clone(all)
			r.Successes(sorted)
			if !slices.IsSortedFunc(sorted, byID) {
				t.Errorf("%d successes with %d ids are not sorted", n, ids)
			}
			slices.SortFunc(sorted, byIndex)
			if !slices.Equal(sorted, all) {
				t.Errorf("%d successes with %d ids: others came out than went in", n, ids)
			}
		}
	}
}
