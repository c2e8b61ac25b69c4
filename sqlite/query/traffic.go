package query

import (
	"database/sql/driver"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite/packed"
)

// Traffic returns the deliveries on the days from one time to another, in Unix
// milliseconds.
func (r CrowdRecords) Traffic(from, to int64) recipient.StoredTraffic {
	bindDays := func(p *params) {
		p.Add(bounce.DayName(bounce.EpochDay(from)))
		p.Add(bounce.DayName(bounce.EpochDay(to)))
	}
	return &recipient.CachedTraffic{
		ReadDomain: func(domain string, s *recipient.Sends) error {
			// SQLite prepares a statement again for another value of domain = ?.
			return r.each(1, `
				SELECT day, sent, sent_slots
				FROM daily_counts
				WHERE domain = CAST(? AS TEXT) AND day BETWEEN ? AND ? AND sent > 0
				ORDER BY day`,
				func(_ int, p *params) {
					p.Add(domain)
					bindDays(p)
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
				})
		},
		ReadAll: func(sent, domains *recipient.Sends) error {
			return r.each(1, "SELECT day, slots FROM daily_traffic WHERE day BETWEEN ? AND ? ORDER BY day",
				func(_ int, p *params) { bindDays(p) },
				func(_ int, values []driver.Value) error {
					return eachSlot(values[0], values[1], true, func(slot recipient.Slot, one *packed.SlotCount) {
						if one == nil {
							one = &packed.SlotCount{Sent: recipient.ManySent, Domains: recipient.ManySent}
						}
						sent.Add(slot, one.Sent)
						domains.Add(slot, one.Domains)
					})
				})
		},
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
