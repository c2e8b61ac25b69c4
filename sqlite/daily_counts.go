package sqlite

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite/counters"
	"github.com/bouncetail/bouncetail/sqlite/packed"
	"github.com/bouncetail/bouncetail/tally"
)

// dayDomain is a row of daily_counts. The day is that of bounce.EpochDay.
type dayDomain struct {
	day    int
	domain string
}

type outcomes struct {
	sent, deferred, bounced, expired int

	slots packed.Slots // of sent
	// packed is what is stored of all deliveries by slot, see mergeSlots; nil if
	// they are not known.
	packed      []byte
	isNewDomain bool // it had no deliveries on that day before
}

// addSent counts a delivery at a time in Unix milliseconds, on a day.
func (o *outcomes) addSent(day int, at int64) {
	o.sent++
	o.slots.Add(byte(recipient.SlotOf(at)-recipient.Slot(day)*packed.SlotsOfDay), 1, 0)
}

// count returns the counts of a day and domain.
func (tx *Tx) count(day int, domain string) *outcomes {
	k := dayDomain{day, domain}
	o := tx.counts[k]
	if o == nil {
		o = &outcomes{}
		k.domain = strings.Clone(domain) // else it keeps the whole record
		tx.counts[k] = o
	}
	return o
}

// saveCounts adds what was counted. Of days whose counts were deleted for their
// age, no part comes back.
func (tx *Tx) saveCounts() error {
	maps.DeleteFunc(tx.counts, func(k dayDomain, _ *outcomes) bool { return k.day < tx.countedSince })
	keys := slices.SortedFunc(maps.Keys(tx.counts), func(a, b dayDomain) int {
		return cmp.Or(cmp.Compare(a.day, b.day), cmp.Compare(a.domain, b.domain))
	})
	totals := tx.totals()
	tx.tally.Imported(totals.Outcomes())
	if err := totals.Save(tx.each); err != nil {
		return err
	}
	traffic := make(map[int]*packed.Slots)
	for some := range slices.Chunk(keys, rowsAtOnce) {
		if err := errors.Join(tx.mergeSlots(some, traffic), tx.saveDomains(some)); err != nil {
			return err
		}
	}
	return counters.SaveTraffic(tx.each, traffic)
}

// saveDomains saves the counts of days and domains, and frees what only that needed.
func (tx *Tx) saveDomains(keys []dayDomain) error {
	return tx.each(len(keys), `
		INSERT INTO daily_counts (day, domain, sent, deferred, bounced, expired, sent_slots)
		VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (day, domain) DO UPDATE
		SET sent = sent + excluded.sent, deferred = deferred + excluded.deferred,
		    bounced = bounced + excluded.bounced, expired = expired + excluded.expired,
		    sent_slots = coalesce(excluded.sent_slots, sent_slots)`,
		func(i int, p *params) {
			o := tx.counts[keys[i]]
			p.Add(bounce.DayName(keys[i].day))
			p.Add(keys[i].domain)
			for _, n := range [...]int{o.sent, o.deferred, o.bounced, o.expired} {
				p.Add(int64(n))
			}
			p.Add(sqldb.Blob(o.packed))
			o.packed = nil
			if n := len(o.slots); n > 2 {
				o.slots = packed.Slots{o.slots[0], o.slots[n-1]} // which sentDays needs
			}
		}, nil)
}

// totals returns the counts of all domains.
func (tx *Tx) totals() counters.Totals {
	totals := make(counters.Totals)
	for k, o := range tx.counts {
		totals.Add(k.day, o.sent, o.deferred, o.bounced, o.expired)
	}
	return totals
}

// saveReasons adds what was counted, but not of days whose counts were deleted for
// their age.
func (tx *Tx) saveReasons() error {
	maps.DeleteFunc(tx.tally.Reasons, func(k tally.ReasonKey, n int64) bool { return k.Day < tx.countedSince || n == 0 })
	return counters.SaveReasons(tx.each, tx.tally.Reasons)
}

// readCountedSince reads from which day on there are counts.
func (tx *Tx) readCountedSince() error {
	return sqldb.ScanAll(tx.ctx, tx.conn, "SELECT since FROM horizons WHERE kind = ?", func(scan func(...any) error) error {
		var since string
		err := scan(&since)
		tx.countedSince = bounce.EpochDay(bounce.ParseStamp(since).UnixMilli())
		return err
	}, countsHorizon)
}
