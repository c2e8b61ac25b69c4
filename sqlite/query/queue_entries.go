package query

import (
	"context"
	"fmt"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// QueueColumns are the columns of queue_entries.
var QueueColumns = sqldb.Columns[bounce.QueueEntry]{
	sqldb.Required("host", func(e *bounce.QueueEntry) any { return &e.Host }),
	sqldb.Required("mta", func(e *bounce.QueueEntry) any { return (*string)(&e.MTA) }),
	sqldb.Required("queue_id", func(e *bounce.QueueEntry) any { return &e.QueueID }),
	sqldb.Required("seen_at", func(e *bounce.QueueEntry) any { return (*Time)(&e.SeenAt) }),
	sqldb.Required("data", func(e *bounce.QueueEntry) any { return &e.Data }),
}

// QueueKey are those of its primary key.
var QueueKey = QueueColumns.Only("host", "mta", "queue_id")

// QueueEntries returns the messages that may still be in the queue of an MTA.
func QueueEntries(ctx context.Context, db sqldb.Querier) ([]bounce.QueueEntry, error) {
	var queue []bounce.QueueEntry
	err := sqldb.ScanAll(ctx, db, "SELECT "+QueueColumns.Names("")+" FROM queue_entries",
		func(scan func(...any) error) error {
			var e bounce.QueueEntry
			err := QueueColumns.Scan(&e, scan)
			queue = append(queue, e)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	return queue, nil
}
