package sqlite

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// failure is what the state of an address needs to know of a bounce.
type failure struct {
	id          int64
	at          string // as stored, which sorts by time
	eventID     string // sorts failures of the same instant
	category    bounce.Category
	reason      bounce.Reason
	disposition bounce.Disposition
	suppress    bool
}

func byTime(a, b failure) int {
	return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.eventID, b.eventID))
}

// life is the row of an address in recipients. It follows from all failures,
// in the order of time, and the last delivery: nothing else, so that the order
// in which logs are read does not matter.
type life struct {
	state                    bounce.State
	category                 bounce.Category // of the failure that decides
	reason                   bounce.Reason
	firstAt, lastAt          string
	lastDelivery             string // empty where there was none
	permanentCount, retryNum int
	badSince                 string // empty where it is not bad
	lastID, decidingID       int64
}

// lifeOf makes out the life of an address from all its failures, oldest first,
// and its last delivery.
func lifeOf(failures []failure, lastDelivery string) life {
	l := life{lastDelivery: lastDelivery}
	for i := range failures {
		l.fail(&failures[i])
	}
	l.conclude()
	return l
}

// fail takes the next failure.
func (l *life) fail(f *failure) {
	if l.firstAt == "" {
		l.firstAt = f.at
	}
	l.lastAt, l.lastID = f.at, f.id
	if f.disposition == bounce.Permanent {
		l.permanentCount++
	} else {
		l.retryNum++
	}
	suppresses := f.suppress && f.at > l.lastDelivery
	if suppresses && l.badSince == "" {
		l.badSince = f.at
	}
	// While bad, the last failure that says so decides, else the last of all.
	if suppresses || l.badSince == "" {
		l.category, l.reason, l.decidingID = f.category, f.reason, f.id
	}
}

func (l *life) conclude() {
	switch {
	case l.badSince != "":
		l.state = bounce.StateBad
	case l.lastDelivery > l.lastAt:
		l.state = bounce.StateOK
	default:
		l.state = bounce.StateRetry
	}
}

// goOn takes what came after everything that the life is made of, and reports
// whether it could: else all failures have to be looked at again.
func (l *life) goOn(failures []failure, lastDelivery string) bool {
	if lastDelivery != l.lastDelivery {
		if lastDelivery < l.lastAt || l.decidingID != l.lastID {
			return false
		}
		l.lastDelivery, l.badSince = lastDelivery, ""
	}
	for i := range failures {
		if failures[i].at <= l.lastAt {
			return false
		}
		l.fail(&failures[i])
	}
	l.conclude()
	return true
}

// recipients brings the rows of all recipients up to date that the batch has
// changed: those that failed, and those that had failed and were reached.
func (w *writer) recipients(*bounce.Batch) error {
	if len(w.lastDelivery) == 0 {
		return nil
	}
	lives, err := w.knownLives(slices.Sorted(maps.Keys(w.lastDelivery)))
	if err != nil {
		return err
	}
	var again []int64
	for key, at := range w.lastDelivery {
		lastDelivery := ""
		if at > 0 {
			lastDelivery = stamp(time.UnixMilli(at))
		}
		failures := w.failures[key]
		slices.SortFunc(failures, byTime)
		r, known := lives[key]
		switch {
		case !known:
			r = &recipientRow{to: w.touched[key], key: key, life: lifeOf(failures, lastDelivery)}
			lives[key] = r
		case !r.goOn(failures, lastDelivery):
			r.lastDelivery = lastDelivery
			again = append(again, key)
		}
	}
	if err := w.relive(lives, again); err != nil {
		return err
	}
	return w.saveRecipients(slices.SortedFunc(maps.Values(lives), func(a, b *recipientRow) int { return cmp.Compare(a.to.Normal, b.to.Normal) }))
}

type recipientRow struct {
	to  bounce.Address
	key int64
	life
}

// knownLives loads the rows of the recipients that have one.
func (w *writer) knownLives(keys []int64) (map[int64]*recipientRow, error) {
	lives := make(map[int64]*recipientRow, len(keys))
	err := scanAll(w.ctx, w.tx, `
		SELECT r.recipient, r.domain, r.state, r.category, r.reason, r.first_failure_at, r.last_failure_at, coalesce(r.last_delivery_at, ''),
		  r.permanent_count, r.retry_count, coalesce(r.bad_since, ''), r.last_bounce_id, r.deciding_bounce_id, r.recipient_key
		FROM json_each(?) k CROSS JOIN recipients r ON r.recipient_key = k.value`,
		func(scan func(...any) error) error {
			r := &recipientRow{}
			err := scan(&r.to.Normal, &r.to.Domain, &r.state, &r.category, &r.reason, &r.firstAt, &r.lastAt, &r.lastDelivery,
				&r.permanentCount, &r.retryNum, &r.badSince, &r.lastID, &r.decidingID, &r.key)
			lives[r.key] = r
			return err
		}, keyList(keys))
	return lives, err
}

// relive makes out lives from all the failures that the database holds.
func (w *writer) relive(lives map[int64]*recipientRow, keys []int64) error {
	if len(keys) == 0 {
		return nil
	}
	histories := make(map[int64][]failure, len(keys))
	err := scanAll(w.ctx, w.tx, `
		SELECT b.recipient_key, b.id, b.occurred_at, b.event_id, b.category, b.reason, b.disposition, b.suppress
		FROM json_each(?) k CROSS JOIN bounces b ON b.recipient_key = k.value AND b.reason <> 'suppressed'`,
		func(scan func(...any) error) error {
			var key int64
			var f failure
			err := scan(&key, &f.id, &f.at, &f.eventID, &f.category, &f.reason, &f.disposition, &f.suppress)
			histories[key] = append(histories[key], f)
			return err
		}, keyList(slices.Sorted(slices.Values(keys))))
	if err != nil {
		return err
	}
	for key, failures := range histories {
		slices.SortFunc(failures, byTime)
		lives[key].life = lifeOf(failures, lives[key].lastDelivery)
	}
	return nil
}

// keyList is the parameter that json_each takes apart. Keys are written as
// they are: SQLite reads all 64 bits.
func keyList(keys []int64) string {
	list := make([]byte, 0, 21*len(keys)+2)
	list = append(list, '[')
	for i, key := range keys {
		if i > 0 {
			list = append(list, ',')
		}
		list = strconv.AppendInt(list, key, 10)
	}
	return string(append(list, ']'))
}

func (w *writer) saveRecipients(rows []*recipientRow) error {
	if len(rows) == 0 {
		return nil
	}
	var seq int64
	if err := w.tx.QueryRowContext(w.ctx, "UPDATE meta SET value = value + ? WHERE name = 'seq' RETURNING value", len(rows)).Scan(&seq); err != nil {
		return err
	}
	seq -= int64(len(rows))
	return w.each(len(rows), `
		INSERT INTO recipients (
		  recipient, domain, state, category, reason, first_failure_at, last_failure_at, last_delivery_at,
		  permanent_count, retry_count, bad_since, last_bounce_id, deciding_bounce_id, recipient_key, seq
		) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (recipient) DO UPDATE SET
		  state = excluded.state, category = excluded.category, reason = excluded.reason,
		  first_failure_at = excluded.first_failure_at, last_failure_at = excluded.last_failure_at, last_delivery_at = excluded.last_delivery_at,
		  permanent_count = excluded.permanent_count, retry_count = excluded.retry_count, bad_since = excluded.bad_since,
		  last_bounce_id = excluded.last_bounce_id, deciding_bounce_id = excluded.deciding_bounce_id, seq = excluded.seq`,
		func(i int) []any {
			r := rows[i]
			return []any{
				r.to.Normal, r.to.Domain, string(r.state), string(r.category), string(r.reason),
				r.firstAt, r.lastAt, text(r.lastDelivery), r.permanentCount, r.retryNum, text(r.badSince),
				r.lastID, r.decidingID, r.key, seq + int64(i) + 1,
			}
		}, nil)
}
