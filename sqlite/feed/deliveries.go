package feed

import (
	"context"
	"database/sql"
	"errors"

	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite/packed"
)

// Delivery is the last delivery to an address.
type Delivery struct {
	Key int64
	At  string // stored stamp
}

// Deliveries returns the last deliveries to the recipients that changed after a change
// number, at most limit of these. Last is the number of the last of them, and all reports
// whether there are no more: rows with a higher number may have been deleted.
func (f *Feed) Deliveries(ctx context.Context, after int64, limit int) (list []Delivery, last int64, all bool, err error) {
	last = after
	n := 0
	err = sqldb.ScanAll(ctx, f.db, `
		SELECT seq, recipient_key, coalesce(last_delivery_at, '')
		FROM recipients
		WHERE seq > ?
		ORDER BY seq
		LIMIT ?`,
		func(scan func(...any) error) error {
			var d Delivery
			err := scan(&last, &d.Key, &d.At)
			n++
			if d.At != "" {
				list = append(list, d)
			}
			return err
		}, after, limit)
	return list, last, n < limit, f.wrap(err)
}

// DeliveriesTo returns the last deliveries to those addresses that were ever reached,
// also to those that never failed here.
func (f *Feed) DeliveriesTo(ctx context.Context, keys []int64) (list []Delivery, err error) {
	of := make([]packed.Delivery, len(keys))
	for i, key := range keys {
		of[i] = packed.Reached(key, 0)
	}
	of = new(packed.Sorter).Deliveries(of)
	// One transaction, because entries move from one level to another.
	tx, err := f.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, f.wrap(err)
	}
	defer tx.Rollback()
	runs, err := sqldb.Numbers(ctx, tx, "SELECT DISTINCT bucket >> ? FROM recent_deliveries", packed.RunShift)
	if err != nil {
		return nil, f.wrap(err)
	}
	levels := []packed.Level{packed.Lowest}
	for _, run := range runs {
		levels = append(levels, packed.RecentRun(run))
	}
	last := make([]int64, len(of))
	for _, level := range levels {
		if err := join(ctx, tx, level, of, last); err != nil {
			return nil, f.wrap(err)
		}
	}
	for i, d := range of {
		if d.Last = last[i]; d.At() > 0 {
			list = append(list, Delivery{int64(d.Key), recipient.DeliveredAt(d.At())})
		}
	}
	return list, nil
}

// join adds the entries of a level to the last deliveries of addresses.
func join(ctx context.Context, tx *sql.Tx, level packed.Level, of []packed.Delivery, last []int64) error {
	statement, err := tx.PrepareContext(ctx, "SELECT entries FROM "+level.Table+" WHERE bucket = ?")
	if err != nil {
		return err
	}
	defer statement.Close()
	buckets, ends := level.Split(of)
	for i, bucket := range buckets {
		var entries []byte
		switch err := statement.QueryRowContext(ctx, bucket).Scan(&entries); {
		case errors.Is(err, sql.ErrNoRows):
			continue
		case err != nil:
			return err
		}
		first, end := packed.Part(of, ends, i)
		packed.JoinDeliveries(entries, of[first:end], last[first:end])
	}
	return nil
}

// DaySent are the deliveries to a domain on a day.
type DaySent struct {
	Day    string // YYYY-MM-DD, UTC
	Domain string
	Sent   int64
	Slots  []byte // see packed.Slots; nil if it is not known
}

// Days returns the days with deliveries. Slots are those of all domains together: they
// change whenever a delivery is counted.
func (f *Feed) Days(ctx context.Context) (days []DaySent, err error) {
	err = sqldb.ScanAll(ctx, f.db, "SELECT day, slots FROM daily_traffic ORDER BY day", func(scan func(...any) error) error {
		var d DaySent
		err := scan(&d.Day, &d.Slots)
		days = append(days, d)
		return err
	})
	return days, f.wrap(err)
}

// SentOn returns the deliveries of a day by domain.
func (f *Feed) SentOn(ctx context.Context, day string) (list []DaySent, err error) {
	err = sqldb.ScanAll(ctx, f.db, `
		SELECT domain, sent, sent_slots
		FROM daily_counts
		WHERE day = ? AND sent > 0
		ORDER BY domain`, func(scan func(...any) error) error {
		d := DaySent{Day: day}
		err := scan(&d.Domain, &d.Sent, &d.Slots)
		list = append(list, d)
		return err
	}, day)
	return list, f.wrap(err)
}
