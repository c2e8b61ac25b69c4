package queue

import (
	"hash/maphash"

	"github.com/bouncetail/bouncetail/bounce"
)

// table finds the messages by their keys. Every second line of a log asks it,
// most of them for a message that is gone within the second, so it is a plain
// hash table with linear probing: a quarter of the cost of a Go map.
type table struct {
	seed  maphash.Seed
	slots []slot // a power of two of them, at most three quarters of them taken
	taken int
}

// slot holds a message, or nil, and the hash of its key.
type slot struct {
	hash uint64
	m    *message
}

const fewestSlots = 64

func newTable() table {
	return table{seed: maphash.MakeSeed(), slots: make([]slot, fewestSlots)}
}

func (t *table) hash(origin uint32, id string) uint64 {
	return maphash.String(t.seed, id) + uint64(origin)*0x9e3779b97f4a7c15
}

// find returns the message with a key, or nil, and the hash of the key.
func (t *table) find(origin uint32, id string) (*message, uint64) {
	h := t.hash(origin, id)
	last := uint64(len(t.slots) - 1)
	for i := h & last; ; i = (i + 1) & last {
		s := &t.slots[i]
		if s.m == nil {
			return nil, h
		}
		if s.hash == h && s.m.origin == origin && string(s.m.id) == id {
			return s.m, h
		}
	}
}

// add takes a message whose key is not in the table.
func (t *table) add(m *message) {
	if t.taken++; 4*t.taken > 3*len(t.slots) {
		old := t.slots
		t.slots = make([]slot, 2*len(old))
		for _, s := range old {
			if s.m != nil {
				t.put(s)
			}
		}
	}
	t.put(slot{m.hash, m})
}

func (t *table) put(s slot) {
	last := uint64(len(t.slots) - 1)
	i := s.hash & last
	for t.slots[i].m != nil {
		i = (i + 1) & last
	}
	t.slots[i] = s
}

// remove takes a message out, and closes the gap for those that were put
// further on because of it.
func (t *table) remove(m *message) {
	last := uint64(len(t.slots) - 1)
	gap := m.hash & last
	for t.slots[gap].m != m {
		gap = (gap + 1) & last
	}
	for i := gap; ; {
		i = (i + 1) & last
		s := t.slots[i]
		if s.m == nil {
			break
		}
		if home := s.hash & last; (i-home)&last >= (i-gap)&last {
			t.slots[gap] = s
			gap = i
		}
	}
	t.slots[gap] = slot{}
	t.taken--
}

// all returns the messages, in no order.
func (t *table) all() []*message {
	all := make([]*message, 0, t.taken)
	for _, s := range t.slots {
		if s.m != nil {
			all = append(all, s.m)
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
