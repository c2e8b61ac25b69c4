package queue

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/bouncetail/bouncetail/bounce"
)

// Wait is how long a success that may be none waits in log time for the second
// message. A content filter takes a message and gives it back within seconds.
const Wait = 60 * time.Second

// WaitFollowed is how long it waits if a message with the same message-id came.
const WaitFollowed = 10 * time.Minute

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
	sender    string
	hasSender bool
	filter    bool   // it was certainly a content filter
	onward    string // the queue ID that the server gave, or empty
	recipient string
	original  string
	relayHost string
	first     bool // see bounce.Delivery
	stored    bool
	gone      bool // released or dropped
	announced bool // in waiting.added
	followed  bool // a message with the same message-id came; it is in waiting.followed
}

// waiting holds the successes that wait.
type waiting struct {
	soon, followed line
	byMessageID    map[string][]*success
	byOnward       map[string][]*success
	added          []*success // or changed, since the last call of Changes
	ended          []*success // likewise, those that are stored
}

// line holds successes in the order of time. One that was moved to the other line
// or has gone stays in it until it is compacted.
type line struct {
	list     []*success
	head     int // where the first stands that is in it
	absent   int // how many are not
	followed bool
}

func (l *line) has(s *success) bool { return !s.gone && s.followed == l.followed }

func (l *line) len() int { return len(l.list) - l.absent }

// first returns the success that has waited for longest; there has to be one.
func (l *line) first() *success {
	for !l.has(l.list[l.head]) {
		l.head++
	}
	return l.list[l.head]
}

// leave notes that a success is in the line no longer.
func (l *line) leave() {
	l.absent++
	if l.absent > 64 && 2*l.absent > len(l.list) || l.absent == len(l.list) {
		left := l.list[:0]
		for _, s := range l.list {
			if l.has(s) {
				left = append(left, s)
			}
		}
		clear(l.list[len(left):])
		l.list, l.head, l.absent = left, 0, 0
	}
}

// waitingEntry is the JSON in which a success is stored.
type waitingEntry struct {
	ID                string `json:"id"`
	QueueID           string `json:"q"`
	Onward            string `json:"n,omitempty"`
	Recipient         string `json:"t"`
	OriginalRecipient string `json:"o,omitempty"`
	Filter            bool   `json:"f,omitempty"`
	Followed          bool   `json:"l,omitempty"`
	RelayHost         string `json:"h,omitempty"`
	First             bool   `json:"i,omitempty"`
}

// len returns how many wait.
func (w *waiting) len() int { return w.soon.len() + w.followed.len() }

// line returns the line of a success.
func (w *waiting) line(s *success) *line {
	if s.followed {
		return &w.followed
	}
	return &w.soon
}

// all returns the successes that wait.
func (w *waiting) all() (all []*success) {
	for _, l := range [...]*line{&w.soon, &w.followed} {
		for _, s := range l.list {
			if l.has(s) {
				all = append(all, s)
			}
		}
	}
	return all
}

// sort puts the successes in the order of time, after those of the database came
// in another.
func (w *waiting) sort() {
	for _, l := range [...]*line{&w.soon, &w.followed} {
		slices.SortStableFunc(l.list, func(a, b *success) int { return a.at.Compare(b.at) })
	}
}

// add takes a success, whose texts it keeps.
func (w *waiting) add(s *success) {
	if w.byMessageID == nil {
		w.byMessageID, w.byOnward, w.followed.followed = make(map[string][]*success), make(map[string][]*success), true
	}
	l := w.line(s)
	l.list = append(l.list, s)
	if s.messageID != "" {
		w.byMessageID[s.messageID] = append(w.byMessageID[s.messageID], s)
	}
	if s.onward != "" {
		w.byOnward[s.onward] = append(w.byOnward[s.onward], s)
	}
	if !s.stored {
		w.announce(s)
	}
}

// announce has a success stored with the next batch.
func (w *waiting) announce(s *success) {
	if !s.announced {
		w.added, s.announced = append(w.added, s), true
	}
}

// follow lets a success wait for the attempts of a message that came.
func (w *waiting) follow(s *success) {
	if s.followed {
		return
	}
	s.followed = true
	w.soon.leave()
	w.followed.list = append(w.followed.list, s)
	w.announce(s)
}

// end takes a success out.
func (w *waiting) end(s *success) {
	if s.gone {
		return
	}
	s.gone = true
	w.line(s).leave()
	unlist(w.byMessageID, s.messageID, s)
	unlist(w.byOnward, s.onward, s)
	if s.stored {
		w.ended = append(w.ended, s)
	}
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
	s := &success{
		id: ev.ID, at: ev.At, since: q.now(), origin: q.origins.number(ev.Host, ev.MTA),
		queueID: ev.QueueID, messageID: ev.MessageID, sender: ev.Sender, hasSender: ev.HasSender, filter: ev.Filter,
		onward: ev.Onward, recipient: ev.Recipient, original: ev.OriginalRecipient, relayHost: ev.Reply.RelayHost, first: ev.First,
	}
	if ev.Onward != "" && q.alive(s, ev.Handover) {
		return
	}
	if !ev.Handover || q.waiting.len() >= maxWaiting {
		yield(&ev.Delivery)
		return
	}
	q.recent.filters = true
	came := false
	if s.messageID != "" {
		var went bool
		if went, came = q.wentOn(s, m, ev.Server); went {
			return
		}
	}
	// A program gives its own back when it likes. A server answers after it has
	// given the message back, so that either its answer names an ID like those of
	// the logs, or a message with the same message-id is in a queue already.
	if !came && (ev.Onward == "" || !sameForm(ev.Onward, ev.QueueID)) && (ev.Server || s.messageID == "") {
		yield(&ev.Delivery)
		return
	}
	// Clones, because the memory of a block of the log is used again.
	for _, text := range [...]*string{&s.queueID, &s.messageID, &s.sender, &s.onward, &s.recipient, &s.original, &s.relayHost} {
		*text = strings.Clone(*text)
	}
	q.waiting.add(s)
	if came {
		q.waiting.follow(s)
	}
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

// mayHold reports whether a queue in the logs holds a message under an ID that
// another server named, or held one recently. Most deliveries name an ID, and nearly
// none of these is known, so that is checked first.
func (q *Queue) mayHold(id, own string) bool {
	if id == "" || id == own {
		return false
	}
	hash := hashID(id)
	return (q.messages.findAny(hash, id, nil) != nil || q.recent.newestOf(hash) != nil) && sameForm(id, own)
}

// alive reports whether the message that a server took under an ID is in a queue, on
// any host in the logs, or was recently: IDs are reused. Any server may name any ID,
// so a server that is not near must also have the same message-id.
func (q *Queue) alive(s *success, near bool) bool {
	if !near && s.messageID == "" {
		return false
	}
	hash := hashID(s.onward)
	if q.messages.findAny(hash, s.onward, func(m *message) bool {
		return !m.ended && within(m.seenAt, s.at) && (near || string(m.messageID) == s.messageID)
	}) != nil {
		return true
	}
	if near {
		return q.recent.wasAlive(hash, 0, s.at)
	}
	return q.recent.wasAlive(hash, xxhash.Sum64String(s.messageID), s.at)
}

// within reports whether two times are within Wait. Logs may be read in any order.
func within(a, b time.Time) bool { return a.Sub(b).Abs() <= Wait }

// meet compares an event with what waits: it drops the successes of messages that
// go on in this one, and yields those that have waited long enough. m is the
// message that the event is about, or nil.
func (q *Queue) meet(ev *bounce.Event, m *message, yield func(*bounce.Delivery)) {
	w := &q.waiting
	if ev.QueueID != "" {
		w.endOnward(ev)
	}
	switch {
	case ev.Kind == bounce.EventMessage && ev.MessageID != "":
		w.followAll(ev)
	case ev.Kind == bounce.EventAttempt && m != nil && len(m.messageID) > 0:
		w.endSame(ev, m)
	}
	for _, l := range [...]*line{&w.soon, &w.followed} {
		for l.len() > 0 {
			oldest := l.first()
			if ev.At.Sub(oldest.at) < oldest.wait() {
				break
			}
			q.release(oldest, yield)
		}
	}
}

// endOnward drops the successes whose server took the message under the queue ID of an
// event.
func (w *waiting) endOnward(ev *bounce.Event) {
	for _, s := range slices.Clone(w.byOnward[ev.QueueID]) {
		if within(ev.At, s.at) {
			w.end(s)
		}
	}
}

// followAll lets the successes wait longer that have the message-id of another message.
func (w *waiting) followAll(ev *bounce.Event) {
	for _, s := range slices.Clone(w.byMessageID[ev.MessageID]) {
		if s.queueID != ev.QueueID && within(ev.At, s.at) {
			w.follow(s)
		}
	}
}

// endSame drops the successes of which an attempt for another message is the second half.
func (w *waiting) endSame(ev *bounce.Event, m *message) {
	for _, s := range slices.Clone(w.byMessageID[string(m.messageID)]) {
		if s.queueID != ev.QueueID && ev.At.Sub(s.at).Abs() <= s.wait() &&
			s.isSame(s.sameSender(string(m.sender), m.hasSender), s.isFor(ev)) {
			w.end(s)
		}
	}
}

// wait returns how long a success waits in log time.
func (s *success) wait() time.Duration {
	if s.followed {
		return WaitFollowed
	}
	return Wait
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
		Reply: bounce.Reply{RelayHost: s.relayHost}, First: s.first,
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
	for _, s := range q.waiting.all() {
		if now.IsZero() || now.Sub(s.since) >= s.wait() {
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
		data, err := marshal(&entry{
			MessageID: s.messageID, Sender: s.sender, HasSender: s.hasSender,
			Waiting: &waitingEntry{s.id.String(), s.queueID, s.onward, s.recipient, s.original, s.filter, s.followed, s.relayHost, s.first},
		})
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
	if list, changed := q.recent.changes(); changed {
		data, err := marshal(&entry{Recent: list})
		if err != nil {
			return nil, fmt.Errorf("the messages that left the queue last: %w", err)
		}
		entries = append(entries, bounce.QueueEntry{MTA: bounce.Postfix, QueueID: recentEntry, SeenAt: list[len(list)-1].At, Data: data})
	}
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
		sender: known.Sender, hasSender: known.HasSender, filter: known.Waiting.Filter, followed: known.Waiting.Followed,
		relayHost: known.Waiting.RelayHost, first: known.Waiting.First,
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
