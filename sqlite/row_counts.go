package sqlite

import (
	"maps"
	"slices"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// uncountStates takes recipients that are about to be deleted out of the counts.
func (tx *Tx) uncountStates(keys []int64) error {
	return sqldb.ScanAll(tx.ctx, tx.conn, `
		SELECT state, count(*)
		FROM recipients
		WHERE recipient_key IN (SELECT value FROM json_each(?))
		GROUP BY state`,
		func(scan func(...any) error) error {
			var state bounce.State
			var n int64
			err := scan(&state, &n)
			tx.tally.States[state] -= n
			return err
		}, sqldb.NumberList(keys))
}

// saveRowCounts keeps the numbers of recipients by state, and of failures, in meta,
// because counting the rows reads the whole tables.
func (tx *Tx) saveRowCounts() error {
	counts := map[string]int64{query.BounceCount: int64(tx.isNew)}
	for state, n := range tx.tally.States {
		counts[query.StateCount+string(state)] = n
	}
	maps.DeleteFunc(counts, func(_ string, n int64) bool { return n == 0 })
	names := slices.Collect(maps.Keys(counts))
	return tx.each(len(names), `
		INSERT INTO meta (name, value)
		VALUES (?, ?)
		ON CONFLICT (name) DO UPDATE SET value = value + excluded.value`, func(i int, p *params) {
		p.Add(names[i])
		p.Add(counts[names[i]])
	}, nil)
}

// recountStates counts the recipients by state again, before this transaction changes
// any.
func (tx *Tx) recountStates() error {
	_, err := tx.conn.ExecContext(tx.ctx, `
		DELETE FROM meta
		WHERE name LIKE ? || '%';
		INSERT INTO meta
		SELECT ? || state, count(*)
		FROM recipients
		GROUP BY state`, query.StateCount, query.StateCount)
	return err
}
