package query

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/recipient"
)

// CrowdColumns are the columns of crowds but for its id.
var CrowdColumns = sqldb.Columns[CrowdRow]{
	sqldb.Required("kind", func(r *CrowdRow) any { return (*string)(&r.Unit.Kind) }),
	sqldb.Required("unit", func(r *CrowdRow) any { return &r.Unit.Name }),
	sqldb.Required("started_at", func(r *CrowdRow) any { return &r.Start }),
	sqldb.Required("last_at", func(r *CrowdRow) any { return &r.Last }),
	sqldb.Required("ended_at", func(r *CrowdRow) any { return &r.End }),
	sqldb.Required("addresses", func(r *CrowdRow) any { return &r.Addresses }),
	sqldb.Required("refused", func(r *CrowdRow) any { return &r.Refused }),
	sqldb.Required("attempts", func(r *CrowdRow) any { return &r.Attempts }),
	sqldb.Optional("domains", func(r *CrowdRow) any { return &r.DomainList }),
	sqldb.Required("frozen", func(r *CrowdRow) any { return &r.Frozen }),
}

// CrowdRow is a row of the table crowds.
type CrowdRow struct {
	recipient.Crowd
	DomainList string // JSON
}

// Crowds returns the stored crowds, in the order of their start.
func Crowds(ctx context.Context, db sqldb.Querier, where string, args ...any) (all []recipient.Crowd, err error) {
	err = sqldb.ScanAll(ctx, db, `
		SELECT id, `+CrowdColumns.Names("")+`
		FROM crowds `+where+`
		ORDER BY started_at, id`, func(scan func(...any) error) error {
		var row CrowdRow
		err := CrowdColumns.Scan(&row, func(into ...any) error { return scan(append([]any{&row.ID}, into...)...) })
		if err == nil && row.DomainList != "" {
			err = json.Unmarshal([]byte(row.DomainList), &row.Domains)
		}
		all = append(all, row.Crowd)
		return err
	}, args...)
	if err != nil {
		return nil, fmt.Errorf("crowds: %w", err)
	}
	return all, nil
}
