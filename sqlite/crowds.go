package sqlite

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/bouncetail/bouncetail/recipient"
)

// The columns of crowds but for its id.
var crowdColumns = columns[crowdRow]{
	required("kind", func(r *crowdRow) any { return (*string)(&r.Unit.Kind) }),
	required("unit", func(r *crowdRow) any { return &r.Unit.Name }),
	required("started_at", func(r *crowdRow) any { return &r.Start }),
	required("last_at", func(r *crowdRow) any { return &r.Last }),
	required("ended_at", func(r *crowdRow) any { return &r.End }),
	required("addresses", func(r *crowdRow) any { return &r.Addresses }),
	required("refused", func(r *crowdRow) any { return &r.Refused }),
	required("attempts", func(r *crowdRow) any { return &r.Attempts }),
	optional("domains", func(r *crowdRow) any { return &r.domains }),
	required("frozen", func(r *crowdRow) any { return &r.Frozen }),
}

// crowdRow is a row of the table crowds.
type crowdRow struct {
	recipient.Crowd
	domains string // JSON
}

var (
	insertCrowd = crowdColumns.insert("INSERT", "crowds") + " RETURNING id"
	updateCrowd = "UPDATE crowds SET " + crowdColumns.set() + " WHERE id = ?"
)

// crowds returns the stored crowds, in the order of their start.
func crowds(ctx context.Context, db querier, where string, args ...any) (all []recipient.Crowd, err error) {
	err = scanAll(ctx, db, "SELECT id, "+crowdColumns.names("")+" FROM crowds "+where+" ORDER BY started_at, id", func(scan func(...any) error) error {
		var row crowdRow
		err := crowdColumns.scan(&row, func(into ...any) error { return scan(append([]any{&row.ID}, into...)...) })
		if err == nil && row.domains != "" {
			err = json.Unmarshal([]byte(row.domains), &row.Domains)
		}
		all = append(all, row.Crowd)
		return err
	}, args...)
	if err != nil {
		return nil, fmt.Errorf("crowds: %w", err)
	}
	return all, nil
}

// saveCrowd inserts a crowd, or updates that of its id.
func (tx *Tx) saveCrowd(c *recipient.Crowd) error {
	row := crowdRow{Crowd: *c}
	if len(c.Domains) > 0 {
		text, err := json.Marshal(c.Domains)
		if err != nil {
			return err
		}
		row.domains = string(text)
	}
	tx.crowdsChanged = true
	if c.ID != 0 {
		return tx.each(1, updateCrowd, func(_ int, p *params) {
			crowdColumns.bind(p, &row)
			p.add(c.ID)
		}, nil)
	}
	return tx.each(1, insertCrowd, func(_ int, p *params) { crowdColumns.bind(p, &row) }, func(_ int, values []driver.Value) error {
		c.ID, _ = values[0].(int64)
		return nil
	})
}

// crowdHorizon returns the time before which records were deleted. Crowds that
// began before are not found again.
func (tx *Tx) crowdHorizon() (horizon string, err error) {
	err = tx.conn.QueryRowContext(tx.ctx, "SELECT coalesce(max(since), '') FROM horizons").Scan(&horizon)
	return horizon, err
}

// freezeCrowds keeps the crowds as they are that began before a time, because
// records of before are deleted.
func (tx *Tx) freezeCrowds(before string) error {
	_, err := tx.conn.ExecContext(tx.ctx, "UPDATE crowds SET frozen = 1 WHERE started_at < ? AND frozen = 0", before)
	return err
}

// freezeCrowdsOf keeps the crowds as they are that have refusals of addresses,
// because those are deleted.
func (tx *Tx) freezeCrowdsOf(keys []int64) error {
	all, err := crowds(tx.ctx, tx.conn, "WHERE frozen = 0")
	if err != nil || len(all) == 0 {
		return err
	}
	refusals, err := tx.refusalsOf(keys)
	if err != nil {
		return err
	}
	for i := range refusals {
		at, units := stampOf(refusals[i].At), refusals[i].Units()
		for j := range all {
			c := &all[j]
			if !c.Frozen && c.Start <= at && at <= c.End && slices.Contains(units, c.Unit) {
				c.Frozen = true
				if _, err := tx.conn.ExecContext(tx.ctx, "UPDATE crowds SET frozen = 1 WHERE id = ?", c.ID); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// dropCrowds deletes all crowds but the frozen ones: they are switched off.
func (tx *Tx) dropCrowds() error {
	if _, err := tx.conn.ExecContext(tx.ctx, "DELETE FROM crowds WHERE frozen = 0"); err != nil {
		return err
	}
	tx.crowdsChanged = true
	var err error
	tx.inputs.Crowds, err = crowds(tx.ctx, tx.conn, "")
	return err
}
