package sqlite

import (
	"context"
	"database/sql/driver"
	"sort"

	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/sqlite/packed"
)

// The last delivery to each address is stored in levels, so that saving a batch does
// not rewrite what is known of millions of addresses. The lowest level is the table
// deliveries. Above are runs of recent_deliveries: run 0 takes small batches and
// overflows into run 1; a large batch becomes a run of its own. From time to time the
// runs are merged into deliveries. Each level is split into buckets by the top bits of
// recipient_key. The entries of an address on all levels are joined by packed.Newest.

// deliveryLevel is a level of deliveries.
type deliveryLevel struct {
	table string
	run   int64
	bits  int // of the key that number the buckets
}

const (
	smallRun   = 0 // of small batches
	overflow   = 1 // of smallRun
	firstBatch = 2 // the first run that is a large batch

	runShift = 16 // a bucket of recent_deliveries has the number of the run above these bits
)

var lowestLevel = deliveryLevel{"deliveries", 0, 13}

func recentRun(run int64) deliveryLevel {
	if run == smallRun {
		return deliveryLevel{"recent_deliveries", run, 8}
	}
	return deliveryLevel{"recent_deliveries", run, 12}
}

// bucket returns the number of the bucket of a key.
func (l deliveryLevel) bucket(key uint64) int64 { return l.run<<runShift + int64(key>>(64-l.bits)) }

// keys returns the first key of a bucket and the last one.
func (l deliveryLevel) keys(bucket int64) (from, to uint64) {
	shift := 64 - l.bits
	from = uint64(bucket-l.run<<runShift) << shift
	return from, from + 1<<shift - 1
}

// split returns the numbers of the buckets of sorted deliveries, and where the
// deliveries of each end.
func (l deliveryLevel) split(all []packed.Delivery) (buckets []int64, ends []int) {
	for i, d := range all {
		if b := l.bucket(d.Key); len(buckets) == 0 || buckets[len(buckets)-1] != b {
			buckets, ends = append(buckets, b), append(ends, i)
		}
		ends[len(ends)-1] = i + 1
	}
	return buckets, ends
}

// part returns the deliveries of a bucket, by what split returns.
func part(all []packed.Delivery, ends []int, i int) (first, end int) {
	if i > 0 {
		first = ends[i-1]
	}
	return first, ends[i]
}

// deliveryLimits are the sizes that decide when levels are merged, in entries.
type deliveryLimits struct {
	small    int // up to so many deliveries are a small batch
	lowest   int // up to so many in deliveries, everything is merged into it at once
	smallRun int // more than so many in run 0 overflow
	runs     int // so many large batches are merged
}

var defaultLimits = deliveryLimits{small: 16_000, lowest: 1_000_000, smallRun: 64_000, runs: 8}

// deliverySizes are the numbers of entries of the levels. They are estimates, because
// other programs may write: they decide only when levels are merged.
type deliverySizes struct {
	lowest int
	runs   map[int64]int
}

func (tx *Tx) deliverySizes() (*deliverySizes, error) {
	s := tx.store
	if s.sizes != nil {
		return s.sizes, nil
	}
	sizes := &deliverySizes{runs: make(map[int64]int)}
	var bytes int
	if err := tx.conn.QueryRowContext(tx.ctx, "SELECT coalesce(sum(length(entries)), 0) FROM deliveries").Scan(&bytes); err != nil {
		return nil, err
	}
	sizes.lowest = packed.CountDeliveries(bytes)
	err := sqldb.ScanAll(tx.ctx, tx.conn, "SELECT bucket >> ?, sum(length(entries)) FROM recent_deliveries GROUP BY 1", func(scan func(...any) error) error {
		var run int64
		err := scan(&run, &bytes)
		sizes.runs[run] = packed.CountDeliveries(bytes)
		return err
	}, runShift)
	s.sizes = sizes
	return sizes, err
}

// recentRuns returns the numbers of the runs of recent_deliveries.
func recentRuns(tx *Tx) (runs []int64, err error) {
	for next, found := int64(0), true; found; {
		found = false
		err := tx.each(1, "SELECT bucket FROM recent_deliveries WHERE bucket >= ? ORDER BY bucket LIMIT 1",
			func(_ int, p *params) { p.Add(next << runShift) },
			func(_ int, values []driver.Value) error {
				bucket, _ := values[0].(int64)
				runs, next, found = append(runs, bucket>>runShift), bucket>>runShift+1, true
				return nil
			})
		if err != nil {
			return nil, err
		}
	}
	return runs, nil
}

// deliveryLevels returns all levels.
func (tx *Tx) deliveryLevels() ([]deliveryLevel, error) {
	runs, err := recentRuns(tx)
	levels := []deliveryLevel{lowestLevel}
	for _, run := range runs {
		levels = append(levels, recentRun(run))
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
	target, bits, settle := tx.store.limits.plan(n, levels, sizes)
	var added []packed.Delivery
	for piece := range uint64(1) << bits {
		from, to := piece<<(64-bits), (piece+1)<<(64-bits)-1
		if settle {
			if _, err := tx.settleDeliveries(from, to); err != nil {
				return err
			}
			levels = []deliveryLevel{lowestLevel}
		}
		added = added[:0]
		for i, run := range runs {
			n := sort.Search(len(run), func(n int) bool { return run[n].Key > to })
			added, runs[i] = append(added, run[:n]...), run[n:]
		}
		changed, err := tx.joinDeliveries(levels, tx.sorter.Deliveries(added))
		if err != nil {
			return err
		}
		if err := tx.mergeDeliveries(target, changed); err != nil {
			return err
		}
	}
	if target.table == lowestLevel.table || target.run >= firstBatch {
		return nil
	}
	return tx.moveDown(n)
}

// plan decides where a number of deliveries are saved: on which level, in how many
// pieces (two to the power of bits), and whether all other levels are settled.
func (l deliveryLimits) plan(n int, levels []deliveryLevel, sizes *deliverySizes) (target deliveryLevel, bits int, settle bool) {
	const piecesOfMany = 8
	many := n > l.small
	if many {
		bits = piecesOfMany
	}
	recent, batches, next := 0, 0, int64(firstBatch)
	for _, level := range levels[1:] {
		recent += sizes.runs[level.run]
		if level.run >= firstBatch {
			batches++
			next = level.run + 1
		}
	}
	switch {
	case sizes.lowest <= l.lowest, many && (batches >= l.runs || recent >= sizes.lowest/2):
		if len(levels) > 1 {
			return lowestLevel, piecesOfMany, true
		}
		return lowestLevel, bits, false
	case many:
		return recentRun(next), bits, false
	}
	return recentRun(smallRun), bits, false
}

// joinDeliveries joins sorted deliveries with what is stored, notes them, and returns
// what is to be stored.
func (tx *Tx) joinDeliveries(levels []deliveryLevel, added []packed.Delivery) (changed []packed.Delivery, err error) {
	before, err := tx.storedDeliveries(levels, added)
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
func (tx *Tx) storedDeliveries(levels []deliveryLevel, of []packed.Delivery) ([]int64, error) {
	last := make([]int64, len(of))
	for _, level := range levels {
		buckets, ends := level.split(of)
		err := tx.each(len(buckets), "SELECT entries FROM "+level.table+" WHERE bucket = ?",
			func(i int, p *params) { p.Add(buckets[i]) },
			func(i int, values []driver.Value) error {
				entries, err := bucketOf(level.table, buckets[i], values[0])
				first, end := part(of, ends, i)
				packed.JoinDeliveries(entries, of[first:end], last[first:end])
				return err
			})
		if err != nil {
			return nil, err
		}
	}
	return last, nil
}

// mergeDeliveries merges sorted deliveries into a level.
func (tx *Tx) mergeDeliveries(level deliveryLevel, added []packed.Delivery) error {
	buckets, ends := level.split(added)
	grown, i := 0, 0
	err := tx.mergeBuckets(level.table, "entries", buckets, func(_ int64, known []byte) ([]byte, bool) {
		first, end := part(added, ends, i)
		i++
		merged := packed.MergeDeliveries(known, added[first:end])
		grown += packed.CountDeliveries(len(merged) - len(known))
		return merged, true
	})
	tx.store.sizes.add(level, grown)
	return err
}

// add notes that a level has grown.
func (s *deliverySizes) add(level deliveryLevel, n int) {
	switch {
	case s == nil:
	case level.table == lowestLevel.table:
		s.lowest += n
	default:
		s.runs[level.run] += n
	}
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
	return n, tx.mergeDeliveries(lowestLevel, tx.sorter.Deliveries(recent))
}

// takeDeliveries takes the entries of the keys between two, both included, out of a
// run.
func (tx *Tx) takeDeliveries(level deliveryLevel, from, to uint64) (taken []packed.Delivery, err error) {
	var gone, left []int64
	var rest [][]byte
	err = tx.each(1, "SELECT bucket, entries FROM recent_deliveries WHERE bucket BETWEEN ? AND ?",
		func(_ int, p *params) {
			p.Add(level.bucket(from))
			p.Add(level.bucket(to))
		},
		func(_ int, values []driver.Value) error {
			bucket, _ := values[0].(int64)
			entries, err := bucketOf(level.table, bucket, values[1])
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
	tx.store.sizes.add(level, -len(taken))
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
	for moved := 0; moved < n && sizes.runs[smallRun] > tx.store.limits.smallRun; {
		level := recentRun(smallRun)
		from, to := level.keys(level.run<<runShift + tx.store.nextSmall%(1<<level.bits))
		tx.store.nextSmall++
		taken, err := tx.takeDeliveries(level, from, to)
		if err != nil {
			return err
		}
		if err := tx.mergeDeliveries(recentRun(overflow), taken); err != nil {
			return err
		}
		moved += max(len(taken), n/4+1) // also if the bucket is empty
	}
	levels, err := tx.deliveryLevels()
	if err != nil {
		return err
	}
	batches := levels[len(levels)-1].run >= firstBatch
	for settled := 0; settled < n && (batches || sizes.runs[overflow] > max(tx.store.limits.smallRun, sizes.lowest/8)); {
		level := recentRun(overflow)
		bucket := tx.store.nextSettled % (1 << level.bits)
		tx.store.nextSettled++
		taken, err := tx.settleDeliveries(level.keys(level.run<<runShift + bucket))
		if err != nil {
			return err
		}
		settled += max(taken, n/4+1) // also if the bucket is empty
	}
	return nil
}

// recentDeliveries returns the entries above the lowest level of the keys between
// two, both included, sorted by key.
func recentDeliveries(ctx context.Context, db sqldb.Querier, from, to uint64) ([]packed.Delivery, error) {
	runs, err := sqldb.Numbers(ctx, db, "SELECT DISTINCT bucket >> ? FROM recent_deliveries", runShift)
	if err != nil {
		return nil, err
	}
	var all []packed.Delivery
	for _, run := range runs {
		level := recentRun(run)
		err := sqldb.ScanAll(ctx, db, "SELECT entries FROM recent_deliveries WHERE bucket BETWEEN ? AND ?", func(scan func(...any) error) error {
			var entries []byte
			err := scan(&entries)
			within, _ := packed.SplitDeliveries(entries, from, to)
			all = append(all, within...)
			return err
		}, level.bucket(from), level.bucket(to))
		if err != nil {
			return nil, err
		}
	}
	return new(packed.Sorter).Deliveries(all), nil
}

// rewriteDeliveries passes each entry of the buckets of deliveries to keep, which
// returns what becomes of it, and returns how many were changed or left out. What is
// more recent in these buckets is merged into them first.
func (tx *Tx) rewriteDeliveries(buckets []int64, keep func(packed.Delivery) (last int64, kept bool)) (n int, err error) {
	for _, bucket := range buckets {
		if _, err := tx.settleDeliveries(lowestLevel.keys(bucket)); err != nil {
			return n, err
		}
	}
	tx.store.sizes = nil
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
