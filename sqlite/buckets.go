package sqlite

import (
	"database/sql/driver"
	"slices"

	"github.com/bouncetail/bouncetail/sqlite/packed"
)

// Nearly all deliveries succeed, and a row for each would cost more than
// everything else together. They are stored in buckets of sorted fixed-size
// entries: a transaction touches each bucket once, whatever the number of
// deliveries in it.

// bucketsAtOnce bounds what is held of buckets.
const bucketsAtOnce = 1024

// mergeBuckets reads the buckets of a table with the given numbers, which are
// sorted and distinct, has them merged, and writes those that changed.
func (tx *Tx) mergeBuckets(
	table, column string, buckets []int64, merge func(bucket int64, known []byte) (merged []byte, changed bool),
) error {
	for some := range slices.Chunk(buckets, bucketsAtOnce) {
		if err := tx.mergeSome(table, column, some, merge); err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) mergeSome(table, column string, buckets []int64, merge func(bucket int64, known []byte) (merged []byte, changed bool)) error {
	known, stored := make([][]byte, len(buckets)), len(buckets)
	if table == packed.Lowest.Table && tx.nobodyReached {
		stored = 0
	}
	err := tx.each(stored, "SELECT "+column+" FROM "+table+" WHERE bucket = ?",
		func(i int, p *params) { p.Add(buckets[i]) },
		func(i int, values []driver.Value) (err error) {
			known[i], err = packed.EntriesOf(table, buckets[i], values[0])
			return err
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
	return tx.each(len(changes), `
		INSERT INTO `+table+` (bucket, `+column+`)
		VALUES (?, ?)
		ON CONFLICT DO UPDATE SET `+column+` = excluded.`+column,
		func(i int, p *params) {
			p.Add(changes[i].bucket)
			p.Add(changes[i].merged)
		}, nil)
}
