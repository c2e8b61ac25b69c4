package counters

import (
	"database/sql/driver"
	"maps"
	"slices"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/sqlite/packed"
)

// SaveTraffic adds deliveries by day and slot to daily_traffic.
func SaveTraffic(each Each, traffic map[int]*packed.Slots) error {
	days := slices.Sorted(maps.Keys(traffic))
	unknown := make(map[int]bool)
	err := each(len(days), "SELECT slots FROM daily_traffic WHERE day = ?",
		func(i int, p *sqldb.Params) { p.Add(bounce.DayName(days[i])) },
		func(i int, values []driver.Value) error {
			stored, _ := values[0].([]byte)
			unknown[days[i]] = stored == nil
			known, err := packed.UnpackSlots(stored, true)
			for _, one := range known {
				traffic[days[i]].Add(one.Slot, one.Sent, one.Domains)
			}
			return err
		})
	if err != nil {
		return err
	}
	days = slices.DeleteFunc(days, func(day int) bool { return unknown[day] })
	return each(len(days), `
		INSERT OR REPLACE INTO daily_traffic (day, slots)
		VALUES (?, ?)`, func(i int, p *sqldb.Params) {
		p.Add(bounce.DayName(days[i]))
		p.Add(traffic[days[i]].Pack(true))
	}, nil)
}
