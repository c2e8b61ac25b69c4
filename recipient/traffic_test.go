package recipient

import (
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
