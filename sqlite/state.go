package sqlite

import (
	"cmp"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// failure is what the state of an address needs to know of a bounce.
type failure struct {
	id          int64
	at          string // as stored, which sorts by time
	category    bounce.Category
	reason      bounce.Reason
	disposition bounce.Disposition
	suppress    bool
}

// life is the row of an address in recipients.
type life struct {
	state                    bounce.State
	first, last, deciding    *failure
	badSince                 string
	permanentCount, retryNum int
}

// lifeOf makes out the state of an address from all its failures, oldest
// first, and its last delivery, which is empty where there was none. It
// depends on nothing else, so that the order in which logs are read does not
// matter.
func lifeOf(failures []failure, lastDelivery string) life {
	l := life{first: &failures[0], last: &failures[len(failures)-1]}
	l.deciding = l.last
	l.state = bounce.StateRetry
	for i := range failures {
		f := &failures[i]
		if f.disposition == bounce.Permanent {
			l.permanentCount++
		} else {
			l.retryNum++
		}
		if f.suppress && f.at > lastDelivery {
			if l.badSince == "" {
				l.badSince = f.at
			}
			l.state, l.deciding = bounce.StateBad, f
		}
	}
	if l.state != bounce.StateBad && lastDelivery > l.last.at {
		l.state = bounce.StateOK
	}
	return l
}

// recipients brings the rows of all recipients up to date that the batch may
// have changed.
func (w *writer) recipients(*bounce.Batch) error {
	failures, err := w.tx.PrepareContext(w.ctx, `
		SELECT id, occurred_at, category, reason, disposition, suppress
		FROM bounces WHERE recipient_key = ?
		ORDER BY occurred_at, event_id`)
	if err != nil {
		return err
	}
	defer failures.Close()
	delivery, err := w.tx.PrepareContext(w.ctx, "SELECT last_at FROM deliveries WHERE recipient_key = ?")
	if err != nil {
		return err
	}
	defer delivery.Close()

	type row struct {
		to           bounce.Address
		key          int64
		lastDelivery string
		life
	}
	var rows []row
	for _, key := range slices.Sorted(maps.Keys(w.touched)) {
		history, err := w.history(failures, key)
		if err != nil {
			return err
		}
		if len(history) == 0 {
			continue // an address that never failed
		}
		var lastDelivery string
		var at int64
		if err := delivery.QueryRowContext(w.ctx, key).Scan(&at); err == nil {
			lastDelivery = stamp(time.UnixMilli(at))
		} else if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		rows = append(rows, row{w.touched[key], key, lastDelivery, lifeOf(history, lastDelivery)})
	}
	if len(rows) == 0 {
		return nil
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(a.to.Normal, b.to.Normal) })

	var seq int64
	if err := w.tx.QueryRowContext(w.ctx, "UPDATE meta SET value = value + ? WHERE name = 'seq' RETURNING value", len(rows)).Scan(&seq); err != nil {
		return err
	}
	seq -= int64(len(rows))
	return w.each(len(rows), `
		INSERT OR REPLACE INTO recipients (
		  recipient, domain, state, category, reason, first_failure_at, last_failure_at, last_delivery_at,
		  permanent_count, retry_count, bad_since, last_bounce_id, deciding_bounce_id, recipient_key, seq
		) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		func(i int) []any {
			r := &rows[i]
			return []any{
				r.to.Normal, r.to.Domain, string(r.state), string(r.deciding.category), string(r.deciding.reason),
				r.first.at, r.last.at, text(r.lastDelivery), r.permanentCount, r.retryNum, text(r.badSince),
				r.last.id, r.deciding.id, r.key, seq + int64(i) + 1,
			}
		}, nil)
}

// history returns the failures of a recipient in the order of time.
func (w *writer) history(failures *sql.Stmt, key int64) ([]failure, error) {
	rows, err := failures.QueryContext(w.ctx, key)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var history []failure
	for rows.Next() {
		var f failure
		if err := rows.Scan(&f.id, &f.at, &f.category, &f.reason, &f.disposition, &f.suppress); err != nil {
			return nil, err
		}
		history = append(history, f)
	}
	return history, rows.Err()
}
