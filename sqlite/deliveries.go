package sqlite

import (
	"database/sql/driver"
	"sort"

	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/sqlite/packed"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// The last delivery to each address is stored in levels, so that saving a batch does
// not rewrite what is known of millions of addresses. The lowest level is the table
// deliveries. Above are runs of recent_deliveries: run 0 takes small batches and
// overflows into run 1; a large batch becomes a separate run. From time to time the
// runs are merged into deliveries. Each level is split into buckets by the top bits of
// recipient_key. The entries of an address on all levels are joined by packed.Newest.

func (tx *Tx) deliverySizes() (_ *packed.Sizes, err error) {
	if tx.store.sizes == nil {
		tx.store.sizes, err = query.DeliverySizes(tx.ctx, tx.conn)
	}
	return tx.store.sizes, err
}

// recentRuns returns the numbers of the runs of recent_deliveries.
func recentRuns(tx *Tx) (runs []int64, err error) {
	for next, found := int64(0), true; found; {
		found = false
		err := tx.each(1, "SELECT bucket FROM recent_deliveries WHERE bucket >= ? ORDER BY bucket LIMIT 1",
			func(_ int, p *params) { p.Add(next << packed.RunShift) },
			func(_ int, values []driver.Value) error {
				bucket, _ := values[0].(int64)
				runs, next, found = append(runs, bucket>>packed.RunShift), bucket>>packed.RunShift+1, true
				return nil
			})
		if err != nil {
			return nil, err
		}
	}
	return runs, nil
}

// deliveryLevels returns all levels.
func (tx *Tx) deliveryLevels() ([]packed.Level, error) {
	runs, err := recentRuns(tx)
	levels := []packed.Level{packed.Lowest}
	for _, run := range runs {
		levels = append(levels, packed.RecentRun(run))
	}
	return levels, err
}

// saveDeliveries saves the deliveries of the transaction, and finds the last
// delivery to every touched recipient. It touches those that had failed and were
// reached.
func (tx *Tx) saveDeliveries() error {
	failed := make([]packed.Delivery, len(tx.recipients))
	for i := range tx.recipients {
		failed[i] = packed.Failed(tx.recipients[i].key)
	}
	runs := append(tx.runs, tx.sorter.Deliveries(failed))
	tx.runs = nil // megabytes
	n := 0
	for _, run := range runs {
		n += len(run)
	}
	if n == 0 {
		return nil
	}
	levels, err := tx.deliveryLevels()
	if err != nil {
		return err
	}
	sizes, err := tx.deliverySizes()
	if err != nil {
		return err
	}
	target, bits, settle := tx.store.limits.Plan(n, levels, sizes)
	if tx.nobodyReached = sizes.Lowest == 0 && len(levels) == 1; tx.nobodyReached { // an estimate; if it is true, no bucket need be read
		if err := tx.conn.QueryRowContext(tx.ctx, "SELECT NOT EXISTS (SELECT 1 FROM deliveries)").Scan(&tx.nobodyReached); err != nil {
			return err
		}
	}
	if tx.nobodyReached {
		levels = nil
	}
	var added []packed.Delivery
	for piece := range uint64(1) << bits {
		from, to := piece<<(64-bits), (piece+1)<<(64-bits)-1
		if settle {
			if _, err := tx.settleDeliveries(from, to); err != nil {
				return err
			}
			levels = []packed.Level{packed.Lowest}
		}
		added = added[:0]
		for i, run := range runs {
			n := sort.Search(len(run), func(n int) bool { return run[n].Key > to })
			added, runs[i] = append(added, run[:n]...), run[n:]
		}
		changed, err := tx.joinDeliveries(
			levels, tx.sorter.Deliveries(added),
			target.Table != packed.Lowest.Table && target.Run == packed.SmallRun,
		)
		if err != nil {
			return err
		}
		if err := tx.mergeDeliveries(target, changed); err != nil {
			return err
		}
	}
	if target.Table == packed.Lowest.Table || target.Run >= packed.FirstBatch {
		return nil
	}
	return tx.moveDown(n)
}

// joinDeliveries joins sorted deliveries with what is stored, notes them, and returns
// what is to be stored.
func (tx *Tx) joinDeliveries(levels []packed.Level, added []packed.Delivery, few bool) (changed []packed.Delivery, err error) {
	read := tx.storedDeliveries
	if few {
		read = tx.failedDeliveries
	}
	before, err := read(levels, added)
	if err != nil {
		return nil, err
	}
	changed = added[:0]
	for i, d := range added {
		after := packed.Newest(d.Last, before[i])
		tx.noteDelivery(d, before[i], after)
		if after != before[i] {
			changed = append(changed, packed.Delivery{Key: d.Key, Last: after})
		}
	}
	return changed, nil
}

// noteDelivery touches an address that fails now, or that had failed and was
// reached.
func (tx *Tx) noteDelivery(d packed.Delivery, before, after int64) {
	if d.Last&packed.HasFailed != 0 || after != before && before&packed.HasFailed != 0 {
		r := tx.touch(int64(d.Key))
		r.delivered, r.deliveredBefore, r.hasRow = after>>1, before>>1, before&packed.HasFailed != 0
	}
}

// storedDeliveries returns what is stored of addresses, which are sorted by key.
func (tx *Tx) storedDeliveries(levels []packed.Level, of []packed.Delivery) ([]int64, error) {
	last := make([]int64, len(of))
	for _, level := range levels {
		buckets, ends := level.Split(of)
		err := tx.each(len(buckets), "SELECT entries FROM "+level.Table+" WHERE bucket = ?",
			func(i int, p *params) { p.Add(buckets[i]) },
			func(i int, values []driver.Value) error {
				entries, err := packed.EntriesOf(level.Table, buckets[i], values[0])
				first, end := packed.Part(of, ends, i)
				packed.JoinDeliveries(entries, of[first:end], last[first:end])
				return err
			})
		if err != nil {
			return nil, err
		}
	}
	return last, nil
}

// failedDeliveries is storedDeliveries for those that have a row in recipients or that
// fail now, and returns 0 for the others: nothing depends on when they were reached
// before. With 20 million addresses a bucket has 40 kB, and a small batch has an address
// in dozens of them.
func (tx *Tx) failedDeliveries(levels []packed.Level, of []packed.Delivery) ([]int64, error) {
	failed := make([]bool, len(of))
	err := tx.each(len(of), "SELECT 1 FROM recipients WHERE recipient_key = ?",
		func(i int, p *params) { p.Add(int64(of[i].Key)) },
		func(i int, _ []driver.Value) error { failed[i] = true; return nil })
	if err != nil {
		return nil, err
	}
	var some []packed.Delivery
	var at []int
	for i, d := range of {
		if failed[i] || d.Last&packed.HasFailed != 0 {
			some, at = append(some, d), append(at, i)
		}
	}
	stored, err := tx.storedDeliveries(levels, some)
	last := make([]int64, len(of))
	for i := range stored {
		last[at[i]] = stored[i]
	}
	return last, err
}

// mergeDeliveries merges sorted deliveries into a level.
func (tx *Tx) mergeDeliveries(level packed.Level, added []packed.Delivery) error {
	buckets, ends := level.Split(added)
	grown, i := 0, 0
	err := tx.mergeBuckets(level.Table, "entries", buckets, func(_ int64, known []byte) ([]byte, bool) {
		first, end := packed.Part(added, ends, i)
		i++
		merged := packed.MergeDeliveries(known, added[first:end])
		grown += packed.CountDeliveries(len(merged) - len(known))
		return merged, true
	})
	tx.store.sizes.Add(level, grown)
	return err
}

// settleDeliveries merges all that is stored of the keys between two, both included,
// into the lowest level. It returns how many entries were above.
func (tx *Tx) settleDeliveries(from, to uint64) (n int, err error) {
	levels, err := tx.deliveryLevels()
	if err != nil {
		return 0, err
	}
	var recent []packed.Delivery
	for _, level := range levels[1:] {
		taken, err := tx.takeDeliveries(level, from, to)
		if err != nil {
			return 0, err
		}
		recent = append(recent, taken...)
	}
	n = len(recent)
	return n, tx.mergeDeliveries(packed.Lowest, tx.sorter.Deliveries(recent))
}

// takeDeliveries takes the entries of the keys between two, both included, out of a
// run.
func (tx *Tx) takeDeliveries(level packed.Level, from, to uint64) (taken []packed.Delivery, err error) {
	var gone, left []int64
	var rest [][]byte
	err = tx.each(1, "SELECT bucket, entries FROM recent_deliveries WHERE bucket BETWEEN ? AND ?",
		func(_ int, p *params) {
			p.Add(level.Bucket(from))
			p.Add(level.Bucket(to))
		},
		func(_ int, values []driver.Value) error {
			bucket, _ := values[0].(int64)
			entries, err := packed.EntriesOf(level.Table, bucket, values[1])
			within, others := packed.SplitDeliveries(entries, from, to)
			taken = append(taken, within...)
			if len(others) == 0 {
				gone = append(gone, bucket)
			} else {
				left, rest = append(left, bucket), append(rest, others)
			}
			return err
		})
	if err != nil {
		return nil, err
	}
	tx.store.sizes.Add(level, -len(taken))
	err = tx.each(len(gone), "DELETE FROM recent_deliveries WHERE bucket = ?", func(i int, p *params) { p.Add(gone[i]) }, nil)
	if err != nil {
		return nil, err
	}
	return taken, tx.each(len(left), "UPDATE recent_deliveries SET entries = ? WHERE bucket = ?", func(i int, p *params) {
		p.Add(rest[i])
		p.Add(left[i])
	}, nil)
}

// moveDown makes room on the levels of a daemon after n deliveries were saved: as
// many as that move down a level, some buckets at a time, so that no commit takes
// long.
func (tx *Tx) moveDown(n int) error {
	sizes, err := tx.deliverySizes()
	if err != nil {
		return err
	}
	for moved := 0; moved < n && sizes.Runs[packed.SmallRun] > tx.store.limits.SmallRun; {
		level := packed.RecentRun(packed.SmallRun)
		from, to := level.Keys(level.Run<<packed.RunShift + tx.store.nextSmall%(1<<level.Bits))
		tx.store.nextSmall++
		taken, err := tx.takeDeliveries(level, from, to)
		if err != nil {
			return err
		}
		if err := tx.mergeDeliveries(packed.RecentRun(packed.Overflow), taken); err != nil {
			return err
		}
		moved += max(len(taken), n/4+1) // also if the bucket is empty
	}
	levels, err := tx.deliveryLevels()
	if err != nil {
		return err
	}
	batches := levels[len(levels)-1].Run >= packed.FirstBatch
	for settled := 0; settled < n && (batches || sizes.Runs[packed.Overflow] > max(tx.store.limits.SmallRun, sizes.Lowest/8)); {
		level := packed.RecentRun(packed.Overflow)
		bucket := tx.store.nextSettled % (1 << level.Bits)
		tx.store.nextSettled++
		taken, err := tx.settleDeliveries(level.Keys(level.Run<<packed.RunShift + bucket))
		if err != nil {
			return err
		}
		settled += max(taken, n/4+1) // also if the bucket is empty
	}
	return nil
}

// rewriteDeliveries passes each entry of the buckets of deliveries to keep, which
// returns what becomes of it, and returns how many were changed or left out. What is
// more recent in these buckets is merged into them first.
func (tx *Tx) rewriteDeliveries(buckets []int64, keep func(packed.Delivery) (last int64, kept bool)) (n int, err error) {
	for _, bucket := range buckets {
		if _, err := tx.settleDeliveries(packed.Lowest.Keys(bucket)); err != nil {
			return n, err
		}
	}
	tx.store.sizes = nil
	known := make(map[int64][]byte, len(buckets))
	err = sqldb.ScanAll(tx.ctx, tx.conn, `
		SELECT bucket, entries
		FROM deliveries
		WHERE bucket IN (SELECT value FROM json_each(?))`, func(scan func(...any) error) error {
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
