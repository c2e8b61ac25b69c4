package query

import (
	"database/sql/driver"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite/packed"
)

// manySent replaces the number of deliveries if it is not known by slot. Refusals are
// never a crowd then.
const manySent = 1 << 30

// traffic is recipient.Traffic from one day to another, both included. An error stays
// in err.
type traffic struct {
	records       CrowdRecords
	from, to      int // days
	domains       map[string]*recipient.Sends
	sent, written *recipient.Sends // of all domains
	err           error
}

// Traffic returns the deliveries on the days from one time to another, in Unix
// milliseconds.
func (r CrowdRecords) Traffic(from, to int64) recipient.StoredTraffic {
	return &traffic{records: r, from: bounce.EpochDay(from), to: bounce.EpochDay(to), domains: make(map[string]*recipient.Sends)}
}

// Domain returns the deliveries to a domain.
func (t *traffic) Domain(domain string) *recipient.Sends {
	if s := t.domains[domain]; s != nil {
		return s
	}
	s := &recipient.Sends{}
	t.domains[domain] = s
	t.keep(t.records.each(1, "SELECT day, sent, sent_slots FROM daily_counts WHERE domain = ? AND day BETWEEN ? AND ? AND sent > 0 ORDER BY day",
		func(_ int, p *params) {
			p.Add(domain)
			p.Add(bounce.DayName(t.from))
			p.Add(bounce.DayName(t.to))
		},
		func(_ int, values []driver.Value) error {
			sent, _ := values[1].(int64)
			return eachSlot(values[0], values[2], false, func(slot recipient.Slot, one *packed.SlotCount) {
				if one == nil {
					s.Add(slot, int(sent)) // an upper bound for each slot
					return
				}
				s.Add(slot, one.Sent)
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
	t.keep(t.records.each(1, "SELECT day, slots FROM daily_traffic WHERE day BETWEEN ? AND ? ORDER BY day",
		func(_ int, p *params) {
			p.Add(bounce.DayName(t.from))
			p.Add(bounce.DayName(t.to))
		},
		func(_ int, values []driver.Value) error {
			return eachSlot(values[0], values[1], true, func(slot recipient.Slot, one *packed.SlotCount) {
				if one == nil {
					one = &packed.SlotCount{Sent: manySent, Domains: manySent}
				}
				t.sent.Add(slot, one.Sent)
				t.written.Add(slot, one.Domains)
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
func eachSlot(day, stored driver.Value, domains bool, do func(recipient.Slot, *packed.SlotCount)) error {
	name, _ := day.(string)
	first := recipient.SlotOf(bounce.ParseStamp(name + "T00:00:00.000Z").UnixMilli())
	if stored == nil {
		for slot := range recipient.Slot(packed.SlotsOfDay) {
			do(first+slot, nil)
		}
		return nil
	}
	b, _ := stored.([]byte)
	counts, err := packed.UnpackSlots(b, domains)
	for i := range counts {
		do(first+recipient.Slot(counts[i].Slot), &counts[i])
	}
	return err
}

// Err returns the first error.
func (t *traffic) Err() error { return t.err }
