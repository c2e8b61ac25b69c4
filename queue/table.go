package queue

import (
	"github.com/cespare/xxhash/v2"

	"github.com/bouncetail/bouncetail/bounce"
)

// table finds messages by queue ID and origin. Almost every second line of a log is
// looked up, mostly for a message that is gone within a second, so it is a plain hash
// table with linear probing, at a quarter of the cost of a Go map. The hashes have an
// array of their own, which stays in the processor's cache. They are hashes of the
// queue ID only, so that an ID can be looked up for all origins at once.
type table struct {
	hashes   []uint32   // a power of two, at most three quarters taken; 0 means free
	messages []*message // at the same indexes
	taken    int
}

const fewestSlots = 64

func newTable() table {
	return table{hashes: make([]uint32, fewestSlots), messages: make([]*message, fewestSlots)}
}

// hashID returns the hash of a queue ID.
func hashID(id string) uint64 { return xxhash.Sum64String(id) }

// slotHash returns the part of a hash that the table stores. It is never 0.
func slotHash(hash uint64) uint32 { return uint32(hash) | 1<<31 }

// find returns the message with a queue ID, of which the hash is given, or nil.
func (t *table) find(hash uint64, origin uint32, id string) *message {
	h, last := slotHash(hash), uint32(len(t.hashes)-1)
	for i := h & last; t.hashes[i] != 0; i = (i + 1) & last {
		if t.hashes[i] != h {
			continue
		}
		if m := t.messages[i]; m.origin == origin && string(m.id) == id {
			return m
		}
	}
	return nil
}

// findAny returns a message with a queue ID on any host that accept accepts, or nil.
// A nil accept accepts all.
func (t *table) findAny(hash uint64, id string, accept func(*message) bool) *message {
	h, last := slotHash(hash), uint32(len(t.hashes)-1)
	for i := h & last; t.hashes[i] != 0; i = (i + 1) & last {
		if t.hashes[i] != h {
			continue
		}
		if m := t.messages[i]; string(m.id) == id && (accept == nil || accept(m)) {
			return m
		}
	}
	return nil
}

// add adds a message whose key is not in the table.
func (t *table) add(m *message) {
	if t.taken++; 4*t.taken > 3*len(t.hashes) {
		old := t.messages
		t.hashes, t.messages = make([]uint32, 2*len(old)), make([]*message, 2*len(old))
		for _, m := range old {
			if m != nil {
				t.put(m)
			}
		}
	}
	t.put(m)
}

func (t *table) put(m *message) {
	last := uint32(len(t.hashes) - 1)
	h := slotHash(m.hash)
	i := h & last
	for t.hashes[i] != 0 {
		i = (i + 1) & last
	}
	t.hashes[i], t.messages[i] = h, m
}

// remove removes a message, and moves those behind it that were displaced by it.
func (t *table) remove(m *message) {
	last := uint32(len(t.hashes) - 1)
	gap := slotHash(m.hash) & last
	for t.messages[gap] != m {
		gap = (gap + 1) & last
	}
	for i := gap; ; {
		i = (i + 1) & last
		h := t.hashes[i]
		if h == 0 {
			break
		}
		if home := h & last; (i-home)&last >= (i-gap)&last {
			t.hashes[gap], t.messages[gap] = h, t.messages[i]
			gap = i
		}
	}
	t.hashes[gap], t.messages[gap] = 0, nil
	t.taken--
}

// all returns the messages in no particular order.
func (t *table) all() []*message {
	all := make([]*message, 0, t.taken)
	for _, m := range t.messages {
		if m != nil {
			all = append(all, m)
		}
	}
	return all
}

// origins numbers the hosts and mail servers: a queue ID is unique within each.
type origins struct {
	known   []origin // by number
	numbers map[origin]uint32
	last    uint32 // the number returned last
}

type origin struct {
	host string
	mta  bounce.MTA
}

// number returns the number of a host and MTA, which are mostly those of the
// previous line.
func (o *origins) number(host string, mta bounce.MTA) uint32 {
	asked := origin{host, mta}
	if int(o.last) < len(o.known) && o.known[o.last] == asked {
		return o.last
	}
	n, known := o.numbers[asked]
	if !known {
		n = uint32(len(o.known))
		o.known = append(o.known, asked)
		o.numbers[asked] = n
	}
	o.last = n
	return n
}
