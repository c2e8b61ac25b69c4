package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"maps"
	"slices"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// recompute replays the histories of rows from all failures in the database.
func (tx *Tx) recompute(rows []*recipientRow) error {
	keys := make([]int64, len(rows))
	for i, r := range rows {
		keys[i] = r.key
	}
	failures, err := tx.failuresByKey(keys)
	if err != nil {
		return err
	}
	replayed := make(map[int64]*recipient.History, len(failures))
	for _, r := range rows {
		if f := failures[r.key]; len(f) > 0 {
			r.history = tx.inputs.Replay(r.to.Domain, f, r.history.LastDelivery)
			replayed[r.key] = &r.history
		}
	}
	return tx.addPruned(replayed)
}

// failuresByKey loads all failures of the addresses, sorted.
func (tx *Tx) failuresByKey(keys []int64) (map[int64][]recipient.Failure, error) {
	byKey := make(map[int64][]recipient.Failure, len(keys))
	slices.Sort(keys)
	inCrowds := ""
	if len(tx.inputs.Crowds) > 0 {
		inCrowds = ", domain, provider, relay_host, relay_ip, CASE WHEN suppress AND reason = 'no-such-domain' THEN reply END"
	}
	err := tx.each(len(keys), `
		SELECT id, occurred_at, coalesce(queue_id, ''), category, reason, disposition, suppress, scope, outcome`+inCrowds+`
		FROM bounces
		WHERE recipient_key = ? AND reason <> 'suppressed'`,
		func(i int, p *params) { p.Add(keys[i]) },
		func(i int, values []driver.Value) error {
			var f recipient.Failure
			var v bounce.Verdict
			var queueID, outcome string
			into := []any{
				&f.ID, &f.At, &queueID, (*string)(&v.Category), (*string)(&v.Reason),
				(*string)(&v.Disposition), &v.Suppress, (*string)(&v.Scope), &outcome,
			}
			for column := range into {
				if !sqldb.Restore(into[column], values[column]) {
					return fmt.Errorf("bounces: column %d of row %v is of type %T", column, values[0], values[column])
				}
			}
			f.Place, f.Category, f.Reason = recipient.PlaceOf(queueID), v.Category, v.Reason
			f.Disposition, f.Suppress = v.Disposition, v.Suppress
			f.Counts = v.Counts(bounce.Outcome(outcome))
			if more := values[len(into):]; len(more) > 0 {
				var domain, ip, reply string
				for column, into := range []any{&domain, &f.Provider, &f.Relay, &ip, &reply} {
					sqldb.Restore(into, more[column])
				}
				f.Relay, f.Host = recipient.RelayUnit(f.Relay, ip, domain), recipient.NamedHost(reply, domain)
			}
			byKey[keys[i]] = append(byKey[keys[i]], f)
			return nil
		})
	for _, failures := range byKey {
		recipient.Sort(failures)
	}
	return byKey, err
}

// addPruned adds the failures to histories that were deleted for their age.
func (tx *Tx) addPruned(histories map[int64]*recipient.History) error {
	return sqldb.ScanAll(tx.ctx, tx.conn, `
		SELECT p.recipient_key, p.permanent_count, p.retry_count, p.first_failure_at
		FROM json_each(?) k CROSS JOIN pruned_failures p ON p.recipient_key = k.value`,
		func(scan func(...any) error) error {
			var key int64
			var permanent, retry int
			var first string
			err := scan(&key, &permanent, &retry, &first)
			if err == nil {
				histories[key].AddPruned(permanent, retry, first)
			}
			return err
		}, sqldb.NumberList(slices.Sorted(maps.Keys(histories))))
}

// recomputeAll recomputes the rows of recipients and saves those that change.
func (tx *Tx) recomputeAll(keys []int64) error {
	slices.Sort(keys)
	for chunk := range slices.Chunk(slices.Compact(keys), query.PageSize) {
		rows, err := tx.appendRows(nil, chunk)
		if err != nil {
			return err
		}
		if err := tx.recomputeRows(rows); err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) recomputeRows(rows []recipientRow) error {
	if err := tx.readInputs(); err != nil {
		return err
	}
	var failed []*recipientRow
	for i := range rows {
		r := &rows[i]
		r.history = recipient.History{LastDelivery: r.was.LastDelivery}
		if r.was.LastID > 0 {
			failed = append(failed, r)
		}
	}
	if err := tx.recompute(failed); err != nil {
		return err
	}
	for _, r := range failed {
		// If the records are gone, the row is all that is known.
		if r.history.LastID == 0 {
			var err error
			if r.history, err = r.was.History(); err != nil {
				return fmt.Errorf("recipient %s: %w", r.to.Normal, err)
			}
		}
	}
	return tx.refresh(rows)
}

// Rebuild makes the table recipients again from the records, in one transaction, and
// returns how many rows were wrong.
func (s *Store) Rebuild(ctx context.Context) (int, error) {
	n := 0
	err := s.transaction(ctx, func(tx *Tx) error {
		if err := tx.recountStates(); err != nil {
			return err
		}
		if err := tx.restoreMissing(); err != nil {
			return err
		}
		if _, err := tx.rebuildCrowds(); err != nil {
			return err
		}
		keys, err := sqldb.Numbers(tx.ctx, tx.conn, "SELECT recipient_key FROM recipients ORDER BY recipient_key")
		if err != nil {
			return err
		}
		for chunk := range slices.Chunk(keys, query.PageSize) {
			if err := tx.rebuild(chunk); err != nil {
				return err
			}
		}
		n = tx.changes.Rows
		return tx.inputsErr
	})
	return n, err
}

func (tx *Tx) rebuild(keys []int64) error {
	rows, err := tx.appendRows(nil, keys)
	if err != nil {
		return err
	}
	// The last deliveries are read again too, from the table deliveries.
	tx.resetTouched(len(rows))
	for i := range rows {
		tx.touch(rows[i].key)
	}
	if err := tx.saveDeliveries(); err != nil {
		return err
	}
	for i := range rows {
		r := &rows[i]
		if noted := recipient.DeliveredAt(tx.touch(r.key).delivered); noted != r.was.LastDelivery {
			r.was.LastDelivery, r.known = noted, false // so that it is saved
		}
	}
	return tx.recomputeRows(rows)
}

// tellingBounces are the bounces that concern the address. Our own refusals do not.
const tellingBounces = "(SELECT * FROM bounces WHERE reason <> 'suppressed')"

// decisionsInForce are the decisions that make a row for an address that never failed.
const decisionsInForce = "(SELECT * FROM decisions WHERE ended_at IS NULL)"

// restoreMissing adds the rows that are missing in recipients.
func (tx *Tx) restoreMissing() error {
	if err := tx.readInputs(); err != nil {
		return err
	}
	var missing []int64
	for _, table := range []string{tellingBounces, decisionsInForce} {
		keys, err := sqldb.Numbers(tx.ctx, tx.conn, `
			SELECT DISTINCT recipient_key
			FROM `+table+` t
			WHERE NOT EXISTS (SELECT 1 FROM recipients r WHERE r.recipient_key = t.recipient_key)`)
		if err != nil {
			return err
		}
		missing = append(missing, keys...)
	}
	slices.Sort(missing)
	missing = slices.Compact(missing)
	for chunk := range slices.Chunk(missing, query.PageSize) {
		if err := tx.restoreRows(chunk); err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) restoreRows(keys []int64) error {
	tx.resetTouched(len(keys))
	for _, table := range []string{tellingBounces, decisionsInForce} {
		err := sqldb.ScanAll(tx.ctx, tx.conn, `
			SELECT t.recipient_key, min(t.recipient), min(t.domain)
			FROM json_each(?) k CROSS JOIN `+table+` t ON t.recipient_key = k.value
			GROUP BY 1`,
			func(scan func(...any) error) error {
				var key int64
				var to bounce.Address
				err := scan(&key, &to.Normal, &to.Domain)
				tx.touch(key).to = to
				return err
			}, sqldb.NumberList(keys))
		if err != nil {
			return err
		}
	}
	failures, err := tx.failuresByKey(keys)
	if err != nil {
		return err
	}
	if err := tx.saveDeliveries(); err != nil {
		return err
	}
	rows := make([]recipientRow, len(tx.recipients))
	for i := range tx.recipients {
		t := &tx.recipients[i]
		rows[i] = recipientRow{
			to:      t.to,
			key:     t.key,
			history: tx.inputs.Replay(t.to.Domain, failures[t.key], recipient.DeliveredAt(t.delivered)),
		}
	}
	return tx.refresh(rows)
}
