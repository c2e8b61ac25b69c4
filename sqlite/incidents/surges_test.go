package incidents_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/incident"
	"github.com/bouncetail/bouncetail/sqlite/incidents"
)

// Surges that are counted together have the failures that Failures chooses for each.
func TestSurgesAreCountedAsTheirFailuresAreChosen(t *testing.T) {
	s := newServer(t)
	s.trouble(2)
	s.save()
	_, err := s.w.DB().ExecContext(t.Context(), `
		UPDATE bounces SET
		  relay_host = CASE id % 5 WHEN 0 THEN 'mx1.hoster.example' WHEN 1 THEN 'mx2.hoster.example' WHEN 2 THEN 'single' WHEN 3 THEN domain END,
		  relay_ip = CASE id % 3 WHEN 0 THEN '192.0.2.1' END,
		  reply = CASE id % 4 WHEN 0 THEN 'Host not found: relay.example' ELSE reply END`)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(3, 1))
	var surges []*incident.Incident
	for _, subject := range []string{"", "d1.example", "d2.example", "google", "hoster.example", "mx1.hoster.example", "single", "192.0.2.1", "relay.example", "nobody.example"} {
		for range 3 {
			begin := start.Add(-time.Duration(r.IntN(72)) * time.Hour)
			last := begin.Add(time.Duration(1+r.IntN(20)) * time.Hour)
			surges = append(surges, &incident.Incident{Kind: incident.BadSurge, Subject: subject, StartedAt: bounce.Stamp(begin), LastAt: bounce.Stamp(last)})
		}
	}
	slices.SortFunc(surges, func(a, b *incident.Incident) int { return strings.Compare(a.StartedAt, b.StartedAt) })
	if err := incidents.CountSurges(t.Context(), s.w.DB(), surges); err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, i := range surges {
		where, args := incidents.Failures(i)
		var attempts, addresses, domains int
		err := s.w.DB().QueryRowContext(t.Context(), "SELECT count(*), count(DISTINCT recipient_key), count(DISTINCT domain) FROM bounces WHERE "+where, args...).Scan(&attempts, &addresses, &domains)
		if err != nil {
			t.Fatal(err)
		}
		if found += attempts; i.Attempts != attempts || i.Addresses != addresses || i.Domains != domains {
			t.Errorf("%q from %s to %s: %d attempts, %d addresses, %d domains; Failures chooses %d, %d, %d", i.Subject, i.StartedAt, i.LastAt, i.Attempts, i.Addresses, i.Domains, attempts, addresses, domains)
		}
	}
	if found < 500 {
		t.Errorf("the surges have %d failures in all, want hundreds", found)
	}
}
