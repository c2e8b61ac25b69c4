package sqlite

import (
	"context"
	"fmt"

	"github.com/bouncetail/bouncetail/bounce"
)

// The columns of queue_entries.
var queueColumns = columns[bounce.QueueEntry]{
	required("host", func(e *bounce.QueueEntry) any { return &e.Host }),
	required("mta", func(e *bounce.QueueEntry) any { return (*string)(&e.MTA) }),
	required("queue_id", func(e *bounce.QueueEntry) any { return &e.QueueID }),
	required("seen_at", func(e *bounce.QueueEntry) any { return &e.SeenAt }),
	required("data", func(e *bounce.QueueEntry) any { return &e.Data }),
}

var queueKey = queueColumns.only("host", "mta", "queue_id")

func (tx *Tx) saveQueue(entries []bounce.QueueEntry) error {
	var kept, ended []*bounce.QueueEntry
	for i := range entries {
		if e := &entries[i]; e.Data != nil {
			kept = append(kept, e)
		} else {
			ended = append(ended, e)
		}
	}
	err := tx.each(len(kept), queueColumns.insert("INSERT", "queue_entries")+
		" ON CONFLICT (host, mta, queue_id) DO UPDATE SET seen_at = excluded.seen_at, data = excluded.data",
		func(i int, p *params) { queueColumns.bind(p, kept[i]) }, nil)
	if err != nil {
		return err
	}
	return tx.each(len(ended), "DELETE FROM queue_entries WHERE host = ? AND mta = ? AND queue_id = ?",
		func(i int, p *params) { queueKey.bind(p, ended[i]) }, nil)
}

func loadQueue(ctx context.Context, db querier) ([]bounce.QueueEntry, error) {
	var queue []bounce.QueueEntry
	err := scanAll(ctx, db, "SELECT "+queueColumns.names("")+" FROM queue_entries",
		func(scan func(...any) error) error {
			var e bounce.QueueEntry
			err := queueColumns.scan(&e, scan)
			queue = append(queue, e)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	return queue, nil
}
