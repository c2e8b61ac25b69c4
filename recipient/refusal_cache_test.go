package recipient

import (
	"slices"
	"testing"
)

// refusedAt returns refusals of addresses of a domain, whose keys are the times.
func refusedAt(domain string, times ...int64) (refusals []Refusal) {
	for _, at := range times {
		refusals = append(refusals, Refusal{At: at, Key: at, Domain: domain, Provider: "google"})
	}
	return refusals
}

func timesOf(refusals []Refusal) (times []int64) {
	for i := range refusals {
		times = append(times, refusals[i].At)
	}
	return times
}

func TestTheCacheOfRefusalsIncludesBothEndsOfASpan(t *testing.T) {
	c := refusalCache{from: 2, to: 8}
	c.insert(refusedAt("a.example", 2, 3, 5, 8, 9, 1)) // the last two are not in its time
	c.insert(refusedAt("b.example", 5))
	unit := Unit{Kind: UnitDomain, Name: "a.example"}
	for _, s := range []struct {
		from, to int64
		want     []int64
	}{
		{2, 8, []int64{2, 3, 5, 8}},
		{3, 5, []int64{3, 5}},
		{4, 4, nil},
		{5, 5, []int64{5}},
	} {
		if got := timesOf(c.unitRefusals(unit, s.from, s.to)); !slices.Equal(got, s.want) {
			t.Errorf("from %d to %d: %v, want %v", s.from, s.to, got, s.want)
		}
	}
	if got := c.unitRefusals(Unit{Kind: UnitProvider, Name: "google"}, 2, 8); len(got) != 5 {
		t.Errorf("%d refusals of the provider, want 5", len(got))
	}
}

func TestTheCacheOfRefusalsTakesThemInAnyOrder(t *testing.T) {
	c := refusalCache{from: 0, to: 100}
	unit := Unit{Kind: UnitDomain, Name: "a.example"}
	c.insert(refusedAt("a.example", 10, 30))
	c.unitRefusals(unit, 0, 100) // makes the index
	c.insert(refusedAt("a.example", 40))
	c.insert(refusedAt("a.example", 20, 5))
	if got, want := timesOf(c.unitRefusals(unit, 0, 100)), []int64{5, 10, 20, 30, 40}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestTheCacheOfRefusalsTakesThoseOfATransactionOnce(t *testing.T) {
	f := &CrowdFinder{Memory: &CrowdMemory{}, News: CrowdNews{Refusals: refusedAt("a.example", 1, 2)}, older: refusedAt("b.example", 0)}
	c := &f.Memory.refusals
	if f.addToMemory(); len(c.all) > 0 {
		t.Errorf("a cache that is not loaded holds %d refusals", len(c.all))
	}
	*c = refusalCache{from: 0, to: 10}
	f.addToMemory()
	f.addToMemory()
	if len(c.all) != 3 {
		t.Errorf("it holds %d refusals, want 3", len(c.all))
	}
}
