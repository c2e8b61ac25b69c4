package incidents

import (
	"context"
	"database/sql/driver"
	"fmt"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/incident"
	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// gather gives the new failures to the gatherer. A new one gets the older failures
// first that may belong to the same groups.
func (l *look) gather(ctx context.Context) error {
	g := l.w.gatherer
	if g == nil {
		g = &incident.Gatherer{Gap: l.w.Gap}
		if err := l.gatherOlder(ctx, g); err != nil {
			return err
		}
		g.Take(l.Now, 1) // they are stored
		l.w.gatherer = g
	}
	l.Gatherer = g
	if l.new != nil {
		l.new.Gather(g)
		return nil
	}
	return l.read(ctx, g.Add, "id > ? AND id <= ? ORDER BY occurred_at, id", l.first, l.last)
}

// gatherOlder gives the failures that were looked at before to the gatherer, if one of
// them is within Gap of now: Take drops all groups that ended before. That is not so
// where an import reads an old log.
func (l *look) gatherOlder(ctx context.Context, g *incident.Gatherer) error {
	var recent bool
	err := l.db.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM bounces WHERE occurred_at >= ? AND id <= ?)",
		bounce.Stamp(l.Now.Add(-l.w.Gap)), l.first).Scan(&recent)
	if err != nil || !recent {
		return err
	}
	since := l.since.Add(-l.w.Gap)
	for _, i := range l.Known {
		if at := bounce.ParseStamp(i.StartedAt); i.Open() && at.Before(since) {
			since = at
		}
	}
	return l.read(ctx, g.Add, "occurred_at >= ? AND id <= ? ORDER BY occurred_at", bounce.Stamp(since), l.first)
}

// read reads the failures that may belong to an incident of the gatherer. Each is valid
// during the call.
func (l *look) read(ctx context.Context, each func(*incident.Failure), where string, args ...any) error {
	var f incident.Failure
	var at string
	fields := []any{
		&f.ID, &at, &f.Address, &f.Domain, &f.Provider, &f.Blocklist, (*string)(&f.Scope),
		(*string)(&f.Category), (*string)(&f.Reason), &f.EnhancedCode, &f.Suppress,
	}
	return sqldb.ScanValues(ctx, l.db, `
		SELECT id, occurred_at, recipient_key, domain, provider, blocklist, scope, category, reason,
		    enhanced_code, suppress
		FROM bounces
		WHERE (scope <> 'recipient' OR blocklist IS NOT NULL) AND `+where, func(values []driver.Value) error {
		for i, field := range fields {
			if !sqldb.Restore(field, values[i]) {
				return fmt.Errorf("failure %d holds a value of type %T", f.ID, values[i])
			}
		}
		f.At = bounce.ParseStamp(at).UnixMilli()
		each(&f)
		return nil
	}, args...)
}
