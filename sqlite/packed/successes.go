package packed

import (
	"cmp"
	"encoding/binary"
	"slices"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// successBucket returns the number of the bucket that a success is in: eight seconds of
// the stamps in the log, so that a bucket stays small at thousands of lines a second and
// the next batch rarely has to write it again.
func successBucket(id bounce.EventID) int64 {
	return int64(binary.BigEndian.Uint32(id[:4]) >> 3)
}

// Success is a success in the order of the buckets.
type Success struct {
	Key  uint64 // the last eight bytes of its event id
	Last int64  // its bucket, and its index in the batch in the lower half
}

// NewSuccess returns the success of an index in a batch.
func NewSuccess(id *bounce.EventID, index int) Success {
	return Success{binary.BigEndian.Uint64(id[4:]), successBucket(*id)<<32 | int64(index)}
}

// Bucket returns the number of its bucket.
func (s Success) Bucket() int64 { return s.Last >> 32 }

// Index returns its index in the batch.
func (s Success) Index() int32 { return int32(s.Last) }

// Successes sorts successes by bucket and id. In the order of a log the
// buckets are sorted already.
func (s *Sorter) Successes(all []Success) {
	byBucket := func(a, b Success) int { return cmp.Compare(a.Bucket(), b.Bucket()) }
	if !slices.IsSortedFunc(all, byBucket) {
		slices.SortFunc(all, byBucket)
	}
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].Bucket() == all[0].Bucket() {
			n++
		}
		s.successes = sortByHash(all[:n], s.successes)
		all = all[n:]
	}
}

// MergeSuccesses adds sorted successes to the sorted ids of a bucket, and calls isNew
// with the index of those that were not there.
func MergeSuccesses(known []byte, successes []Success, isNew func(index int32)) []byte {
	merged := make([]byte, 0, len(known)+8*len(successes))
	for i := range successes {
		id := successes[i].Key
		for len(known) > 0 && binary.BigEndian.Uint64(known) < id {
			merged, known = append(merged, known[:8]...), known[8:]
		}
		if len(known) > 0 && binary.BigEndian.Uint64(known) == id || i > 0 && successes[i-1].Key == id {
			continue
		}
		merged = binary.BigEndian.AppendUint64(merged, id)
		isNew(successes[i].Index())
	}
	return append(merged, known...)
}

// BucketRange is the buckets from First up to, and without, End.
type BucketRange struct{ First, End int64 }

// OldSuccessBuckets returns the buckets of successes before a time. Buckets are numbered
// by the stamps in the log, which may be in any time zone, and whose numbers start again
// each year if the log writes no year. Of those without a year, a bucket is kept if its
// day of the year is between the time and now; if that is a year, all are kept.
func OldSuccessBuckets(before, now time.Time) []BucketRange {
	const day = 24 * time.Hour
	withYear := int64(366 * day / time.Second >> 3) // the first bucket of a stamp that has one
	old := []BucketRange{{withYear, before.Add(-2*day).Unix() >> 3}}
	oldest, newest := before.Add(-3*day), now.Add(3*day)
	if newest.Sub(oldest) >= 365*day {
		return old
	}
	first, last := seasonBucket(oldest), seasonBucket(newest)+1
	if first < last {
		return append(old, BucketRange{0, first}, BucketRange{last, withYear})
	}
	return append(old, BucketRange{last, first})
}

// seasonBucket returns the bucket of a stamp without a year.
func seasonBucket(t time.Time) int64 {
	year := time.Date(1972, 1, 1, 0, 0, 0, 0, time.UTC) // with a 29th of February
	inYear := time.Date(1972, t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
	return int64(inYear.Sub(year)/time.Second) >> 3
}
