package sqlite

import (
	"slices"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

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
		refusals, err := tx.refusalsBetween(from.Start(), (to+1).Start()-1)
		t.keep(err)
		return len(refusals)
	}
	coreFrom, coreTo := stampOf(core[0]), stampOf(core[1])
	for _, u := range sortedUnits(byUnit) {
		for _, c := range s.Crowds(u, byUnit[u]) {
			again = again || c.Start <= stampOf(byUnit[u][0].At) && byUnit[u][0].At < from+2*hourMS && c.End >= coreFrom
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
	tx.inputs.Crowds, err = query.Crowds(tx.ctx, tx.conn, "")
	return err
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
	const step = 7 * 24 * hourMS
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
