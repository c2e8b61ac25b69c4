package sqlite

import (
	"cmp"
	"encoding/binary"
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

// successes counts the deliveries that were not counted before, and notes
// when their recipients were last reached.
func (w *writer) successes(b *bounce.Batch) error {
	news := make([]newSuccess, len(b.Successes))
	for i := range b.Successes {
		id := &b.Successes[i].ID
		news[i] = newSuccess{binary.BigEndian.Uint64(id[4:]), uint32(successBucket(*id)), int32(i)}
	}
	slices.SortFunc(news, func(a, b newSuccess) int {
		if c := cmp.Compare(a.bucket, b.bucket); c != 0 {
			return c
		}
		return cmp.Compare(a.id, b.id)
	})
	var buckets []int64
	for i := range news {
		if i == 0 || news[i].bucket != news[i-1].bucket {
			buckets = append(buckets, int64(news[i].bucket))
		}
	}
	w.deliveries = slices.Grow(w.deliveries, len(news)+b.Records.Len())
	return w.mergeBuckets("successes", "ids", buckets, func(bucket int64, known []byte) ([]byte, bool) {
		n := 0
		for n < len(news) && int64(news[n].bucket) == bucket {
			n++
		}
		merged := mergeIDs(known, news[:n], func(at int32) {
			s := &b.Successes[at]
			w.count(s.At, b.Domains[s.Domain]).sent++
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

// lastDeliveries notes the deliveries of the batch, and finds the last
// delivery to every address whose row in recipients may change.
func (w *writer) lastDeliveries(*bounce.Batch) error {
	for i := range w.addressees {
		w.deliveries = append(w.deliveries, delivery{uint64(w.addressees[i].key), hasFailed})
	}
	slices.SortFunc(w.deliveries, func(a, b delivery) int { return cmp.Compare(a.key, b.key) })
	var buckets []int64
	for i := range w.deliveries {
		if bucket := int64(w.deliveries[i].key >> bucketShift); i == 0 || bucket != buckets[len(buckets)-1] {
			buckets = append(buckets, bucket)
		}
	}
	rest := w.deliveries
	return w.mergeBuckets("deliveries", "entries", buckets, func(bucket int64, known []byte) ([]byte, bool) {
		n := 0
		for n < len(rest) && int64(rest[n].key>>bucketShift) == bucket {
			n++
		}
		news := rest[:n]
		rest = rest[n:]
		return w.mergeDeliveries(known, news)
	})
}

// mergeDeliveries merges two sorted runs, of which the second may name an
// address several times.
func (w *writer) mergeDeliveries(known []byte, news []delivery) (merged []byte, changed bool) {
	merged = make([]byte, 0, len(known)+deliverySize*len(news))
	put := func(d delivery) {
		merged = binary.BigEndian.AppendUint64(merged, d.key)
		merged = binary.BigEndian.AppendUint64(merged, uint64(d.last))
	}
	for len(news) > 0 {
		d := news[0]
		for news = news[1:]; len(news) > 0 && news[0].key == d.key; news = news[1:] {
			d.last = max(d.last&^hasFailed, news[0].last&^hasFailed) | (d.last|news[0].last)&hasFailed
		}
		for len(known) > 0 && binary.BigEndian.Uint64(known) < d.key {
			merged, known = append(merged, known[:deliverySize]...), known[deliverySize:]
		}
		before := int64(0)
		if len(known) > 0 && binary.BigEndian.Uint64(known) == d.key {
			before = int64(binary.BigEndian.Uint64(known[8:]))
			known = known[deliverySize:]
		}
		after := delivery{d.key, max(d.last&^hasFailed, before&^hasFailed) | (d.last|before)&hasFailed}
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
