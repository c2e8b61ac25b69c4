package sqlite

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/bouncetail/bouncetail/bounce"
)

// successBucket is eight seconds of the stamps in the log, so that a bucket stays
// small at thousands of lines a second and the next batch rarely has to write it
// again.
func successBucket(id bounce.EventID) int64 {
	return int64(binary.BigEndian.Uint32(id[:4]) >> 3)
}

// newSuccess is a success of the batch in the order of the buckets.
type newSuccess struct {
	id     uint64 // the last eight bytes of its event id
	bucket uint32
	index  int32 // in the batch
}

func (s newSuccess) hash() uint64 { return s.id }

// sortSuccesses sorts successes by bucket and id. In the order of a log the
// buckets are sorted already.
func (s *scratch) sortSuccesses(all []newSuccess) {
	byBucket := func(a, b newSuccess) int { return cmp.Compare(a.bucket, b.bucket) }
	if !slices.IsSortedFunc(all, byBucket) {
		slices.SortFunc(all, byBucket)
	}
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].bucket == all[0].bucket {
			n++
		}
		s.sortBuf = sortByHash(all[:n], s.sortBuf)
		all = all[n:]
	}
}

// addSuccesses counts the deliveries that were not counted before, and puts them
// aside for saveDeliveries.
func (tx *Tx) addSuccesses(b *bounce.Batch) error {
	tx.newSuccesses = slices.Grow(tx.newSuccesses[:0], len(b.Successes))[:len(b.Successes)]
	successes := tx.newSuccesses
	for i := range b.Successes {
		id := &b.Successes[i].ID
		successes[i] = newSuccess{binary.BigEndian.Uint64(id[4:]), uint32(successBucket(*id)), int32(i)}
	}
	tx.sortSuccesses(successes)
	var buckets []int64
	for i := range successes {
		if i == 0 || successes[i].bucket != successes[i-1].bucket {
			buckets = append(buckets, int64(successes[i].bucket))
		}
	}
	counts := make([]struct { // by domain, usually of one day
		day int
		of  *outcomes
	}, len(b.Domains))
	tx.deliveries = slices.Grow(tx.deliveries, len(successes))
	err := tx.mergeBuckets("successes", "ids", buckets, func(bucket int64, known []byte) ([]byte, bool) {
		n := 0
		for n < len(successes) && int64(successes[n].bucket) == bucket {
			n++
		}
		merged := mergeIDs(known, successes[:n], func(index int32) {
			s := &b.Successes[index]
			c := &counts[s.Domain]
			if day := bounce.EpochDay(s.At); c.of == nil || c.day != day {
				c.day, c.of = day, tx.count(day, b.Domains[s.Domain])
			}
			c.of.addSent(c.day, s.At)
			tx.deliveries = append(tx.deliveries, delivery{uint64(s.Key), s.At << 1})
		})
		successes = successes[n:]
		return merged, len(merged) > len(known)
	})
	tx.runs = append(tx.runs, slices.Clone(tx.byKey(tx.deliveries)))
	tx.deliveries = tx.deliveries[:0]
	return err
}

// mergeIDs adds sorted successes to the sorted ids of a bucket, and calls isNew
// with the index of those that were not there.
func mergeIDs(known []byte, successes []newSuccess, isNew func(index int32)) []byte {
	merged := make([]byte, 0, len(known)+8*len(successes))
	for i := range successes {
		id := successes[i].id
		for len(known) > 0 && binary.BigEndian.Uint64(known) < id {
			merged, known = append(merged, known[:8]...), known[8:]
		}
		if len(known) > 0 && binary.BigEndian.Uint64(known) == id || i > 0 && successes[i-1].id == id {
			continue
		}
		merged = binary.BigEndian.AppendUint64(merged, id)
		isNew(successes[i].index)
	}
	return append(merged, known...)
}
