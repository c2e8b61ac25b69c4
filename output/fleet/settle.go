package fleet

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/recipient"
)

// settling keeps fleet_covered up to date with what hosts have sent, and with it what
// follows from the deliveries of all hosts: their sums by time, and crowds. Each sender
// looks after it has sent something.
type settling struct {
	settled bool // nothing was sent since the last look
	dueAt   time.Time
}

const (
	// settleInterval is the shortest pause between two looks.
	settleInterval = 10 * time.Second
	// settleShare bounds the share of time that looks of all hosts take, as watchShare does.
	settleShare = 50
	// settleTime is for how long a transaction adds up days, while others wait; longer if
	// looking takes longer.
	settleTime = 300 * time.Millisecond
)

func (s *settling) due() bool { return !s.settled && time.Now().After(s.dueAt) }

// unsettled is what is stored about the logs that hosts follow, and what was made of it.
type unsettled struct {
	evidence
	stored coverage
	// Near these days, crowds are to be found again. Empty if there are none.
	from, to string
}

// statements return all statements that read it.
func (u *unsettled) statements() []statement {
	*u = unsettled{evidence: newEvidence(), stored: make(coverage)}
	const (
		sharing = ` instance IN (
			    SELECT one FROM bouncetail.fleet_read_by_both
			    UNION
			    SELECT other FROM bouncetail.fleet_read_by_both
			)`
		notOld = " day >= " + countedFrom
	)
	byHost := func(to map[int64]dayCounts, query string) statement {
		return newStatement(query).scan(func(r *fields) error {
			addCount(to, r.number(), r)
			return nil
		})
	}
	return []statement{
		newStatement(`
			SELECT one, other, day, failures
			FROM bouncetail.fleet_read_by_both
			WHERE failures > 0`).scan(func(r *fields) error {
			addCount(u.both, [2]int64{r.number(), r.number()}, r)
			return nil
		}),
		byHost(u.read, `
			SELECT instance, day, failures
			FROM bouncetail.fleet_read
			WHERE failures > 0 AND`+sharing),
		// Of the counters of a day, the windows are sent last.
		byHost(u.attempts, `
			SELECT instance, day, attempts
			FROM bouncetail.fleet_figures
			WHERE name = 'provider_windows' AND`+sharing+` AND`+notOld),
		byHost(u.delivered, `
			SELECT instance, day, 1
			FROM bouncetail.fleet_days
			WHERE`+sharing+` AND`+notOld),
		newStatement(`
			SELECT day, instance, covered_by
			FROM bouncetail.fleet_covered
			WHERE` + notOld).scan(func(r *fields) error {
			day := r.text()
			if u.stored[day] == nil {
				u.stored[day] = make(map[int64]int64)
			}
			host := r.number()
			u.stored[day][host] = r.number()
			return nil
		}),
		newStatement("SELECT crowds_from, crowds_to FROM bouncetail.fleet_clock").scan(func(r *fields) error {
			u.from, u.to = r.text(), r.text()
			return nil
		}),
	}
}

// addCount adds the number by day that the next fields of a row hold.
func addCount[K comparable](to map[K]dayCounts, key K, r *fields) {
	if to[key] == nil {
		to[key] = make(dayCounts)
	}
	day := r.text()
	to[key][day] = r.number()
}

// changes returns the days on which other hosts are covered than is stored.
func (u *unsettled) changes() (days []string, now coverage) {
	now = u.coverage()
	all := maps.Clone(u.stored)
	maps.Copy(all, now)
	for _, day := range slices.Sorted(maps.Keys(all)) {
		if !maps.Equal(u.stored[day], now[day]) {
			days = append(days, day)
		}
	}
	return days, now
}

// settle adds up some days again on which other hosts are covered than before, or finds
// the crowds of a week near such days again. It returns whether there is more to do.
func (s *Sender) settle(ctx context.Context) (more bool, err error) {
	begun := time.Now()
	u := &unsettled{}
	if err := send(ctx, s.conn, u.statements()...); err != nil {
		return false, err
	}
	// What another sender has stored since, it looks at itself.
	if days, _ := u.changes(); len(days) == 0 && u.from == "" {
		hosts := time.Duration(1 + len(u.read))
		s.settling = settling{true, time.Now().Add(max(settleInterval, settleShare*hosts*time.Since(begun)))}
		return false, nil
	}
	return true, s.inTransaction(ctx, func(t *transaction) error {
		if _, err := s.lockInstance(t); err != nil {
			return err
		}
		u, begun := &unsettled{}, time.Now()
		if err := t.takeClock(1, s.HashKey, u.statements()...); err != nil {
			return err
		}
		days, now := u.changes()
		if len(days) == 0 && u.from != "" { // else another sender was faster
			return t.findCrowdsFrom(u.from, u.to)
		}
		end := time.Now().Add(max(settleTime, time.Since(begun)))
		for _, day := range days {
			if err := t.cover(day, u.stored[day], now[day]); err != nil || time.Now().After(end) {
				return err
			}
		}
		return nil
	})
}

// settleAll settles all that is known to PostgreSQL.
func (s *Sender) settleAll(ctx context.Context) (err error) {
	for more := !s.settling.settled && s.conn != nil; more && err == nil; {
		more, err = s.settle(ctx)
	}
	return Explain(err)
}

// cover stores who is covered on a day, and adds up the deliveries of the others.
func (t *transaction) cover(day string, before, now map[int64]int64) error {
	if err := t.addUp(day, before, now); err != nil {
		return err
	}
	if err := t.later(newStatement("DELETE FROM bouncetail.fleet_covered WHERE day = $1", day)); err != nil {
		return err
	}
	for _, host := range slices.Sorted(maps.Keys(now)) {
		if err := t.later(newStatement(`
			INSERT INTO bouncetail.fleet_covered (day, instance, covered_by)
			VALUES ($1, $2, $3)`, day, host, now[host])); err != nil {
			return err
		}
	}
	return nil
}

// addUp makes the row of daily_traffic of a day again. If it, or the sum of a domain, is
// another one than before, the crowds near that day are to be found again.
func (t *transaction) addUp(day string, before, now map[int64]int64) error {
	rows, err := t.Query(t.ctx, `
		SELECT domain, instance, sent, sent_slots
		FROM bouncetail.daily_counts
		WHERE day = $1 AND sent > 0
		ORDER BY domain`, day)
	if err != nil {
		return err
	}
	var all, of, wasOf slotSum // of all domains, and of one
	var last, domain string
	var host, sent int64
	var slots []byte
	changed := false
	flush := func() {
		all.addDomain(&of)
		changed = changed || !of.equal(&wasOf)
		last, of, wasOf = domain, slotSum{}, slotSum{}
	}
	_, err = pgx.ForEachRow(rows, []any{&domain, &host, &sent, &slots}, func() error {
		if domain != last {
			flush()
		}
		sound := true
		if before[host] == 0 {
			sound = wasOf.add(sent, slots, false)
		}
		if now[host] == 0 {
			sound = of.add(sent, slots, false) && sound
		}
		if !sound {
			t.leaveOut("the slots of %s on %s in daily_counts, of host %d", domain, day, host)
		}
		return nil
	})
	if flush(); err != nil || !changed {
		return err
	}
	if err := t.saveAll(day, &all); err != nil {
		return err
	}
	return t.later(newStatement(`
		UPDATE bouncetail.fleet_clock
		SET crowds_from = least(crowds_from, $1), crowds_to = greatest(crowds_to, $1)`, day))
}

const week = 7 // days

// findCrowdsFrom finds the crowds of the week from a day on again, and stores from where
// the next ones are to be found, because the deliveries of some days until another day are
// added up in another way. It leaves out days without refusals: a line with a wrong year may
// be thousands of years away from the others.
func (t *transaction) findCrowdsFrom(from, to string) error {
	first := dayNumber(from)
	last := min(dayNumber(to)+int(recipient.UsualTime/(24*time.Hour))+1, bounce.EpochDay(t.lastRefusal))
	if t.in.Policy.Crowds.Addresses == 0 || first > last {
		return t.crowdsAreFound()
	}
	f := recipient.CrowdFinder{
		Records: crowdRecords{transaction: t},
		Memory:  &recipient.CrowdMemory{},
		Limits:  t.in.Policy.Crowds,
		Crowds:  t.in.Crowds,
	}
	f.News.Of = func(key int64) recipient.Reach { return recipient.Reach{Key: key} }
	changes, err := f.Rebuild(msOf(from + "T00:00:00.000Z"))
	if err != nil {
		return err
	}
	if err := t.saveCrowds(changes); err != nil {
		return err
	}
	if err := t.replayKeys(changes.Affected); err != nil {
		return err
	}
	next, err := t.nextDay(first + week)
	if err != nil {
		return err
	}
	if next > last {
		return t.crowdsAreFound()
	}
	return t.later(newStatement("UPDATE bouncetail.fleet_clock SET crowds_from = $1", bounce.DayName(next)))
}

func (t *transaction) crowdsAreFound() error {
	return t.later(newStatement("UPDATE bouncetail.fleet_clock SET crowds_from = NULL, crowds_to = NULL"))
}

// nextDay returns the first day, from one on, that has a refusal or belongs to a crowd that
// is stored. Without one, it is the day behind all others.
func (t *transaction) nextDay(day int) (int, error) {
	next := bounce.EpochDay(t.lastRefusal) + 1
	var refusal *int
	if err := t.QueryRow(t.ctx, `
		SELECT floor(extract(epoch FROM min(occurred_at)) / 86400)::integer
		FROM bouncetail.refusals
		WHERE occurred_at >= to_timestamp($1::bigint * 86400)`, day).Scan(&refusal); err != nil {
		return 0, err
	}
	if refusal != nil {
		next = min(next, *refusal)
	}
	for i := range t.in.Crowds {
		c := &t.in.Crowds[i]
		if bounce.EpochDay(msOf(c.End)) >= day {
			next = min(next, max(day, bounce.EpochDay(msOf(c.Start))))
		}
	}
	return next, nil
}

// dayAfter returns the name of the day some days after another one.
func dayAfter(day string, days int) string { return bounce.DayName(dayNumber(day) + days) }

// dayNumber returns the number of a day, as bounce.EpochDay does.
func dayNumber(day string) int { return bounce.EpochDay(msOf(day + "T00:00:00.000Z")) }
