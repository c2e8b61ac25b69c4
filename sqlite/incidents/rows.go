// Package incidents stores incidents and finds them: it gives package incident what is
// new in the database, and keeps what that returns. It has its own connection,
// separate from that of the records.
package incidents

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/incident"
	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// column is a column of incidents and where an Incident holds it. Empty values of a
// column with null are NULL.
type column struct {
	name  string
	null  bool
	field func(*incident.Incident) any
}

var columns = []column{
	{"kind", false, func(i *incident.Incident) any { return (*string)(&i.Kind) }},
	{"scope", false, func(i *incident.Incident) any { return (*string)(&i.Scope) }},
	{"category", false, func(i *incident.Incident) any { return (*string)(&i.Category) }},
	{"reason", false, func(i *incident.Incident) any { return (*string)(&i.Reason) }},
	{"enhanced_code", false, func(i *incident.Incident) any { return &i.EnhancedCode }},
	{"subject", false, func(i *incident.Incident) any { return &i.Subject }},
	{"started_at", false, func(i *incident.Incident) any { return &i.StartedAt }},
	{"last_at", false, func(i *incident.Incident) any { return &i.LastAt }},
	{"opened_at", false, func(i *incident.Incident) any { return &i.OpenedAt }},
	{"rang_at", true, func(i *incident.Incident) any { return &i.RangAt }},
	{"over_at", true, func(i *incident.Incident) any { return &i.OverAt }},
	{"ended_by", true, func(i *incident.Incident) any { return (*string)(&i.EndedBy) }},
	{"part_of", true, func(i *incident.Incident) any { return &i.PartOf }},
	{"backlog", false, func(i *incident.Incident) any { return &i.Backlog }},
	{"tried", true, func(i *incident.Incident) any { return &i.Tried }},
	{"refused", true, func(i *incident.Incident) any { return &i.Refused }},
	{"baseline", true, func(i *incident.Incident) any { return &i.Baseline }},
	{"p", true, func(i *incident.Incident) any { return &i.P }},
	{"attempts", false, func(i *incident.Incident) any { return &i.Attempts }},
	{"addresses", false, func(i *incident.Incident) any { return &i.Addresses }},
	{"domains", false, func(i *incident.Incident) any { return &i.Domains }},
	{"bounce_id", true, func(i *incident.Incident) any { return &i.BounceID }},
}

// selected lists the columns, with a value for NULL.
var selected = func() string {
	names := []string{"id"}
	for _, c := range columns {
		switch {
		case !c.null:
			names = append(names, c.name)
		case strings.HasSuffix(c.name, "_at") || c.name == "ended_by":
			names = append(names, "coalesce("+c.name+", '')")
		default:
			names = append(names, "coalesce("+c.name+", 0)")
		}
	}
	return strings.Join(names, ", ")
}()

var (
	inserted = func() string {
		var names, values []string
		for _, c := range columns {
			names, values = append(names, c.name), append(values, parameter(c))
		}
		return "INSERT INTO incidents (" + strings.Join(names, ", ") + ") VALUES (" + strings.Join(values, ", ") + ") RETURNING id"
	}()
	updated = func() string {
		var set []string
		for _, c := range columns {
			set = append(set, c.name+" = "+parameter(c))
		}
		return "UPDATE incidents SET " + strings.Join(set, ", ") + " WHERE id = ?"
	}()
)

func parameter(c column) string {
	switch {
	case !c.null:
		return "?"
	case strings.HasSuffix(c.name, "_at") || c.name == "ended_by":
		return "nullif(?, '')"
	}
	return "nullif(?, 0)"
}

// load returns the incidents that a condition chooses.
func load(ctx context.Context, db sqldb.Querier, where string, args ...any) (all []*incident.Incident, err error) {
	err = sqldb.ScanAll(ctx, db, "SELECT "+selected+" FROM incidents "+where, func(scan func(...any) error) error {
		i := &incident.Incident{}
		into := []any{&i.ID}
		for _, c := range columns {
			into = append(into, c.field(i))
		}
		all = append(all, i)
		return scan(into...)
	}, args...)
	if err != nil {
		return nil, fmt.Errorf("incidents: %w", err)
	}
	return all, nil
}

// save stores an incident. One that is new gets its number.
func save(ctx context.Context, tx *sql.Tx, i *incident.Incident) error {
	args := make([]any, 0, len(columns)+1)
	for _, c := range columns {
		switch v := c.field(i).(type) {
		case *string:
			args = append(args, *v)
		case *int:
			args = append(args, *v)
		case *int64:
			args = append(args, *v)
		case *float64:
			args = append(args, *v)
		case *bool:
			args = append(args, *v)
		default:
			return fmt.Errorf("incidents: a field of type %T cannot be stored", v)
		}
	}
	if i.ID != 0 {
		_, err := tx.ExecContext(ctx, updated, append(args, i.ID)...)
		return err
	}
	if err := tx.QueryRowContext(ctx, inserted, args...).Scan(&i.ID); err != nil {
		return fmt.Errorf("incident %s %s: %w", i.Kind, i.Subject, err)
	}
	if i.Backlog {
		return nil
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO metric_totals (name, labels, value) VALUES (?, ?, 1) ON CONFLICT (name, labels) DO UPDATE SET value = value + 1",
		bounce.MetricIncidents, bounce.FindMetric(bounce.MetricIncidents).LabelsOf(string(i.Kind)))
	return err
}
