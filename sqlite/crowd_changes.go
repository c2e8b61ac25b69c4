package sqlite

import (
	"database/sql/driver"
	"math"
	"slices"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/recipient"
)

// hourMS is an hour in milliseconds.
const hourMS = int64(time.Hour / time.Millisecond)

const (
	// A refusal changes crowds at most so far away.
	crowdReach = 27 * hourMS
	// endOfTime is the last millisecond that has a stamp.
	endOfTime = 253402300799999
	// accountTime is for how long a delivery decides whether a second crowd makes
	// addresses bad, see recipient.Suspicion.
	accountTime = int64(recipient.MaxSuspicion / time.Millisecond)
)

// crowdChanges is what may change crowds in a transaction.
type crowdChanges struct {
	store    *Store
	units    map[recipient.Unit]bool
	from, to int64 // Unix milliseconds
	affected []int64
}

func (c *crowdChanges) touch(r *recipient.Refusal) {
	for _, u := range r.Units() {
		c.touchUnit(u, r.At, r.At)
	}
}

func (c *crowdChanges) touchUnit(u recipient.Unit, from, to int64) {
	c.units[u] = true
	if u.Kind == recipient.UnitDomain && from < c.store.usual[u.Name].to {
		delete(c.store.usual, u.Name)
	}
	c.from, c.to = min(c.from, from), max(c.to, to)
}

// findCrowds brings the table crowds up to date with what the transaction has
// added. It returns the addresses whose state may change by that.
func (tx *Tx) findCrowds() (affected []int64, err error) {
	if tx.policy.Crowds.Addresses == 0 {
		return nil, nil
	}
	if err := tx.readInputs(); err != nil {
		return nil, err
	}
	if c := &tx.store.refusals; c.to != 0 {
		c.add(tx) // also if no crowd is searched for now
	}
	changes := crowdChanges{store: tx.store, units: make(map[recipient.Unit]bool), from: math.MaxInt64, to: math.MinInt64}
	for i := range tx.recipients {
		delete(tx.store.addresses, tx.recipients[i].key)
	}
	for i := range tx.refusals {
		r := &tx.refusals[i]
		if r.Lookup || tx.touch(r.Key).delivered > 0 {
			changes.touch(r)
		}
	}
	older, err := tx.newEvidenceOf()
	if err != nil {
		return nil, err
	}
	for i := range older {
		changes.touch(&older[i])
	}
	tx.touchUsual(&changes)
	if err := tx.touchByTraffic(&changes); err != nil {
		return nil, err
	}
	if len(changes.units) > 0 {
		if err := tx.updateCrowds(&changes); err != nil {
			return nil, err
		}
	}
	// Histories are extended without the provider and the relay of new failures.
	for i := range tx.refusals {
		if r := &tx.refusals[i]; tx.inAnyCrowd(r) {
			changes.affected = append(changes.affected, r.Key)
		}
	}
	return changes.affected, nil
}

// inAnyCrowd reports whether a refusal is at the time and in the unit of a crowd.
func (tx *Tx) inAnyCrowd(r *recipient.Refusal) bool {
	if len(tx.inputs.Crowds) == 0 {
		return false
	}
	at := stampOf(r.At)
	for _, u := range r.Units() {
		if slices.ContainsFunc(tx.inputs.Crowds, func(c recipient.Crowd) bool { return c.Unit == u && c.Start <= at && at <= c.End }) {
			return true
		}
	}
	return false
}

// readLastRefusal reads when the last refusal was before this transaction.
func (tx *Tx) readLastRefusal() error {
	var stamp string
	err := tx.conn.QueryRowContext(tx.ctx, "SELECT coalesce(max(occurred_at), '') FROM bounces WHERE suppress = 1").Scan(&stamp)
	tx.lastRefusal = bounce.ParseStamp(stamp).UnixMilli()
	return err
}

// newEvidenceOf returns the refusals of earlier transactions that may be evidence
// by the deliveries of this one: of addresses that were never reached before, or
// not for long, or that were reached before a refusal that is stored already.
func (tx *Tx) newEvidenceOf() ([]recipient.Refusal, error) {
	fresh := recipient.FreshFor.Milliseconds()
	var keys []int64
	for i := range tx.recipients {
		r := &tx.recipients[i]
		if r.hasRow && r.delivered > r.deliveredBefore &&
			(r.deliveredBefore == 0 || r.delivered-r.deliveredBefore > fresh || r.delivered < tx.lastRefusal) {
			keys = append(keys, r.key)
		}
	}
	// A refusal that is older than others of the same address makes those stale.
	for i := range tx.refusals {
		if r := &tx.refusals[i]; r.At < tx.lastRefusal-fresh && tx.touch(r.Key).hasRow {
			keys = append(keys, r.Key)
		}
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	older, err := tx.refusalsOf(keys)
	if err != nil {
		return nil, err
	}
	return tx.lookupsOf(older)
}

// touchUsual touches the domains whose usual share of refusals is another, because
// the log that is read is older than some of the refusals that are stored.
func (tx *Tx) touchUsual(changes *crowdChanges) {
	usual := recipient.UsualTime.Milliseconds()
	touch := func(domain string, at int64) {
		if at < tx.lastRefusal {
			changes.touchUnit(recipient.Unit{Kind: recipient.UnitDomain, Name: domain}, at, min(at+usual, tx.lastRefusal))
		}
	}
	for i := range tx.refusals {
		if r := &tx.refusals[i]; !r.Lookup {
			touch(r.Domain, r.At)
		}
	}
	for k, o := range tx.counts {
		if len(o.slots) > 0 {
			touch(k.domain, (recipient.Slot(k.day)*slotsOfDay + recipient.Slot(o.slots[0].slot)).Start())
		}
	}
}

// lookupsOf appends the refusals of domains that were not found, if the domain
// accepts mail for the first time.
func (tx *Tx) lookupsOf(older []recipient.Refusal) ([]recipient.Refusal, error) {
	domains, err := tx.store.notFound(tx)
	if err != nil {
		return nil, err
	}
	var first []string
	for k, o := range tx.counts {
		if o.isNewDomain && domains[k.domain] {
			first = append(first, k.domain)
		}
	}
	slices.Sort(first)
	first = slices.Compact(first)
	isFirst := make(map[string]bool)
	err = tx.each(len(first), "SELECT count(*) FROM daily_counts WHERE domain = ? AND sent > 0",
		func(i int, p *params) { p.Add(first[i]) },
		func(i int, values []driver.Value) error {
			n, _ := values[0].(int64)
			added := 0
			for k, o := range tx.counts {
				if k.domain == first[i] && o.isNewDomain {
					added++
				}
			}
			if int(n) == added {
				isFirst[first[i]] = true
			}
			return nil
		})
	if err != nil || len(isFirst) == 0 {
		return older, err
	}
	all, err := tx.loadRefusals(0, endOfTime)
	for _, r := range all {
		if r.Lookup && isFirst[r.Domain] {
			older = append(older, r)
		}
	}
	return older, err
}

// notFound returns the domains that were ever not found.
func (s *Store) notFound(tx *Tx) (map[string]bool, error) {
	if s.lookups == nil {
		s.lookups = make(map[string]bool)
		err := tx.each(1, "SELECT DISTINCT domain FROM bounces WHERE suppress = 1 AND reason = 'no-such-domain'",
			func(int, *params) {},
			func(_ int, values []driver.Value) error {
				domain, _ := values[0].(string)
				s.lookups[domain] = true
				return nil
			})
		if err != nil {
			s.lookups = nil
			return nil, err
		}
	}
	for i := range tx.refusals {
		if r := &tx.refusals[i]; r.Lookup {
			s.lookups[r.Domain] = true
		}
	}
	return s.lookups, nil
}

// touchByTraffic touches the crowds in whose time there are new deliveries, and
// finds the addresses that a second crowd has made bad because their domain
// accepted nothing.
func (tx *Tx) touchByTraffic(changes *crowdChanges) error {
	if len(tx.inputs.Crowds) == 0 {
		return nil
	}
	for _, k := range tx.sentDays() {
		slots := tx.counts[k].slots
		day := recipient.Slot(k.day) * slotsOfDay
		from := (day + recipient.Slot(slots[0].slot)).Start()
		to := (day + recipient.Slot(slots[len(slots)-1].slot) + 1).Start()
		for i := range tx.inputs.Crowds {
			c := &tx.inputs.Crowds[i]
			if !c.Concerns(k.domain) {
				continue
			}
			start, end := bounce.ParseStamp(c.Start).UnixMilli(), bounce.ParseStamp(c.End).UnixMilli()
			if from <= end && to >= start-hourMS {
				changes.touchUnit(c.Unit, start, end)
			}
			end += hourMS // a refusal is judged by what is accepted in the hour after
			if from > end || to < start-accountTime {
				continue
			}
			flips, err := tx.mayFlip(c, k.domain, from < tx.lastRefusal-hourMS)
			if err != nil {
				return err
			}
			if flips {
				refusals, err := tx.refusalsBetween(start, end)
				if err != nil {
					return err
				}
				for j := range refusals {
					if refusals[j].Domain == k.domain {
						changes.affected = append(changes.affected, refusals[j].Key)
					}
				}
			}
		}
	}
	return nil
}

// mayFlip reports whether addresses of a domain that were refused in an earlier
// crowd, and again in this one, may have become bad because nothing was accepted
// between, and are not any more. If the deliveries are late, they may be the first
// of any time.
func (tx *Tx) mayFlip(c *recipient.Crowd, domain string, late bool) (bool, error) {
	for i := range tx.inputs.Crowds {
		p := &tx.inputs.Crowds[i]
		if p.ID == c.ID || p.Start > c.End || !p.Concerns(domain) {
			continue
		}
		start, end := bounce.ParseStamp(p.Start).UnixMilli(), bounce.ParseStamp(c.End).UnixMilli()
		if end-start > accountTime+crowdReach {
			continue
		}
		if late {
			return true, nil
		}
		end += hourMS
		t := tx.trafficBetween(start, end)
		between := t.Domain(domain).Between(recipient.SlotOf(bounce.ParseStamp(p.End).UnixMilli())+1, recipient.SlotOf(end))
		if t.err != nil {
			return false, t.err
		}
		// Those before this transaction were enough.
		for k, o := range tx.counts {
			if k.domain == domain {
				between -= o.sent
			}
		}
		if between <= 0 {
			return true, nil
		}
	}
	return false, nil
}

// accepted reports whether a domain accepted mail after a stamp and until another.
func (tx *Tx) accepted(domain, after, until string) bool {
	from, to := bounce.ParseStamp(after).UnixMilli(), bounce.ParseStamp(until).UnixMilli()
	t := tx.trafficBetween(from, to)
	n := t.Domain(domain).Between(recipient.SlotOf(from)+1, recipient.SlotOf(to))
	tx.inputsErr = firstError(tx.inputsErr, t.err)
	return n > 0
}
