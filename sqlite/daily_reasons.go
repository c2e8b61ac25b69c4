package sqlite

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// reasonKey is a row of daily_reasons.
type reasonKey struct {
	day      int // see bounce.EpochDay
	provider string
	category bounce.Category
	reason   bounce.Reason
	scope    bounce.Scope
}

func reasonOf(at int64, v *bounce.Verdict) reasonKey {
	return reasonKey{bounce.EpochDay(at), cmp.Or(v.Provider, bounce.OtherValue), v.Category, v.Reason, v.Scope}
}

// countReason adds failures to a row of daily_reasons, or takes them away.
func (tx *Tx) countReason(k reasonKey, n int64) {
	if _, known := tx.reasons[k]; !known {
		// Else they keep the whole record.
		k.provider, k.category = strings.Clone(k.provider), bounce.Category(strings.Clone(string(k.category)))
		k.reason, k.scope = bounce.Reason(strings.Clone(string(k.reason))), bounce.Scope(strings.Clone(string(k.scope)))
	}
	tx.reasons[k] += n
}

// saveReasons adds what was counted, but not of days whose counts were deleted for
// their age.
func (tx *Tx) saveReasons() error {
	maps.DeleteFunc(tx.reasons, func(k reasonKey, n int64) bool { return k.day < tx.countedSince || n == 0 })
	keys := slices.SortedFunc(maps.Keys(tx.reasons), func(a, b reasonKey) int {
		return cmp.Or(cmp.Compare(a.day, b.day), cmp.Compare(a.provider, b.provider), cmp.Compare(a.category, b.category),
			cmp.Compare(a.reason, b.reason), cmp.Compare(a.scope, b.scope))
	})
	text := func(k *reasonKey, p *params) {
		p.Add(bounce.DayName(k.day))
		for _, text := range [...]string{k.provider, string(k.category), string(k.reason), string(k.scope)} {
			p.Add(text)
		}
	}
	more := slices.DeleteFunc(slices.Clone(keys), func(k reasonKey) bool { return tx.reasons[k] < 0 })
	less := slices.DeleteFunc(keys, func(k reasonKey) bool { return tx.reasons[k] > 0 })
	return errors.Join(
		tx.each(len(more), `
			INSERT INTO daily_reasons (day, provider, category, reason, scope, failures) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (day, provider, category, reason, scope) DO UPDATE SET failures = failures + excluded.failures`,
			func(i int, p *params) {
				text(&more[i], p)
				p.Add(tx.reasons[more[i]])
			}, nil),
		tx.each(len(less), "UPDATE daily_reasons SET failures = max(failures + ?, 0) WHERE day = ? AND provider = ? AND category = ? AND reason = ? AND scope = ?",
			func(i int, p *params) {
				p.Add(tx.reasons[less[i]])
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
