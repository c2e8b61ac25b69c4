// Package queue remembers what the mail server has logged about each message in
// its queue. A delivery line, which names neither sender nor message-id, gets both,
// and an expiry, which names no reply, gets the reply of the last deferral. A
// success that may be a handover to a content filter waits until the log shows
// whether the message came back (waiting.go).
//
// It turns a bounce.Event into the bounce.Delivery values that follow from it
// and keeps an entry for each (host, MTA, queue ID), because queue IDs are
// unique only within a host. An entry ends when the log reports that the message
// left the queue. Entries whose end was never logged are dropped by age and by
// number. Changes returns the entries that changed since the last batch. They are
// saved in the transaction of the batch, so that a restart changes no records.
package queue

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/bouncetail/bouncetail/bounce"
)

// Limits on what is remembered, and their defaults.
const (
	// DefaultLifetime is Postfix's maximal_queue_lifetime.
	DefaultLifetime = 5 * 24 * time.Hour
	// DefaultMaxMessages bounds the memory to about 60 MB. A busy server has a few
	// thousand messages in its queue.
	DefaultMaxMessages = 200_000
)

// Queue is the memory of messages in flight. It is not safe for concurrent
// use.
type Queue struct {
	// Lifetime is how long a message is remembered after its last line.
	Lifetime time.Duration
	// MaxMessages is the maximal number of messages. Those whose last line is oldest
	// are dropped first.
	MaxMessages int

	// Now is the clock of Release; nil is time.Now.
	Now func() time.Time

	messages table
	changed  []*message // since the last call of Changes
	ended    []*message // since the last call of Changes: those that had a row in the database. They may have come again
	live     int        // messages that have not ended
	free     []*message // ended ones, to be reused
	origins  origins
	waiting  waiting
	recent   recent
	sweepAt  int64 // log time of the next sweep by age, in seconds since 1970

	unjoined int
	delivery bounce.Delivery // passed to yield, and reused
}

// message is what is known about one message. It is reused, with the memory of its
// texts.
type message struct {
	key
	idSpace [24]byte // holds most queue IDs, so that a look-up reads one piece of memory

	messageID    []byte
	messageHash  uint64 // of messageID; 0 if that is empty
	sender       []byte
	senderHash   uint64 // 0 without hasSender
	hasSender    bool
	stored       bool // it has a row in the database
	ended        bool // it is kept only until its row is deleted
	changedIndex int  // its place in changed, counted from 1; 0 if it is not there
	seenAt       time.Time
	deferrals    deferrals
	tried        tried
	arrival      int // how many had arrived when its message-id was logged; 0 if that was before a restart
}

// key identifies a message.
type key struct {
	hash   uint64 // of id
	origin uint32
	id     []byte // the queue ID
}

// clear empties the message and keeps its memory.
func (m *message) clear() {
	m.deferrals.clear()
	m.tried, m.arrival = tried{}, 0
	m.messageID, m.messageHash = m.messageID[:0], 0
	m.setSender("", false)
	m.stored, m.ended, m.changedIndex, m.seenAt = false, false, 0, time.Time{}
}

func (m *message) setMessageID(id string) {
	m.messageID = append(m.messageID[:0], id...)
	m.messageHash = 0
	if id != "" {
		m.messageHash = xxhash.Sum64String(id)
	}
}

// setSender sets the sender. It is hashed while it is in the processor's cache.
func (m *message) setSender(sender string, known bool) {
	m.sender, m.senderHash, m.hasSender = append(m.sender[:0], sender...), 0, known
	if known {
		m.senderHash = addressHash(sender)
	}
}

// New returns an empty memory with the default limits.
func New() *Queue {
	return &Queue{
		Lifetime:    DefaultLifetime,
		MaxMessages: DefaultMaxMessages,
		messages:    newTable(),
		origins:     origins{numbers: make(map[origin]uint32)},
	}
}

func (q *Queue) now() time.Time {
	if q.Now != nil {
		return q.Now()
	}
	return time.Now()
}

// Len returns how many messages are remembered.
func (q *Queue) Len() int { return q.live }

// Unjoined returns how many expired messages had no deferral in the logs that
// were read, so that their recipients are not known.
func (q *Queue) Unjoined() int { return q.unjoined }

// Apply applies the next event of a log and calls yield for each delivery attempt
// that results from it: none for most events, one for an attempt, and one for each
// recipient still deferred when the server gives up on a message. A delivery is only
// valid during the call. Successes that have waited long enough are yielded too.
func (q *Queue) Apply(ev *bounce.Event, yield func(*bounce.Delivery)) {
	if ev.Kind != bounce.EventAttempt && q.waiting.len() > 0 {
		q.meet(ev, nil, yield)
	}
	switch ev.Kind {
	case bounce.EventAttempt:
		q.attempt(ev, yield)
	case bounce.EventMessage:
		q.learn(ev)
	case bounce.EventGaveUp:
		q.giveUp(ev, yield)
	case bounce.EventRemoved:
		if m := q.known(ev); m != nil {
			q.recent.leave(ev, m)
			q.forget(m)
		}
	}
}

// learn stores what an event reports about the message itself. Another message-id
// than the known one means that the queue ID is reused, which happens within minutes
// with Postfix's short ones.
func (q *Queue) learn(ev *bounce.Event) {
	m := q.message(ev)
	if ev.MessageID != "" && ev.MessageID != string(m.messageID) {
		if len(m.messageID) > 0 {
			m.setSender("", false)
			m.deferrals.clear()
			m.tried = tried{}
		}
		m.setMessageID(ev.MessageID)
		q.recent.arrive(m)
	}
	if ev.HasSender {
		m.setSender(ev.Sender, true)
	}
}

func (q *Queue) attempt(ev *bounce.Event, yield func(*bounce.Delivery)) {
	var m *message
	if ev.Outcome == bounce.Deferred && ev.QueueID != "" {
		m = q.message(ev)
	} else {
		m = q.known(ev)
	}
	if q.waiting.len() > 0 {
		q.meet(ev, m, yield)
	}
	d := &ev.Delivery
	d.First = m == nil || !m.deferrals.has(ev)
	mayGoOn := ev.Outcome == bounce.Sent && (ev.Handover || q.mayHold(ev.Onward, ev.QueueID))
	if m != nil {
		if ev.Outcome != bounce.Sent || mayGoOn { // of other successes only the recipient is stored
			fillFromMessage(d, m)
		}
		q.keepDeferral(ev, m)
		m.tried.note(ev)
	} else if ev.QueueID != "" {
		q.recent.leave(ev, nil)
	}
	switch {
	case ev.Discarded:
	case mayGoOn:
		q.wait(ev, m, yield)
	default:
		yield(d)
	}
}

// keepDeferral remembers why a recipient was deferred, gives that reason to an
// expiry, and forgets it once the recipient is done.
func (q *Queue) keepDeferral(ev *bounce.Event, m *message) {
	recipient := ev.Recipient
	if ev.Outcome == bounce.Expired {
		recipient = m.deferrals.spelling(recipient)
	}
	if ev.Outcome == bounce.Deferred {
		m.deferrals.set(recipient, deferral{ev.OriginalRecipient, ev.DSN, ev.Transport, ev.Router, ev.Reply})
		return
	}
	last := m.deferrals.of(recipient)
	if last == nil {
		return
	}
	if ev.Outcome == bounce.Expired && !ev.Reply.Remote() {
		ev.Reply = last.Reply
		ev.DSN = cmp.Or(ev.DSN, last.DSN)
		ev.Transport, ev.Router = cmp.Or(ev.Transport, last.Transport), cmp.Or(ev.Router, last.Router)
	}
	m.deferrals.remove(recipient)
	q.touch(m)
}

func (q *Queue) giveUp(ev *bounce.Event, yield func(*bounce.Delivery)) {
	m := q.known(ev)
	if m == nil || len(m.deferrals.all) == 0 {
		q.unjoined++
		return
	}
	if ev.HasSender {
		m.setSender(ev.Sender, true)
	}
	// In order, so that a log read twice gives its records in the same order.
	for _, last := range m.deferrals.sorted() {
		d := &q.delivery
		*d = bounce.Delivery{
			ID:                ev.ID.ForRecipient(last.recipient),
			At:                ev.At,
			Host:              ev.Host,
			MTA:               ev.MTA,
			QueueID:           ev.QueueID,
			Recipient:         last.recipient,
			OriginalRecipient: last.OriginalRecipient,
			Outcome:           bounce.Expired,
			DSN:               last.DSN,
			Transport:         last.Transport,
			Router:            last.Router,
			Reply:             last.Reply,
		}
		fillFromMessage(d, m)
		yield(d)
	}
	m.deferrals.clear()
	m.seenAt = ev.At
	q.touch(m)
}

// fillFromMessage completes a delivery with what is known of its message.
func fillFromMessage(d *bounce.Delivery, m *message) {
	if !d.HasSender {
		d.Sender, d.HasSender = string(m.sender), m.hasSender
	}
	if d.MessageID == "" {
		d.MessageID = string(m.messageID)
	}
}

// known returns the message that an event is about, or nil.
func (q *Queue) known(ev *bounce.Event) *message {
	m := q.messages.find(hashID(ev.QueueID), q.origins.number(ev.Host, ev.MTA), ev.QueueID)
	if m != nil && m.ended {
		return nil
	}
	return m
}

// message returns the message that an event is about, and notes that it changes. If it
// is not known, it is added.
func (q *Queue) message(ev *bounce.Event) *message {
	q.sweep(ev.At)
	hash, origin := hashID(ev.QueueID), q.origins.number(ev.Host, ev.MTA)
	m := q.messages.find(hash, origin, ev.QueueID)
	switch {
	case m == nil:
		m = q.add(hash, origin, ev.QueueID)
	case m.ended:
		m.ended = false
		q.live++
	}
	m.seenAt = ev.At
	q.touch(m)
	return m
}

// add returns a new message with a key that is not in the table.
func (q *Queue) add(hash uint64, origin uint32, id string) *message {
	var m *message
	if n := len(q.free); n > 0 {
		m, q.free = q.free[n-1], q.free[:n-1]
	} else {
		m = &message{}
		m.id = m.idSpace[:0]
	}
	m.key = key{hash, origin, append(m.id[:0], id...)}
	q.messages.add(m)
	q.live++
	return m
}

// touch notes that a message changes.
func (q *Queue) touch(m *message) {
	if m.changedIndex == 0 {
		q.changed = append(q.changed, m)
		m.changedIndex = len(q.changed)
	}
}

// maxFree bounds the messages that are kept for reuse.
const maxFree = 10_000

// forget drops a message. Most messages come and go within a batch. They have no row in
// the database, so nothing is stored about them.
func (q *Queue) forget(m *message) {
	q.live--
	if m.changedIndex > 0 {
		last := q.changed[len(q.changed)-1]
		last.changedIndex = m.changedIndex
		q.changed[m.changedIndex-1] = last
		q.changed = q.changed[:len(q.changed)-1]
	}
	stored := m.stored
	m.clear()
	if stored {
		m.stored, m.ended = true, true
		q.ended = append(q.ended, m)
		return
	}
	q.drop(m)
}

// drop removes a message from the table and keeps it for reuse.
func (q *Queue) drop(m *message) {
	q.messages.remove(m)
	if len(q.free) < maxFree {
		m.clear()
		q.free = append(q.free, m)
	}
}

// sweep drops the messages whose last line is too old, once for each hour of log
// time. Age is measured from the line just read and not from the newest one, because
// an old log may be read after a new one.
func (q *Queue) sweep(now time.Time) {
	const hour = 60 * 60
	over, at := q.Len() > q.MaxMessages, now.Unix()
	if !over && at < q.sweepAt && at > q.sweepAt-2*hour {
		return
	}
	q.sweepAt = at + hour
	for _, m := range q.messages.all() {
		if !m.ended && now.Sub(m.seenAt) > q.Lifetime {
			q.forget(m)
		}
	}
	if q.Len() <= q.MaxMessages {
		return
	}
	// A tenth at a time, so that one sort serves many messages.
	oldest := slices.DeleteFunc(q.messages.all(), func(m *message) bool { return m.ended })
	slices.SortFunc(oldest, func(a, b *message) int {
		return cmp.Or(a.seenAt.Compare(b.seenAt), cmp.Compare(a.origin, b.origin), bytes.Compare(a.id, b.id))
	})
	for _, m := range oldest[:len(oldest)-q.MaxMessages*9/10] {
		q.forget(m)
	}
}
