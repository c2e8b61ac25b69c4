package sqlite

import (
	"encoding/binary"
	"slices"

	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// delivery is what is stored of an address that was written to: its key, and its
// last delivery in Unix milliseconds, shifted left by one. The lowest bit is set
// if the address has ever failed: only the deliveries of the others can be noted
// without a look at recipients.
type delivery struct {
	key  uint64
	last int64
}

func (d delivery) hash() uint64 { return d.key }

const (
	hasFailed    = 1
	deliverySize = 16
	bucketShift  = 51 // 8,192 buckets: a few kilobytes each at a million addresses
)

// newest joins what two entries of one address say.
func newest(a, b int64) int64 { return max(a&^hasFailed, b&^hasFailed) | (a|b)&hasFailed }

// byKey sorts deliveries, and leaves one of each address.
func (s *scratch) byKey(all []delivery) []delivery {
	s.deliveryBuf = sortByHash(all, s.deliveryBuf)
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

// saveDeliveries saves the deliveries of the transaction, and finds the last
// delivery to every touched recipient. It touches those that had failed and were
// reached.
func (tx *Tx) saveDeliveries() error {
	failed := make([]delivery, len(tx.recipients))
	for i := range tx.recipients {
		failed[i] = delivery{uint64(tx.recipients[i].key), hasFailed}
	}
	runs := append(tx.runs, tx.byKey(failed))
	var inBucket [1 << (64 - bucketShift)]bool
	for _, run := range runs {
		for i := range run {
			inBucket[run[i].key>>bucketShift] = true
		}
	}
	var buckets []int64
	for bucket := range inBucket {
		if inBucket[bucket] {
			buckets = append(buckets, int64(bucket))
		}
	}
	var added []delivery
	return tx.mergeBuckets("deliveries", "entries", buckets, func(bucket int64, known []byte) ([]byte, bool) {
		added = added[:0]
		for i, run := range runs {
			n := 0
			for n < len(run) && int64(run[n].key>>bucketShift) == bucket {
				n++
			}
			added, runs[i] = append(added, run[:n]...), run[n:]
		}
		return tx.mergeDeliveries(known, tx.byKey(added))
	})
}

// mergeDeliveries merges sorted deliveries into a bucket.
func (tx *Tx) mergeDeliveries(known []byte, added []delivery) (merged []byte, changed bool) {
	merged = make([]byte, 0, len(known)+deliverySize*len(added))
	for _, d := range added {
		for len(known) > 0 && binary.BigEndian.Uint64(known) < d.key {
			merged, known = append(merged, known[:deliverySize]...), known[deliverySize:]
		}
		before := int64(0)
		if len(known) > 0 && binary.BigEndian.Uint64(known) == d.key {
			_, before = entry(known)
			known = known[deliverySize:]
		}
		after := newest(d.last, before)
		merged = appendEntry(merged, d.key, after)
		changed = changed || after != before
		// An address that fails now, or that had failed and was reached.
		if d.last&hasFailed != 0 || after != before && before&hasFailed != 0 {
			r := tx.touch(int64(d.key))
			r.delivered, r.deliveredBefore, r.hasRow = after>>1, before>>1, before&hasFailed != 0
		}
	}
	return append(merged, known...), changed
}

// entry returns the first entry of a bucket of deliveries.
func entry(entries []byte) (key uint64, last int64) {
	return binary.BigEndian.Uint64(entries), int64(binary.BigEndian.Uint64(entries[8:]))
}

func appendEntry(entries []byte, key uint64, last int64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(entries, key), uint64(last))
}

func bucketsOfKeys(keys []int64) []int64 {
	var buckets []int64
	for _, key := range keys {
		buckets = append(buckets, int64(uint64(key)>>bucketShift))
	}
	slices.Sort(buckets)
	return slices.Compact(buckets)
}

// rewriteDeliveries passes each entry of the buckets to keep, which returns what
// becomes of it, and returns how many were changed or left out.
func (tx *Tx) rewriteDeliveries(buckets []int64, keep func(key uint64, last int64) (int64, bool)) (n int, err error) {
	packed := make(map[int64][]byte, len(buckets))
	err = sqldb.ScanAll(tx.ctx, tx.conn, "SELECT bucket, entries FROM deliveries WHERE bucket IN (SELECT value FROM json_each(?))", func(scan func(...any) error) error {
		var bucket int64
		var entries []byte
		err := scan(&bucket, &entries)
		packed[bucket] = entries
		return err
	}, sqldb.NumberList(buckets))
	if err != nil {
		return 0, err
	}
	for _, bucket := range buckets {
		entries := packed[bucket]
		rest := make([]byte, 0, len(entries))
		changes := 0
		for ; len(entries) > 0; entries = entries[deliverySize:] {
			key, last := entry(entries)
			now, kept := keep(key, last)
			if !kept || now != last {
				changes++
			}
			if kept {
				rest = appendEntry(rest, key, now)
			}
		}
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
