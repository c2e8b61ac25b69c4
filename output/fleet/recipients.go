package fleet

import (
	"maps"
	"slices"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/recipient"
)

// touched is an address whose row may change, with what is new about it.
type touched struct {
	to       bounce.Address // empty if it was only reached
	failures []failure
	delivery string // the last one that the instance knows; empty if there was none
	replay   bool   // its history cannot be extended
}

// touches are touched addresses, by key.
type touches map[int64]*touched

// of returns the address with a key, which it adds if it is not among them.
func (all touches) of(key int64) *touched {
	one := all[key]
	if one == nil {
		one = &touched{}
		all[key] = one
	}
	return one
}

// recipientRow is a row of recipients, and what it is made from.
type recipientRow struct {
	to      bounce.Address
	key     int64
	seq     int64
	before  int64 // the seq of the stored row
	leftBad int64
	known   bool // it is in the table already
	was     shown
	is      shown
	history recipient.History
	events  []event // of the failures in the history, by number; see number
}

// shown is what a row shows. The numbers of failures in recipient.Row mean nothing
// here and are 0: a failure is named by its event.
type shown struct {
	recipient.Row
	last, deciding event
}

// savedRow is a row of recipients that is stored.
type savedRow struct{ *recipientRow }

// recipientColumns are the columns of recipients.
var recipientColumns = []column[savedRow]{
	{"recipient_key", "bigint", func(r *savedRow) any { return &r.key }},
	{"recipient", "text", func(r *savedRow) any { return &r.to.Normal }},
	{"domain", "text", func(r *savedRow) any { return &r.to.Domain }},
	{"state", "text", func(r *savedRow) any { return (*string)(&r.is.State) }},
	{"decided_by", "text", func(r *savedRow) any { return (*string)(&r.is.DecidedBy) }},
	{"category", "text", func(r *savedRow) any { return (*string)(&r.is.Category) }},
	{"reason", "text", func(r *savedRow) any { return (*string)(&r.is.Reason) }},
	{"first_failure_at", "timestamptz", func(r *savedRow) any { return pointer(&r.is.FirstAt) }},
	{"last_failure_at", "timestamptz", func(r *savedRow) any { return pointer(&r.is.LastAt) }},
	{"last_event_id", "bytea", func(r *savedRow) any { return idOf(&r.is.last) }},
	{"last_delivery_at", "timestamptz", func(r *savedRow) any { return pointer(&r.is.LastDelivery) }},
	{"permanent_count", "integer", func(r *savedRow) any { return &r.is.PermanentCount }},
	{"retry_count", "integer", func(r *savedRow) any { return &r.is.RetryCount }},
	{"bad_since", "timestamptz", func(r *savedRow) any { return pointer(&r.is.BadSince) }},
	{"bad_until", "timestamptz", func(r *savedRow) any { return pointer(&r.is.BadUntil) }},
	{"deciding_at", "timestamptz", func(r *savedRow) any { return pointer(&r.is.deciding.at) }},
	{"deciding_event_id", "bytea", func(r *savedRow) any { return idOf(&r.is.deciding) }},
	{"memory", "text", func(r *savedRow) any { return pointer(&r.is.Memory) }},
	{"seq", "bigint", func(r *savedRow) any { return &r.seq }},
	{"left_bad_seq", "bigint", func(r *savedRow) any { return pointer(&r.leftBad) }},
}

// idOf returns the id of an event, and nil if there is no event.
func idOf(e *event) any {
	if e.at == "" {
		return nil
	}
	return &e.id
}

var (
	selectRecipients = `
		SELECT ` + names(recipientColumns) + `
		FROM bouncetail.recipients
		WHERE recipient_key = ANY ($1)`
	insertRecipients = `
		INSERT INTO bouncetail.recipients (` + names(recipientColumns) + `)
		SELECT *
		FROM ` + unnest(recipientColumns)
	// A name stays.
	changingColumns  = slices.Concat(recipientColumns[:1], recipientColumns[3:])
	updateRecipients = `
		UPDATE bouncetail.recipients r
		SET (` + names(changingColumns[1:]) + `) = (` + prefixed("new.", changingColumns[1:]) + `)
		FROM ` + unnest(changingColumns) + `
		WHERE r.recipient_key = new.recipient_key`

	// changeColumns are those of recipient_changes, and the seq of the row that is replaced.
	changeColumns = []column[savedRow]{
		{"seq", "bigint", func(r *savedRow) any { return &r.seq }},
		{"recipient_key", "bigint", func(r *savedRow) any { return &r.key }},
		{"before", "bigint", func(r *savedRow) any { return pointer(&r.before) }},
	}
	saveChanges = `
		WITH replaced AS (DELETE FROM bouncetail.recipient_changes WHERE seq = ANY ($3::bigint[]))
		INSERT INTO bouncetail.recipient_changes (seq, recipient_key)
		SELECT *
		FROM ` + unnest(changeColumns[:2])
)

// recipientsOf loads the rows of those addresses that have one.
func (t *transaction) recipientsOf(keys []int64) (map[int64]*recipientRow, error) {
	rows := make(map[int64]*recipientRow, len(keys))
	return rows, t.send(loadRecipients(keys, rows))
}

// loadRecipients returns the statement of recipientsOf.
func loadRecipients(keys []int64, rows map[int64]*recipientRow) statement {
	return newStatement(selectRecipients, keyArray(keys)).scan(func(f *fields) error {
		r := &recipientRow{known: true}
		r.read(f)
		rows[r.key] = r
		return nil
	})
}

// read reads the columns of recipientColumns.
func (r *recipientRow) read(f *fields) {
	w := &r.was
	r.key, r.to.Normal, r.to.Domain = f.number(), f.text(), f.text()
	w.State, w.DecidedBy = bounce.State(f.text()), bounce.Decider(f.text())
	w.Category, w.Reason = bounce.Category(f.text()), bounce.Reason(f.text())
	w.FirstAt, w.LastAt, w.last.id, w.LastDelivery = f.stamp(), f.stamp(), f.event(), f.stamp()
	w.last.at = w.LastAt
	w.PermanentCount, w.RetryCount, w.BadSince, w.BadUntil = int(f.number()), int(f.number()), f.stamp(), f.stamp()
	w.deciding.at, w.deciding.id, w.Memory, r.before, r.leftBad = f.stamp(), f.event(), f.text(), f.number(), f.number()
}

// refresh makes the rows of touched addresses, and saves those that changed. Some rows
// are known already.
func (t *transaction) refresh(all touches, known map[int64]*recipientRow) error {
	if err := t.reserve(len(all)); err != nil {
		return err
	}
	keys := slices.Sorted(maps.Keys(all))
	for some := range slices.Chunk(keys, batchSize) {
		if err := t.refreshSome(some, all, known); err != nil {
			return err
		}
	}
	return t.acceptedErr
}

func (t *transaction) refreshSome(keys []int64, all touches, known map[int64]*recipientRow) error {
	// Of those that were touched last by a crowd, the rows are not known.
	others := slices.DeleteFunc(slices.Clone(keys), func(key int64) bool { return known[key] != nil || all[key].to.Normal != "" })
	if len(others) > 0 {
		more, err := t.recipientsOf(others)
		if err != nil {
			return err
		}
		maps.Copy(known, more)
	}
	var rows, older []*recipientRow
	for _, key := range keys {
		r, news := known[key], all[key]
		switch {
		case r == nil && news.to.Normal == "":
			continue // it never failed
		case r == nil && news.replay:
			r = &recipientRow{key: key, to: news.to, history: recipient.History{LastDelivery: news.delivery}}
			older = append(older, r)
		case r == nil:
			r = &recipientRow{key: key, to: news.to}
			r.history = t.in.Replay(r.to.Domain, r.number(news.failures), news.delivery)
		default:
			loaded := r.load()
			if !loaded {
				t.leaveOut("the memory of recipient_key %d in recipients", r.key)
			}
			delivery := max(r.was.LastDelivery, news.delivery)
			if news.replay || !loaded || !t.in.Extend(&r.history, r.to.Domain, r.number(news.failures), delivery) {
				r.history.LastDelivery = delivery
				older = append(older, r)
			}
		}
		rows = append(rows, r)
	}
	if err := t.replay(older); err != nil {
		return err
	}
	decisions, err := t.decisionsOn(keys)
	if err != nil {
		return err
	}
	return t.save(rows, decisions)
}

// The failures of a history are numbered: the last and the deciding one of the stored
// row, and then those that are added.
const (
	storedLast     = 1
	storedDeciding = 2
	firstAdded     = 3
)

// load makes the history that the stored row was made from, and returns false if its
// memory cannot be read.
func (r *recipientRow) load() bool {
	stored := r.was.Row
	if r.was.last.at != "" {
		stored.LastID, stored.DecidingID = storedLast, storedDeciding
		if r.was.deciding == r.was.last {
			stored.DecidingID = storedLast
		}
	}
	var err error
	r.history, err = stored.History()
	return err == nil
}

// number sorts failures and numbers them, so that equal ones have the same order,
// whichever instance sends them first.
func (r *recipientRow) number(failures []failure) []recipient.Failure {
	slices.SortFunc(failures, func(a, b failure) int { return a.compare(b.event) })
	r.events = make([]event, firstAdded, firstAdded+len(failures))
	r.events[storedLast], r.events[storedDeciding] = r.was.last, r.was.deciding
	numbered := make([]recipient.Failure, len(failures))
	for i := range failures {
		numbered[i] = failures[i].Failure
		numbered[i].ID = int64(len(r.events))
		r.events = append(r.events, failures[i].event)
	}
	recipient.Sort(numbered)
	return numbered
}

// replay makes histories from all failures.
func (t *transaction) replay(rows []*recipientRow) error {
	if len(rows) == 0 {
		return nil
	}
	keys := make([]int64, len(rows))
	for i, r := range rows {
		keys[i] = r.key
	}
	failures, err := t.failuresOf(keys)
	if err != nil {
		return err
	}
	for _, r := range rows {
		r.history = t.in.Replay(r.to.Domain, r.number(failures[r.key]), r.history.LastDelivery)
	}
	return t.addPruned(rows, keys)
}

// save makes the rows from their histories, and stores those that changed, each under
// the next change number.
func (t *transaction) save(rows []*recipientRow, decisions map[int64]*recipient.Decision) error {
	var added, changed []savedRow
	states := make(map[bounce.State]int64) // how many more are in each
	for _, r := range rows {
		r.is.Row = r.history.Row(decisions[r.key], t.now)
		r.is.last, r.is.deciding = r.events[r.is.LastID], r.events[r.is.DecidingID]
		r.is.LastID, r.is.DecidingID = 0, 0
		if r.known && r.is == r.was {
			continue
		}
		t.seq++
		r.seq = t.seq
		if r.was.State == bounce.StateBad && r.is.State != bounce.StateBad {
			r.leftBad = r.seq
		}
		t.changes.Add(&r.was.Row, &r.is.Row)
		states[r.is.State]++
		if r.known {
			states[r.was.State]--
			changed = append(changed, savedRow{r})
		} else {
			added = append(added, savedRow{r})
		}
	}
	if len(added)+len(changed) == 0 {
		return nil
	}
	if err := t.later(rowsStatement(saveChanges, changeColumns, slices.Concat(added, changed))); err != nil {
		return err
	}
	if err := t.countStates(states); err != nil {
		return err
	}
	if len(added) > 0 {
		if err := t.later(rowsStatement(insertRecipients, recipientColumns, added)); err != nil {
			return err
		}
	}
	if len(changed) == 0 {
		return nil
	}
	return t.later(rowsStatement(updateRecipients, changingColumns, changed))
}

type stateCount struct {
	state bounce.State
	n     int64
}

var stateColumns = []column[stateCount]{
	{"state", "text", func(c *stateCount) any { return (*string)(&c.state) }},
	{"recipients", "bigint", func(c *stateCount) any { return &c.n }},
}

var addStates = `
	INSERT INTO bouncetail.state_counts AS known (` + names(stateColumns) + `)
	SELECT *
	FROM ` + unnest(stateColumns) + `
	ON CONFLICT (state) DO UPDATE SET recipients = known.recipients + excluded.recipients`

// countStates notes how many more recipients are in each state.
func (t *transaction) countStates(more map[bounce.State]int64) error {
	var rows []stateCount
	for state, n := range more {
		if n != 0 {
			rows = append(rows, stateCount{state, n})
		}
	}
	if len(rows) == 0 {
		return nil
	}
	return t.later(rowsStatement(addStates, stateColumns, rows))
}
