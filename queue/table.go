package queue

import (
	"hash/maphash"

	"github.com/bouncetail/bouncetail/bounce"
)

// table finds the messages by their keys. Every second line of a log asks it,
// most of them for a message that is gone within the second, so it is a plain
// hash table with linear probing: a quarter of the cost of a Go map. The hashes
// lie by themselves, for what is looked through must stay near while the log
// streams by.
type table struct {
	seed     maphash.Seed
	hashes   []uint32   // a power of two of them, at most three quarters of them taken; 0 is none
	messages []*message // in the same places
	taken    int
}

const fewestSlots = 64

func newTable() table {
	return table{seed: maphash.MakeSeed(), hashes: make([]uint32, fewestSlots), messages: make([]*message, fewestSlots)}
}

// hash returns the hash of a key, which is never 0.
func (t *table) hash(origin uint32, id string) uint32 {
	return uint32(maphash.String(t.seed, id)) + origin*0x9e3779b9 | 1<<31
}

// find returns the message with a key, or nil, and the hash of the key.
func (t *table) find(origin uint32, id string) (*message, uint32) {
	h := t.hash(origin, id)
	last := uint32(len(t.hashes) - 1)
	for i := h & last; t.hashes[i] != 0; i = (i + 1) & last {
		if t.hashes[i] != h {
			continue
		}
		if m := t.messages[i]; m.origin == origin && string(m.id) == id {
			return m, h
		}
	}
	return nil, h
}

// add takes a message whose key is not in the table.
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
	i := m.hash & last
	for t.hashes[i] != 0 {
		i = (i + 1) & last
	}
	t.hashes[i], t.messages[i] = m.hash, m
}

// remove takes a message out, and closes the gap for those that were put
// further on because of it.
func (t *table) remove(m *message) {
	last := uint32(len(t.hashes) - 1)
	gap := m.hash & last
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

// all returns the messages, in no order.
func (t *table) all() []*message {
	all := make([]*message, 0, t.taken)
	for _, m := range t.messages {
		if m != nil {
			all = append(all, m)
		}
	}
	return all
}

// origins numbers the users of queue IDs: an ID is unique within one host and
// mail server.
type origins struct {
	known   []origin // by number
	numbers map[origin]uint32
	last    uint32 // the number that was asked for last
}

type origin struct {
	host string
	mta  bounce.MTA
}

// number returns the number of a host and MTA, which are mostly those of the
// line before.
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
