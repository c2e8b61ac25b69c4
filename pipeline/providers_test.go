package pipeline

import (
	"fmt"
	"testing"

	"github.com/bouncetail/bouncetail/bounce"
)

type byName map[string]string

func (byName) Verdict(*bounce.Delivery) bounce.Verdict { return bounce.Verdict{} }

func (b byName) Provider(host string) string { return b[host] }

func TestProvidersAreNumberedInTheBatch(t *testing.T) {
	var p providers
	judge := byName{"mx1.google.com": "google", "mx2.google.com": "google", "mx.yahoo.com": "yahoo"}
	slug := func(host string) string {
		n := p.of(host, judge)
		if n == 0 {
			return ""
		}
		return p.slugs[n-1]
	}
	for round := range 3 {
		for _, host := range []string{"", "mx.b.example", "mx1.google.com", "mx.yahoo.com", "mx2.google.com"} {
			if got := slug(host); got != judge[host] {
				t.Errorf("round %d: %q has provider %q, want %q", round, host, got, judge[host])
			}
		}
		for i := range maxHosts + 1 { // forgets the hosts, and not the numbers
			p.of(fmt.Sprint(round, i), judge)
		}
	}
	if len(p.slugs) != 2 || len(p.byHost) > maxHosts {
		t.Errorf("%d providers and %d hosts are remembered, want 2 and at most %d", len(p.slugs), len(p.byHost), maxHosts)
	}
}
