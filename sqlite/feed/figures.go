package feed

import (
	"context"
	"database/sql/driver"
	"fmt"

	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// DayMark identifies the state of the counters of a day.
type DayMark struct {
	Day                              string // YYYY-MM-DD, UTC
	Sent, Deferred, Bounced, Expired int64
	// Short and Hours are the first windows of five minutes and of an hour, in Unix
	// seconds; 0 if there is none. They change if windows are added up to longer ones.
	Short, Hours int64
}

// DayMarks returns the days with attempts, the last first. Every attempt is counted in
// all counters of its day in one transaction, so that none changes without the mark.
func (f *Feed) DayMarks(ctx context.Context) (marks []DayMark, err error) {
	first := func(span int) string {
		return fmt.Sprintf(`coalesce((
		        SELECT min(start)
		        FROM provider_windows
		        WHERE span = %d AND start >= unixepoch(day) AND start < unixepoch(day) + 86400
		    ), 0)`, span)
	}
	err = sqldb.ScanAll(ctx, f.db, `
		SELECT day, sent, deferred, bounced, expired,
		    `+first(300)+`,
		    `+first(3600)+`
		FROM daily_totals
		ORDER BY day DESC`,
		func(scan func(...any) error) error {
			var m DayMark
			err := scan(&m.Day, &m.Sent, &m.Deferred, &m.Bounced, &m.Expired, &m.Short, &m.Hours)
			marks = append(marks, m)
			return err
		})
	return marks, f.wrap(err)
}

// The tables that Rows reads, if they are not read as they are.
var rowsFrom = map[string]string{
	"daily_counts":  "daily_counts WHERE day = ? AND deferred + bounced + expired > 0",
	"daily_totals":  "daily_totals WHERE day = ?",
	"daily_reasons": "daily_reasons WHERE day = ?",
	"provider_windows": `provider_windows
		WHERE span IN (300, 3600, 86400)
		  AND start >= unixepoch(?1)
		  AND start < unixepoch(?1) + 86400`,
	// Senders and replies are told apart from other subjects, because not all may see them.
	"incidents": `(
		SELECT i.id, kind, i.scope, i.category, i.reason, i.enhanced_code,
		    iif(kind IN ('bad-list', 'unclassified-surge'), '', subject) AS subject,
		    started_at, last_at, opened_at, rang_at, over_at, ended_by, part_of, backlog,
		    tried, refused, baseline, p, attempts, addresses, domains,
		    iif(kind IN ('bad-list', 'unclassified-surge'), subject, NULL) AS private_subject,
		    b.reply
		FROM incidents i
		LEFT JOIN bounces b ON b.id = i.bounce_id
	)`,
}

// Rows returns columns of a table of counters or incidents. Of those by day, it returns
// the rows of a day; the others have the day "".
func (f *Feed) Rows(ctx context.Context, table, columns, day string) (rows [][]driver.Value, err error) {
	from, args := table, []any(nil)
	if special := rowsFrom[table]; special != "" {
		from = special
	}
	if day != "" {
		args = append(args, day)
	}
	err = sqldb.ScanValues(ctx, f.db, "SELECT "+columns+" FROM "+from, func(values []driver.Value) error {
		rows = append(rows, append([]driver.Value(nil), values...))
		return nil
	}, args...)
	return rows, f.wrap(err)
}

// LastNumber returns the highest number that a row of a table ever had.
func (f *Feed) LastNumber(ctx context.Context, table string) (n int64, err error) {
	err = f.db.QueryRowContext(ctx, "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = ?), 0)", table).Scan(&n)
	return n, f.wrap(err)
}
