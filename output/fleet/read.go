package fleet

import (
	"maps"
	"slices"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/sqlite/feed"
)

// readOn is how many failures of a day were read.
type readOn struct {
	day      string
	failures int64
}

var readColumns = []column[readOn]{
	{"day", "text", func(r *readOn) any { return &r.day }},
	{"failures", "bigint", func(r *readOn) any { return &r.failures }},
}

// countedFrom is the day before which Maintain has deleted the counts by day.
const countedFrom = `coalesce((
	    SELECT left(value, 10)
	    FROM bouncetail.fleet_meta
	    WHERE name = 'horizon of daily_counts'
	), '')`

var saveRead = `
	INSERT INTO bouncetail.fleet_read AS known (` + names(readColumns) + `, instance)
	SELECT *, $3::integer
	FROM ` + unnest(readColumns) + `
	WHERE day >= ` + countedFrom + `
	ON CONFLICT (instance, day) DO UPDATE SET failures = known.failures + excluded.failures`

// Two of several further hosts see each other's rows in also_read, because both hold the
// clock before they look.
var saveReadByBoth = `
	INSERT INTO bouncetail.fleet_read_by_both AS known (day, one, other, failures)
	SELECT to_char(new.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD'),
	    least(r.instance, $4::integer), greatest(r.instance, $4), count(*)
	FROM ` + unnest(failureColumns[:3]) + `
	CROSS JOIN LATERAL (
	    SELECT b.instance
	    FROM bouncetail.bounces b
	    WHERE b.recipient_key = new.recipient_key
	      AND b.occurred_at = new.occurred_at
	      AND b.event_id = new.event_id
	    UNION ALL
	    SELECT a.instance
	    FROM bouncetail.also_read a
	    WHERE a.recipient_key = new.recipient_key
	      AND a.occurred_at = new.occurred_at
	      AND a.event_id = new.event_id
	) AS r
	WHERE r.instance <> $4 AND to_char(new.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') >= ` + countedFrom + `
	GROUP BY 1, 2, 3
	ON CONFLICT (day, one, other) DO UPDATE SET failures = known.failures + excluded.failures`

// saveRead counts the failures that a host was not known to have read: those that are new
// to the fleet, and those that other hosts had sent before.
func (t *transaction) saveRead(isNew []feed.Failure, number int64) error {
	byDay := make(map[int]int64)
	count := func(f *feed.Failure) { byDay[bounce.EpochDay(storable(f.At).UnixMilli())]++ }
	for i := range isNew {
		count(&isNew[i])
	}
	for i := range t.alsoRead {
		count(t.alsoRead[i].Failure)
	}
	if len(byDay) == 0 {
		return nil
	}
	var rows []readOn
	for _, day := range slices.Sorted(maps.Keys(byDay)) {
		rows = append(rows, readOn{bounce.DayName(day), byDay[day]})
	}
	if err := t.later(rowsStatement(saveRead, readColumns, rows, number)); err != nil || len(t.alsoRead) == 0 {
		return err
	}
	return t.later(rowsStatement(saveReadByBoth, failureColumns[:3], t.alsoRead, number))
}
