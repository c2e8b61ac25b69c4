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
	changed  map[key]struct{}
	stored   map[key]struct{} // the keys that have a row in the database
	sweepAt  time.Time        // log time of the next sweep by age

	unjoined int
	delivery bounce.Delivery // handed to yield, and used again
}

type key struct {
	host string
	mta  bounce.MTA
	id   string
}

// message is what is known of one message; its JSON is what is stored.
type message struct {
	Sender    string              `json:"s,omitempty"`
	HasSender bool                `json:"hs,omitempty"`
	MessageID string              `json:"m,omitempty"`
	Deferrals map[string]deferral `json:"d,omitempty"` // by recipient, as logged

	seenAt time.Time
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
		changed:     make(map[key]struct{}),
		stored:      make(map[key]struct{}),
	}
}

// Restore takes back the entries that Changes once gave.
func (q *Queue) Restore(entries []bounce.QueueEntry) error {
	for _, e := range entries {
		m := &message{seenAt: e.SeenAt}
		if err := json.Unmarshal(e.Data, m); err != nil {
			return fmt.Errorf("what is remembered of message %s: %w", e.QueueID, err)
		}
		k := key{e.Host, e.MTA, e.QueueID}
		q.messages[k] = m
		q.stored[k] = struct{}{}
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
		k := keyOf(ev)
		if _, known := q.messages[k]; known {
			delete(q.messages, k)
			q.touch(k)
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
			*m = message{seenAt: ev.At}
		}
		m.MessageID = ev.MessageID
	}
	if ev.HasSender {
		m.Sender, m.HasSender = ev.Sender, true
	}
}

func (q *Queue) attempt(ev *bounce.Event, yield func(*bounce.Delivery)) {
	var m *message
	if ev.Outcome == bounce.Deferred && ev.QueueID != "" {
		m = q.message(ev)
	} else {
		m = q.messages[keyOf(ev)]
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
				m.Deferrals = make(map[string]deferral, 1)
			}
			m.Deferrals[ev.Recipient] = deferral{ev.OriginalRecipient, ev.DSN, ev.Reply}
		case wasDeferred:
			if ev.Outcome == bounce.Expired && !ev.Reply.Remote() {
				d.Reply = last.Reply
				d.DSN = cmp.Or(d.DSN, last.DSN)
			}
			delete(m.Deferrals, ev.Recipient)
			q.touch(keyOf(ev))
		}
	}
	yield(d)
}

func (q *Queue) giveUp(ev *bounce.Event, yield func(*bounce.Delivery)) {
	m := q.messages[keyOf(ev)]
	if m == nil || len(m.Deferrals) == 0 {
		q.unjoined++
		return
	}
	if ev.HasSender {
		m.Sender, m.HasSender = ev.Sender, true
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
	q.touch(keyOf(ev))
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
	k := keyOf(ev)
	m := q.messages[k]
	if m == nil {
		m = &message{}
		q.messages[k] = m
	}
	m.seenAt = ev.At
	q.touch(k)
	q.sweep(ev.At)
	return m
}

func (q *Queue) touch(k key) { q.changed[k] = struct{}{} }

// sweep forgets the messages that nothing was heard of for too long, once for
// each hour of log time. Age is measured against the line just read, not
// against the newest one: an old log may be read after a new one.
func (q *Queue) sweep(now time.Time) {
	over := len(q.messages) > q.MaxMessages
	if !over && now.Before(q.sweepAt) && now.After(q.sweepAt.Add(-2*time.Hour)) {
		return
	}
	q.sweepAt = now.Add(time.Hour)
	for k, m := range q.messages {
		if now.Sub(m.seenAt) > q.Lifetime {
			q.forget(k)
		}
	}
	if len(q.messages) <= q.MaxMessages {
		return
	}
	// A tenth at once, so that the sort is paid for by many messages.
	oldest := slices.SortedFunc(maps.Keys(q.messages), func(a, b key) int {
		return q.messages[a].seenAt.Compare(q.messages[b].seenAt)
	})
	for _, k := range oldest[:len(oldest)-q.MaxMessages*9/10] {
		q.forget(k)
	}
}

func (q *Queue) forget(k key) {
	delete(q.messages, k)
	q.touch(k)
}

// Changes returns the entries that changed since it was last called, in a
// stable order. They are taken as stored from then on: the caller saves them
// or starts anew from the database.
func (q *Queue) Changes() ([]bounce.QueueEntry, error) {
	var entries []bounce.QueueEntry
	for k := range q.changed {
		m, known := q.messages[k]
		_, stored := q.stored[k]
		if !known && !stored {
			continue // came and went within the batch, as most messages do
		}
		e := bounce.QueueEntry{Host: k.host, MTA: k.mta, QueueID: k.id}
		if known {
			data, err := json.Marshal(m)
			if err != nil {
				return nil, fmt.Errorf("what is remembered of message %s: %w", k.id, err)
			}
			e.SeenAt, e.Data = m.seenAt, data
			q.stored[k] = struct{}{}
		} else {
			delete(q.stored, k)
		}
		entries = append(entries, e)
	}
	clear(q.changed)
	slices.SortFunc(entries, func(a, b bounce.QueueEntry) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.MTA, b.MTA), cmp.Compare(a.QueueID, b.QueueID))
	})
	return entries, nil
}

func keyOf(ev *bounce.Event) key { return key{ev.Host, ev.MTA, ev.QueueID} }
