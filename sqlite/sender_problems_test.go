package sqlite

import (
	"fmt"
	"maps"
	"testing"

	"github.com/bouncetail/bouncetail/bounce"
)

func TestProblemsOfTheSenderAreCounted(t *testing.T) {
	s, path := openNew(t)
	var all []bounce.Record
	// hit makes a failure of so many addresses in so many domains, one a minute.
	hit := func(minute, addresses, domains int, reason bounce.Reason, scope bounce.Scope, blocklist, provider string) {
		for i := range addresses {
			r := judged(fmt.Sprint("user", i), minute+i, bounce.Deferred, bounce.RecipientError, reason, scope)
			domain := fmt.Sprintf("d%d.example", i%domains)
			r.To = bounce.Address{Normal: fmt.Sprintf("user%d@%s", i, domain), Domain: domain}
			r.ID = id(fmt.Sprint(minute, i, domains, reason, blocklist))
			r.Blocklist, r.Provider, r.Reply.Text = blocklist, provider, fmt.Sprint("reply ", i)
			all = append(all, r)
		}
	}
	hit(0, 12, 6, bounce.IPBlocklisted, bounce.ScopeSender, "zen.spamhaus.org", "")    // one, over all domains
	hit(1000, 12, 6, bounce.IPBlocklisted, bounce.ScopeSender, "zen.spamhaus.org", "") // and another, after a pause
	hit(0, 10, 2, bounce.RateLimited, bounce.ScopeSender, "", "google")                // a provider's
	hit(0, 10, 1, bounce.ConnectionFailed, bounce.ScopeDomain, "", "")                 // a domain's
	hit(5000, 30, 6, bounce.ConnectionFailed, bounce.ScopeNetwork, "", "")             // our own network, with all domains
	hit(0, 9, 1, bounce.RateLimited, bounce.ScopeDomain, "", "")                       // too few
	hit(0, 2, 1, bounce.SenderRejected, bounce.ScopeSender, "", "")                    // too few even for our own problems
	hit(0, 3, 1, bounce.LocalTrouble, bounce.ScopeLocal, "", "")                       // few are enough
	hit(5029, 1, 1, bounce.IPBlocklisted, bounce.ScopeSender, "bl.example", "")        // one is enough
	hit(0, 50, 1, bounce.NoSuchUser, bounce.ScopeRecipient, "", "")                    // about the recipients
	hit(0, 50, 1, bounce.Greylisted, bounce.ScopeSender, "", "")                       // everyday life
	hit(0, 50, 1, bounce.Suppressed, bounce.ScopeLocal, "", "")                        // what the maps are for
	save(t, s, &bounce.Batch{Records: bounce.NewRecords(all...)})
	problems, err := reader(t, path).SenderProblemsByProvider(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n := make(map[string]int)
	for _, p := range problems {
		n[p.Name] += p.N
	}
	if want := map[string]int{"recipient-error / ip-blocklisted": 25, "recipient-error / rate-limited": 10, "recipient-error / local-trouble": 3, "recipient-error / sender-rejected": 2}; !maps.Equal(n, want) {
		t.Errorf("SenderProblemsByProvider: %v, want %v", n, want)
	}
}
