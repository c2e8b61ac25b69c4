package metrics

import (
	"context"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/sqlite/incidents"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// gauges holds values by name and labels.
type gauges map[string]map[string]float64

func (g gauges) set(name string, value float64, labels ...string) {
	if g[name] == nil {
		g[name] = make(map[string]float64)
	}
	g[name][bounce.FindMetric(name).LabelsOf(labels...)] = value
}

// readGauges reads what is not counted: from meta, from small tables and from tables
// with an index.
func (s *Source) readGauges(ctx context.Context) (gauges, error) {
	g := make(gauges)
	g.set("build_info", 1, goVersion(), s.Revision, s.Version)
	g.set("database_bytes", sizeOf(s.Path))
	g.set("wal_bytes", sizeOf(s.Path+"-wal"))
	for _, state := range []bounce.State{bounce.StateBad, bounce.StateSuspect, bounce.StateFailing, bounce.StateOK} {
		g.set("recipients", 0, string(state))
	}
	for _, decision := range []string{"allow", "block"} {
		g.set("decisions", 0, decision)
	}
	for _, kind := range kinds() {
		g.set("incidents_open", 0, kind)
	}
	for _, q := range []struct{ name, query string }{
		{"recipients", named(query.StateCount)},
		{"database_rows", "SELECT 'bounces', coalesce((SELECT value FROM meta WHERE name = '" + query.BounceCount + "'), 0)"},
		{"database_rows", `
			SELECT 'recipients', coalesce(sum(value), 0)
			FROM meta
			WHERE name >= '` + query.StateCount + `' AND name < '` + query.StateCount + `~'`},
		{"database_rows", "SELECT 'incidents', count(*) FROM incidents"},
		{"database_rows", "SELECT 'queue_entries', count(*) FROM queue_entries"},
		{"decisions", "SELECT decision, count(*) FROM decisions WHERE ended_at IS NULL GROUP BY 1"},
		{"incidents_open", "SELECT kind, count(*) FROM incidents WHERE over_at IS NULL GROUP BY 1"},
		{"webhook_behind", `
			SELECT name, max((SELECT value FROM meta WHERE name = 'seq') - seq, 0)
			FROM webhook_cursors`},
		{"webhook_dead_letters", `
			SELECT c.name, (SELECT count(*) FROM webhook_dead_letters d WHERE d.name = c.name)
			FROM webhook_cursors c`},
		{"webhook_last_success_timestamp_seconds", "SELECT name, unixepoch(moved_at) FROM webhook_cursors"},
		{"export_cursor_behind", `
			SELECT name, max((SELECT value FROM meta WHERE name = 'seq') - seq, 0)
			FROM export_cursors`},
		{"map_entries", named(query.MapEntries)},
		{"map_published_timestamp_seconds", named(query.MapPublished)},
		{query.ReloadSuccessful, named(query.ReloadSuccessful)},
		{query.ReloadSucceeded, named(query.ReloadSucceeded)},
		// Of an import every file is a source.
		{"log_last_line_timestamp_seconds", `
			SELECT source, unixepoch(max(updated_at))
			FROM positions
			WHERE closed = 0
			GROUP BY 1`},
	} {
		err := sqldb.ScanAll(ctx, s.DB, q.query, func(scan func(...any) error) error {
			var label string
			var value float64
			err := scan(&label, &value)
			g.set(q.name, value, label)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	pending, err := incidents.ReadPending(ctx, s.DB)
	for source, p := range pending {
		g.set("log_pending_bytes", float64(p.Bytes), source)
	}
	return g, err
}

// named selects the numbers in meta whose name has a prefix, with the rest of the name.
func named(prefix string) string {
	return `
		SELECT substr(name, length('` + prefix + `') + 1), value
		FROM meta
		WHERE name >= '` + prefix + `' AND name < '` + prefix + `~'`
}
