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
	all      []packedRefusal // sorted by time
	names    names
	byUnit   map[packedUnit][]int32 // indexes in all; nil if it must be made
}

// packedRefusal is a Refusal with numbers for its texts. Its evidence is not kept.
type packedRefusal struct {
	at, key                       int64
	domain, provider, relay, host uint32
	lookup                        bool
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
		err := f.Records.Refusals(from, to, func(r *Refusal) { loaded.all = append(loaded.all, loaded.pack(r)) })
		if err != nil {
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
	first := c.indexOf(from)
	if first <= max(minTrimmed, len(c.all)/4) {
		return
	}
	trimmed := refusalCache{from: from, to: c.to, all: make([]packedRefusal, 0, len(c.all)-first)}
	for i := range c.all[first:] {
		r := c.unpack(&c.all[first+i])
		trimmed.all = append(trimmed.all, trimmed.pack(&r))
	}
	*c = trimmed
}

// between returns the first index of the refusals between two times, both included,
// and the index after the last.
func (c *refusalCache) between(from, to int64) (first, end int) {
	end = len(c.all)
	if to < math.MaxInt64 {
		end = c.indexOf(to + 1)
	}
	return c.indexOf(from), end
}

// indexOf returns the index of the first refusal that is not before a time.
func (c *refusalCache) indexOf(at int64) int {
	return sort.Search(len(c.all), func(i int) bool { return c.all[i].at >= at })
}

// unitRefusals returns the refusals of a unit between two times that are loaded.
func (c *refusalCache) unitRefusals(u Unit, from, to int64) []Refusal {
	if c.byUnit == nil {
		c.byUnit = make(map[packedUnit][]int32)
		for i := range c.all {
			c.index(i)
		}
	}
	first, end := c.between(from, to)
	name, known := c.names.numbers[u.Name]
	if !known {
		return nil
	}
	of := c.byUnit[packedUnit{u.Kind, name}]
	low, _ := slices.BinarySearch(of, int32(first))
	high, _ := slices.BinarySearch(of, int32(end))
	refusals := make([]Refusal, 0, high-low)
	for _, i := range of[low:high] {
		refusals = append(refusals, c.unpack(&c.all[i]))
	}
	return refusals
}

// index adds a refusal to its units.
func (c *refusalCache) index(i int) {
	r := c.unpack(&c.all[i])
	for _, u := range r.Units() {
		packed := packedUnit{u.Kind, c.names.number(u.Name)}
		c.byUnit[packed] = append(c.byUnit[packed], int32(i))
	}
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
	sorted := true
	for i := range refusals {
		r := &refusals[i]
		if r.At < c.from || r.At > c.to {
			continue
		}
		sorted = sorted && (len(c.all) == 0 || c.all[len(c.all)-1].at <= r.At)
		c.all = append(c.all, c.pack(r))
		if sorted && c.byUnit != nil {
			c.index(len(c.all) - 1)
		}
	}
	if !sorted {
		c.byUnit = nil
		slices.SortStableFunc(c.all, func(a, b packedRefusal) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.key, b.key)) })
		c.all = slices.Compact(c.all)
	}
}
