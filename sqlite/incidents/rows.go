// Package incidents stores incidents and finds them: it gives package incident what is
// new in the database, and keeps what that returns. It has its own connection,
// separate from that of the records.
package incidents

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/incident"
	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// columns are the columns of incidents but the number.
var columns = sqldb.Columns[incident.Incident]{
	sqldb.Required("kind", func(i *incident.Incident) any { return (*string)(&i.Kind) }),
	sqldb.Required("scope", func(i *incident.Incident) any { return (*string)(&i.Scope) }),
	sqldb.Required("category", func(i *incident.Incident) any { return (*string)(&i.Category) }),
	sqldb.Required("reason", func(i *incident.Incident) any { return (*string)(&i.Reason) }),
	sqldb.Required("enhanced_code", func(i *incident.Incident) any { return &i.EnhancedCode }),
	sqldb.Required("subject", func(i *incident.Incident) any { return &i.Subject }),
	sqldb.Required("started_at", func(i *incident.Incident) any { return &i.StartedAt }),
	sqldb.Required("last_at", func(i *incident.Incident) any { return &i.LastAt }),
	sqldb.Required("opened_at", func(i *incident.Incident) any { return &i.OpenedAt }),
	sqldb.Optional("rang_at", func(i *incident.Incident) any { return &i.RangAt }),
	sqldb.Optional("over_at", func(i *incident.Incident) any { return &i.OverAt }),
	sqldb.Optional("ended_by", func(i *incident.Incident) any { return (*string)(&i.EndedBy) }),
	sqldb.Optional("part_of", func(i *incident.Incident) any { return &i.PartOf }),
	sqldb.Required("backlog", func(i *incident.Incident) any { return &i.Backlog }),
	sqldb.Optional("tried", func(i *incident.Incident) any { return &i.Tried }),
	sqldb.Optional("refused", func(i *incident.Incident) any { return &i.Refused }),
	sqldb.Optional("baseline", func(i *incident.Incident) any { return &i.Baseline }),
	sqldb.Optional("p", func(i *incident.Incident) any { return &i.P }),
	sqldb.Required("attempts", func(i *incident.Incident) any { return &i.Attempts }),
	sqldb.Required("addresses", func(i *incident.Incident) any { return &i.Addresses }),
	sqldb.Required("domains", func(i *incident.Incident) any { return &i.Domains }),
	sqldb.Optional("bounce_id", func(i *incident.Incident) any { return &i.BounceID }),
}

// load returns the incidents that a condition chooses.
func load(ctx context.Context, db sqldb.Querier, where string, args ...any) (all []*incident.Incident, err error) {
	err = sqldb.ScanAll(ctx, db, "SELECT id, "+columns.Names("")+" FROM incidents "+where, func(scan func(...any) error) error {
		i := &incident.Incident{}
		all = append(all, i)
		return columns.Scan(i, func(into ...any) error { return scan(append([]any{&i.ID}, into...)...) })
	}, args...)
	if err != nil {
		return nil, fmt.Errorf("incidents: %w", err)
	}
	return all, nil
}

// ErrNone begins the error for an incident that does not exist.
var ErrNone = errors.New("there is no incident")

// loadOne returns the incident with a number.
func loadOne(ctx context.Context, db sqldb.Querier, id int64) (*incident.Incident, error) {
	all, err := load(ctx, db, "WHERE id = ?", id)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%w %d; bouncetail incidents --since 365d lists them", ErrNone, id)
	}
	return all[0], nil
}

// save stores an incident. One that is new gets its number.
func save(ctx context.Context, tx *sql.Tx, i *incident.Incident) error {
	if i.ID != 0 {
		_, err := tx.ExecContext(ctx, "UPDATE incidents SET "+columns.Set()+" WHERE id = ?", append(columns.Values(i), i.ID)...)
		return err
	}
	if err := tx.QueryRowContext(ctx, columns.Insert("INSERT", "incidents")+" RETURNING id", columns.Values(i)...).Scan(&i.ID); err != nil {
		return fmt.Errorf("incident %s %s: %w", i.Kind, i.Subject, err)
	}
	if i.Backlog {
		return nil
	}
	_, err := tx.ExecContext(ctx, `
		INSERT INTO metric_totals (name, labels, value)
		VALUES (?, ?, 1)
		ON CONFLICT (name, labels) DO UPDATE SET value = value + 1`,
		bounce.MetricIncidents, bounce.FindMetric(bounce.MetricIncidents).LabelsOf(string(i.Kind)))
	return err
}
