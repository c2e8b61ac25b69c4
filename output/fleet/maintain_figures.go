package fleet

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// The kinds of figures that Maintain deletes, by which fleet_meta names their horizon.
const (
	oldCounts    = "daily_counts"
	oldGaps      = "gaps"
	oldUnparsed  = "unparsed_lines"
	oldIncidents = "incidents"
)

// horizonOf is the name in fleet_meta of the stamp before which figures of a kind are
// deleted, and not stored again.
func horizonOf(kind string) string { return "horizon of " + kind }

// figureTables are the tables of a kind that Maintain deletes from, with the column that
// is compared with the horizon. fleet_covered stays, because windows of providers do.
var figureTables = []struct{ kind, table, column string }{
	{oldCounts, "daily_counts", "day"},
	{oldCounts, "daily_traffic", "day"},
	{oldCounts, "daily_reasons", "day"},
	{oldCounts, "daily_totals", "day"},
	{oldCounts, "fleet_read", "day"},
	{oldCounts, "fleet_read_by_both", "day"},
	{oldGaps, "gaps", "noticed_at"},
	{oldUnparsed, "unparsed_lines", "last_read_at"},
	{oldIncidents, "incidents", "over_at"},
}

// figures deletes the figures of a kind before a stamp, and returns how many rows that
// were.
func (m *maintenance) figures(ctx context.Context, kind, before string) (deleted int, err error) {
	err = pgx.BeginFunc(ctx, m.deletes, func(tx pgx.Tx) error {
		t := &transaction{Tx: tx, ctx: ctx}
		if err := t.takeClock(1, m.hashKey); err != nil {
			return err
		}
		if err := t.setHorizon(horizonOf(kind), before); err != nil || kind != oldCounts {
			return err
		}
		return t.freezeCrowds(before)
	})
	for i := 0; i < len(figureTables) && err == nil; i++ {
		f := &figureTables[i]
		if f.kind != kind {
			continue
		}
		// A day of which a part is to be kept is kept.
		old := fmt.Sprintf("%s < left($1, %d)", f.column, len("2006-01-02"))
		if f.column != "day" {
			old = f.column + " < $1"
		}
		statement := fmt.Sprintf(`
			DELETE FROM bouncetail.%[1]s
			WHERE ctid = ANY (ARRAY(SELECT ctid FROM bouncetail.%[1]s WHERE %[2]s LIMIT %[3]d)) AND %[2]s`,
			f.table, old, maintainBatch)
		for n := int64(maintainBatch); n == maintainBatch && err == nil; {
			tag, failed := m.deletes.Exec(ctx, statement, before)
			n, err = tag.RowsAffected(), failed
			deleted += int(n)
		}
	}
	return deleted, err
}

// setHorizon moves a horizon, unless it is a later one already.
func (t *transaction) setHorizon(name, before string) error {
	_, err := t.Exec(t.ctx, `
		INSERT INTO bouncetail.fleet_meta AS known (name, value) VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET value = greatest(known.value, excluded.value)`, name, before)
	return err
}

// freezeCrowds keeps crowds as they are, because what they follow from may be deleted.
func (t *transaction) freezeCrowds(before string) error {
	_, err := t.Exec(t.ctx, `
		UPDATE bouncetail.crowds
		SET frozen = true
		WHERE started_at < $1::text::timestamptz AND NOT frozen`, before)
	return err
}

// readHorizons returns the horizons by their names.
func (t *transaction) readHorizons() (map[string]string, error) {
	return mapOf[string, string](t.ctx, t, `
		SELECT name, value
		FROM bouncetail.fleet_meta
		WHERE name LIKE 'horizon of %'`)
}

// withoutOld leaves out the rows that are older than the horizon of the table. horizons
// are by their names.
func (f *figure) withoutOld(rows []row, horizons map[string]string) []row {
	for _, of := range figureTables {
		horizon := horizons[horizonOf(of.kind)]
		at := slices.IndexFunc(f.columns, func(c figureColumn) bool { return c.name == of.column })
		if of.table != f.table || horizon == "" {
			continue
		}
		return slices.DeleteFunc(rows, func(r row) bool {
			age, known := r[at].(string)
			return known && isOld(age, horizon)
		})
	}
	return rows
}

// isOld reports whether a day or a stamp is before a horizon.
func isOld(age, horizon string) bool { return age < horizon[:min(len(age), len(horizon))] }
