package sqlite

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/bouncetail/bouncetail/bounce"
)

// Nearly all deliveries succeed, and one row for each would cost more than
// everything else together. What is kept of them is gathered in buckets of
// sorted fixed-size entries: a batch touches each bucket once, whatever the
// number of deliveries in it.

// successBucket is eight seconds of the stamps in the log, so that a bucket
// stays small at thousands of lines a second and the next batch rarely has to
// write it again.
func successBucket(id bounce.EventID) int64 {
	return int64(binary.BigEndian.Uint32(id[:4]) >> 3)
}

// mergeBuckets reads the buckets of a table that the numbers name, sorted and
// each once, has them merged, and writes those that changed.
func (w *writer) mergeBuckets(table, column string, buckets []int64, merge func(bucket int64, known []byte) (merged []byte, changed bool)) error {
	for some := range slices.Chunk(buckets, bucketsAtOnce) {
		if err := w.mergeSome(table, column, some, merge); err != nil {
			return err
		}
	}
	return nil
}

// bucketsAtOnce bounds what is held of buckets.
const bucketsAtOnce = 1024

func (w *writer) mergeSome(table, column string, buckets []int64, merge func(bucket int64, known []byte) (merged []byte, changed bool)) error {
	// In the order of the numbers, which is the order of the table.
	stored := make(map[int64][]byte, len(buckets))
	err := w.rowsOf(len(buckets), "SELECT bucket, "+column+" FROM "+table+" WHERE bucket = ?",
		func(i int, r *packedRows) { r.int(buckets[i]) },
		func(v *values) {
			bucket := v.int()
			stored[bucket] = v.blob()
		})
	if err != nil {
		return err
	}
	changed := buckets[:0]
	for _, bucket := range buckets {
		if merged, isOther := merge(bucket, stored[bucket]); isOther {
			stored[bucket] = merged
			changed = append(changed, bucket)
		}
	}
	return w.bulk(len(changed), "INSERT INTO "+table+" (bucket, "+column+") VALUES (?, ?) ON CONFLICT DO UPDATE SET "+column+" = excluded."+column,
		func(i int, r *packedRows) {
			r.int(changed[i])
			r.blob(stored[changed[i]])
		}, nil)
}

// newSuccess is a success of the batch in the order of the buckets.
type newSuccess struct {
	id     uint64 // the last eight bytes of its event id
	bucket uint32
	at     int32 // where it stands in the batch
}

// sortSuccesses sorts successes by bucket and id. In the order of a log the
// buckets are sorted already.
func (r *room) sortSuccesses(all []newSuccess) {
	byBucket := func(a, b newSuccess) int { return cmp.Compare(a.bucket, b.bucket) }
	if !slices.IsSortedFunc(all, byBucket) {
		slices.SortFunc(all, byBucket)
	}
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].bucket == all[0].bucket {
			n++
		}
		r.otherNews = sortByHash(all[:n], r.otherNews)
		all = all[n:]
	}
}

type hashed interface{ hash() uint64 }

func (s newSuccess) hash() uint64 { return s.id }
func (d delivery) hash() uint64   { return d.key }

// sortByHash sorts by a number whose values are spread evenly, as those of a
// hash are: by its highest bits first, which leaves a few in each place. It
// returns the memory that it used beside.
func sortByHash[T hashed](all, other []T) []T {
	const few = 8
	order := bits.Len(uint(len(all) / few))
	ends := make([]int32, 1<<order+1) // where a place begins, and later where it ends
	shift := 64 - order
	for i := range all {
		ends[all[i].hash()>>shift+1]++
	}
	for i := range len(ends) - 1 {
		ends[i+1] += ends[i]
	}
	other = append(other[:0], all...)
	for i := range other {
		at := &ends[other[i].hash()>>shift]
		all[*at] = other[i]
		*at++
	}
	start := int32(0)
	for _, end := range ends[:len(ends)-1] {
		slices.SortFunc(all[start:end], func(a, b T) int { return cmp.Compare(a.hash(), b.hash()) })
		start = end
	}
	return other
}

// successes counts the deliveries that were not counted before, and notes
// when their recipients were last reached.
func (w *writer) successes(b *bounce.Batch) error {
	w.news = slices.Grow(w.news[:0], len(b.Successes))[:len(b.Successes)]
	news := w.news
	for i := range b.Successes {
		id := &b.Successes[i].ID
		news[i] = newSuccess{binary.BigEndian.Uint64(id[4:]), uint32(successBucket(*id)), int32(i)}
	}
	w.sortSuccesses(news)
	var buckets []int64
	for i := range news {
		if i == 0 || news[i].bucket != news[i-1].bucket {
			buckets = append(buckets, int64(news[i].bucket))
		}
	}
	counts := make([]struct { // by domain: mostly of one day
		day int
		of  *outcomes
	}, len(b.Domains))
	w.deliveries = slices.Grow(w.deliveries, len(news))
	return w.mergeBuckets("successes", "ids", buckets, func(bucket int64, known []byte) ([]byte, bool) {
		n := 0
		for n < len(news) && int64(news[n].bucket) == bucket {
			n++
		}
		merged := mergeIDs(known, news[:n], func(at int32) {
			s := &b.Successes[at]
			c := &counts[s.Domain]
			if day := bounce.EpochDay(s.At); c.of == nil || c.day != day {
				c.day, c.of = day, w.count(day, b.Domains[s.Domain])
			}
			c.of.sent++
			w.deliveries = append(w.deliveries, delivery{uint64(s.Key), s.At << 1})
		})
		news = news[n:]
		return merged, len(merged) > len(known)
	})
}

// mergeIDs adds the sorted successes to the sorted ids of a bucket, and calls
// isNew for those that were not there.
func mergeIDs(known []byte, news []newSuccess, isNew func(at int32)) []byte {
	merged := make([]byte, 0, len(known)+8*len(news))
	for i := range news {
		id := news[i].id
		for len(known) > 0 && binary.BigEndian.Uint64(known) < id {
			merged, known = append(merged, known[:8]...), known[8:]
		}
		if len(known) > 0 && binary.BigEndian.Uint64(known) == id || i > 0 && news[i-1].id == id {
			continue
		}
		merged = binary.BigEndian.AppendUint64(merged, id)
		isNew(news[i].at)
	}
	return append(merged, known...)
}

// delivery is what is kept of an address that was written to: its key, and its
// last delivery in milliseconds, shifted left by one. The lowest bit is set
// where the address has failed, at any time: only the others' deliveries can
// be noted without a look at recipients.
type delivery struct {
	key  uint64
	last int64
}

const (
	hasFailed    = 1
	deliverySize = 16
	bucketShift  = 51 // 8,192 buckets: a few kilobytes each at a million addresses
)

// newest joins what two entries of one address say.
func newest(a, b int64) int64 { return max(a&^hasFailed, b&^hasFailed) | (a|b)&hasFailed }

// byKey sorts deliveries, and leaves one of each address.
func (r *room) byKey(all []delivery) []delivery {
	r.otherDeliveries = sortByHash(all, r.otherDeliveries)
	one := all[:0]
	for _, d := range all {
		if last := len(one) - 1; last >= 0 && one[last].key == d.key {
			one[last].last = newest(one[last].last, d.last)
		} else {
			one = append(one, d)
		}
	}
	return one
}

// sortDeliveries puts the deliveries of the batch aside until the transaction
// ends.
func (w *writer) sortDeliveries(*bounce.Batch) error {
	w.runs = append(w.runs, slices.Clone(w.byKey(w.deliveries)))
	w.deliveries = w.deliveries[:0]
	return nil
}

// lastDeliveries notes the deliveries of the transaction, and finds the last
// delivery to every address whose row in recipients may change.
func (w *writer) lastDeliveries(*bounce.Batch) error {
	failed := make([]delivery, len(w.addressees))
	for i := range w.addressees {
		failed[i] = delivery{uint64(w.addressees[i].key), hasFailed}
	}
	runs := append(w.runs, w.byKey(failed))
	var touched [1 << (64 - bucketShift)]bool
	for _, run := range runs {
		for i := range run {
			touched[run[i].key>>bucketShift] = true
		}
	}
	var buckets []int64
	for bucket := range touched {
		if touched[bucket] {
			buckets = append(buckets, int64(bucket))
		}
	}
	var news []delivery
	return w.mergeBuckets("deliveries", "entries", buckets, func(bucket int64, known []byte) ([]byte, bool) {
		news = news[:0]
		for i, run := range runs {
			n := 0
			for n < len(run) && int64(run[n].key>>bucketShift) == bucket {
				n++
			}
			news, runs[i] = append(news, run[:n]...), run[n:]
		}
		return w.mergeDeliveries(known, w.byKey(news))
	})
}

// mergeDeliveries merges two sorted runs.
func (w *writer) mergeDeliveries(known []byte, news []delivery) (merged []byte, changed bool) {
	merged = make([]byte, 0, len(known)+deliverySize*len(news))
	put := func(d delivery) {
		merged = binary.BigEndian.AppendUint64(merged, d.key)
		merged = binary.BigEndian.AppendUint64(merged, uint64(d.last))
	}
	for _, d := range news {
		for len(known) > 0 && binary.BigEndian.Uint64(known) < d.key {
			merged, known = append(merged, known[:deliverySize]...), known[deliverySize:]
		}
		before := int64(0)
		if len(known) > 0 && binary.BigEndian.Uint64(known) == d.key {
			before = int64(binary.BigEndian.Uint64(known[8:]))
			known = known[deliverySize:]
		}
		after := delivery{d.key, newest(d.last, before)}
		put(after)
		changed = changed || after.last != before
		// An address that fails now, or that had failed and was reached.
		if d.last&hasFailed != 0 || after.last != before && before&hasFailed != 0 {
			p := w.addressee(int64(d.key))
			p.delivered, p.hasRow = after.last>>1, before&hasFailed != 0
		}
	}
	return append(merged, known...), changed
}
