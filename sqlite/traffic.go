package sqlite

import (
	"bytes"
	"cmp"
	"database/sql/driver"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/recipient"
)

// slotsOfDay is the number of slots of a day, see recipient.Slot.
const slotsOfDay = 144

// slotCounts are deliveries by the slot of a day, sorted by slot.
type slotCounts []slotCount

type slotCount struct {
	slot          byte
	sent, domains int // domains only in daily_traffic
}

// add counts deliveries in a slot of a day.
func (c *slotCounts) add(slot byte, sent, domains int) {
	if last := len(*c) - 1; last >= 0 && (*c)[last].slot == slot { // usually
		(*c)[last].sent += sent
		(*c)[last].domains += domains
		return
	}
	i, found := slices.BinarySearchFunc(*c, slot, func(one slotCount, slot byte) int { return cmp.Compare(one.slot, slot) })
	if !found {
		*c = slices.Insert(*c, i, slotCount{slot: slot})
	}
	(*c)[i].sent += sent
	(*c)[i].domains += domains
}

// pack returns the counts as they are stored.
func (c slotCounts) pack(domains bool) []byte {
	packed := make([]byte, 0, 4*len(c))
	for _, one := range c {
		packed = binary.AppendUvarint(append(packed, one.slot), uint64(one.sent))
		if domains {
			packed = binary.AppendUvarint(packed, uint64(one.domains))
		}
	}
	return packed
}

func unpack(packed []byte, domains bool) (c slotCounts, err error) {
	r := bytes.NewReader(packed)
	for r.Len() > 0 {
		slot, _ := r.ReadByte()
		sent, err := binary.ReadUvarint(r)
		one := slotCount{slot: slot, sent: int(sent)}
		if domains && err == nil {
			var n uint64
			n, err = binary.ReadUvarint(r)
			one.domains = int(n)
		}
		if err != nil || slot >= slotsOfDay {
			return nil, fmt.Errorf("slots %x are damaged", packed)
		}
		c = append(c, one)
	}
	return c, nil
}

// saveSlots adds the deliveries by slot to what is stored, and sets packed to what
// is to be stored then. It adds them to daily_traffic, too.
func (tx *Tx) saveSlots(keys []dayDomain) error {
	keys = slices.DeleteFunc(slices.Clone(keys), func(k dayDomain) bool { return tx.counts[k].sent == 0 })
	traffic := make(map[int]*slotCounts)
	days := make([]int, 0, 1)
	domainsOf := func(day int) *slotCounts {
		if traffic[day] == nil {
			traffic[day] = &slotCounts{}
			days = append(days, day)
		}
		return traffic[day]
	}
	stored := make(map[int][]byte) // by index of keys
	unknown := make(map[int]bool)
	err := tx.each(len(keys), "SELECT sent, sent_slots FROM daily_counts WHERE day = ? AND domain = ?",
		func(i int, p *params) {
			p.Add(bounce.DayName(keys[i].day))
			p.Add(keys[i].domain)
		},
		func(i int, values []driver.Value) error {
			sent, _ := values[0].(int64)
			stored[i], _ = values[1].([]byte)
			unknown[i] = sent > 0 && stored[i] == nil
			return nil
		})
	if err != nil {
		return err
	}
	for i, k := range keys {
		known, err := unpack(stored[i], false)
		if err != nil {
			return err
		}
		day := domainsOf(k.day)
		o := tx.counts[k]
		before := len(known)
		for _, one := range o.slots {
			n := len(known)
			known.add(one.slot, one.sent, 0)
			day.add(one.slot, one.sent, len(known)-n)
		}
		o.isNewDomain = before == 0
		if !unknown[i] {
			o.packed = known.pack(false)
		}
	}
	return tx.saveTraffic(days, traffic)
}

func (tx *Tx) saveTraffic(days []int, traffic map[int]*slotCounts) error {
	slices.Sort(days)
	unknown := make(map[int]bool)
	err := tx.each(len(days), "SELECT slots FROM daily_traffic WHERE day = ?",
		func(i int, p *params) { p.Add(bounce.DayName(days[i])) },
		func(i int, values []driver.Value) error {
			packed, _ := values[0].([]byte)
			unknown[days[i]] = packed == nil
			known, err := unpack(packed, true)
			for _, one := range known {
				traffic[days[i]].add(one.slot, one.sent, one.domains)
			}
			return err
		})
	if err != nil {
		return err
	}
	days = slices.DeleteFunc(days, func(day int) bool { return unknown[day] })
	return tx.each(len(days), "INSERT OR REPLACE INTO daily_traffic (day, slots) VALUES (?, ?)", func(i int, p *params) {
		p.Add(bounce.DayName(days[i]))
		p.Add(traffic[days[i]].pack(true))
	}, nil)
}

// manySent stands for deliveries that are not known by slot: no refusals are a
// crowd then.
const manySent = 1 << 30

// traffic is recipient.Traffic from one day to another, both included, in a
// transaction. An error stays in err.
type traffic struct {
	tx            *Tx
	from, to      int // days
	domains       map[string]*recipient.Sends
	sent, written *recipient.Sends // of all domains
	err           error
}

func (tx *Tx) trafficBetween(from, to int64) *traffic {
	return &traffic{tx: tx, from: bounce.EpochDay(from), to: bounce.EpochDay(to), domains: make(map[string]*recipient.Sends)}
}

// Domain returns the deliveries to a domain.
func (t *traffic) Domain(domain string) *recipient.Sends {
	if s := t.domains[domain]; s != nil {
		return s
	}
	s := &recipient.Sends{}
	t.domains[domain] = s
	t.keep(t.tx.each(1, "SELECT day, sent, sent_slots FROM daily_counts WHERE domain = ? AND day BETWEEN ? AND ? AND sent > 0 ORDER BY day",
		func(_ int, p *params) {
			p.Add(domain)
			p.Add(bounce.DayName(t.from))
			p.Add(bounce.DayName(t.to))
		},
		func(_ int, values []driver.Value) error {
			sent, _ := values[1].(int64)
			return eachSlot(values[0], values[2], false, func(slot recipient.Slot, one *slotCount) {
				if one == nil {
					s.Add(slot, int(sent)) // at most so many in each slot
					return
				}
				s.Add(slot, one.sent)
			})
		}))
	return s
}

// All returns the deliveries to all domains, and the number of domains.
func (t *traffic) All() (sent, domains *recipient.Sends) {
	if t.sent != nil {
		return t.sent, t.written
	}
	t.sent, t.written = &recipient.Sends{}, &recipient.Sends{}
	t.keep(t.tx.each(1, "SELECT day, slots FROM daily_traffic WHERE day BETWEEN ? AND ? ORDER BY day",
		func(_ int, p *params) {
			p.Add(bounce.DayName(t.from))
			p.Add(bounce.DayName(t.to))
		},
		func(_ int, values []driver.Value) error {
			return eachSlot(values[0], values[1], true, func(slot recipient.Slot, one *slotCount) {
				if one == nil {
					one = &slotCount{sent: manySent, domains: manySent}
				}
				t.sent.Add(slot, one.sent)
				t.written.Add(slot, one.domains)
			})
		}))
	return t.sent, t.written
}

func (t *traffic) keep(err error) {
	if t.err == nil {
		t.err = err
	}
}

// eachSlot calls do for the slots of a day, with nil for each if they are not known.
func eachSlot(day, packed driver.Value, domains bool, do func(recipient.Slot, *slotCount)) error {
	name, _ := day.(string)
	first := recipient.SlotOf(bounce.ParseStamp(name + "T00:00:00.000Z").UnixMilli())
	if packed == nil {
		for slot := range recipient.Slot(slotsOfDay) {
			do(first+slot, nil)
		}
		return nil
	}
	b, _ := packed.([]byte)
	counts, err := unpack(b, domains)
	for i := range counts {
		do(first+recipient.Slot(counts[i].slot), &counts[i])
	}
	return err
}

// sentDays returns the days and domains with new deliveries, sorted.
func (tx *Tx) sentDays() []recipient.SentDay {
	var days []recipient.SentDay
	for k, o := range tx.counts {
		if o.sent > 0 {
			first := recipient.Slot(k.day) * slotsOfDay
			days = append(days, recipient.SentDay{
				Domain: k.domain, Sent: o.sent, New: o.isNewDomain,
				First: first + recipient.Slot(o.slots[0].slot), Last: first + recipient.Slot(o.slots[len(o.slots)-1].slot),
			})
		}
	}
	slices.SortFunc(days, func(a, b recipient.SentDay) int {
		return cmp.Or(cmp.Compare(a.First/slotsOfDay, b.First/slotsOfDay), cmp.Compare(a.Domain, b.Domain))
	})
	return days
}

// Err returns the first error.
func (t *traffic) Err() error { return t.err }
