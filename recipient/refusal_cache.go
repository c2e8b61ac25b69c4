package recipient

import (
	"cmp"
	"math"
	"slices"
	"sort"
)

// refusalCache holds the refusals of a stretch of time that may be evidence. A busy
// server has hundreds of thousands in some days. They are packed, because the garbage
// collector follows each text of a Refusal.
type refusalCache struct {
	from, to int64           // Unix milliseconds; empty if to is 0
	all      []packedRefusal // in the order in which they were added
	names    names
	byUnit   map[packedUnit][]int32 // indexes in all, sorted by compare
}

// packedRefusal is a Refusal with numbers for its texts. Its evidence is not kept.
type packedRefusal struct {
	at, key                       int64
	domain, provider, relay, host uint32
	lookup                        bool
}

// compare orders refusals by time.
func (p *packedRefusal) compare(q *packedRefusal) int {
	return cmp.Or(cmp.Compare(p.at, q.at), cmp.Compare(p.key, q.key))
}

// packedUnit is a Unit with a number for its name.
type packedUnit struct {
	kind UnitKind
	name uint32
}

// names numbers texts.
type names struct {
	texts   []string
	numbers map[string]uint32
}

// number returns the number of a text.
func (n *names) number(text string) uint32 {
	i, known := n.numbers[text]
	if !known {
		if n.numbers == nil {
			n.numbers = make(map[string]uint32)
		}
		i = uint32(len(n.texts))
		n.texts = append(n.texts, text)
		n.numbers[text] = i
	}
	return i
}

// minTrimmed is the least number of refusals older than needed that are dropped at
// a time (25 MB). Some of them are needed again whenever an address accepts mail that
// was refused long ago, and loading them takes longer than a commit may.
const minTrimmed = 500_000

func (c *refusalCache) pack(r *Refusal) packedRefusal {
	n := &c.names
	return packedRefusal{r.At, r.Key, n.number(r.Domain), n.number(r.Provider), n.number(r.Relay), n.number(r.Host), r.Lookup}
}

func (c *refusalCache) unpack(p *packedRefusal) Refusal {
	t := c.names.texts
	return Refusal{At: p.at, Key: p.key, Domain: t[p.domain], Provider: t[p.provider], Relay: t[p.relay], Host: t[p.host], Lookup: p.lookup}
}

// loadRefusals has the memory hold the refusals between two times, both included,
// with those of the news.
func (f *CrowdFinder) loadRefusals(from, to int64) error {
	c := &f.Memory.refusals
	switch {
	case c.to != 0 && from >= c.from && to <= c.to: // it holds them
	case f.News.NoneBefore: // the new ones are all
		*c = refusalCache{from: math.MinInt64, to: math.MaxInt64}
		f.addToMemory()
	default:
		loaded := refusalCache{from: from, to: to}
		if err := f.Records.Refusals(from, to, loaded.add); err != nil {
			return err
		}
		*c = loaded
		later, err := f.Records.RefusedAfter(to)
		if err != nil {
			return err
		}
		if !later {
			c.to = math.MaxInt64
		}
		f.addToMemory()
	}
	c.trim(from)
	return nil
}

// trim drops the refusals before a time, if they are many.
func (c *refusalCache) trim(from int64) {
	if len(c.all) <= minTrimmed {
		return
	}
	older := 0
	for i := range c.all {
		if c.all[i].at < from {
			older++
		}
	}
	if older <= max(minTrimmed, len(c.all)/4) {
		return
	}
	trimmed := refusalCache{from: from, to: c.to}
	for i := range c.all {
		r := c.unpack(&c.all[i])
		trimmed.add(&r)
	}
	*c = trimmed
}

// unitRefusals returns the refusals of a unit between two times that are loaded, both
// included, sorted.
func (c *refusalCache) unitRefusals(u Unit, from, to int64) []Refusal {
	name, known := c.names.numbers[u.Name]
	if !known {
		return nil
	}
	of := c.byUnit[packedUnit{u.Kind, name}]
	low := sort.Search(len(of), func(i int) bool { return c.all[of[i]].at >= from })
	high := low + sort.Search(len(of)-low, func(i int) bool { return c.all[of[low+i]].at > to })
	refusals := make([]Refusal, 0, high-low)
	for _, i := range of[low:high] {
		refusals = append(refusals, c.unpack(&c.all[i]))
	}
	return refusals
}

// addToMemory adds the new refusals, and the older ones whose addresses are reached for
// the first time.
func (f *CrowdFinder) addToMemory() {
	if c := &f.Memory.refusals; c.to != 0 {
		c.insert(f.News.Refusals)
		c.insert(f.older)
	}
}

// insert adds refusals. Some may be there already.
func (c *refusalCache) insert(refusals []Refusal) {
	for i := range refusals {
		c.add(&refusals[i])
	}
}

// add adds a refusal, unless it is there already or not in the time of the cache.
func (c *refusalCache) add(r *Refusal) {
	if r.At < c.from || r.At > c.to {
		return
	}
	p := c.pack(r)
	if c.byUnit == nil {
		c.byUnit = make(map[packedUnit][]int32)
	}
	for _, u := range r.Units() {
		unit := packedUnit{u.Kind, c.names.number(u.Name)}
		of := c.byUnit[unit]
		at, _ := slices.BinarySearchFunc(of, p, func(i int32, p packedRefusal) int { return c.all[i].compare(&p) })
		for i := at; i < len(of) && c.all[of[i]].compare(&p) == 0; i++ {
			if c.all[of[i]] == p {
				return
			}
		}
		c.byUnit[unit] = slices.Insert(of, at, int32(len(c.all)))
	}
	c.all = append(c.all, p)
}
