package queue

import (
	"slices"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/bouncetail/bouncetail/bounce"
)

// recent holds the messages that were in the queues recently. A content filter may
// answer after the message that it returned was delivered and removed, so that the
// success is logged last. Only hashes are kept: they are compared, never shown.
type recent struct {
	arrived []arrival // the newest last
	gone    []gone    // likewise
	last    uint32    // the number of the newest of gone; numbers wrap around
	index   []uint32  // by hash of the queue ID: the number of the newest of gone; see gone.older
	count   int       // of all that arrived
	changed bool      // gone, since the last call of Changes
	filters bool      // a success was seen that may be a content filter's
}

// arrival is a message whose message-id was logged.
type arrival struct {
	messageID uint64
	at        int64    // Unix milliseconds
	message   *message // may be another by now: its message-id shows that
}

// gone is a message that was removed, or an attempt for one that is not known.
type gone struct {
	at        int64 // Unix milliseconds
	id        uint64
	messageID uint64
	sender    uint64 // 0 if it is not known
	arrival   int    // see message
	older     uint32 // the number of the next older one with the same place in the index
	tried     tried
}

// goneEntry is the JSON in which it is stored.
type goneEntry struct {
	At        time.Time `json:"a"`
	ID        uint64    `json:"q"`
	MessageID uint64    `json:"m,omitempty"`
	Sender    uint64    `json:"s,omitempty"`
	Tried     []uint32  `json:"t,omitempty"`
}

// tried holds hashes of the recipients of the attempts for a message, up to the first
// 0.
type tried [maxTried]uint32

// maxRecent limits what is searched, and maxStored what is stored of it.
const (
	maxRecent = 2048
	maxStored = 32
	maxTried  = 8       // recipients of a message
	idSlots   = 1 << 12 // 16 kB stay in the processor's cache
)

// recentEntry is the queue ID under which the newest of gone are stored.
const recentEntry = " recent"

// arrive notes the message-id of a message.
func (r *recent) arrive(m *message) {
	r.count++
	m.arrival = r.count
	r.arrived = append(bounded(r.arrived), arrival{m.messageHash, m.seenAt.UnixMilli(), m})
}

// leave notes that a message was removed, or that an attempt names one that is not
// known.
func (r *recent) leave(ev *bounce.Event, m *message) {
	var g *gone
	if m == nil {
		g = r.add(hashID(ev.QueueID))
		g.tried.note(ev)
	} else {
		g = r.add(m.hash)
		g.messageID, g.sender, g.tried, g.arrival = m.messageHash, m.senderHash, m.tried, m.arrival
	}
	g.at = ev.At.UnixMilli()
	r.changed = true
}

// add adds a message to gone, by the hash of its queue ID. It is valid until the next
// call.
func (r *recent) add(id uint64) *gone {
	if r.index == nil {
		r.index = make([]uint32, idSlots)
	}
	r.last++
	newest := &r.index[id%idSlots]
	r.gone = append(bounded(r.gone), gone{id: id, older: *newest})
	*newest = r.last
	return &r.gone[len(r.gone)-1]
}

// newestOf returns the newest of gone with the hash of a queue ID, or nil.
func (r *recent) newestOf(id uint64) *gone {
	if r.index == nil {
		return nil
	}
	return r.olderOf(id, r.index[id%idSlots])
}

// olderOf returns the newest of gone that has the hash of a queue ID and at most a
// number, or nil.
func (r *recent) olderOf(id uint64, number uint32) *gone {
	for {
		age := r.last - number
		if age >= uint32(len(r.gone)) {
			return nil
		}
		g := &r.gone[len(r.gone)-1-int(age)]
		if g.id == id {
			return g
		}
		number = g.older
	}
}

// bounded drops the older half of a list that is full.
func bounded[T any](list []T) []T {
	if len(list) < maxRecent {
		return list
	}
	n := copy(list, list[maxRecent/2:])
	clear(list[n:])
	return list[:n]
}

// addressHash returns a hash of an address that is never 0 and does not depend on
// case.
func addressHash(address string) uint64 {
	for i := range len(address) {
		if c := address[i]; 'A' <= c && c <= 'Z' {
			return xxhash.Sum64String(bounce.LowerASCII(address)) | 1
		}
	}
	return xxhash.Sum64String(address) | 1
}

// note adds the addresses that an attempt names.
func (t *tried) note(ev *bounce.Event) {
	t.add(uint32(addressHash(ev.Recipient)))
	if ev.OriginalRecipient != "" {
		t.add(uint32(addressHash(ev.OriginalRecipient)))
	}
}

func (t *tried) add(hash uint32) {
	for i, h := range t {
		if h == hash || h == 0 {
			t[i] = hash
			return
		}
	}
}

// list returns the hashes.
func (t *tried) list() []uint32 {
	for i, h := range t {
		if h == 0 {
			return t[:i]
		}
	}
	return t[:]
}

// shares reports whether two have a hash in common.
func (t *tried) shares(other *tried) bool {
	for _, x := range t.list() {
		if slices.Contains(other.list(), x) {
			return true
		}
	}
	return false
}

// wasAlive reports whether a message was removed at about a time. id is the hash of its
// queue ID, messageID that of its message-id, or 0 if that does not matter.
func (r *recent) wasAlive(id, messageID uint64, at time.Time) bool {
	for g := r.newestOf(id); g != nil; g = r.olderOf(id, g.older) {
		if before(time.UnixMilli(g.at), at) && (messageID == 0 || g.messageID == messageID) {
			return true
		}
	}
	return false
}

// before reports whether a time is before another, by up to Wait. Clocks differ a
// little. Logs may be read in any order, and what comes later must not matter.
func before(a, b time.Time) bool {
	by := b.Sub(a)
	return -2*time.Second <= by && by <= Wait
}

// wentOn reports whether the message of a success is known to go on as another
// one, which was tried for the same recipient already. came is whether there is
// another one at all.
//
// The other one arrived later: message-ids repeat. What arrived before a restart
// is not compared, so that logs can be imported in any order.
func (q *Queue) wentOn(s *success, of *message, server bool) (went, came bool) {
	if of == nil || of.arrival == 0 {
		return false, false
	}
	r := &q.recent
	messageID := xxhash.Sum64String(s.messageID)
	var own tried
	own.add(uint32(addressHash(s.recipient)))
	if s.original != "" {
		own.add(uint32(addressHash(s.original)))
	}
	for i := len(r.arrived) - 1; i >= 0; i-- {
		a := &r.arrived[i]
		m, arrived := a.message, time.UnixMilli(a.at)
		if a.messageID != messageID || m.ended || m.arrival < of.arrival || !before(arrived, s.at) && (server || !within(arrived, s.at)) ||
			string(m.messageID) != s.messageID || string(m.id) == s.queueID {
			continue
		}
		sender := s.sameSender(string(m.sender), m.hasSender)
		if came = came || sender; m.tried.shares(&own) && s.isSame(sender, true) {
			return true, true
		}
	}
	id, sender := xxhash.Sum64String(s.queueID), addressHash(s.sender)
	for i := len(r.gone) - 1; i >= 0; i-- {
		g := &r.gone[i]
		if g.messageID == messageID && g.arrival > of.arrival && g.id != id && before(time.UnixMilli(g.at), s.at) &&
			s.isSame(g.sender == 0 || !s.hasSender || g.sender == sender, g.tried.shares(&own)) {
			return true, true
		}
	}
	return false, came
}

// isSame reports whether another message with the same message-id is that of a success:
// it has the same sender and recipient, or one of them if a content filter took the
// success. A filter may change a recipient, and submit messages as its own user.
func (s *success) isSame(sender, recipient bool) bool {
	return sender && recipient || s.filter && (sender || recipient)
}

// sameSender reports whether a message may be that of a success by its sender.
func (s *success) sameSender(sender string, known bool) bool {
	return !known || !s.hasSender || strings.EqualFold(s.sender, sender)
}

// changes returns the newest of gone, if they changed and a content filter may be
// in use.
func (r *recent) changes() (list []goneEntry, changed bool) {
	if !r.changed || !r.filters {
		return nil, false
	}
	r.changed = false
	newest := time.UnixMilli(r.gone[len(r.gone)-1].at)
	for i := max(0, len(r.gone)-maxStored); i < len(r.gone); i++ {
		g := &r.gone[i]
		if at := time.UnixMilli(g.at).UTC(); within(at, newest) {
			list = append(list, goneEntry{at, g.id, g.messageID, g.sender, g.tried.list()})
		}
	}
	return list, true
}

// restore takes back what changes gave.
func (r *recent) restore(list []goneEntry) {
	r.filters = true
	for _, e := range list {
		g := r.add(e.ID)
		g.at, g.messageID, g.sender = e.At.UnixMilli(), e.MessageID, e.Sender
		copy(g.tried[:], e.Tried)
	}
}
