package recipient

import (
	"cmp"
	"math"
	"slices"
	"sort"
)

// CrowdMemory holds what a CrowdFinder has read, so that a daemon does not load the
// last two days with every transaction. Only the finder's transactions may add
// refusals. The memory must be set to its zero value if some are deleted or judged
// again, or if a transaction is rolled back.
type CrowdMemory struct {
	refusals  refusalCache
	addresses map[int64]addressTimes
	usual     map[string]usualRefusals
	lookups   map[string]bool // the domains that were ever not found; nil if not loaded
}

// refusalCache holds the refusals of a stretch of time.
type refusalCache struct {
	from, to int64     // Unix milliseconds; empty if to is 0
	all      []Refusal // sorted by time
	byUnit   map[Unit][]Refusal
	added    *CrowdFinder // whose new refusals are in all
}

// addressTimes are the last delivery to an address and its first refusal after
// that, in Unix milliseconds; 0 is never.
type addressTimes struct{ delivered, refused int64 }

// usualRefusals are the refusals of a domain in a time before a crowd, with their
// evidence.
type usualRefusals struct {
	from, to int64
	refusals []Refusal
}

const (
	// maxCached is the number of refusals from which on those are dropped that are
	// older than needed.
	maxCached = 20_000
	// maxAddresses bounds the addresses that are remembered.
	maxAddresses = 200_000
)

// refusalsBetween returns the refusals between two times, sorted, the new ones
// included. They are valid until the next call.
func (f *CrowdFinder) refusalsBetween(from, to int64) ([]Refusal, error) {
	c := &f.Memory.refusals
	if c.to == 0 || from < c.from || to > c.to {
		all, err := f.Records.Refusals(from, to)
		if err != nil {
			return nil, err
		}
		*c = refusalCache{from: from, to: to, all: all, added: f}
		later, err := f.Records.RefusedAfter(to)
		if err != nil {
			return nil, err
		}
		if !later {
			c.to = math.MaxInt64
		}
	}
	c.add(f)
	if first := indexOf(c.all, from); first > maxCached {
		c.all, c.from = slices.Clone(c.all[first:]), from
		c.byUnit = nil
	}
	return between(c.all, from, to), nil
}

// add adds the new refusals, unless they were loaded with the others.
func (c *refusalCache) add(f *CrowdFinder) {
	if c.to == 0 || c.added == f {
		return
	}
	c.added = f
	sorted := true
	for _, r := range f.News.Refusals {
		if c.from <= r.At && r.At <= c.to {
			sorted = sorted && (len(c.all) == 0 || c.all[len(c.all)-1].At <= r.At)
			c.all = append(c.all, r)
			if sorted && c.byUnit != nil {
				c.index(&r)
			}
		}
	}
	if !sorted {
		c.byUnit = nil
		slices.SortStableFunc(c.all, func(a, b Refusal) int { return cmp.Compare(a.At, b.At) })
	}
}

// unitRefusals returns the refusals of a unit between two times that refusalsBetween
// has loaded.
func (c *refusalCache) unitRefusals(u Unit, from, to int64) []Refusal {
	if c.byUnit == nil {
		c.byUnit = make(map[Unit][]Refusal)
		for i := range c.all {
			c.index(&c.all[i])
		}
	}
	return between(c.byUnit[u], from, to)
}

func (c *refusalCache) index(r *Refusal) {
	for _, u := range r.Units() {
		c.byUnit[u] = append(c.byUnit[u], *r)
	}
}

func between(sorted []Refusal, from, to int64) []Refusal {
	end := len(sorted)
	if to < math.MaxInt64 {
		end = indexOf(sorted, to+1)
	}
	return sorted[indexOf(sorted, from):end]
}

// indexOf returns the index of the first refusal that is not before a time.
func indexOf(sorted []Refusal, at int64) int {
	return sort.Search(len(sorted), func(i int) bool { return sorted[i].At >= at })
}

// evidence decides which refusals are evidence of an outage.
type evidence struct {
	records   CrowdRecords
	addresses map[int64]addressTimes // of the memory
	accepted  map[string]bool        // domains that ever accepted mail
	err       error
}

func (f *CrowdFinder) newEvidence() *evidence {
	if m := f.Memory; m.addresses == nil || len(m.addresses) > maxAddresses {
		m.addresses = make(map[int64]addressTimes)
	}
	return &evidence{records: f.Records, addresses: f.Memory.addresses, accepted: make(map[string]bool)}
}

// mark sets Refusal.Evidence.
func (e *evidence) mark(refusals []Refusal) {
	if err := e.load(refusals); err != nil {
		e.err = cmp.Or(e.err, err)
		return
	}
	for i := range refusals {
		r := &refusals[i]
		t := e.addresses[r.Key]
		if r.Lookup {
			// A domain that never accepted mail does not exist. One that did is
			// judged by each address, which may not have been reached itself.
			r.Evidence = e.accepted[r.Domain] && Fresh(r.At, max(t.delivered, 1), t.refused)
		} else {
			r.Evidence = Fresh(r.At, t.delivered, t.refused)
		}
	}
}

// load looks up the addresses and domains that are not known yet.
func (e *evidence) load(refusals []Refusal) error {
	var keys []int64
	var domains []string
	for i := range refusals {
		r := &refusals[i]
		if _, known := e.addresses[r.Key]; !known {
			e.addresses[r.Key] = addressTimes{}
			keys = append(keys, r.Key)
		}
		if _, known := e.accepted[r.Domain]; r.Lookup && !known {
			e.accepted[r.Domain] = false
			domains = append(domains, r.Domain)
		}
	}
	delivered, err := e.records.LastDeliveries(keys)
	if err != nil {
		return err
	}
	for key, at := range delivered {
		e.addresses[key] = addressTimes{delivered: at}
	}
	err = e.records.RefusedAt(keys, func(key, at int64) {
		t := e.addresses[key]
		if at > t.delivered && (t.refused == 0 || at < t.refused) {
			t.refused = at
			e.addresses[key] = t
		}
	})
	if err != nil {
		return err
	}
	return e.records.Accepted(domains, func(domain string) { e.accepted[domain] = true })
}
