package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/recipient"
)

// recipientRow is a row of recipients, and what it is made of.
type recipientRow struct {
	to      bounce.Address
	key     int64
	known   bool // it is in the table already
	was     recipient.Row
	row     recipient.Row // from now on
	history recipient.History
}

// addressee is a recipient whose row may change.
type addressee struct {
	key       int64
	to        bounce.Address // empty where it only was reached
	failures  int32          // the last of its new failures: its place in writer.failures, from 1
	hasRow    bool           // it failed or was decided on before
	delivered int64          // its last delivery in Unix milliseconds; 0 where there was none
}

// newFailure is a failure that was added in this transaction.
type newFailure struct {
	id      int64
	at      int64 // Unix milliseconds
	place   recipient.Place
	verdict int32 // its place in writer.verdicts
	before  int32 // the one before it of the same recipient: its place in writer.failures, from 1
}

// touch begins another set of recipients whose rows may change.
func (w *writer) touch(n int) {
	w.addressees, w.place = make([]addressee, 0, n), make(map[int64]int32, n)
	w.failures, w.deliveries, w.runs = newFailures{}, w.deliveries[:0], nil
}

// addressee returns the recipient of a key. It is valid until the next one is
// asked for.
func (w *writer) addressee(key int64) *addressee {
	i, known := w.place[key]
	if !known {
		i = int32(len(w.addressees))
		w.place[key] = i
		if len(w.addressees) == cap(w.addressees) {
			w.addressees = slices.Grow(w.addressees, len(w.addressees)) // append alone grows in small steps
		}
		w.addressees = append(w.addressees, addressee{key: key})
	}
	return &w.addressees[i]
}

// failed notes a failure and keeps no part of it.
func (w *writer) failed(r *bounce.Record, key, id int64) {
	p := w.addressee(key)
	if p.to.Normal == "" {
		p.to.Normal = strings.Clone(r.To.Normal)
		p.to.Domain = p.to.Normal[len(p.to.Normal)-len(r.To.Domain):]
	}
	p.failures = w.failures.add(newFailure{id, r.At.UnixMilli(), recipient.PlaceOf(r.QueueID), w.verdict(r), p.failures})
}

// newFailures is a list that grows without being copied.
type newFailures struct {
	pieces [][]newFailure
	n      int32
}

const failuresInPiece = 1 << 10

// add returns the place of the failure, from 1.
func (l *newFailures) add(f newFailure) int32 {
	if l.n%failuresInPiece == 0 {
		l.pieces = append(l.pieces, make([]newFailure, 0, min(l.n, failuresInPiece))) // the first grows: mostly there are few
	}
	last := &l.pieces[len(l.pieces)-1]
	*last = append(*last, f)
	l.n++
	return l.n
}

func (l *newFailures) at(place int32) *newFailure {
	return &l.pieces[(place-1)/failuresInPiece][(place-1)%failuresInPiece]
}

// verdict returns the place of what a failure was judged to be.
func (w *writer) verdict(r *bounce.Record) int32 {
	f := recipient.Failure{Category: r.Category, Reason: r.Reason, Disposition: r.Disposition, Suppress: r.Suppress, Counts: r.Counts(r.Outcome)}
	i, known := w.verdictAt[f]
	if !known {
		f.Category = bounce.Category(strings.Clone(string(f.Category)))
		f.Reason = bounce.Reason(strings.Clone(string(f.Reason)))
		f.Disposition = bounce.Disposition(strings.Clone(string(f.Disposition)))
		i = int32(len(w.verdicts))
		w.verdicts = append(w.verdicts, f)
		w.verdictAt[f] = i
	}
	return i
}

// failuresOf appends the new failures of a recipient, oldest first.
func (w *writer) failuresOf(p *addressee, to []recipient.Failure) []recipient.Failure {
	for i := p.failures; i > 0; {
		n := w.failures.at(i)
		f := w.verdicts[n.verdict]
		f.ID, f.At, f.Place = n.id, bounce.Stamp(time.UnixMilli(n.at)), n.place
		to = append(to, f)
		i = n.before
	}
	slices.Reverse(to) // mostly sorted then
	recipient.Sort(to)
	return to
}

// recipients brings the rows of all recipients up to date that the batch has
// changed: those that failed, those that had failed and were reached, and
// those that were decided on.
func (w *writer) recipients(*bounce.Batch) error {
	if len(w.addressees) == 0 {
		return nil
	}
	if err := w.readInputs(); err != nil {
		return err
	}
	// In the order of the table, as far as their names are known here.
	w.place = nil // does not outlive this
	slices.SortFunc(w.addressees, func(a, b addressee) int {
		return cmp.Or(cmp.Compare(a.to.Normal, b.to.Normal), cmp.Compare(a.key, b.key))
	})
	var rows []recipientRow
	for addressees := range slices.Chunk(w.addressees, recipientsAtOnce) {
		var err error
		if rows, err = w.goOn(slices.Grow(rows[:0], len(addressees)), addressees); err != nil {
			return err
		}
		if err := w.show(rows); err != nil {
			return err
		}
	}
	return nil
}

// recipientsAtOnce is how many rows are loaded and saved again while SQLite
// still has their pages at hand.
const recipientsAtOnce = 2000

// goOn makes the rows of addressees, in the memory of rows, which is empty.
func (w *writer) goOn(rows []recipientRow, addressees []addressee) ([]recipientRow, error) {
	load := func(from []addressee, column string, parameter func(p *addressee, r *packedRows)) (err error) {
		from = slices.DeleteFunc(slices.Clone(from), func(p addressee) bool { return !p.hasRow })
		rows, err = w.appendRows(rows, len(from), column, func(i int, r *packedRows) { parameter(&from[i], r) })
		return err
	}
	unnamed := 0
	for unnamed < len(addressees) && addressees[unnamed].to.Normal == "" {
		unnamed++
	}
	err := errors.Join(
		load(addressees[:unnamed], "recipient_key", func(p *addressee, r *packedRows) { r.int(p.key) }),
		load(addressees[unnamed:], "recipient", func(p *addressee, r *packedRows) { r.text(p.to.Normal) }))
	if err != nil {
		return nil, err
	}
	var failures []recipient.Failure
	var again []*recipientRow
	known := rows
	for i := range addressees {
		p := &addressees[i]
		failures = w.failuresOf(p, failures[:0])
		at := recipient.DeliveredAt(p.delivered)
		if len(known) > 0 && known[0].key == p.key {
			r := &known[0]
			known = known[1:]
			if r.history, err = r.was.History(); err != nil {
				return nil, fmt.Errorf("recipient %s: %w", r.to.Normal, err)
			}
			if !w.inputs.Extend(&r.history, r.to.Domain, failures, at) {
				r.history.LastDelivery = at
				again = append(again, r)
			}
		} else if p.to.Normal != "" {
			rows = append(rows, recipientRow{to: p.to, key: p.key, history: w.inputs.Replay(p.to.Domain, failures, at)})
		}
	}
	return rows, w.recompute(again)
}

// show makes the rows of lives, and saves those that are not as they were.
func (w *writer) show(rows []recipientRow) error {
	decisions, err := w.decisionsOn(rows)
	if err != nil {
		return err
	}
	changed := make([]*recipientRow, 0, len(rows))
	for i := range rows {
		r := &rows[i]
		r.row = r.history.Row(decisions[r.key], w.now)
		if !r.known || r.row != r.was {
			changed = append(changed, r)
		}
	}
	slices.SortFunc(changed, func(a, b *recipientRow) int { return cmp.Compare(a.to.Normal, b.to.Normal) })
	for _, r := range changed {
		w.changes.Add(&r.was, &r.row)
	}
	return w.saveRecipients(changed)
}

// readInputs reads the releases, once in a transaction.
func (w *writer) readInputs() error {
	if w.inputs.Policy != nil {
		return nil
	}
	var err error
	w.inputs.Releases, err = releases(w.ctx, w.tx, "WHERE withdrawn_at IS NULL")
	w.inputs.Policy = w.policy
	return err
}

// knownRows loads the rows of those recipients that have one, in the order of
// the keys.
func (w *writer) knownRows(keys []int64) ([]recipientRow, error) {
	return w.appendRows(make([]recipientRow, 0, len(keys)), len(keys), "recipient_key", func(i int, r *packedRows) { r.int(keys[i]) })
}

// appendRows loads the rows in which a unique column has one of n values, in
// their order.
func (w *writer) appendRows(rows []recipientRow, n int, column string, value func(i int, r *packedRows)) ([]recipientRow, error) {
	err := w.rowsOf(n, `
		SELECT r.recipient, r.domain, r.state, r.decided_by, r.category, r.reason,
		  r.first_failure_at, r.last_failure_at, r.last_delivery_at,
		  r.permanent_count, r.retry_count, r.bad_since, r.bad_until,
		  r.last_bounce_id, r.deciding_bounce_id, r.memory, r.recipient_key
		FROM recipients r
		WHERE r.`+column+` = ?`, value,
		func(v *values) {
			rows = append(rows, recipientRow{
				to:    bounce.Address{Normal: v.text(), Domain: v.text()},
				known: true,
				was: recipient.Row{
					State: bounce.State(v.text()), DecidedBy: bounce.Decider(v.text()), Category: bounce.Category(v.text()), Reason: bounce.Reason(v.text()),
					FirstAt: v.text(), LastAt: v.text(), LastDelivery: v.text(),
					PermanentCount: int(v.int()), RetryCount: int(v.int()), BadSince: v.text(), BadUntil: v.text(),
					LastID: v.int(), DecidingID: v.int(), Memory: v.text(),
				},
				key: v.int(),
			})
		})
	return rows, err
}

// recompute makes out lives from all the failures that the database holds.
func (w *writer) recompute(rows []*recipientRow) error {
	keys := make([]int64, len(rows))
	for i, r := range rows {
		keys[i] = r.key
	}
	histories, err := w.histories(keys)
	if err != nil {
		return err
	}
	replayed := make(map[int64]*recipient.History, len(histories))
	for _, r := range rows {
		if failures := histories[r.key]; len(failures) > 0 {
			r.history = w.inputs.Replay(r.to.Domain, failures, r.history.LastDelivery)
			replayed[r.key] = &r.history
		}
	}
	return w.addPruned(replayed)
}

// historiesAtOnce bounds what is held of the failures that were asked for.
const historiesAtOnce = 1000

// histories loads all failures of the addresses, oldest first.
func (w *writer) histories(keys []int64) (map[int64][]recipient.Failure, error) {
	histories := make(map[int64][]recipient.Failure, len(keys))
	slices.Sort(keys)
	for some := range slices.Chunk(keys, historiesAtOnce) {
		err := w.rowsOf(len(some), `
			SELECT b.recipient_key, b.id, b.occurred_at, b.queue_id, b.category, b.reason, b.disposition, b.suppress, b.scope, b.outcome
			FROM bounces b
			WHERE b.recipient_key = ? AND b.reason <> 'suppressed'`,
			func(i int, r *packedRows) { r.int(some[i]) },
			func(v *values) {
				key := v.int()
				f := recipient.Failure{ID: v.int(), At: v.text(), Place: recipient.PlaceOf(v.text())}
				f.Category, f.Reason, f.Disposition = bounce.Category(v.text()), bounce.Reason(v.text()), bounce.Disposition(v.text())
				f.Suppress = v.int() != 0
				verdict := bounce.Verdict{Scope: bounce.Scope(v.text()), Category: f.Category, Suppress: f.Suppress}
				f.Counts = verdict.Counts(bounce.Outcome(v.text()))
				histories[key] = append(histories[key], f)
			})
		if err != nil {
			return nil, err
		}
	}
	for _, failures := range histories {
		recipient.Sort(failures)
	}
	return histories, nil
}

// recomputeAll brings the rows of recipients up to date from their records, those
// that change alone.
func (w *writer) recomputeAll(keys []int64) error {
	slices.Sort(keys)
	for chunk := range slices.Chunk(slices.Compact(keys), pageSize) {
		rows, err := w.knownRows(chunk)
		if err != nil {
			return err
		}
		if err := w.recomputeRows(rows); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) recomputeRows(rows []recipientRow) error {
	if err := w.readInputs(); err != nil {
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
	if err := w.recompute(failed); err != nil {
		return err
	}
	for _, r := range failed {
		// Where the records are gone, the row is all that is known.
		if r.history.LastID == 0 {
			var err error
			if r.history, err = r.was.History(); err != nil {
				return fmt.Errorf("recipient %s: %w", r.to.Normal, err)
			}
		}
	}
	return w.show(rows)
}

// keysOf returns the numbers that a query finds.
func (w *writer) keysOf(query string, args ...any) ([]int64, error) {
	var keys []int64
	err := scanAll(w.ctx, w.tx, query, func(scan func(...any) error) error {
		var key int64
		err := scan(&key)
		keys = append(keys, key)
		return err
	}, args...)
	return keys, err
}

// Rebuild makes the table recipients out of the records anew, in one
// transaction, and returns how many rows were not as they should have been.
func (s *Store) Rebuild(ctx context.Context) (int, error) {
	n := 0
	err := s.transaction(ctx, func(w *writer) error {
		if err := w.restore(); err != nil {
			return err
		}
		keys, err := w.keysOf("SELECT recipient_key FROM recipients ORDER BY recipient_key")
		if err != nil {
			return err
		}
		for chunk := range slices.Chunk(keys, pageSize) {
			rows, err := w.knownRows(chunk)
			if err != nil {
				return err
			}
			// The last deliveries, too, as they were noted and not as the rows have them.
			w.touch(len(rows))
			for i := range rows {
				w.addressee(rows[i].key)
			}
			if err := w.lastDeliveries(nil); err != nil {
				return err
			}
			for i := range rows {
				r := &rows[i]
				if noted := recipient.DeliveredAt(w.addressee(r.key).delivered); noted != r.was.LastDelivery {
					r.was.LastDelivery, r.known = noted, false // so that it is saved
				}
			}
			if err := w.recomputeRows(rows); err != nil {
				return err
			}
		}
		n = w.changes.Rows
		return nil
	})
	return n, err
}

// tellingBounces are those that tell of an address: our own refusals do not.
const tellingBounces = "(SELECT * FROM bounces WHERE reason <> 'suppressed')"

// restore makes the rows that are missing in recipients.
func (w *writer) restore() error {
	if err := w.readInputs(); err != nil {
		return err
	}
	var missing []int64
	for _, table := range []string{tellingBounces, "decisions"} {
		keys, err := w.keysOf("SELECT DISTINCT recipient_key FROM " + table + " t WHERE NOT EXISTS (SELECT 1 FROM recipients r WHERE r.recipient_key = t.recipient_key)")
		if err != nil {
			return err
		}
		missing = append(missing, keys...)
	}
	slices.Sort(missing)
	missing = slices.Compact(missing)
	for chunk := range slices.Chunk(missing, pageSize) {
		w.touch(len(chunk))
		for _, table := range []string{tellingBounces, "decisions"} {
			err := scanAll(w.ctx, w.tx, "SELECT t.recipient_key, min(t.recipient), min(t.domain) FROM json_each(?) k CROSS JOIN "+table+" t ON t.recipient_key = k.value GROUP BY 1",
				func(scan func(...any) error) error {
					var key int64
					var to bounce.Address
					err := scan(&key, &to.Normal, &to.Domain)
					w.addressee(key).to = to
					return err
				}, keyList(chunk))
			if err != nil {
				return err
			}
		}
		histories, err := w.histories(chunk)
		if err != nil {
			return err
		}
		if err := w.lastDeliveries(nil); err != nil {
			return err
		}
		rows := make([]recipientRow, len(w.addressees))
		for i := range w.addressees {
			p := &w.addressees[i]
			rows[i] = recipientRow{to: p.to, key: p.key, history: w.inputs.Replay(p.to.Domain, histories[p.key], recipient.DeliveredAt(p.delivered))}
		}
		if err := w.show(rows); err != nil {
			return err
		}
	}
	return nil
}

// UsePolicy makes the states follow a policy from now on. Where another was in
// force, the recipients are made out anew in the same transaction; it returns
// whether there were any, and what has changed.
func (s *Store) UsePolicy(ctx context.Context, p *bounce.Policy) (other bool, changes recipient.Changes, err error) {
	text, err := json.Marshal(p)
	if err != nil {
		return false, changes, err
	}
	inForce, err := appliedPolicy(ctx, s.db)
	if err != nil {
		return false, changes, fmt.Errorf("database %s: %w", s.path, err)
	}
	if before, err := json.Marshal(inForce); err != nil || string(before) == string(text) {
		return false, changes, err
	}
	err = s.transaction(ctx, func(w *writer) error {
		w.policy = p
		if _, err := w.tx.ExecContext(ctx, `
			INSERT INTO applied_policy (id, settings, applied_at) VALUES (1, ?, ?)
			ON CONFLICT (id) DO UPDATE SET settings = excluded.settings, applied_at = excluded.applied_at`, string(text), w.now); err != nil {
			return err
		}
		// Of an address that was reached since, the policy says nothing.
		keys, err := w.keysOf("SELECT recipient_key FROM recipients WHERE decided_by NOT IN ('delivery', 'release')")
		if err != nil {
			return err
		}
		err = w.recomputeAll(keys)
		other, changes = len(keys) > 0, w.changes
		return err
	})
	if err == nil {
		s.policy = p
	}
	return other, changes, err
}

// appliedPolicy returns the policy that the states follow.
func appliedPolicy(ctx context.Context, db rowQuerier) (*bounce.Policy, error) {
	p := &bounce.Policy{}
	var text string
	err := db.QueryRowContext(ctx, "SELECT settings FROM applied_policy").Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return p, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), p)
	}
	if err != nil {
		return nil, fmt.Errorf("policy in force: %w", err)
	}
	return p, nil
}

type rowQuerier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// MoveOn brings those states up to date whose time is over: addresses that
// were bad for some days, and decisions that had an end. It looks at these
// alone, and returns how many recipients it changed.
func (s *Store) MoveOn(ctx context.Context) (int, error) {
	n := 0
	for {
		var keys []int64
		now := bounce.Stamp(s.now())
		// Not one query: of a UNION SQLite makes a scan in the order of keys.
		for _, due := range []string{
			"SELECT recipient_key FROM recipients WHERE bad_until <= ? LIMIT ?",
			"SELECT recipient_key FROM decisions WHERE until <= ? AND until IS NOT NULL AND ended_at IS NULL LIMIT ?",
		} {
			err := scanAll(ctx, s.db, due, func(scan func(...any) error) error {
				var key int64
				err := scan(&key)
				keys = append(keys, key)
				return err
			}, now, pageSize)
			if err != nil {
				return n, err
			}
		}
		if len(keys) == 0 {
			return n, nil
		}
		err := s.transaction(ctx, func(w *writer) error {
			w.now = now
			_, err := w.tx.ExecContext(ctx, `
				UPDATE decisions SET ended_at = until
				WHERE until <= ? AND until IS NOT NULL AND ended_at IS NULL AND recipient_key IN (SELECT value FROM json_each(?))`, now, keyList(keys))
			if err != nil {
				return err
			}
			slices.Sort(keys)
			keys = slices.Compact(keys)
			rows, err := w.knownRows(keys)
			if err != nil {
				return err
			}
			for i := range rows {
				r := &rows[i]
				if r.history, err = r.was.History(); err != nil {
					return fmt.Errorf("recipient %s: %w", r.to.Normal, err)
				}
			}
			err = w.show(rows)
			n += w.changes.Rows
			return err
		})
		if err != nil {
			return n, err
		}
	}
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
	fill := func(r *recipientRow, p *packedRows) {
		seq++
		p.text(r.to.Domain)
		p.text(string(r.row.State))
		p.text(string(r.row.DecidedBy))
		p.text(string(r.row.Category))
		p.text(string(r.row.Reason))
		p.known(r.row.FirstAt)
		p.known(r.row.LastAt)
		p.known(r.row.LastDelivery)
		p.int(int64(r.row.PermanentCount))
		p.int(int64(r.row.RetryCount))
		p.known(r.row.BadSince)
		p.known(r.row.BadUntil)
		p.number(int(r.row.LastID))
		p.number(int(r.row.DecidingID))
		p.int(seq)
		p.known(r.row.Memory)
		p.text(r.to.Normal)
	}
	// Not one statement for both: of a row to be inserted every index is asked
	// whether it is there already.
	known := slices.DeleteFunc(slices.Clone(rows), func(r *recipientRow) bool { return !r.known })
	err := w.bulk(len(known), `
		UPDATE recipients SET
		  domain = ?, state = ?, decided_by = ?, category = ?, reason = ?, first_failure_at = ?, last_failure_at = ?, last_delivery_at = ?,
		  permanent_count = ?, retry_count = ?, bad_since = ?, bad_until = ?, last_bounce_id = ?, deciding_bounce_id = ?, seq = ?, memory = ?
		WHERE recipient = ?`,
		func(i int, p *packedRows) { fill(known[i], p) }, nil)
	if err != nil {
		return err
	}
	others := slices.DeleteFunc(slices.Clone(rows), func(r *recipientRow) bool { return r.known })
	return w.bulk(len(others), `
		INSERT OR REPLACE INTO recipients (
		  domain, state, decided_by, category, reason, first_failure_at, last_failure_at, last_delivery_at,
		  permanent_count, retry_count, bad_since, bad_until, last_bounce_id, deciding_bounce_id, seq, memory, recipient, recipient_key
		) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		func(i int, p *packedRows) {
			fill(others[i], p)
			p.int(others[i].key)
		}, nil)
}
