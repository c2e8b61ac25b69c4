package sqlite

import (
	"slices"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/sqlite/packed"
	"github.com/bouncetail/bouncetail/tally"
)

// addSuccesses counts the deliveries that were not counted before, and puts them
// aside for saveDeliveries.
func (tx *Tx) addSuccesses(b *bounce.Batch) error {
	tx.newSuccesses = slices.Grow(tx.newSuccesses[:0], len(b.Successes))[:len(b.Successes)]
	successes := tx.newSuccesses
	for i := range b.Successes {
		successes[i] = packed.NewSuccess(&b.Successes[i].ID, i)
	}
	tx.sorter.Successes(successes)
	var buckets []int64
	for i := range successes {
		if i == 0 || successes[i].Bucket() != successes[i-1].Bucket() {
			buckets = append(buckets, successes[i].Bucket())
		}
	}
	counts := make([]struct { // by domain, usually of one day
		day int
		of  *outcomes
	}, len(b.Domains))
	last := make([]tally.LastWindow, len(b.Providers)+1+len(b.Domains)) // by provider, and without one by domain
	tx.deliveries = slices.Grow(tx.deliveries, len(successes))
	err := tx.mergeBuckets("successes", "ids", buckets, func(bucket int64, known []byte) ([]byte, bool) {
		n := 0
		for n < len(successes) && successes[n].Bucket() == bucket {
			n++
		}
		merged := packed.MergeSuccesses(known, successes[:n], func(index int32) {
			s := &b.Successes[index]
			c := &counts[s.Domain]
			if day := bounce.EpochDay(s.At); c.of == nil || c.day != day {
				c.day, c.of = day, tx.count(day, b.Domains[s.Domain])
			}
			c.of.addSent(c.day, s.At)
			tx.tally.Success(b, s, last)
			tx.deliveries = append(tx.deliveries, packed.Reached(s.Key, s.At))
		})
		successes = successes[n:]
		return merged, len(merged) > len(known)
	})
	tx.runs = append(tx.runs, slices.Clone(tx.sorter.Deliveries(tx.deliveries)))
	tx.deliveries = tx.deliveries[:0]
	return err
}
