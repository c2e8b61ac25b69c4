package sqlite

import (
	"cmp"
	"errors"
	"maps"
	"slices"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/tally"
)

// saveReasons adds what was counted, but not of days whose counts were deleted for
// their age.
func (tx *Tx) saveReasons() error {
	maps.DeleteFunc(tx.tally.Reasons, func(k tally.ReasonKey, n int64) bool { return k.Day < tx.countedSince || n == 0 })
	keys := slices.SortedFunc(maps.Keys(tx.tally.Reasons), func(a, b tally.ReasonKey) int {
		return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Category, b.Category),
			cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Scope, b.Scope))
	})
	text := func(k *tally.ReasonKey, p *params) {
		p.Add(bounce.DayName(k.Day))
		for _, text := range [...]string{k.Provider, string(k.Category), string(k.Reason), string(k.Scope)} {
			p.Add(text)
		}
	}
	more := slices.DeleteFunc(slices.Clone(keys), func(k tally.ReasonKey) bool { return tx.tally.Reasons[k] < 0 })
	less := slices.DeleteFunc(keys, func(k tally.ReasonKey) bool { return tx.tally.Reasons[k] > 0 })
	return errors.Join(
		tx.each(len(more), `
			INSERT INTO daily_reasons (day, provider, category, reason, scope, failures) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (day, provider, category, reason, scope) DO UPDATE SET failures = failures + excluded.failures`,
			func(i int, p *params) {
				text(&more[i], p)
				p.Add(tx.tally.Reasons[more[i]])
			}, nil),
		tx.each(len(less), "UPDATE daily_reasons SET failures = max(failures + ?, 0) WHERE day = ? AND provider = ? AND category = ? AND reason = ? AND scope = ?",
			func(i int, p *params) {
				p.Add(tx.tally.Reasons[less[i]])
				text(&less[i], p)
			}, nil))
}

// readCountedSince reads from which day on there are counts.
func (tx *Tx) readCountedSince() error {
	return sqldb.ScanAll(tx.ctx, tx.conn, "SELECT since FROM horizons WHERE kind = ?", func(scan func(...any) error) error {
		var since string
		err := scan(&since)
		tx.countedSince = bounce.EpochDay(bounce.ParseStamp(since).UnixMilli())
		return err
	}, countsHorizon)
}
