package incidents

import (
	"context"
	"slices"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/incident"
	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// Backtest returns the incidents that would have been found since a time with other
// settings. Each that would have rung has the time in RangAt. Nothing is stored.
func Backtest(ctx context.Context, db sqldb.Querier, settings incident.Settings, since, now time.Time) ([]Shown, error) {
	l := &look{Look: &incident.Look{
		Settings: settings, Gatherer: &incident.Gatherer{Gap: settings.Gap},
		Book: incident.Book{Now: now, Gap: settings.Gap},
	}, w: &Watcher{Settings: settings}, db: db, since: since}
	l.Refusals = l.refusals(ctx)
	if err := l.read(ctx, l.Gatherer.Add, "occurred_at >= ? ORDER BY occurred_at, id", bounce.Stamp(since)); err != nil {
		return nil, err
	}
	l.fresh = true
	if err := l.readProviders(ctx); err != nil {
		return nil, err
	}
	l.suppressed = true
	if err := l.find(ctx); err != nil {
		return nil, err
	}
	l.Findings = slices.DeleteFunc(l.Findings, func(f incident.Finding) bool { return f.Until < since.UnixMilli() })
	if err := l.Do(); err != nil {
		return nil, err
	}
	if err := l.recount(ctx); err != nil {
		return nil, err
	}
	var all []Shown
	for n, i := range l.Known {
		if i.WorthNotice() {
			i.RangAt = i.StartedAt
		}
		if !i.Listed(settings.Addresses) {
			continue
		}
		i.ID = int64(n + 1)
		s, err := show(ctx, db, i)
		if err != nil {
			return nil, err
		}
		all = append(all, *s)
	}
	return all, nil
}
