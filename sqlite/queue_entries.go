package sqlite

import (
	"context"
	"fmt"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// The columns of queue_entries.
var queueColumns = sqldb.Columns[bounce.QueueEntry]{
	sqldb.Required("host", func(e *bounce.QueueEntry) any { return &e.Host }),
	sqldb.Required("mta", func(e *bounce.QueueEntry) any { return (*string)(&e.MTA) }),
	sqldb.Required("queue_id", func(e *bounce.QueueEntry) any { return &e.QueueID }),
	sqldb.Required("seen_at", func(e *bounce.QueueEntry) any { return (*query.Time)(&e.SeenAt) }),
	sqldb.Required("data", func(e *bounce.QueueEntry) any { return &e.Data }),
}

var queueKey = queueColumns.Only("host", "mta", "queue_id")

func (tx *Tx) saveQueue(entries []bounce.QueueEntry) error {
	var kept, ended []*bounce.QueueEntry
	for i := range entries {
		if e := &entries[i]; e.Data != nil {
			kept = append(kept, e)
		} else {
			ended = append(ended, e)
		}
	}
	err := tx.each(len(kept), queueColumns.Insert("INSERT", "queue_entries")+
		" ON CONFLICT (host, mta, queue_id) DO UPDATE SET seen_at = excluded.seen_at, data = excluded.data",
		func(i int, p *params) { queueColumns.Bind(p, kept[i]) }, nil)
	if err != nil {
		return err
	}
	return tx.each(len(ended), "DELETE FROM queue_entries WHERE host = ? AND mta = ? AND queue_id = ?",
		func(i int, p *params) { queueKey.Bind(p, ended[i]) }, nil)
}

func loadQueue(ctx context.Context, db sqldb.Querier) ([]bounce.QueueEntry, error) {
	var queue []bounce.QueueEntry
	err := sqldb.ScanAll(ctx, db, "SELECT "+queueColumns.Names("")+" FROM queue_entries",
		func(scan func(...any) error) error {
			var e bounce.QueueEntry
			err := queueColumns.Scan(&e, scan)
			queue = append(queue, e)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	return queue, nil
}
