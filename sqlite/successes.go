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
	counts := make([]struct { // by domain, usually of one day
		day int
		of  *outcomes
	}, len(b.Domains))
	last := make([]tally.LastWindow, len(b.Providers)+1+len(b.Domains)) // by provider, and without one by domain
	tx.deliveries = slices.Grow(tx.deliveries, len(b.Successes))
	err := tx.countOnce(len(b.Successes), func(i int) *bounce.EventID { return &b.Successes[i].ID }, func(i int32) {
		s := &b.Successes[i]
		c := &counts[s.Domain]
		if day := bounce.EpochDay(s.At); c.of == nil || c.day != day {
			c.day, c.of = day, tx.count(day, b.Domains[s.Domain])
		}
		c.of.addSent(c.day, s.At)
		tx.tally.Success(b, s, last)
		tx.deliveries = append(tx.deliveries, packed.Reached(s.Key, s.At))
	})
	tx.runs = append(tx.runs, slices.Clone(tx.sorter.Deliveries(tx.deliveries)))
	tx.deliveries = tx.deliveries[:0]
	return err
}

// countOnce stores the ids of n lines, and calls isNew with the index of each line that
// was not stored before, in their order, which is that of memory. The order of ids is
// random within a bucket.
func (tx *Tx) countOnce(n int, id func(i int) *bounce.EventID, isNew func(index int32)) error {
	tx.newSuccesses = slices.Grow(tx.newSuccesses[:0], n)[:n]
	lines := tx.newSuccesses
	for i := range lines {
		lines[i] = packed.NewSuccess(id(i), i)
	}
	tx.sorter.Successes(lines)
	var buckets []int64
	for i := range lines {
		if i == 0 || lines[i].Bucket() != lines[i-1].Bucket() {
			buckets = append(buckets, lines[i].Bucket())
		}
	}
	added := make([]bool, len(lines))
	err := tx.mergeBuckets("successes", "ids", buckets, func(bucket int64, known []byte) ([]byte, bool) {
		n := 0
		for n < len(lines) && lines[n].Bucket() == bucket {
			n++
		}
		merged := packed.MergeSuccesses(known, lines[:n], func(index int32) { added[index] = true })
		lines = lines[n:]
		return merged, len(merged) > len(known)
	})
	for i := range added {
		if added[i] {
			isNew(int32(i))
		}
	}
	return err
}
