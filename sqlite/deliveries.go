package sqlite

import (
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/sqlite/packed"
)

// saveDeliveries saves the deliveries of the transaction, and finds the last
// delivery to every touched recipient. It touches those that had failed and were
// reached.
func (tx *Tx) saveDeliveries() error {
	failed := make([]packed.Delivery, len(tx.recipients))
	for i := range tx.recipients {
		failed[i] = packed.Failed(tx.recipients[i].key)
	}
	runs := append(tx.runs, tx.sorter.Deliveries(failed))
	var inBucket [packed.DeliveryBuckets]bool
	for _, run := range runs {
		for i := range run {
			inBucket[run[i].Bucket()] = true
		}
	}
	var buckets []int64
	for bucket := range inBucket {
		if inBucket[bucket] {
			buckets = append(buckets, int64(bucket))
		}
	}
	var added []packed.Delivery
	return tx.mergeBuckets("deliveries", "entries", buckets, func(bucket int64, known []byte) ([]byte, bool) {
		added = added[:0]
		for i, run := range runs {
			n := 0
			for n < len(run) && run[n].Bucket() == bucket {
				n++
			}
			added, runs[i] = append(added, run[:n]...), run[n:]
		}
		return packed.MergeDeliveries(known, tx.sorter.Deliveries(added), tx.noteDelivery)
	})
}

// noteDelivery touches an address that fails now, or that had failed and was
// reached.
func (tx *Tx) noteDelivery(d packed.Delivery, before, after int64) {
	if d.Last&packed.HasFailed != 0 || after != before && before&packed.HasFailed != 0 {
		r := tx.touch(int64(d.Key))
		r.delivered, r.deliveredBefore, r.hasRow = after>>1, before>>1, before&packed.HasFailed != 0
	}
}

// rewriteDeliveries passes each entry of the buckets to keep, which returns what
// becomes of it, and returns how many were changed or left out.
func (tx *Tx) rewriteDeliveries(buckets []int64, keep func(packed.Delivery) (last int64, kept bool)) (n int, err error) {
	known := make(map[int64][]byte, len(buckets))
	err = sqldb.ScanAll(tx.ctx, tx.conn, "SELECT bucket, entries FROM deliveries WHERE bucket IN (SELECT value FROM json_each(?))", func(scan func(...any) error) error {
		var bucket int64
		var entries []byte
		err := scan(&bucket, &entries)
		known[bucket] = entries
		return err
	}, sqldb.NumberList(buckets))
	if err != nil {
		return 0, err
	}
	for _, bucket := range buckets {
		rest, changes := packed.FilterDeliveries(known[bucket], keep)
		if changes == 0 {
			continue
		}
		n += changes
		if len(rest) == 0 {
			_, err = tx.conn.ExecContext(tx.ctx, "DELETE FROM deliveries WHERE bucket = ?", bucket)
		} else {
			_, err = tx.conn.ExecContext(tx.ctx, "UPDATE deliveries SET entries = ? WHERE bucket = ?", rest, bucket)
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}
