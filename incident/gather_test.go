package incident

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

var day = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func at(minute int) int64 { return day.Add(time.Duration(minute) * time.Minute).UnixMilli() }

// hit returns one failure a minute of so many addresses in so many domains.
func hit(minute, addresses, domains int, reason bounce.Reason, scope bounce.Scope, blocklist, provider string) []Failure {
	var all []Failure
	for i := range addresses {
		all = append(all, Failure{
			ID: int64(minute + i), At: at(minute + i), Address: int64(i), Domain: fmt.Sprintf("d%d.example", i%domains),
			Provider: provider, Blocklist: blocklist, Scope: scope, Category: bounce.RecipientError, Reason: reason,
		})
	}
	return all
}

func shown(groups []Group) []string {
	var all []string
	for _, g := range groups {
		all = append(all, fmt.Sprintf("%s %s %q from %s to %s: %d of %d in %d", g.Kind, g.Reason, g.Subject,
			time.UnixMilli(g.Since).UTC().Format("02T15:04"), time.UnixMilli(g.Until).UTC().Format("02T15:04"), g.Attempts, g.Addresses, g.Domains))
	}
	return all
}

func TestFailuresWithACommonCauseAreOneGroup(t *testing.T) {
	failures := slices.Concat(
		hit(0, 12, 6, bounce.IPBlocklisted, bounce.ScopeSender, "zen.spamhaus.org", ""),    // one, over all domains
		hit(1000, 12, 6, bounce.IPBlocklisted, bounce.ScopeSender, "zen.spamhaus.org", ""), // and another, after a pause
		hit(0, 10, 2, bounce.RateLimited, bounce.ScopeSender, "", "google"),                // a provider's
		hit(0, 10, 1, bounce.ConnectionFailed, bounce.ScopeDomain, "", ""),                 // a domain's
		hit(5000, 30, 6, bounce.ConnectionFailed, bounce.ScopeNetwork, "", ""),             // our own network, with all domains
		hit(0, 9, 1, bounce.RateLimited, bounce.ScopeDomain, "", ""),                       // too few
		hit(0, 2, 1, bounce.SenderRejected, bounce.ScopeSender, "", ""),                    // too few even for our own problems
		hit(0, 3, 1, bounce.LocalTrouble, bounce.ScopeLocal, "", ""),                       // few are enough
		hit(5029, 1, 1, bounce.IPBlocklisted, bounce.ScopeSender, "bl.example", ""),        // one is enough
	)
	slices.SortStableFunc(failures, func(a, b Failure) int { return int(a.At - b.At) })
	want := []string{
		`own-server local-trouble "" from 23T12:00 to 23T12:02: 3 of 3 in 1`,
		`unreachable rate-limited "d0.example" from 23T12:00 to 23T12:08: 9 of 9 in 1`, // stored, and listed only with a lower number
		`unreachable connection-failed "d0.example" from 23T12:00 to 23T12:09: 10 of 10 in 1`,
		`blocklist ip-blocklisted "zen.spamhaus.org" from 23T12:00 to 23T12:11: 12 of 12 in 6`,
		`provider-refuses rate-limited "google" from 23T12:00 to 23T12:09: 10 of 10 in 2`,
		`blocklist ip-blocklisted "zen.spamhaus.org" from 24T04:40 to 24T04:51: 12 of 12 in 6`,
		`own-network connection-failed "" from 26T23:20 to 26T23:49: 30 of 30 in 6`,
		`blocklist ip-blocklisted "bl.example" from 26T23:49 to 26T23:49: 1 of 1 in 1`,
	}
	slices.Sort(want)
	for round := range 20 {
		g := &Gatherer{Gap: 6 * time.Hour}
		// Lines of several logs arrive out of order by some minutes.
		shuffled := slices.Clone(failures)
		if round > 0 {
			for i := range shuffled {
				j := min(len(shuffled)-1, i+rand.IntN(5))
				if shuffled[j].At-shuffled[i].At > 5*time.Minute.Milliseconds() {
					continue
				}
				shuffled[i], shuffled[j] = shuffled[j], shuffled[i]
			}
		}
		for i := range shuffled {
			g.Add(&shuffled[i])
		}
		got := shown(g.Take(day.Add(5030*time.Minute), 10))
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Fatalf("round %d:\n got %q\nwant %q", round, got, want)
		}
	}
}

func TestOnlyChangedGroupsAreTaken(t *testing.T) {
	g := &Gatherer{Gap: 6 * time.Hour}
	add := func(all []Failure) {
		for i := range all {
			g.Add(&all[i])
		}
	}
	add(hit(0, 5, 1, bounce.RateLimited, bounce.ScopeSender, "", "google"))
	if got := g.Take(day.Add(5*time.Minute), 10); len(got) != 1 || got[0].Addresses != 5 {
		t.Errorf("Take: %v, want one group of 5 addresses", shown(got))
	}
	if got := g.Take(day.Add(6*time.Minute), 10); len(got) != 0 {
		t.Errorf("Take without a failure in between: %v, want none", shown(got))
	}
	add(hit(10, 7, 1, bounce.RateLimited, bounce.ScopeSender, "", "google"))
	got := g.Take(day.Add(20*time.Minute), 10)
	if len(got) != 1 || got[0].Addresses != 7 || got[0].Attempts != 12 || got[0].Since != at(0) {
		t.Errorf("Take: %v, want the same group with 7 addresses and 12 attempts", shown(got))
	}
	if g.Take(day.Add(24*time.Hour), 10); len(g.groups) != 0 {
		t.Errorf("%d groups are kept a day later, want none", len(g.groups))
	}
}

func TestStrangersDomainsDoNotFillTheMemory(t *testing.T) {
	g := &Gatherer{Gap: 6 * time.Hour}
	real := hit(0, 20, 1, bounce.RateLimited, bounce.ScopeSender, "", "google")
	for i := range real {
		g.Add(&real[i])
	}
	for i := range 3 * maxGroups {
		g.Add(&Failure{ID: int64(i), At: at(30) + int64(i), Address: int64(i), Domain: fmt.Sprintf("d%d.example", i), Scope: bounce.ScopeDomain, Reason: bounce.ConnectionFailed})
	}
	if len(g.groups) > maxGroups {
		t.Errorf("%d groups are kept, want at most %d", len(g.groups), maxGroups)
	}
	if got := shown(g.Take(day.Add(time.Hour), 10)); len(got) != 1 {
		t.Errorf("Take: %q, want only the provider that limits us", got)
	}
}

// A watcher that starts does not read the failures of before if all of them are older
// than Gap: Take drops all of their groups.
func TestGroupsThatAreOverHaveNoPartInLaterOnes(t *testing.T) {
	const gap = 6 * time.Hour
	kinds := []Failure{
		{Scope: bounce.ScopeSender, Reason: bounce.RateLimited, Provider: "google"},
		{Scope: bounce.ScopeSender, Reason: bounce.IPBlocklisted, Blocklist: "zen.spamhaus.org"},
		{Scope: bounce.ScopeNetwork, Reason: bounce.ConnectionFailed},
		{Scope: bounce.ScopeDomain, Reason: bounce.ConnectionFailed},
		{Scope: bounce.ScopeLocal, Reason: bounce.LocalTrouble},
	}
	found := 0
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		fail := func(from, to time.Time, n int, into ...*Gatherer) {
			for id := range n {
				f := kinds[r.IntN(len(kinds))]
				f.ID, f.At = int64(id), from.Add(time.Duration(r.Int64N(int64(to.Sub(from))))).UnixMilli()
				f.Address, f.Domain = int64(r.IntN(30)), fmt.Sprintf("d%d.example", r.IntN(9))
				for _, g := range into {
					g.Add(&f)
				}
			}
		}
		all, fresh := &Gatherer{Gap: gap}, &Gatherer{Gap: gap}
		fail(day.Add(-3*gap), day.Add(-gap), 200, all)
		all.Take(day, 1)
		// An old log reaches back before the stored failures.
		fail(day.Add(-time.Duration(1+r.IntN(30))*time.Hour), day, r.IntN(200), all, fresh)
		got, want := shown(fresh.Take(day, 10)), shown(all.Take(day, 10))
		if found += len(want); !slices.Equal(got, want) {
			t.Errorf("seed %d: without the older failures\n%q\nwith them\n%q", seed, got, want)
		}
	}
	if found < 200 {
		t.Errorf("%d groups in 200 histories, want at least 200", found)
	}
}
