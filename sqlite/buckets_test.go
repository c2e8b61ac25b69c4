package sqlite

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestSuccessesAreSortedByBucketAndID(t *testing.T) {
	byID := func(a, b newSuccess) int { return cmp.Or(cmp.Compare(a.bucket, b.bucket), cmp.Compare(a.id, b.id)) }
	byIndex := func(a, b newSuccess) int { return cmp.Compare(a.index, b.index) }
	var r scratch
	for _, n := range []int{0, 1, 2, 7, 8, 100, 5000} {
		for _, ids := range []uint64{1, 3, 1 << 63} { // few ids, and many
			all := make([]newSuccess, n)
			for i := range all {
				all[i] = newSuccess{id: rand.Uint64N(ids) << (rand.IntN(2) * 40), bucket: rand.Uint32N(3), index: int32(i)}
			}
			sorted := slices.Clone(all)
			r.sortSuccesses(sorted)
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
