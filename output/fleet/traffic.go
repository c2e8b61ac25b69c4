package fleet

import (
	"cmp"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite/feed"
	"github.com/bouncetail/bouncetail/sqlite/packed"
)

// Traffic returns the deliveries on the days from one time to another, without those that
// two hosts have counted.
func (r crowdRecords) Traffic(from, to int64) recipient.StoredTraffic {
	if !r.anyCovered {
		return r.traffic(from, to, "")
	}
	return r.traffic(from, to, `
		AND NOT EXISTS (
		    SELECT FROM bouncetail.fleet_covered c
		    WHERE c.day = d.day AND c.instance = d.instance
		)`)
}

// traffic returns the deliveries that hosts have counted on some days. A condition chooses
// rows d of daily_counts.
func (r crowdRecords) traffic(from, to int64, and string) *recipient.CachedTraffic {
	days := []any{bounce.DayName(bounce.EpochDay(from)), bounce.DayName(bounce.EpochDay(to))}
	readDomains := func(domains []string, sent func(domain string) *recipient.Sends) error {
		query := `
			SELECT domain, day, sent, sent_slots
			FROM bouncetail.daily_counts d
			WHERE domain = ANY ($3) AND day BETWEEN $1 AND $2 AND sent > 0` + and + `
			ORDER BY domain, day`
		return r.eachDay(query, append(days, domains), false, func(domain string, first recipient.Slot, sum *slotSum) {
			s := sent(domain)
			if sum.unknown {
				for slot := range recipient.Slot(packed.SlotsOfDay) {
					s.Add(first+slot, sum.sent) // an upper bound for each slot
				}
				return
			}
			for _, one := range sum.slots {
				s.Add(first+recipient.Slot(one.Slot), one.Sent)
			}
		})
	}
	return &recipient.CachedTraffic{
		ReadDomain: func(domain string, s *recipient.Sends) error {
			return readDomains([]string{domain}, func(string) *recipient.Sends { return s })
		},
		ReadDomains: readDomains,
		ReadAll: func(sent, domains *recipient.Sends) error {
			const query = `
				SELECT '', day, 0::bigint, slots
				FROM bouncetail.daily_traffic
				WHERE day BETWEEN $1 AND $2
				ORDER BY day`
			return r.eachDay(query, days, true, func(_ string, first recipient.Slot, sum *slotSum) {
				if sum.unknown {
					sum.slots = nil
					for slot := range packed.SlotsOfDay {
						sum.slots.Add(byte(slot), recipient.ManySent, recipient.ManySent)
					}
				}
				for _, one := range sum.slots {
					sent.Add(first+recipient.Slot(one.Slot), one.Sent)
					domains.Add(first+recipient.Slot(one.Slot), one.Domains)
				}
			})
		},
	}
}

// slotSum are the deliveries of a day at some hosts.
type slotSum struct {
	sent    int
	slots   packed.Slots
	unknown bool // by slot
}

// add adds what a row holds. It returns false if its slots cannot be read, which then are
// unknown.
func (s *slotSum) add(sent int64, slots []byte, domains bool) (sound bool) {
	known, err := packed.UnpackSlots(slots, domains)
	s.sent += int(sent)
	s.unknown = s.unknown || slots == nil || err != nil
	for _, one := range known {
		s.slots.Add(one.Slot, one.Sent, one.Domains)
	}
	return err == nil
}

func (s *slotSum) equal(other *slotSum) bool {
	return s.sent == other.sent && s.unknown == other.unknown && slices.Equal(s.slots, other.slots)
}

// addDomain adds deliveries to a domain to those to all. It has had some before.
func (s *slotSum) addDomain(of *slotSum, before ...packed.Slots) {
	s.unknown = s.unknown || of.unknown
	for _, one := range of.slots {
		domains := 1
		if slices.ContainsFunc(before, func(b packed.Slots) bool { return sentIn(b, one.Slot) > 0 }) {
			domains = 0
		}
		s.slots.Add(one.Slot, one.Sent, domains)
	}
}

// eachDay calls each with the first slot of each day of a domain that a query selects, and
// its sum.
func (r crowdRecords) eachDay(query string, args []any, domains bool, each func(string, recipient.Slot, *slotSum)) error {
	rows, err := r.Query(r.ctx, query, args...)
	if err != nil {
		return err
	}
	var lastDomain, last, domain, day string
	var sent int64
	var slots []byte
	var sum slotSum
	flush := func() {
		if last != "" {
			each(lastDomain, firstSlot(last), &sum)
		}
		lastDomain, last, sum = domain, day, slotSum{}
	}
	_, err = pgx.ForEachRow(rows, []any{&domain, &day, &sent, &slots}, func() error {
		if domain != lastDomain || day != last {
			flush()
		}
		if !sum.add(sent, slots, domains) {
			r.leaveOut("the slots of %s in daily_counts or daily_traffic", day)
		}
		return nil
	})
	flush()
	return err
}

// firstSlot returns the first slot of a day, given as YYYY-MM-DD.
func firstSlot(day string) recipient.Slot { return recipient.SlotOf(msOf(day + "T00:00:00.000Z")) }

var countColumns = []column[feed.DaySent]{
	{"domain", "text", func(d *feed.DaySent) any { return d.Domain }},
	{"day", "text", func(d *feed.DaySent) any { return d.Day }},
	{"sent", "bigint", func(d *feed.DaySent) any { return d.Sent }},
	{"sent_slots", "bytea", func(d *feed.DaySent) any {
		if d.Slots == nil {
			return nil
		}
		return d.Slots
	}},
}

var saveCounts = `
	INSERT INTO bouncetail.daily_counts (instance, ` + names(countColumns) + `)
	SELECT $5::integer, *
	FROM ` + unnest(countColumns) + `
	ON CONFLICT (domain, day, instance) DO UPDATE SET sent = excluded.sent, sent_slots = excluded.sent_slots`

// saveTraffic stores counts of one day of an instance, and returns what they add to
// its own. Counts that are lower than the stored ones are left out: a host that reads
// its logs again reaches them again.
func (t *transaction) saveTraffic(counts []feed.DaySent, instance int64) (added []recipient.SentDay, err error) {
	if len(counts) == 0 || isOld(counts[0].Day, t.countsHorizon) {
		return nil, nil
	}
	covered, err := t.coveredOn(counts[0].Day)
	if err != nil {
		return nil, err
	}
	stored, err := t.storedCounts(counts, instance, covered)
	if err != nil {
		return nil, err
	}
	var day slotSum // what the host adds to the deliveries to all domains
	var changed []feed.DaySent
	for i := range counts {
		c := &counts[i]
		before := stored.own.of(c.Domain)
		if int(c.Sent) <= before.sent {
			continue
		}
		changed = append(changed, *c)
		one, grown, err := growthOf(c, before)
		if err != nil {
			return nil, err
		}
		one.New = before.sent == 0 && !stored.elsewhere[c.Domain]
		added = append(added, one)
		day.addDomain(&grown, before.slots, stored.others.of(c.Domain).slots)
	}
	if len(changed) == 0 {
		return nil, nil
	}
	if _, err := execRows(t, saveCounts, countColumns, changed, instance); err != nil {
		return nil, err
	}
	slices.SortFunc(added, func(a, b recipient.SentDay) int { return cmp.Compare(a.Domain, b.Domain) })
	if covered[instance] != 0 {
		return added, nil
	}
	return added, t.addDay(counts[0].Day, &day)
}

// coveredOn returns who covers the hosts that are covered on a day.
func (t *transaction) coveredOn(day string) (map[int64]int64, error) {
	if !t.anyCovered {
		return nil, nil
	}
	return mapOf[int64, int64](t.ctx, t, `
		SELECT instance, covered_by
		FROM bouncetail.fleet_covered
		WHERE day = $1`, day)
}

// growthOf returns what the count of a domain has grown by, compared with what is stored
// of this host.
func growthOf(c *feed.DaySent, before *slotSum) (d recipient.SentDay, grown slotSum, err error) {
	first := firstSlot(c.Day)
	d = recipient.SentDay{Domain: c.Domain, Sent: int(c.Sent) - before.sent, First: first, Last: first + packed.SlotsOfDay - 1}
	if c.Slots == nil {
		grown.unknown = true
		return d, grown, nil
	}
	now, err := packed.UnpackSlots(c.Slots, false)
	if err != nil {
		return d, grown, err
	}
	for _, one := range now {
		n := one.Sent - sentIn(before.slots, one.Slot)
		if n <= 0 {
			continue
		}
		d.Last = first + recipient.Slot(one.Slot)
		if len(grown.slots) == 0 {
			d.First = d.Last
		}
		grown.slots.Add(one.Slot, n, 0)
	}
	return d, grown, nil
}

// sentIn returns the deliveries in a slot.
func sentIn(slots packed.Slots, slot byte) int {
	for _, one := range slots {
		if one.Slot == slot {
			return one.Sent
		}
	}
	return 0
}

// domainSums are the deliveries of a day by domain.
type domainSums map[string]*slotSum

// of returns the sum of a domain, which it adds if there is none.
func (s domainSums) of(domain string) *slotSum {
	if s[domain] == nil {
		s[domain] = &slotSum{}
	}
	return s[domain]
}

// storedCounts are the deliveries of a day by domain that are stored.
type storedCounts struct {
	own, others domainSums      // others: of the other hosts that are not covered, together
	elsewhere   map[string]bool // the domains with deliveries at another host
}

// storedCounts returns what is stored of the domains of counts of one day.
func (t *transaction) storedCounts(counts []feed.DaySent, instance int64, covered map[int64]int64) (*storedCounts, error) {
	domains := make([]string, len(counts))
	for i := range counts {
		domains[i] = counts[i].Domain
	}
	rows, err := t.Query(t.ctx, `
		SELECT domain, instance, sent, sent_slots
		FROM bouncetail.daily_counts
		WHERE day = $1 AND domain = ANY ($2)`, counts[0].Day, domains)
	if err != nil {
		return nil, err
	}
	s := &storedCounts{make(domainSums), make(domainSums), make(map[string]bool)}
	var domain string
	var of, sent int64
	var slots []byte
	_, err = pgx.ForEachRow(rows, []any{&domain, &of, &sent, &slots}, func() error {
		sum := s.own
		if of != instance {
			s.elsewhere[domain] = s.elsewhere[domain] || sent > 0
			sum = s.others
		}
		if of != instance && covered[of] != 0 {
			return nil
		}
		if !sum.of(domain).add(sent, slots, false) {
			t.leaveOut("the slots of %s on %s in daily_counts, of host %d", domain, counts[0].Day, of)
		}
		return nil
	})
	return s, err
}

// addDay adds deliveries of a day to daily_traffic.
func (t *transaction) addDay(day string, sum *slotSum) error {
	var stored []byte
	err := t.QueryRow(t.ctx, "SELECT slots FROM bouncetail.daily_traffic WHERE day = $1", day).Scan(&stored)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
	case err != nil:
		return err
	default: // NULL makes the sum unknown
		if !sum.add(0, stored, true) {
			t.leaveOut("the slots of %s in daily_traffic", day)
		}
	}
	return t.saveAll(day, sum)
}

// saveAll stores the deliveries to all domains on a day.
func (t *transaction) saveAll(day string, sum *slotSum) error {
	var slots []byte // NULL
	if !sum.unknown {
		slots = sum.slots.Pack(true)
	}
	_, err := t.Exec(t.ctx, `
		INSERT INTO bouncetail.daily_traffic (day, slots)
		VALUES ($1, $2)
		ON CONFLICT (day) DO UPDATE SET slots = excluded.slots`, day, slots)
	return err
}
