package queue

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// Wait is how long a success that may be none waits in log time for the second
// message. A content filter takes a message and gives it back within seconds.
const Wait = 60 * time.Second

// maxWaiting bounds the successes that wait.
const maxWaiting = 100_000

// success is a delivery that was handed to a program or to a server nearby, and
// may have been a content filter. If the same message comes back for the same
// recipient, its own lines decide; if not, it was delivered.
type success struct {
	id        bounce.EventID
	at        time.Time
	since     time.Time // when it was read, by the clock
	origin    uint32
	queueID   string
	messageID string
	onward    string // the queue ID that the server gave, or empty
	recipient string
	original  string
	stored    bool
	gone      bool // released or dropped
	announced bool // in waiting.added
}

// waiting holds the successes that wait, in the order in which they came.
type waiting struct {
	list        []*success
	head        int // where the first stands that has not gone
	gone        int // how many of list have
	byMessageID map[string][]*success
	byOnward    map[string][]*success
	added       []*success // since the last call of Changes
	ended       []*success // likewise, those that are stored
}

// waitingEntry is the JSON in which a success is stored.
type waitingEntry struct {
	ID                string `json:"id"`
	QueueID           string `json:"q"`
	Onward            string `json:"n,omitempty"`
	Recipient         string `json:"t"`
	OriginalRecipient string `json:"o,omitempty"`
}

// len returns how many wait.
func (w *waiting) len() int { return len(w.list) - w.gone }

// add takes a success, whose texts it keeps.
func (w *waiting) add(s *success) {
	if w.byMessageID == nil {
		w.byMessageID, w.byOnward = make(map[string][]*success), make(map[string][]*success)
	}
	w.list = append(w.list, s)
	if s.messageID != "" {
		w.byMessageID[s.messageID] = append(w.byMessageID[s.messageID], s)
	}
	if s.onward != "" {
		w.byOnward[s.onward] = append(w.byOnward[s.onward], s)
	}
	if !s.stored {
		w.added, s.announced = append(w.added, s), true
	}
}

// end takes a success out.
func (w *waiting) end(s *success) {
	if s.gone {
		return
	}
	s.gone = true
	w.gone++
	unlist(w.byMessageID, s.messageID, s)
	unlist(w.byOnward, s.onward, s)
	if s.stored {
		w.ended = append(w.ended, s)
	}
	if w.gone > 64 && 2*w.gone > len(w.list) || w.gone == len(w.list) {
		w.compact()
	}
}

func (w *waiting) compact() {
	left := w.list[:0]
	for _, s := range w.list {
		if !s.gone {
			left = append(left, s)
		}
	}
	clear(w.list[len(left):])
	w.list, w.head, w.gone = left, 0, 0
}

func unlist(by map[string][]*success, key string, s *success) {
	all := by[key]
	for i := range all {
		if all[i] == s {
			all[i] = all[len(all)-1]
			all[len(all)-1] = nil
			all = all[:len(all)-1]
			break
		}
	}
	if len(all) == 0 {
		delete(by, key)
	} else {
		by[key] = all
	}
}

// wait decides about a success that may be none: it drops it if the message is
// known to go on, yields it if nothing suggests that, and else lets it wait.
func (q *Queue) wait(ev *bounce.Event, m *message, yield func(*bounce.Delivery)) {
	if ev.Onward != "" && q.alive(ev.Onward, ev.At) {
		return
	}
	messageID := ev.MessageID
	if m != nil && messageID == "" {
		messageID = string(m.messageID)
	}
	if q.waiting.len() >= maxWaiting || !q.mayGoOn(ev, m, messageID) {
		yield(&ev.Delivery)
		return
	}
	// Clones, because a substring would keep its block of the log in memory.
	q.waiting.add(&success{
		id: ev.ID, at: ev.At, since: q.now(), origin: q.origins.number(ev.Host, ev.MTA),
		queueID: strings.Clone(ev.QueueID), messageID: strings.Clone(messageID), onward: strings.Clone(ev.Onward),
		recipient: strings.Clone(ev.Recipient), original: strings.Clone(ev.OriginalRecipient),
	})
}

// mayGoOn reports whether a second message may come. A program gives its own back
// when it likes. A server answers after it has given the message back, so that
// either its answer names an ID like those of the logs, or a message with the same
// message-id is in a queue already.
func (q *Queue) mayGoOn(ev *bounce.Event, m *message, messageID string) bool {
	if ev.Onward != "" && sameForm(ev.Onward, ev.QueueID) {
		return true
	}
	if messageID == "" {
		return false
	}
	if !ev.Server {
		return true
	}
	for _, other := range q.messages.messages {
		if other != nil && other != m && !other.ended && string(other.messageID) == messageID && within(other.seenAt, ev.At) {
			return true
		}
	}
	return false
}

// sameForm reports whether two queue IDs may be of one kind of server.
func sameForm(a, b string) bool {
	return len(a) <= len(b)+3 && len(b) <= len(a)+3 && isHex(a) == isHex(b)
}

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || '9' < c) && (c < 'A' || 'F' < c) {
			return false
		}
	}
	return true
}

// alive reports whether a message with a queue ID is in a queue, on any host in
// the logs, at about a time: IDs are used again.
func (q *Queue) alive(id string, at time.Time) bool {
	for origin := range q.origins.known {
		if m, _ := q.messages.find(uint32(origin), id); m != nil && !m.ended && within(m.seenAt, at) {
			return true
		}
	}
	return false
}

// within reports whether two times are within Wait. Logs may be read in any order.
func within(a, b time.Time) bool { return a.Sub(b).Abs() <= Wait }

// meet compares an event with what waits: it drops the successes of messages that
// go on in this one, and yields those that have waited long enough. m is the
// message that the event is about, or nil.
func (q *Queue) meet(ev *bounce.Event, m *message, yield func(*bounce.Delivery)) {
	w := &q.waiting
	if ev.QueueID != "" {
		for _, s := range append([]*success(nil), w.byOnward[ev.QueueID]...) {
			if within(ev.At, s.at) {
				w.end(s)
			}
		}
	}
	if ev.Kind == bounce.EventAttempt && m != nil && len(m.messageID) > 0 {
		var same []*success
		for _, s := range w.byMessageID[string(m.messageID)] {
			if (s.queueID != ev.QueueID || s.origin != m.origin) && within(ev.At, s.at) && s.isFor(ev) {
				same = append(same, s)
			}
		}
		for _, s := range same {
			w.end(s)
		}
	}
	for w.len() > 0 {
		oldest := w.first()
		if ev.At.Sub(oldest.at) < Wait {
			return
		}
		q.release(oldest, yield)
	}
}

// first returns the success that has waited for longest; there has to be one.
func (w *waiting) first() *success {
	for w.list[w.head].gone {
		w.head++
	}
	return w.list[w.head]
}

// isFor reports whether an attempt is for the recipient of a success. Aliases may
// be looked up before a filter or behind it.
func (s *success) isFor(ev *bounce.Event) bool {
	for _, a := range [...]string{s.recipient, s.original} {
		for _, b := range [...]string{ev.Recipient, ev.OriginalRecipient} {
			if a != "" && strings.EqualFold(a, b) {
				return true
			}
		}
	}
	return false
}

// release yields a success.
func (q *Queue) release(s *success, yield func(*bounce.Delivery)) {
	o := q.origins.known[s.origin]
	q.delivery = bounce.Delivery{
		ID: s.id, At: s.at, Host: o.host, MTA: o.mta, QueueID: s.queueID, MessageID: s.messageID,
		Recipient: s.recipient, OriginalRecipient: s.original, Outcome: bounce.Sent,
	}
	q.waiting.end(s)
	yield(&q.delivery)
}

// Waiting returns how many successes wait for a second message.
func (q *Queue) Waiting() int { return q.waiting.len() }

// Release yields the successes that have waited long enough by the clock, for
// logs in which nothing follows. The zero time yields all of them, at the end of
// an import.
func (q *Queue) Release(now time.Time, yield func(*bounce.Delivery)) {
	for _, s := range append([]*success(nil), q.waiting.list...) {
		if !s.gone && (now.IsZero() || now.Sub(s.since) >= Wait) {
			q.release(s, yield)
		}
	}
}

// waitingID is the queue ID under which a success is stored: that of its message,
// and its own.
func (s *success) waitingID() string { return s.queueID + " " + s.id.String() }

// waitingChanges returns the entries of successes that came or ended.
func (q *Queue) waitingChanges() (entries []bounce.QueueEntry, err error) {
	w := &q.waiting
	for _, s := range w.added {
		s.announced = false
		if s.gone {
			continue
		}
		data, err := marshal(&entry{MessageID: s.messageID, Waiting: &waitingEntry{s.id.String(), s.queueID, s.onward, s.recipient, s.original}})
		if err != nil {
			return nil, fmt.Errorf("a success of message %s: %w", s.queueID, err)
		}
		entries = append(entries, q.waitingRow(s, data))
		s.stored = true
	}
	for _, s := range w.ended {
		entries = append(entries, q.waitingRow(s, nil))
	}
	w.added, w.ended = w.added[:0], w.ended[:0]
	return entries, nil
}

func (q *Queue) waitingRow(s *success, data []byte) bounce.QueueEntry {
	o := q.origins.known[s.origin]
	e := bounce.QueueEntry{Host: o.host, MTA: o.mta, QueueID: s.waitingID(), Data: data}
	if data != nil {
		e.SeenAt = s.at
	}
	return e
}

// restoreWaiting takes back a success that waited.
func (q *Queue) restoreWaiting(e bounce.QueueEntry, known *entry) error {
	id, err := hex.DecodeString(known.Waiting.ID)
	s := &success{
		at: e.SeenAt, since: q.now(), origin: q.origins.number(e.Host, e.MTA), stored: true,
		queueID: known.Waiting.QueueID, messageID: known.MessageID, onward: known.Waiting.Onward,
		recipient: known.Waiting.Recipient, original: known.Waiting.OriginalRecipient,
	}
	if err != nil || copy(s.id[:], id) != len(s.id) {
		return fmt.Errorf("a success of message %s: its id is %q", e.QueueID, known.Waiting.ID)
	}
	q.waiting.add(s)
	if s.recipient == "" { // taken out by Scrub
		q.waiting.end(s)
	}
	return nil
}
