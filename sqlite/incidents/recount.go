package incidents

import (
	"context"
	"slices"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/incident"
	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// recount counts the failures of incidents that ended, and of new wordings, whose
// addresses nothing else counts.
func (l *look) recount(ctx context.Context) error {
	var ended []*incident.Incident
	for _, i := range l.Changed() {
		if where, _ := Failures(i); i.Open() && i.Kind != incident.UnclassifiedSurge || where == "" {
			continue
		}
		if counted, err := l.countNew(ctx, i); err != nil {
			return err
		} else if counted {
			continue
		}
		ended = append(ended, i)
	}
	slices.SortStableFunc(ended, func(a, b *incident.Incident) int { return strings.Compare(a.StartedAt, b.StartedAt) })
	var surges []*incident.Incident
	ended = slices.DeleteFunc(ended, func(i *incident.Incident) bool {
		if i.Kind == incident.BadSurge {
			surges = append(surges, i)
		}
		return i.Kind == incident.BadSurge
	})
	if err := countSurges(ctx, l.db, surges); err != nil {
		return err
	}
	for len(ended) > 0 {
		n := together(ended)
		if err := count(ctx, l.db, ended[:n]); err != nil {
			return err
		}
		ended = ended[n:]
	}
	return nil
}

// maxTogether is the number of incidents whose failures are counted in one query.
const maxTogether = 8

// together returns how many of the incidents, which are sorted by their starts, are
// counted in one query: as long as that reads less of the table than one for each.
func together(sorted []*incident.Incident) int {
	hours := func(from, to string) float64 { return bounce.ParseStamp(to).Sub(bounce.ParseStamp(from)).Hours() }
	last, apart := sorted[0].LastAt, hours(sorted[0].StartedAt, sorted[0].LastAt)
	for n, i := range sorted[1:min(len(sorted), maxTogether)] {
		last = max(last, i.LastAt)
		if apart += hours(i.StartedAt, i.LastAt); hours(sorted[0].StartedAt, last) >= apart {
			return n + 1
		}
	}
	return min(len(sorted), maxTogether)
}

// count counts the failures of some incidents.
func count(ctx context.Context, db sqldb.Querier, some []*incident.Incident) error {
	var counts []string
	var args, into []any
	first, last := some[0].StartedAt, some[0].LastAt
	for _, i := range some {
		where, these := Failures(i)
		for _, what := range []string{"*", "DISTINCT recipient_key", "DISTINCT domain"} {
			counts, args = append(counts, "count("+what+") FILTER (WHERE "+where+")"), append(args, these...)
		}
		into = append(into, &i.Attempts, &i.Addresses, &i.Domains)
		first, last = min(first, i.StartedAt), max(last, i.LastAt)
	}
	return db.QueryRowContext(ctx, `
		SELECT `+strings.Join(counts, ", ")+`
		FROM bounces
		WHERE occurred_at >= ? AND occurred_at <= ?`, append(args, first, last)...).Scan(into...)
}
