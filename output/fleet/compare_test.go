package fleet

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/bouncetail/bouncetail/internal/dbtest"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

const sqliteRecipients = `
	SELECT r.recipient, r.domain, r.state, r.decided_by, r.category, r.reason, coalesce(r.first_failure_at, '-'), coalesce(r.last_failure_at, '-'),
	  CASE r.decided_by WHEN 'delivery' THEN '-' ELSE coalesce(r.last_delivery_at, '-') END, r.permanent_count, r.retry_count,
	  CASE r.decided_by WHEN 'manual' THEN '-' ELSE coalesce(r.bad_since, '-') END, coalesce(r.bad_until, '-'), coalesce(r.memory, '-'),
	  coalesce((SELECT occurred_at || ' ' || event_id FROM bounces WHERE id = r.last_bounce_id), '-'),
	  coalesce((SELECT occurred_at || ' ' || event_id FROM bounces WHERE id = r.deciding_bounce_id), '-')
	FROM recipients r
	ORDER BY r.recipient`

// asStamp is a time as SQLite has it.
func asStamp(column string) string {
	return "coalesce(to_char(" + column + ` AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), '-')`
}

var fleetRecipients = `
	SELECT recipient, domain, state, decided_by, category, reason, ` + asStamp("first_failure_at") + `, ` + asStamp("last_failure_at") + `,
	  CASE decided_by WHEN 'delivery' THEN '-' ELSE ` + asStamp("last_delivery_at") + ` END, permanent_count::text, retry_count::text,
	  CASE decided_by WHEN 'manual' THEN '-' ELSE ` + asStamp("bad_since") + ` END, ` + asStamp("bad_until") + `, coalesce(memory, '-'),
	  coalesce(` + asStamp("last_failure_at") + ` || ' ' || encode(last_event_id, 'hex'), '-'), coalesce(` + asStamp("deciding_at") + ` || ' ' || encode(deciding_event_id, 'hex'), '-')
	FROM bouncetail.recipients r
	-- SQLite deletes the row of an address that never failed with the decision on it.
	WHERE last_failure_at IS NOT NULL OR EXISTS (SELECT 1 FROM bouncetail.decisions d WHERE d.recipient_key = r.recipient_key AND d.decision <> '')
	ORDER BY recipient COLLATE "C"`

// recordsOf returns the queries for all columns of bounces that both databases have.
func recordsOf() (inSQLite, inFleet string) {
	var here, there []string
	for _, c := range query.BounceColumns {
		expression := "coalesce(" + c.Name + "::text, '-')"
		switch c.Name {
		case "event_id":
			expression = "encode(event_id, 'hex')"
		case "occurred_at":
			expression = asStamp(c.Name)
		case "suppress":
			expression = "suppress::int::text"
		}
		here, there = append(here, "coalesce("+c.Name+", '-')"), append(there, expression)
	}
	return "SELECT " + strings.Join(here, ", ") + " FROM bounces ORDER BY event_id", "SELECT " + strings.Join(there, ", ") + " FROM bouncetail.bounces ORDER BY event_id"
}

// compareCounters checks that the counters of all hosts, added up as the views add them, are
// those of one database that has all logs.
func compareCounters(t *testing.T, when, admin, one string) {
	t.Helper()
	for _, q := range []struct{ columns, where string }{
		{"day, sent, deferred, bounced, expired", "daily_totals"},
		{"day, domain, sum(sent), sum(deferred), sum(bounced), sum(expired)", "daily_counts GROUP BY day, domain"},
		{"day, provider, category, reason, scope, sum(failures)", "daily_reasons WHERE failures > 0 GROUP BY day, provider, category, reason, scope"},
		{"span, start, provider, sum(sent), sum(deferred), sum(bounced), sum(expired), sum(tried), sum(refused)", "provider_windows GROUP BY span, start, provider"},
	} {
		got := dumpFleet(t, admin, "SELECT "+strings.ReplaceAll(q.columns, ",", "::text,")+"::text FROM bouncetail_views."+q.where)
		want := dumpSQLite(t, one, "SELECT "+q.columns+" FROM "+q.where)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("when %s, %s: %d rows, want %d:\n%s", when, q.where, len(got), len(want), diff(got, want))
		}
	}
	const traffic = "SELECT day, iif(slots IS NULL, '-', hex(slots)) FROM daily_traffic ORDER BY day"
	if got, want := dumpFleet(t, admin, "SELECT day, coalesce(upper(encode(slots, 'hex')), '-') FROM bouncetail.daily_traffic ORDER BY day"), dumpSQLite(t, one, traffic); !slices.Equal(got, want) {
		t.Errorf("when %s, deliveries by time:\n%s", when, diff(got, want))
	}
}

func dumpSQLite(t testing.TB, path, query string) []string {
	t.Helper()
	db := sqldb.Connect(path, "ro", "_query_only=on")
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, texts := range dbtest.All[string](t, rows) {
		all = append(all, clean(strings.Join(texts, "|")))
	}
	return all
}

func dumpFleet(t testing.TB, dsn, query string) []string {
	t.Helper()
	s := Settings{DSN: dsn}
	conn, err := s.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	rows, err := conn.Query(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		texts := make([]string, len(row.FieldDescriptions()))
		into := make([]any, len(texts))
		for i := range into {
			into[i] = &texts[i]
		}
		err := row.Scan(into...)
		return strings.Join(texts, "|"), err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func diff(got, want []string) string {
	var lines []string
	for _, line := range got {
		if !slices.Contains(want, line) {
			lines = append(lines, "fleet: "+line)
		}
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			lines = append(lines, "one:   "+line)
		}
	}
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(a[7:], b[7:]) })
	return strings.Join(lines[:min(len(lines), 12)], "\n")
}
