package sqlite

import (
	"cmp"
	"database/sql"
	"encoding/binary"
	"errors"
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

// bucketStore reads and writes the buckets of one table within a transaction.
type bucketStore struct {
	w           *writer
	read, write *sql.Stmt
}

func (w *writer) bucketsOf(table, column string) (*bucketStore, error) {
	read, err := w.tx.PrepareContext(w.ctx, "SELECT "+column+" FROM "+table+" WHERE bucket = ?")
	if err != nil {
		return nil, err
	}
	write, err := w.tx.PrepareContext(w.ctx, "INSERT INTO "+table+" (bucket, "+column+") VALUES (?, ?) ON CONFLICT DO UPDATE SET "+column+" = excluded."+column)
	if err != nil {
		return nil, errors.Join(err, read.Close()) //nolint:sqlclosecheck // the other statement's owner closes it from here on
	}
	return &bucketStore{w, read, write}, nil
}

func (s *bucketStore) load(bucket int64) ([]byte, error) {
	var data []byte
	err := s.read.QueryRowContext(s.w.ctx, bucket).Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return data, err
}

func (s *bucketStore) save(bucket int64, data []byte) error {
	_, err := s.write.ExecContext(s.w.ctx, bucket, data)
	return err
}

func (s *bucketStore) close() { s.read.Close(); s.write.Close() }

// successes counts the deliveries that were not counted before, and notes
// when their recipients were last reached.
func (w *writer) successes(b *bounce.Batch) error {
	order := make([]int, len(b.Successes))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int {
		return slices.Compare(b.Successes[i].ID[:], b.Successes[j].ID[:])
	})
	buckets, err := w.bucketsOf("successes", "ids")
	if err != nil {
		return err
	}
	defer buckets.close()
	for len(order) > 0 {
		bucket := successBucket(b.Successes[order[0]].ID)
		n := 1
		for n < len(order) && successBucket(b.Successes[order[n]].ID) == bucket {
			n++
		}
		known, err := buckets.load(bucket)
		if err != nil {
			return err
		}
		merged := mergeIDs(known, b.Successes, order[:n], func(s *bounce.Success) {
			w.count(s.At, s.Domain).sent++
			w.deliveries = append(w.deliveries, delivery{uint64(s.Key), s.At.UnixMilli() << 1})
		})
		if len(merged) > len(known) {
			if err := buckets.save(bucket, merged); err != nil {
				return err
			}
		}
		order = order[n:]
	}
	return nil
}

// mergeIDs adds the ids of the successes to the sorted ids of a bucket, and
// calls isNew for those that were not there.
func mergeIDs(known []byte, successes []bounce.Success, order []int, isNew func(*bounce.Success)) []byte {
	added := make([][8]byte, 0, len(order))
	ids := make(map[[8]byte]struct{}, len(order))
	for _, i := range order {
		id := [8]byte(successes[i].ID[4:])
		if _, again := ids[id]; again || hasID(known, id) {
			continue
		}
		ids[id] = struct{}{}
		added = append(added, id)
		isNew(&successes[i])
	}
	slices.SortFunc(added, func(a, b [8]byte) int { return slices.Compare(a[:], b[:]) })
	merged := make([]byte, 0, len(known)+8*len(added))
	for len(added) > 0 || len(known) > 0 {
		if len(added) == 0 || len(known) > 0 && slices.Compare(known[:8], added[0][:]) < 0 {
			merged, known = append(merged, known[:8]...), known[8:]
		} else {
			merged, added = append(merged, added[0][:]...), added[1:]
		}
	}
	return merged
}

func hasID(sorted []byte, id [8]byte) bool {
	low, high := 0, len(sorted)/8
	for low < high {
		mid := (low + high) / 2
		if slices.Compare(sorted[8*mid:8*mid+8], id[:]) < 0 {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low < len(sorted)/8 && [8]byte(sorted[8*low:8*low+8]) == id
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
	for key := range w.touched {
		w.deliveries = append(w.deliveries, delivery{uint64(key), hasFailed})
	}
	slices.SortFunc(w.deliveries, func(a, b delivery) int { return cmp.Compare(a.key, b.key) })
	buckets, err := w.bucketsOf("deliveries", "entries")
	if err != nil {
		return err
	}
	defer buckets.close()
	for rest := w.deliveries; len(rest) > 0; {
		bucket := rest[0].key >> bucketShift
		n := 1
		for n < len(rest) && rest[n].key>>bucketShift == bucket {
			n++
		}
		known, err := buckets.load(int64(bucket))
		if err != nil {
			return err
		}
		merged, changed := w.mergeDeliveries(known, rest[:n])
		if changed {
			if err := buckets.save(int64(bucket), merged); err != nil {
				return err
			}
		}
		rest = rest[n:]
	}
	return nil
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
		if _, failed := w.touched[int64(d.key)]; failed || after.last != before && before&hasFailed != 0 {
			w.lastDelivery[int64(d.key)] = after.last >> 1
		}
	}
	return append(merged, known...), changed
}
