package sqlite

import (
	"database/sql/driver"
	"encoding/json"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite/packed"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

var (
	insertCrowd = query.CrowdColumns.Insert("INSERT", "crowds")
	updateCrowd = "UPDATE crowds SET " + query.CrowdColumns.Set() + " WHERE id = ?"
)

// crowdRecords is recipient.CrowdRecords in a transaction.
type crowdRecords struct {
	query.CrowdRecords
	tx *Tx
}

func (tx *Tx) crowdRecords() crowdRecords {
	return crowdRecords{query.CrowdRecords{Ctx: tx.ctx, Conn: tx.conn, Statements: tx.statements, Stale: tx.stale}, tx}
}

// LastDeliveries returns the last delivery to those addresses that have one, in Unix
// milliseconds. Addresses that were refused have a row in recipients, which has it too:
// it is one page, and a bucket of deliveries has dozens in a large database.
func (r crowdRecords) LastDeliveries(keys []int64) (map[int64]int64, error) {
	if r.tx.stale {
		return r.tx.storedLastDeliveries(keys)
	}
	found := make(map[int64]int64)
	var others []int64
	for _, key := range keys {
		i, touched := r.tx.index[key]
		if !touched {
			others = append(others, key)
		} else if at := r.tx.recipients[i].delivered; at > 0 {
			found[key] = at
		}
	}
	return found, r.tx.each(len(others), `
		SELECT last_delivery_at
		FROM recipients
		WHERE recipient_key = ? AND last_delivery_at IS NOT NULL`,
		func(i int, p *params) { p.AddNumber(others[i]) },
		func(i int, values []driver.Value) error {
			stamp, _ := values[0].(string)
			found[others[i]] = bounce.ParseStamp(stamp).UnixMilli()
			return nil
		})
}

// storedLastDeliveries returns the last delivery to those addresses that have one, from
// deliveries.
func (tx *Tx) storedLastDeliveries(keys []int64) (map[int64]int64, error) {
	levels, err := tx.deliveryLevels()
	if err != nil {
		return nil, err
	}
	of := make([]packed.Delivery, len(keys))
	for i, key := range keys {
		of[i] = packed.Reached(key, 0)
	}
	of = tx.sorter.Deliveries(of)
	last, err := tx.storedDeliveries(levels, of)
	found := make(map[int64]int64)
	for i, d := range of {
		d.Last = last[i]
		if at := d.At(); at > 0 {
			found[int64(d.Key)] = at
		}
	}
	return found, err
}

// noteRefusal notes a new failure that suppresses.
func (tx *Tx) noteRefusal(r *bounce.Record, key int64) {
	if r.Suppress {
		tx.refusals = append(tx.refusals, recipient.NewRefusal(r.At.UnixMilli(), key, strings.Clone(r.To.Domain), strings.Clone(r.Provider),
			strings.Clone(r.Reply.RelayHost), strings.Clone(r.Reply.RelayIP), r.Reason, r.Reply.Text))
	}
}

// readLastRefusal reads when the last refusal was before this transaction.
func (tx *Tx) readLastRefusal() error {
	var stamp string
	err := tx.conn.QueryRowContext(tx.ctx, `
		SELECT coalesce(max(occurred_at), '')
		FROM bounces
		WHERE suppress = 1`).Scan(&stamp)
	tx.lastRefusal, tx.noRefusals = bounce.ParseStamp(stamp).UnixMilli(), stamp == ""
	return err
}

// crowdFinder returns what keeps the crowds up to date in this transaction.
func (tx *Tx) crowdFinder() *recipient.CrowdFinder {
	if tx.finder == nil {
		tx.finder = &recipient.CrowdFinder{Records: tx.crowdRecords(), Memory: &tx.store.crowds, Limits: tx.policy.Crowds}
	}
	tx.finder.Crowds = tx.inputs.Crowds
	return tx.finder
}

// findCrowds brings the table crowds up to date with what the transaction has
// added. It returns the addresses whose state may change by that.
func (tx *Tx) findCrowds() (affected []int64, err error) {
	if tx.policy.Crowds.Addresses == 0 {
		return nil, nil
	}
	if err := tx.readInputs(); err != nil {
		return nil, err
	}
	f := tx.crowdFinder()
	f.News = recipient.CrowdNews{
		Refusals: tx.refusals, LastRefusal: tx.lastRefusal, NoneBefore: tx.noRefusals, Sent: tx.sentDays(),
		Of: func(key int64) recipient.Reach { return tx.touch(key).reach() },
		Reached: func(yield func(recipient.Reach) bool) {
			for i := range tx.recipients {
				if !yield(tx.recipients[i].reach()) {
					return
				}
			}
		},
	}
	changes, err := f.Update()
	if err != nil {
		return nil, err
	}
	return changes.Affected, tx.saveCrowds(changes)
}

// rebuildCrowds finds all crowds again, and returns the addresses whose state may
// change by that.
func (tx *Tx) rebuildCrowds() (affected []int64, err error) {
	if err := tx.readInputs(); err != nil {
		return nil, err
	}
	tx.stale = true
	if tx.policy.Crowds.Addresses == 0 { // they are switched off
		if _, err := tx.conn.ExecContext(tx.ctx, "DELETE FROM crowds WHERE frozen = 0"); err != nil {
			return nil, err
		}
		return nil, tx.loadCrowds()
	}
	var first, last string
	err = tx.conn.QueryRowContext(tx.ctx, `
		SELECT coalesce(min(occurred_at), ''), coalesce(max(occurred_at), '')
		FROM bounces
		WHERE suppress = 1`).Scan(&first, &last)
	if err != nil {
		return nil, err
	}
	for _, week := range recipient.RebuildWeeks(first, last) {
		changes, err := tx.crowdFinder().Rebuild(week)
		if err != nil {
			return nil, err
		}
		if err := tx.saveCrowds(changes); err != nil {
			return nil, err
		}
		affected = append(affected, changes.Affected...)
	}
	return affected, nil
}

// saveCrowds stores what changes.
func (tx *Tx) saveCrowds(changes *recipient.CrowdChanges) error {
	for _, c := range changes.Save {
		row := query.CrowdRow{Crowd: c}
		if len(c.Domains) > 0 {
			text, err := json.Marshal(c.Domains)
			if err != nil {
				return err
			}
			row.DomainList = string(text)
		}
		statement := insertCrowd
		if c.ID != 0 {
			statement = updateCrowd
		}
		err := tx.each(1, statement, func(_ int, p *params) {
			if query.CrowdColumns.Bind(p, &row); c.ID != 0 {
				p.Add(c.ID)
			}
		}, nil)
		if err != nil {
			return err
		}
	}
	err := tx.each(len(changes.Delete), "DELETE FROM crowds WHERE id = ?", func(i int, p *params) { p.Add(changes.Delete[i]) }, nil)
	if err != nil || len(changes.Save) == 0 && len(changes.Delete) == 0 {
		return err
	}
	return tx.loadCrowds()
}

func (tx *Tx) loadCrowds() (err error) {
	tx.inputs.Crowds, err = query.Crowds(tx.ctx, tx.conn, "")
	return err
}

// accepted reports whether a domain accepted mail after a stamp and until another.
func (tx *Tx) accepted(domain, after, until string) bool {
	from, to := bounce.ParseStamp(after).UnixMilli(), bounce.ParseStamp(until).UnixMilli()
	t := tx.crowdRecords().Traffic(from, to)
	n := t.Domain(domain).Between(recipient.SlotOf(from)+1, recipient.SlotOf(to))
	if tx.inputsErr == nil {
		tx.inputsErr = t.Err()
	}
	return n > 0
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
	refusals, err := tx.crowdRecords().RefusalsOf(keys)
	if err != nil {
		return err
	}
	_, err = tx.conn.ExecContext(tx.ctx, `
		UPDATE crowds
		SET frozen = 1
		WHERE id IN (SELECT value FROM json_each(?))`, sqldb.NumberList(recipient.CrowdsOf(all, refusals)))
	return err
}
