package query

import (
	"context"

	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/sqlite/packed"
)

// DeliverySizes returns the number of entries on each level of the stored deliveries.
func DeliverySizes(ctx context.Context, db sqldb.Querier) (*packed.Sizes, error) {
	sizes := &packed.Sizes{Runs: make(map[int64]int)}
	var bytes int
	if err := db.QueryRowContext(ctx, "SELECT coalesce(sum(length(entries)), 0) FROM deliveries").Scan(&bytes); err != nil {
		return nil, err
	}
	sizes.Lowest = packed.CountDeliveries(bytes)
	err := sqldb.ScanAll(ctx, db, `
		SELECT bucket >> ?, sum(length(entries))
		FROM recent_deliveries
		GROUP BY 1`, func(scan func(...any) error) error {
		var run int64
		err := scan(&run, &bytes)
		sizes.Runs[run] = packed.CountDeliveries(bytes)
		return err
	}, packed.RunShift)
	if err != nil {
		return nil, err
	}
	return sizes, nil
}

// RecentDeliveries returns the entries above the lowest level of the keys between
// two, both included, sorted by key.
func RecentDeliveries(ctx context.Context, db sqldb.Querier, from, to uint64) ([]packed.Delivery, error) {
	runs, err := sqldb.Numbers(ctx, db, "SELECT DISTINCT bucket >> ? FROM recent_deliveries", packed.RunShift)
	if err != nil {
		return nil, err
	}
	var all []packed.Delivery
	for _, run := range runs {
		level := packed.RecentRun(run)
		err := sqldb.ScanAll(ctx, db, `
			SELECT entries
			FROM recent_deliveries
			WHERE bucket BETWEEN ? AND ?`, func(scan func(...any) error) error {
			var entries []byte
			err := scan(&entries)
			within, _ := packed.SplitDeliveries(entries, from, to)
			all = append(all, within...)
			return err
		}, level.Bucket(from), level.Bucket(to))
		if err != nil {
			return nil, err
		}
	}
	return new(packed.Sorter).Deliveries(all), nil
}

// CountDeliveries returns how many addresses in buckets of deliveries, from one to another,
// are not kept.
func CountDeliveries(
	ctx context.Context, db sqldb.Querier, first, last int64, keep func(packed.Delivery) (int64, bool),
) (n int, err error) {
	from, _ := packed.Lowest.Keys(first)
	_, to := packed.Lowest.Keys(last)
	recent, err := RecentDeliveries(ctx, db, from, to)
	if err != nil {
		return 0, err
	}
	inBucket := make(map[int64][]packed.Delivery)
	buckets, ends := packed.Lowest.Split(recent)
	for i, bucket := range buckets {
		first, end := packed.Part(recent, ends, i)
		inBucket[bucket] = recent[first:end]
	}
	count := func(entries []byte) {
		_, old := packed.FilterDeliveries(entries, keep)
		n += old
	}
	err = sqldb.ScanAll(ctx, db, `
		SELECT bucket, entries
		FROM deliveries
		WHERE bucket BETWEEN ? AND ?`, func(scan func(...any) error) error {
		var bucket int64
		var entries []byte
		err := scan(&bucket, &entries)
		count(packed.MergeDeliveries(entries, inBucket[bucket]))
		delete(inBucket, bucket)
		return err
	}, first, last)
	for _, other := range inBucket {
		count(packed.MergeDeliveries(nil, other))
	}
	return n, err
}
