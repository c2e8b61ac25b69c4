package fleet

import (
	"bytes"
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite/feed"
)

// sentFailure is a row of bounces.
type sentFailure struct {
	*feed.Failure
	instance int64
}

// failureColumns are the columns of bounces.
var failureColumns = []column[sentFailure]{
	{"recipient_key", "bigint", func(f *sentFailure) any { return &f.Key }},
	{"occurred_at", "timestamptz", func(f *sentFailure) any { return &f.At }},
	{"event_id", "bytea", func(f *sentFailure) any { return &f.Record.ID }},
	{"instance", "integer", func(f *sentFailure) any { return &f.instance }},
	{"recipient", "text", func(f *sentFailure) any { return &f.To.Normal }},
	{"domain", "text", func(f *sentFailure) any { return &f.To.Domain }},
	{"original_recipient", "text", func(f *sentFailure) any { return pointer(&f.OriginalRecipient) }},
	{"sender", "text", func(f *sentFailure) any {
		if !f.HasSender {
			return nil
		}
		return &f.Sender
	}},
	{"message_id", "text", func(f *sentFailure) any { return pointer(&f.MessageID) }},
	{"queue_id", "text", func(f *sentFailure) any { return pointer(&f.QueueID) }},
	{"host", "text", func(f *sentFailure) any { return pointer(&f.Host) }},
	{"mta", "text", func(f *sentFailure) any { return (*string)(&f.MTA) }},
	{"outcome", "text", func(f *sentFailure) any { return (*string)(&f.Outcome) }},
	{"dsn", "text", func(f *sentFailure) any { return pointer(&f.DSN) }},
	{"smtp_code", "integer", func(f *sentFailure) any { return pointer(&f.Reply.SMTPCode) }},
	{"enhanced_code", "text", func(f *sentFailure) any { return pointer(&f.Reply.EnhancedCode) }},
	{"reply", "text", func(f *sentFailure) any { return pointer(&f.Reply.Text) }},
	{"stage", "text", func(f *sentFailure) any { return pointer((*string)(&f.Reply.Stage)) }},
	{"relay_host", "text", func(f *sentFailure) any { return pointer(&f.Reply.RelayHost) }},
	{"relay_ip", "text", func(f *sentFailure) any { return pointer(&f.Reply.RelayIP) }},
	{"category", "text", func(f *sentFailure) any { return (*string)(&f.Category) }},
	{"reason", "text", func(f *sentFailure) any { return (*string)(&f.Reason) }},
	{"scope", "text", func(f *sentFailure) any { return (*string)(&f.Scope) }},
	{"disposition", "text", func(f *sentFailure) any { return (*string)(&f.Disposition) }},
	{"suppress", "boolean", func(f *sentFailure) any { return &f.Suppress }},
	{"rule", "text", func(f *sentFailure) any { return &f.Rule }},
	{"provider", "text", func(f *sentFailure) any { return pointer(&f.Provider) }},
	{"recipient_logged", "text", func(f *sentFailure) any { return pointer(&f.To.Logged) }},
	{"relay_port", "integer", func(f *sentFailure) any { return pointer(&f.Reply.RelayPort) }},
	{"blocklist", "text", func(f *sentFailure) any { return pointer(&f.Blocklist) }},
	{"retry_after", "integer", func(f *sentFailure) any { return seconds(f.RetryAfter) }},
	{"url", "text", func(f *sentFailure) any { return pointer(&f.URL) }},
	{"transport", "text", func(f *sentFailure) any { return pointer(&f.Transport) }},
	{"router", "text", func(f *sentFailure) any { return pointer(&f.Router) }},
	{"named_host", "text", func(f *sentFailure) any { return pointer(&f.NamedHost) }},
}

// seconds is NULL if a duration is 0.
func seconds(d time.Duration) any {
	if n := int64(d / time.Second); n != 0 {
		return n
	}
	return nil
}

// notBeforeHorizon leaves out the failures that Maintain deletes, or has deleted.
const notBeforeHorizon = `
	AND new.occurred_at >= coalesce((
	    SELECT value::timestamptz
	    FROM bouncetail.fleet_meta
	    WHERE name = 'horizon'
	), '-infinity')`

// Two senders with the same lines insert them in the same order, so that one waits for
// the other.
var insertFailures = `
	INSERT INTO bouncetail.bounces (` + names(failureColumns) + `)
	SELECT *
	FROM ` + unnest(failureColumns) + `
	WHERE NOT EXISTS (
	    SELECT 1 FROM bouncetail.forgotten f
	    WHERE f.recipient_key = new.recipient_key AND new.occurred_at <= f.until
	)` + notBeforeHorizon + `
	ORDER BY recipient_key, occurred_at, event_id
	ON CONFLICT DO NOTHING
	RETURNING event_id`

var copyFailures = "COPY bouncetail.bounces (" + names(failureColumns) + ") FROM STDIN (FORMAT binary)"

// errKnown is the error if another instance has sent one of the failures.
var errKnown = errors.New("some of the failures are stored already")

// copy stores failures of which none may be stored or forgotten. It takes half of the
// time of insert. If it fails, so has the transaction.
func (t *transaction) copy(failures []feed.Failure, instance int64) error {
	rows := rowsOf(failures, instance)
	slices.SortFunc(rows, func(a, b sentFailure) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), storable(a.At).Compare(storable(b.At)), slices.Compare(a.Record.ID[:], b.Record.ID[:]))
	})
	if err := t.send(); err != nil {
		return err
	}
	_, err := t.Conn().PgConn().CopyFrom(t.ctx, bytes.NewReader(copyData(failureColumns, rows)), copyFailures)
	if codeOf(err) == "23505" { // unique violation
		return errKnown
	}
	return err
}

func rowsOf(failures []feed.Failure, instance int64) []sentFailure {
	rows := make([]sentFailure, len(failures))
	for i := range failures {
		rows[i] = sentFailure{&failures[i], instance}
	}
	return rows
}

// A host that sends everything again has not read its failures twice.
var insertAlsoRead = `
	INSERT INTO bouncetail.also_read (` + names(failureColumns[:3]) + `, instance)
	SELECT ` + prefixed("b.", failureColumns[:3]) + `, $4::integer
	FROM ` + unnest(failureColumns[:3]) + `
	JOIN bouncetail.bounces b USING (` + names(failureColumns[:3]) + `)
	WHERE b.instance <> $4` + notBeforeHorizon + `
	ON CONFLICT DO NOTHING
	RETURNING event_id`

// insert stores failures, and returns those that no instance had sent before.
func (t *transaction) insert(failures []feed.Failure, instance int64) ([]feed.Failure, error) {
	if len(failures) == 0 {
		return nil, nil
	}
	rows := rowsOf(failures, instance)
	inserted, err := execRows(t, insertFailures, failureColumns, rows)
	isNew := eventSet(inserted)
	if err == nil && len(inserted) < len(rows) {
		known := slices.DeleteFunc(rows, func(f sentFailure) bool { return isNew[f.Record.ID] })
		var added [][]byte
		added, err = execRows(t, insertAlsoRead, failureColumns[:3], known, instance)
		also := eventSet(added)
		t.alsoRead = slices.DeleteFunc(known, func(f sentFailure) bool { return !also[f.Record.ID] })
	}
	return slices.DeleteFunc(slices.Clone(failures), func(f feed.Failure) bool { return !isNew[f.Record.ID] }), err
}

// eventSet returns the events that a statement has returned.
func eventSet(list [][]byte) map[bounce.EventID]bool {
	set := make(map[bounce.EventID]bool, len(list))
	for _, id := range list {
		set[bounce.EventID(id)] = true
	}
	return set
}

// event names a failure in the fleet, together with the address.
type event struct {
	at string // stored stamp
	id bounce.EventID
}

func (e event) compare(f event) int {
	return cmp.Or(cmp.Compare(e.at, f.at), slices.Compare(e.id[:], f.id[:]))
}

// failure is a failure with its event.
type failure struct {
	recipient.Failure
	event
}

// failureOf returns what the state of an address needs to know about a new failure.
func failureOf(f *feed.Failure) failure {
	return failure{
		recipient.Failure{
			At:          timeOf(f.At),
			Place:       recipient.PlaceOf(clean(f.QueueID)),
			Category:    f.Category,
			Reason:      f.Reason,
			Disposition: f.Disposition,
			Suppress:    f.Suppress, Counts: f.Counts(f.Outcome), Provider: f.Provider, Host: f.NamedHost,
			Relay: recipient.RelayUnit(f.Reply.RelayHost, f.Reply.RelayIP, f.To.Domain),
		},
		event{timeOf(f.At), f.Record.ID},
	}
}

const selectFailures = `
	SELECT recipient_key, occurred_at, event_id, domain, queue_id, outcome, category, reason, scope,
	    disposition, suppress, provider, relay_host, relay_ip, named_host
	FROM bouncetail.bounces
	WHERE recipient_key = ANY ($1) AND reason <> 'suppressed'`

// failuresOf loads all failures of addresses that states follow from.
func (t *transaction) failuresOf(keys []int64) (map[int64][]failure, error) {
	byKey := make(map[int64][]failure, len(keys))
	return byKey, t.send(newStatement(selectFailures, keyArray(keys)).scan(func(r *fields) error {
		key, e, domain := r.number(), event{r.stamp(), r.event()}, r.text()
		f := recipient.Failure{At: e.at, Place: recipient.PlaceOf(r.text())}
		outcome := bounce.Outcome(r.text())
		v := bounce.Verdict{
			Category:    bounce.Category(r.text()),
			Reason:      bounce.Reason(r.text()),
			Scope:       bounce.Scope(r.text()),
			Disposition: bounce.Disposition(r.text()),
			Suppress:    r.bool(),
		}
		f.Category, f.Reason, f.Disposition, f.Suppress, f.Counts = v.Category, v.Reason, v.Disposition, v.Suppress, v.Counts(outcome)
		f.Provider = r.text()
		f.Relay = recipient.RelayUnit(r.text(), r.text(), domain)
		f.Host = r.text()
		byKey[key] = append(byKey[key], failure{f, e})
		return nil
	}))
}

// timeOf returns the stored stamp of a time that PostgreSQL can store.
func timeOf(t time.Time) string { return bounce.Stamp(storable(t)) }

// storable returns the time that is nearest to another and that PostgreSQL can store.
func storable(t time.Time) time.Time {
	switch year := t.UTC().Year(); {
	case year < 1:
		return time.Time{}
	case year > 9999:
		return time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
	}
	return t
}

// Stamp reads a time as a stored stamp, and NULL as an empty one.
type Stamp string

// ScanTimestamptz implements pgtype.TimestamptzScanner.
func (s *Stamp) ScanTimestamptz(v pgtype.Timestamptz) error {
	*s = ""
	if v.Valid {
		*s = Stamp(bounce.Stamp(v.Time))
	}
	return nil
}
