package sqlite

import (
	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

func (tx *Tx) saveQueue(entries []bounce.QueueEntry) error {
	var kept, ended []*bounce.QueueEntry
	for i := range entries {
		if e := &entries[i]; e.Data != nil {
			kept = append(kept, e)
		} else {
			ended = append(ended, e)
		}
	}
	err := tx.each(len(kept), query.QueueColumns.Insert("INSERT", "queue_entries")+`
		ON CONFLICT (host, mta, queue_id) DO UPDATE SET seen_at = excluded.seen_at, data = excluded.data`,
		func(i int, p *params) { query.QueueColumns.Bind(p, kept[i]) }, nil)
	if err != nil {
		return err
	}
	return tx.each(len(ended), "DELETE FROM queue_entries WHERE host = ? AND mta = ? AND queue_id = ?",
		func(i int, p *params) { query.QueueKey.Bind(p, ended[i]) }, nil)
}
