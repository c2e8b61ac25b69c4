package packed

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sort"
)

// Delivery is what is stored of an address that was written to: its key, and its
// last delivery in Unix milliseconds, shifted left by one. The lowest bit is set
// if the address has ever failed: only the deliveries of the others can be noted
// without a look at recipients.
type Delivery struct {
	Key  uint64
	Last int64
}

const (
	// HasFailed is the lowest bit of Delivery.Last.
	HasFailed = 1
	// DeliveryBuckets is the number of buckets: a few kilobytes each at a million
	// addresses.
	DeliveryBuckets = 1 << (64 - bucketShift)

	bucketShift  = 51
	deliverySize = 16
)

// Reached returns a delivery to an address at a time in Unix milliseconds.
func Reached(key, at int64) Delivery { return Delivery{uint64(key), at << 1} }

// Failed returns what is stored of an address that failed.
func Failed(key int64) Delivery { return Delivery{uint64(key), HasFailed} }

// At returns the last delivery in Unix milliseconds; 0 is never.
func (d Delivery) At() int64 { return d.Last >> 1 }

// Bucket returns the number of the bucket that the address is in.
func (d Delivery) Bucket() int64 { return int64(d.Key >> bucketShift) }

// EntriesOf returns the entries of a bucket as a query returned them.
func EntriesOf(table string, bucket int64, value any) ([]byte, error) {
	entries, fits := value.([]byte)
	if !fits {
		return nil, fmt.Errorf("bucket %d of %s holds a value of type %T", bucket, table, value)
	}
	return entries, nil
}

// DeliveryBucketsOf returns the numbers of the buckets of addresses, sorted.
func DeliveryBucketsOf(keys []int64) []int64 {
	var buckets []int64
	for _, key := range keys {
		buckets = append(buckets, int64(uint64(key)>>bucketShift))
	}
	slices.Sort(buckets)
	return slices.Compact(buckets)
}

// Newest joins what two entries of one address say.
func Newest(a, b int64) int64 { return max(a&^HasFailed, b&^HasFailed) | (a|b)&HasFailed }

// Deliveries sorts deliveries by key, and leaves one of each address.
func (s *Sorter) Deliveries(all []Delivery) []Delivery {
	s.deliveries = sortByHash(all, s.deliveries)
	one := all[:0]
	for _, d := range all {
		if last := len(one) - 1; last >= 0 && one[last].Key == d.Key {
			one[last].Last = Newest(one[last].Last, d.Last)
		} else {
			one = append(one, d)
		}
	}
	return one
}

// MergeDeliveries merges sorted deliveries into a bucket.
func MergeDeliveries(known []byte, added []Delivery) (merged []byte) {
	merged = make([]byte, 0, len(known)+deliverySize*len(added))
	for _, d := range added {
		for len(known) > 0 && binary.BigEndian.Uint64(known) < d.Key {
			merged, known = append(merged, known[:deliverySize]...), known[deliverySize:]
		}
		if len(known) > 0 && binary.BigEndian.Uint64(known) == d.Key {
			d.Last = Newest(d.Last, firstDelivery(known).Last)
			known = known[deliverySize:]
		}
		merged = appendDelivery(merged, d)
	}
	return append(merged, known...)
}

// JoinDeliveries adds what a bucket says to the last deliveries of addresses, which
// are sorted by key.
func JoinDeliveries(entries []byte, of []Delivery, last []int64) {
	for i, d := range of {
		// Few of a large bucket are searched for, many are read in turn.
		if len(entries)/deliverySize > 16*(len(of)-i) {
			entries = entries[deliverySize*indexOf(entries, d.Key):]
		}
		for len(entries) > 0 && binary.BigEndian.Uint64(entries) < d.Key {
			entries = entries[deliverySize:]
		}
		if len(entries) > 0 && binary.BigEndian.Uint64(entries) == d.Key {
			last[i] = Newest(last[i], firstDelivery(entries).Last)
		}
	}
}

// SplitDeliveries returns the entries of a bucket whose keys are from one key to
// another, both included, and the others.
func SplitDeliveries(entries []byte, from, to uint64) (within []Delivery, others []byte) {
	for ; len(entries) >= deliverySize; entries = entries[deliverySize:] {
		if d := firstDelivery(entries); from <= d.Key && d.Key <= to {
			within = append(within, d)
		} else {
			others = append(others, entries[:deliverySize]...)
		}
	}
	return within, others
}

// CountDeliveries returns the number of entries in so many bytes.
func CountDeliveries(bytes int) int { return bytes / deliverySize }

// firstDelivery returns the first entry of a bucket.
func firstDelivery(entries []byte) Delivery {
	return Delivery{binary.BigEndian.Uint64(entries), int64(binary.BigEndian.Uint64(entries[8:]))}
}

func appendDelivery(entries []byte, d Delivery) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(entries, d.Key), uint64(d.Last))
}

// FilterDeliveries passes each entry of a bucket to keep, which returns what becomes
// of it. It returns the bucket after that, and how many entries were changed or left
// out.
func FilterDeliveries(entries []byte, keep func(Delivery) (last int64, kept bool)) (rest []byte, changes int) {
	rest = make([]byte, 0, len(entries))
	for ; len(entries) >= deliverySize; entries = entries[deliverySize:] {
		d := firstDelivery(entries)
		last, kept := keep(d)
		if !kept || last != d.Last {
			changes++
		}
		if kept {
			rest = appendDelivery(rest, Delivery{d.Key, last})
		}
	}
	return rest, changes
}

// indexOf returns the index of the first entry of a bucket whose key is not smaller.
func indexOf(entries []byte, key uint64) int {
	return sort.Search(len(entries)/deliverySize, func(n int) bool {
		return binary.BigEndian.Uint64(entries[n*deliverySize:]) >= key
	})
}
