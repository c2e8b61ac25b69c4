package recipient

import (
	"fmt"
	"slices"
	"testing"
)

func TestLoadedDomainsAreReadAtOnce(t *testing.T) {
	var read [][]string
	c := &CachedTraffic{
		ReadDomain: func(domain string, s *Sends) error {
			read = append(read, []string{domain})
			s.Add(3, 1)
			return nil
		},
		ReadDomains: func(domains []string, sent func(string) *Sends) error {
			read = append(read, domains)
			sent("b.example").Add(3, 2)
			return nil
		},
	}
	c.Load(func() []string { return []string{"a.example", "b.example"} })
	for domain, want := range map[string]int{"a.example": 0, "b.example": 2, "c.example": 1} {
		if n := c.Domain(domain).Between(0, 9); n != want {
			t.Errorf("%d deliveries to %s, want %d", n, domain, want)
		}
	}
	if want := [][]string{{"a.example", "b.example"}, {"c.example"}}; !slices.EqualFunc(read, want, slices.Equal) {
		t.Errorf("read %q, want %q", read, want)
	}
	c.Load(func() []string { return nil })
	if len(read) != 2 {
		t.Errorf("no domains were read: %q", read)
	}
}

// Answers are dropped when they are many, and read again.
func TestCachedTrafficIsBounded(t *testing.T) {
	const domains, slots = 2000, 1000
	read := make(map[string]int)
	c := &CachedTraffic{ReadDomain: func(domain string, s *Sends) error {
		read[domain]++
		for slot := range Slot(slots) {
			s.Add(slot, 1)
		}
		return nil
	}}
	for i := range domains {
		c.Domain(fmt.Sprint(i))
		if held := len(c.byDomain) * slots; held > maxCachedSlots+slots {
			t.Fatalf("%d slots are kept, at most %d wanted", held, maxCachedSlots)
		}
	}
	last := fmt.Sprint(domains - 1)
	for _, domain := range []string{"0", last} {
		if n := c.Domain(domain).Between(0, slots); n != slots {
			t.Errorf("%d deliveries to %s, want %d", n, domain, slots)
		}
	}
	if read["0"] != 2 || read[last] != 1 {
		t.Errorf("the first was read %d times and the last %d times, want 2 and 1", read["0"], read[last])
	}
}
