package sqlite

import (
	"cmp"
	"database/sql/driver"
	"fmt"
	"math/bits"
	"slices"
)

// Nearly all deliveries succeed, and a row for each would cost more than
// everything else together. They are stored in buckets of sorted fixed-size
// entries: a transaction touches each bucket once, whatever the number of
// deliveries in it.

// bucketsAtOnce bounds what is held of buckets.
const bucketsAtOnce = 1024

// mergeBuckets reads the buckets of a table with the given numbers, which are
// sorted and distinct, has them merged, and writes those that changed.
func (tx *Tx) mergeBuckets(table, column string, buckets []int64, merge func(bucket int64, known []byte) (merged []byte, changed bool)) error {
	for some := range slices.Chunk(buckets, bucketsAtOnce) {
		if err := tx.mergeSome(table, column, some, merge); err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) mergeSome(table, column string, buckets []int64, merge func(bucket int64, known []byte) (merged []byte, changed bool)) error {
	known := make([][]byte, len(buckets))
	err := tx.each(len(buckets), "SELECT "+column+" FROM "+table+" WHERE bucket = ?",
		func(i int, p *params) { p.Add(buckets[i]) },
		func(i int, values []driver.Value) error {
			var fits bool
			if known[i], fits = values[0].([]byte); !fits {
				return fmt.Errorf("bucket %d of %s holds a value of type %T", buckets[i], table, values[0])
			}
			return nil
		})
	if err != nil {
		return err
	}
	type change struct {
		bucket int64
		merged []byte
	}
	var changes []change
	for i, bucket := range buckets {
		if merged, changed := merge(bucket, known[i]); changed {
			changes = append(changes, change{bucket, merged})
		}
	}
	return tx.each(len(changes), "INSERT INTO "+table+" (bucket, "+column+") VALUES (?, ?) ON CONFLICT DO UPDATE SET "+column+" = excluded."+column,
		func(i int, p *params) {
			p.Add(changes[i].bucket)
			p.Add(changes[i].merged)
		}, nil)
}

type hashed interface{ hash() uint64 }

// sortByHash sorts by a number whose values are spread evenly, as those of a hash
// are: by its highest bits first, which leaves a few in each place. It returns the
// buffer that it used.
func sortByHash[T hashed](all, buf []T) []T {
	const few = 8
	order := bits.Len(uint(len(all) / few))
	ends := make([]int32, 1<<order+1) // where a place starts, and later where it ends
	shift := 64 - order
	for i := range all {
		ends[all[i].hash()>>shift+1]++
	}
	for i := range len(ends) - 1 {
		ends[i+1] += ends[i]
	}
	buf = append(buf[:0], all...)
	for i := range buf {
		at := &ends[buf[i].hash()>>shift]
		all[*at] = buf[i]
		*at++
	}
	start := int32(0)
	for _, end := range ends[:len(ends)-1] {
		slices.SortFunc(all[start:end], func(a, b T) int { return cmp.Compare(a.hash(), b.hash()) })
		start = end
	}
	return buf
}
