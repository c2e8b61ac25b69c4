// Package queue remembers what the mail server has said of each message that
// is still in its queue, so that a delivery line, which names neither sender
// nor message-id, gets both, and an expiry, which names no reply, gets the
// reply of the last deferral.
//
// It turns a bounce.Event into the bounce.Delivery values that follow from it
// and keeps an entry for each (host, MTA, queue ID), because queue IDs are
// unique only within a host. An entry ends when the log says that the message
// left the queue; entries whose end was never logged are dropped by age and by
// number. What changed since the last batch is handed out by Changes, to be
// saved in the batch's own transaction: were it not, a restart would change
// the records.
package queue

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// Limits on what is remembered, and their defaults.
const (
	// DefaultLifetime is Postfix's maximal_queue_lifetime.
	DefaultLifetime = 5 * 24 * time.Hour
	// DefaultMaxMessages bounds the memory to some 60 MB. A busy server has a
	// few thousand messages in its queue at once.
	DefaultMaxMessages = 200_000
)

// Queue is the memory of messages in flight. It is not safe for concurrent
// use.
type Queue struct {
	// Lifetime is how long after its last line a message is forgotten.
	Lifetime time.Duration
	// MaxMessages is how many messages are remembered at most; the ones not
	// heard of for longest go first.
	MaxMessages int

	messages map[key]*message
	changed  []*message       // since the last call of Changes
	ended    map[key]struct{} // the keys that have a row in the database, and no message any more
	free     []*message       // ended ones, to be used again
	origins  []origin         // by number, see key
	numbers  map[origin]uint32
	last     uint32 // the number that was asked for last
	senders  map[string]string
	sweepAt  time.Time // log time of the next sweep by age

	unjoined int
	delivery bounce.Delivery // handed to yield, and used again
}

// key names a message. Most lines are about one, so it is quick to hash.
type key struct {
	origin uint32
	id     string
}

// origin is who uses a queue ID once at a time.
type origin struct {
	host string
	mta  bounce.MTA
}

// message is what is known of one message; its JSON is what is stored.
type message struct {
	Sender    string               `json:"s,omitempty"`
	HasSender bool                 `json:"hs,omitempty"`
	MessageID string               `json:"m,omitempty"`
	Deferrals map[string]*deferral `json:"d,omitempty"` // by recipient, as logged

	key    key
	seenAt time.Time
	stored bool // it has a row in the database
	at     int  // where it stands in changed, counted from 1; 0 where it does not
}

// deferral is why a recipient was put off the last time.
type deferral struct {
	OriginalRecipient string       `json:"o,omitempty"`
	DSN               string       `json:"n,omitempty"`
	Reply             bounce.Reply `json:"r"`
}

// New returns an empty memory with the default limits.
func New() *Queue {
	return &Queue{
		Lifetime:    DefaultLifetime,
		MaxMessages: DefaultMaxMessages,
		messages:    make(map[key]*message),
		ended:       make(map[key]struct{}),
		numbers:     make(map[origin]uint32),
		senders:     make(map[string]string),
	}
}

// Restore takes back the entries that Changes once gave.
func (q *Queue) Restore(entries []bounce.QueueEntry) error {
	for _, e := range entries {
		m := &message{key: key{q.origin(e.Host, e.MTA), e.QueueID}, seenAt: e.SeenAt, stored: true}
		if err := json.Unmarshal(e.Data, m); err != nil {
			return fmt.Errorf("what is remembered of message %s: %w", e.QueueID, err)
		}
		q.messages[m.key] = m
	}
	return nil
}

// Len returns how many messages are remembered.
func (q *Queue) Len() int { return len(q.messages) }

// Unjoined returns how many expired messages had no deferral in the logs that
// were read, so that nothing can be said of their recipients.
func (q *Queue) Unjoined() int { return q.unjoined }

// Apply takes the next event of a log and calls yield for each delivery
// attempt that follows from it: none for most events, one for an attempt, one
// for each recipient still deferred when the server gives up on a message.
// The delivery is only valid during the call; its strings may be kept.
func (q *Queue) Apply(ev *bounce.Event, yield func(*bounce.Delivery)) {
	switch ev.Kind {
	case bounce.EventMessage:
		q.learn(ev)
	case bounce.EventAttempt:
		q.attempt(ev, yield)
	case bounce.EventGaveUp:
		q.giveUp(ev, yield)
	case bounce.EventRemoved:
		if m := q.messages[q.keyOf(ev)]; m != nil {
			q.forget(m)
		}
	}
}

// learn keeps what an event says of the message itself. A message-id other
// than the one that is known means that the queue ID is used again, which
// happens within minutes to Postfix's short ones.
func (q *Queue) learn(ev *bounce.Event) {
	m := q.message(ev)
	if ev.MessageID != "" && ev.MessageID != m.MessageID {
		if m.MessageID != "" {
			m.Sender, m.HasSender, m.Deferrals = "", false, nil
		}
		m.MessageID = strings.Clone(ev.MessageID)
	}
	if ev.HasSender {
		m.Sender, m.HasSender = q.sender(ev.Sender), true
	}
}

func (q *Queue) attempt(ev *bounce.Event, yield func(*bounce.Delivery)) {
	var m *message
	if ev.Outcome == bounce.Deferred && ev.QueueID != "" {
		m = q.message(ev)
	} else {
		m = q.messages[q.keyOf(ev)]
	}
	d := &q.delivery
	*d = bounce.Delivery{
		ID:                ev.ID,
		At:                ev.At,
		Host:              ev.Host,
		MTA:               ev.MTA,
		QueueID:           ev.QueueID,
		Sender:            ev.Sender,
		HasSender:         ev.HasSender,
		MessageID:         ev.MessageID,
		Recipient:         ev.Recipient,
		OriginalRecipient: ev.OriginalRecipient,
		Outcome:           ev.Outcome,
		DSN:               ev.DSN,
		Reply:             ev.Reply,
	}
	if m != nil {
		fillFromMessage(d, m)
		last, wasDeferred := m.Deferrals[ev.Recipient]
		switch {
		case ev.Outcome == bounce.Deferred:
			if m.Deferrals == nil {
				m.Deferrals = make(map[string]*deferral, 1)
			}
			m.Deferrals[ev.Recipient] = &deferral{ev.OriginalRecipient, ev.DSN, ev.Reply}
		case wasDeferred:
			if ev.Outcome == bounce.Expired && !ev.Reply.Remote() {
				d.Reply = last.Reply
				d.DSN = cmp.Or(d.DSN, last.DSN)
			}
			delete(m.Deferrals, ev.Recipient)
			q.touch(m)
		}
	}
	yield(d)
}

func (q *Queue) giveUp(ev *bounce.Event, yield func(*bounce.Delivery)) {
	m := q.messages[q.keyOf(ev)]
	if m == nil || len(m.Deferrals) == 0 {
		q.unjoined++
		return
	}
	if ev.HasSender {
		m.Sender, m.HasSender = q.sender(ev.Sender), true
	}
	// In order, so that a log read twice gives its records in the same order.
	for _, recipient := range slices.Sorted(maps.Keys(m.Deferrals)) {
		last := m.Deferrals[recipient]
		d := &q.delivery
		*d = bounce.Delivery{
			ID:                ev.ID.ForRecipient(recipient),
			At:                ev.At,
			Host:              ev.Host,
			MTA:               ev.MTA,
			QueueID:           ev.QueueID,
			Recipient:         recipient,
			OriginalRecipient: last.OriginalRecipient,
			Outcome:           bounce.Expired,
			DSN:               last.DSN,
			Reply:             last.Reply,
		}
		fillFromMessage(d, m)
		yield(d)
	}
	m.Deferrals = nil
	m.seenAt = ev.At
	q.touch(m)
}

func fillFromMessage(d *bounce.Delivery, m *message) {
	if !d.HasSender {
		d.Sender, d.HasSender = m.Sender, m.HasSender
	}
	if d.MessageID == "" {
		d.MessageID = m.MessageID
	}
}

// message returns the message that an event is about, as a new one where it is
// not known, and notes that it changes.
func (q *Queue) message(ev *bounce.Event) *message {
	q.sweep(ev.At)
	k := q.keyOf(ev)
	m := q.messages[k]
	if m == nil {
		if n := len(q.free); n > 0 {
			m, q.free = q.free[n-1], q.free[:n-1]
		} else {
			m = &message{}
		}
		k.id = strings.Clone(k.id) // the event's lies in a block of the log
		*m = message{key: k}
		if _, m.stored = q.ended[k]; m.stored {
			delete(q.ended, k)
		}
		q.messages[k] = m
	}
	m.seenAt = ev.At
	q.touch(m)
	return m
}

// touch notes that a message changes.
func (q *Queue) touch(m *message) {
	if m.at == 0 {
		q.changed = append(q.changed, m)
		m.at = len(q.changed)
	}
}

// maxFree bounds the messages that are kept to be used again.
const maxFree = 10_000

// forget drops a message. One that has no row in the database, because it came
// and went within a batch, as most do, leaves no trace.
func (q *Queue) forget(m *message) {
	delete(q.messages, m.key)
	if m.stored {
		q.ended[m.key] = struct{}{}
	}
	if m.at > 0 {
		last := q.changed[len(q.changed)-1]
		last.at = m.at
		q.changed[m.at-1] = last
		q.changed = q.changed[:len(q.changed)-1]
	}
	if len(q.free) < maxFree {
		*m = message{}
		q.free = append(q.free, m)
	}
}

// maxSenders bounds the sender addresses of which one copy is shared.
const maxSenders = 10_000

// sender returns a copy of a sender's address that may be kept.
func (q *Queue) sender(s string) string {
	if own, known := q.senders[s]; known {
		return own
	}
	if len(q.senders) >= maxSenders {
		clear(q.senders)
	}
	own := strings.Clone(s)
	q.senders[own] = own
	return own
}

func (q *Queue) keyOf(ev *bounce.Event) key { return key{q.origin(ev.Host, ev.MTA), ev.QueueID} }

// origin returns the number of a host and MTA, which are mostly those of the
// line before.
func (q *Queue) origin(host string, mta bounce.MTA) uint32 {
	o := origin{host, mta}
	if int(q.last) < len(q.origins) && q.origins[q.last] == o {
		return q.last
	}
	n, known := q.numbers[o]
	if !known {
		n = uint32(len(q.origins))
		q.origins = append(q.origins, o)
		q.numbers[o] = n
	}
	q.last = n
	return n
}

// sweep forgets the messages that nothing was heard of for too long, once for
// each hour of log time. Age is measured against the line just read, not
// against the newest one: an old log may be read after a new one.
func (q *Queue) sweep(now time.Time) {
	over := len(q.messages) > q.MaxMessages
	if !over && now.Before(q.sweepAt) && now.After(q.sweepAt.Add(-2*time.Hour)) {
		return
	}
	q.sweepAt = now.Add(time.Hour)
	for _, m := range q.messages {
		if now.Sub(m.seenAt) > q.Lifetime {
			q.forget(m)
		}
	}
	if len(q.messages) <= q.MaxMessages {
		return
	}
	// A tenth at once, so that the sort is paid for by many messages.
	oldest := slices.SortedFunc(maps.Values(q.messages), func(a, b *message) int {
		return cmp.Or(a.seenAt.Compare(b.seenAt), cmp.Compare(a.key.origin, b.key.origin), cmp.Compare(a.key.id, b.key.id))
	})
	for _, m := range oldest[:len(oldest)-q.MaxMessages*9/10] {
		q.forget(m)
	}
}

// Changes returns the entries that changed since it was last called, in a
// stable order. They are taken as stored from then on: the caller saves them
// or starts anew from the database.
func (q *Queue) Changes() ([]bounce.QueueEntry, error) {
	var entries []bounce.QueueEntry
	for _, m := range q.changed {
		data, err := json.Marshal(m)
		if err != nil {
			return nil, fmt.Errorf("what is remembered of message %s: %w", m.key.id, err)
		}
		e := q.entry(m.key)
		e.SeenAt, e.Data = m.seenAt, data
		entries = append(entries, e)
		m.stored, m.at = true, 0
	}
	for k := range q.ended {
		entries = append(entries, q.entry(k))
	}
	q.changed = q.changed[:0]
	clear(q.ended)
	slices.SortFunc(entries, func(a, b bounce.QueueEntry) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.MTA, b.MTA), cmp.Compare(a.QueueID, b.QueueID))
	})
	return entries, nil
}

func (q *Queue) entry(k key) bounce.QueueEntry {
	o := q.origins[k.origin]
	return bounce.QueueEntry{Host: o.host, MTA: o.mta, QueueID: k.id}
}
