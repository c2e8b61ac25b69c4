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
	err := sqldb.ScanAll(ctx, db, "SELECT bucket >> ?, sum(length(entries)) FROM recent_deliveries GROUP BY 1", func(scan func(...any) error) error {
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
		err := sqldb.ScanAll(ctx, db, "SELECT entries FROM recent_deliveries WHERE bucket BETWEEN ? AND ?", func(scan func(...any) error) error {
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
