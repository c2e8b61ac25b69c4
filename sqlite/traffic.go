package sqlite

import (
	"cmp"
	"database/sql/driver"
	"slices"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite/packed"
)

// mergeSlots adds the deliveries by slot to what is stored, and sets packed to what is
// to be stored then. It adds them to the traffic of their days, too.
func (tx *Tx) mergeSlots(keys []dayDomain, traffic map[int]*packed.Slots) error {
	keys = slices.DeleteFunc(slices.Clone(keys), func(k dayDomain) bool { return tx.counts[k].sent == 0 })
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
		known, err := packed.UnpackSlots(stored[i], false)
		if err != nil {
			return err
		}
		day := traffic[k.day]
		if day == nil {
			day = &packed.Slots{}
			traffic[k.day] = day
		}
		o := tx.counts[k]
		before := len(known)
		for _, one := range o.slots {
			n := len(known)
			known.Add(one.Slot, one.Sent, 0)
			day.Add(one.Slot, one.Sent, len(known)-n)
		}
		o.isNewDomain = before == 0
		if !unknown[i] {
			o.packed = known.Pack(false)
		}
	}
	return nil
}

// sentDays returns the days and domains with new deliveries, sorted.
func (tx *Tx) sentDays() []recipient.SentDay {
	var days []recipient.SentDay
	for k, o := range tx.counts {
		if o.sent > 0 {
			first := recipient.Slot(k.day) * packed.SlotsOfDay
			days = append(days, recipient.SentDay{
				Domain: k.domain, Sent: o.sent, New: o.isNewDomain,
				First: first + recipient.Slot(o.slots[0].Slot), Last: first + recipient.Slot(o.slots[len(o.slots)-1].Slot),
			})
		}
	}
	slices.SortFunc(days, func(a, b recipient.SentDay) int {
		return cmp.Or(cmp.Compare(a.First/packed.SlotsOfDay, b.First/packed.SlotsOfDay), cmp.Compare(a.Domain, b.Domain))
	})
	return days
}
