package incidents

import (
	"context"
	"errors"
	"slices"
	"sort"
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
		ended = append(ended, i)
	}
	slices.SortStableFunc(ended, func(a, b *incident.Incident) int { return strings.Compare(a.StartedAt, b.StartedAt) })
	if l.new != nil && len(ended) > 0 {
		var err error
		if ended, err = l.countInMemory(ctx, ended); err != nil {
			return err
		}
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

// countInMemory counts the failures of incidents, which are sorted by their starts, in
// those of an import and those since the start. If the latter are too many, it adds what
// the import has. It returns the incidents that must be counted in the database.
func (l *look) countInMemory(ctx context.Context, sorted []*incident.Incident) (others []*incident.Incident, err error) {
	long := sort.Search(len(sorted), func(n int) bool { // those before are too long
		few, failed := l.areFew(ctx, sorted[n].StartedAt)
		err = errors.Join(err, failed)
		return few
	})
	if err != nil {
		return nil, err
	}
	inMemory := false
	if long < len(sorted) {
		if inMemory, err = l.loadOlder(ctx, sorted[long].StartedAt); err != nil {
			return nil, err
		}
	}
	for n, i := range sorted {
		attempts, addresses, domains, counted := l.new.Count(i, n >= long)
		switch {
		case !counted || n >= long && !inMemory:
			others = append(others, i)
		case n >= long:
			i.Attempts, i.Addresses, i.Domains = attempts, addresses, domains
		default:
			known, err := l.add(ctx, i, attempts, addresses, domains)
			if err != nil {
				return nil, err
			}
			if !known {
				others = append(others, i)
			}
		}
	}
	return others, nil
}

// add adds the failures of an import to an incident that is long already. It is not known
// which of their addresses and domains it has, so those are at least as many as before.
// It returns false if the failures since this start were not counted before.
func (l *look) add(ctx context.Context, i *incident.Incident, attempts, addresses, domains int) (known bool, err error) {
	all, err := load(ctx, l.db, "WHERE id = ? AND started_at = ? AND over_at IS NOT NULL", i.ID, i.StartedAt)
	if err != nil || len(all) == 0 {
		return false, err
	}
	was := all[0]
	i.Attempts, i.Addresses, i.Domains = was.Attempts+attempts, max(was.Addresses, addresses), max(was.Domains, domains)
	return true, nil
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
	return db.QueryRowContext(ctx, "SELECT "+strings.Join(counts, ", ")+" FROM bounces WHERE occurred_at >= ? AND occurred_at <= ?", append(args, first, last)...).Scan(into...)
}
