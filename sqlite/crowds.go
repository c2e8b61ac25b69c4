package sqlite

import (
	"database/sql/driver"
	"encoding/json"
	"slices"

	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

var (
	insertCrowd = query.CrowdColumns.Insert("INSERT", "crowds") + " RETURNING id"
	updateCrowd = "UPDATE crowds SET " + query.CrowdColumns.Set() + " WHERE id = ?"
)

// saveCrowd inserts a crowd, or updates that of its id.
func (tx *Tx) saveCrowd(c *recipient.Crowd) error {
	row := query.CrowdRow{Crowd: *c}
	if len(c.Domains) > 0 {
		text, err := json.Marshal(c.Domains)
		if err != nil {
			return err
		}
		row.DomainList = string(text)
	}
	tx.crowdsChanged = true
	if c.ID != 0 {
		return tx.each(1, updateCrowd, func(_ int, p *params) {
			query.CrowdColumns.Bind(p, &row)
			p.Add(c.ID)
		}, nil)
	}
	return tx.each(1, insertCrowd, func(_ int, p *params) { query.CrowdColumns.Bind(p, &row) }, func(_ int, values []driver.Value) error {
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
	all, err := query.Crowds(tx.ctx, tx.conn, "WHERE frozen = 0")
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
	tx.inputs.Crowds, err = query.Crowds(tx.ctx, tx.conn, "")
	return err
}
