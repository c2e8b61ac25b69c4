package sqlite

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/recipient"
)

// The columns of crowds but for its id.
var crowdColumns = columns[crowdRow]{
	required("kind", func(r *crowdRow) any { return (*string)(&r.Unit.Kind) }),
	required("unit", func(r *crowdRow) any { return &r.Unit.Name }),
	required("started_at", func(r *crowdRow) any { return &r.Start }),
	required("last_at", func(r *crowdRow) any { return &r.Last }),
	required("ended_at", func(r *crowdRow) any { return &r.End }),
	required("addresses", func(r *crowdRow) any { return &r.Addresses }),
	required("refused", func(r *crowdRow) any { return &r.Refused }),
	required("attempts", func(r *crowdRow) any { return &r.Attempts }),
	optional("domains", func(r *crowdRow) any { return &r.domains }),
	required("frozen", func(r *crowdRow) any { return &r.Frozen }),
}

// crowdRow is a row of the table crowds.
type crowdRow struct {
	recipient.Crowd
	domains string // JSON
}

var (
	insertCrowd = crowdColumns.insert("INSERT", "crowds") + " RETURNING id"
	updateCrowd = "UPDATE crowds SET " + crowdColumns.set() + " WHERE id = ?"
)

// crowds returns the stored crowds, in the order of their start.
func crowds(ctx context.Context, db querier, where string, args ...any) (all []recipient.Crowd, err error) {
	err = scanAll(ctx, db, "SELECT id, "+crowdColumns.names("")+" FROM crowds "+where+" ORDER BY started_at, id", func(scan func(...any) error) error {
		var row crowdRow
		err := crowdColumns.scan(&row, func(into ...any) error { return scan(append([]any{&row.ID}, into...)...) })
		if err == nil && row.domains != "" {
			err = json.Unmarshal([]byte(row.domains), &row.Domains)
		}
		all = append(all, row.Crowd)
		return err
	}, args...)
	if err != nil {
		return nil, fmt.Errorf("crowds: %w", err)
	}
	return all, nil
}

const (
	// A refusal changes crowds at most so far away.
	crowdReach = 27 * int64(time.Hour/time.Millisecond)
	// endOfTime is the last millisecond that has a stamp.
	endOfTime = 253402300799999
	// accountTime is for how long a delivery decides whether a second crowd makes
	// addresses bad, see recipient.Suspicion.
	accountTime = 14 * 24 * int64(time.Hour/time.Millisecond)
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
	fresh := 72 * int64(time.Hour/time.Millisecond)
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
	const usual = 28 * 24 * int64(time.Hour/time.Millisecond)
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
			touch(k.domain, (int64(k.day)*slotsOfDay+int64(o.slots[0].slot))*600_000)
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
		func(i int, p *params) { p.add(first[i]) },
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
	const hour = int64(time.Hour / time.Millisecond)
	for _, k := range tx.sentDays() {
		slots := tx.counts[k].slots
		day := recipient.Slot(k.day) * slotsOfDay
		from := int64(day+recipient.Slot(slots[0].slot)) * 600_000
		to := int64(day+recipient.Slot(slots[len(slots)-1].slot)+1) * 600_000
		for i := range tx.inputs.Crowds {
			c := &tx.inputs.Crowds[i]
			if !c.Concerns(k.domain) {
				continue
			}
			start, end := bounce.ParseStamp(c.Start).UnixMilli(), bounce.ParseStamp(c.End).UnixMilli()
			if from <= end && to >= start-hour {
				changes.touchUnit(c.Unit, start, end)
			}
			end += hour // a refusal is judged by what is accepted in the hour after
			if from > end || to < start-accountTime || c.Unit.Kind == recipient.UnitDNS || c.Unit.Kind == recipient.UnitHost {
				continue
			}
			flips, err := tx.mayFlip(c, k.domain, from < tx.lastRefusal-hour)
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
		if p.ID == c.ID || p.Start >= c.Start || !p.Concerns(domain) {
			continue
		}
		start, end := bounce.ParseStamp(p.Start).UnixMilli(), bounce.ParseStamp(c.End).UnixMilli()
		if end-start > accountTime+crowdReach {
			continue
		}
		if late {
			return true, nil
		}
		end += int64(time.Hour / time.Millisecond)
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

// updateCrowds finds the crowds of the touched units again, near what was touched.
func (tx *Tx) updateCrowds(changes *crowdChanges) error {
	core := [2]int64{changes.from - crowdReach, changes.to + crowdReach}
	from := core[0] - crowdReach
	for {
		if _, err := tx.refusalsBetween(from, core[1]+crowdReach); err != nil {
			return err
		}
		byUnit := make(map[recipient.Unit][]recipient.Refusal, len(changes.units))
		for u := range changes.units {
			if refusals := tx.store.refusals.unitRefusals(u, from, core[1]+crowdReach); len(refusals) > 0 {
				byUnit[u] = refusals
			}
		}
		found, again, err := tx.search(byUnit, from, core)
		if err != nil {
			return err
		}
		if !again {
			return tx.replaceCrowds(changes, byUnit, found, core)
		}
		from -= 2 * crowdReach // a crowd goes on before
	}
}

// search finds the crowds of units. It returns true if one begins where the
// refusals begin, so that those before are needed as well.
func (tx *Tx) search(byUnit map[recipient.Unit][]recipient.Refusal, from int64, core [2]int64) (found []recipient.Crowd, again bool, err error) {
	t, e := tx.trafficBetween(from, core[1]+crowdReach), tx.newEvidence()
	s := recipient.Search{Limits: tx.policy.Crowds, Traffic: t, MarkEvidence: e.mark}
	s.Before = func(domain string, from, to int64) ([]recipient.Refusal, []recipient.Crowd) {
		known := tx.store.usual[domain]
		if known.to != to {
			known = usualRefusals{from: from, to: to}
			var err error
			known.refusals, err = tx.loadRefusals(from, to-1)
			t.keep(err)
			known.refusals = slices.DeleteFunc(known.refusals, func(r recipient.Refusal) bool { return r.Lookup || r.Domain != domain })
			e.mark(known.refusals)
			if tx.store.usual == nil {
				tx.store.usual = make(map[string]usualRefusals)
			}
			tx.store.usual[domain] = known
		}
		return slices.Clone(known.refusals), slices.DeleteFunc(slices.Clone(tx.inputs.Crowds), func(c recipient.Crowd) bool {
			return c.Unit != recipient.Unit{Kind: recipient.UnitDomain, Name: domain} || c.Start >= stampOf(to)
		})
	}
	s.BeforeTraffic = func(from, to int64) recipient.Traffic { return tx.trafficBetween(from, to) }
	s.All = func(from, to recipient.Slot) int {
		refusals, err := tx.refusalsBetween(int64(from)*600_000, int64(to+1)*600_000-1)
		t.keep(err)
		return len(refusals)
	}
	coreFrom, coreTo := stampOf(core[0]), stampOf(core[1])
	for _, u := range sortedUnits(byUnit) {
		for _, c := range s.Crowds(u, byUnit[u]) {
			again = again || c.Start <= stampOf(byUnit[u][0].At) && byUnit[u][0].At < from+2*int64(time.Hour/time.Millisecond) && c.End >= coreFrom
			if c.End >= coreFrom && c.Start <= coreTo {
				found = append(found, c)
			}
		}
	}
	return found, again, firstError(t.err, e.err)
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func sortedUnits(byUnit map[recipient.Unit][]recipient.Refusal) []recipient.Unit {
	units := make([]recipient.Unit, 0, len(byUnit))
	for u := range byUnit {
		units = append(units, u)
	}
	slices.SortFunc(units, recipient.Unit.Compare)
	return units
}

// replaceCrowds stores the crowds of the touched units that were found in place of
// those that were stored, and notes whose refusals the changes concern.
func (tx *Tx) replaceCrowds(changes *crowdChanges, byUnit map[recipient.Unit][]recipient.Refusal, found []recipient.Crowd, core [2]int64) error {
	coreFrom, coreTo := stampOf(core[0]), stampOf(core[1])
	horizon, err := tx.crowdHorizon()
	if err != nil {
		return err
	}
	stored := slices.DeleteFunc(slices.Clone(tx.inputs.Crowds), func(c recipient.Crowd) bool {
		return !changes.units[c.Unit] || c.End < coreFrom || c.Start > coreTo
	})
	// affect notes the addresses of refusals that are in one of two crowds only.
	affect := func(c, other *recipient.Crowd) {
		for i := range byUnit[c.Unit] {
			r := &byUnit[c.Unit][i]
			if at := stampOf(r.At); c.Spans(at, r.Domain) != other.Spans(at, r.Domain) {
				changes.affected = append(changes.affected, r.Key)
			}
		}
	}
	none := &recipient.Crowd{}
	used := make(map[int64]bool)
	for i := range found {
		c := &found[i]
		at := slices.IndexFunc(stored, func(s recipient.Crowd) bool {
			return !used[s.ID] && s.Unit == c.Unit && s.Start <= c.End && c.Start <= s.End
		})
		if at < 0 {
			if c.Start < horizon {
				continue
			}
			if err := tx.saveCrowd(c); err != nil {
				return err
			}
			affect(c, none)
			continue
		}
		s := &stored[at]
		used[s.ID] = true
		c.ID = s.ID
		if s.Frozen {
			// What was deleted cannot be found again, but the crowd may go on.
			last, end := max(s.Last, c.Last), max(s.End, c.End)
			*c = *s
			c.Last, c.End = last, end
		}
		if c.Equal(s) {
			continue
		}
		if err := tx.saveCrowd(c); err != nil {
			return err
		}
		affect(c, s)
	}
	for i := range stored {
		if s := &stored[i]; !used[s.ID] && !s.Frozen {
			if _, err := tx.conn.ExecContext(tx.ctx, "DELETE FROM crowds WHERE id = ?", s.ID); err != nil {
				return err
			}
			tx.crowdsChanged = true
			affect(s, none)
		}
	}
	if !tx.crowdsChanged {
		return nil
	}
	tx.inputs.Crowds, err = crowds(tx.ctx, tx.conn, "")
	return err
}

// saveCrowd inserts a crowd, or updates that of its id.
func (tx *Tx) saveCrowd(c *recipient.Crowd) error {
	row := crowdRow{Crowd: *c}
	if len(c.Domains) > 0 {
		text, err := json.Marshal(c.Domains)
		if err != nil {
			return err
		}
		row.domains = string(text)
	}
	tx.crowdsChanged = true
	if c.ID != 0 {
		return tx.each(1, updateCrowd, func(_ int, p *params) {
			crowdColumns.bind(p, &row)
			p.add(c.ID)
		}, nil)
	}
	return tx.each(1, insertCrowd, func(_ int, p *params) { crowdColumns.bind(p, &row) }, func(_ int, values []driver.Value) error {
		c.ID, _ = values[0].(int64)
		return nil
	})
}

// crowdHorizon returns the time before which records were deleted. Crowds that
// began before are not found again.
func (tx *Tx) crowdHorizon() (horizon string, err error) {
	err = tx.conn.QueryRowContext(tx.ctx, "SELECT coalesce(max(since), '') FROM horizons").Scan(&horizon)
	return horizon, err
}

// freezeCrowds keeps the crowds as they are that began before a time, because
// records of before are deleted.
func (tx *Tx) freezeCrowds(before string) error {
	_, err := tx.conn.ExecContext(tx.ctx, "UPDATE crowds SET frozen = 1 WHERE started_at < ? AND frozen = 0", before)
	return err
}

// freezeCrowdsOf keeps the crowds as they are that have refusals of addresses,
// because those are deleted.
func (tx *Tx) freezeCrowdsOf(keys []int64) error {
	all, err := crowds(tx.ctx, tx.conn, "WHERE frozen = 0")
	if err != nil || len(all) == 0 {
		return err
	}
	refusals, err := tx.refusalsOf(keys)
	if err != nil {
		return err
	}
	for i := range refusals {
		at, units := stampOf(refusals[i].At), refusals[i].Units()
		for j := range all {
			c := &all[j]
			if !c.Frozen && c.Start <= at && at <= c.End && slices.Contains(units, c.Unit) {
				c.Frozen = true
				if _, err := tx.conn.ExecContext(tx.ctx, "UPDATE crowds SET frozen = 1 WHERE id = ?", c.ID); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// rebuildCrowds finds all crowds again, some days at a time, and returns the
// addresses whose state may change by that.
func (tx *Tx) rebuildCrowds() (affected []int64, err error) {
	if err := tx.readInputs(); err != nil {
		return nil, err
	}
	if tx.policy.Crowds.Addresses == 0 {
		return nil, tx.dropCrowds()
	}
	var first, last string
	err = tx.conn.QueryRowContext(tx.ctx, "SELECT coalesce(min(occurred_at), ''), coalesce(max(occurred_at), '') FROM bounces WHERE suppress = 1").Scan(&first, &last)
	if err != nil || first == "" {
		return nil, err
	}
	const step = 7 * 24 * int64(time.Hour/time.Millisecond)
	end := bounce.ParseStamp(last).UnixMilli()
	for from := bounce.ParseStamp(first).UnixMilli(); from <= end; from += step {
		refusals, err := tx.refusalsBetween(from-2*crowdReach, from+step+2*crowdReach)
		if err != nil {
			return nil, err
		}
		changes := crowdChanges{store: tx.store, units: make(map[recipient.Unit]bool), from: from, to: from + step}
		for i := range refusals {
			for _, u := range refusals[i].Units() {
				changes.units[u] = true
			}
		}
		for _, c := range tx.inputs.Crowds { // also those without any refusal
			changes.units[c.Unit] = true
		}
		if err := tx.updateCrowds(&changes); err != nil {
			return nil, err
		}
		affected = append(affected, changes.affected...)
	}
	return affected, nil
}

// dropCrowds deletes all crowds but the frozen ones: they are switched off.
func (tx *Tx) dropCrowds() error {
	if _, err := tx.conn.ExecContext(tx.ctx, "DELETE FROM crowds WHERE frozen = 0"); err != nil {
		return err
	}
	tx.crowdsChanged = true
	var err error
	tx.inputs.Crowds, err = crowds(tx.ctx, tx.conn, "")
	return err
}

// accepted reports whether a domain accepted mail after a stamp and until another.
func (tx *Tx) accepted(domain, after, until string) bool {
	from, to := bounce.ParseStamp(after).UnixMilli(), bounce.ParseStamp(until).UnixMilli()
	t := tx.trafficBetween(from, to)
	n := t.Domain(domain).Between(recipient.SlotOf(from)+1, recipient.SlotOf(to))
	tx.inputsErr = firstError(tx.inputsErr, t.err)
	return n > 0
}
