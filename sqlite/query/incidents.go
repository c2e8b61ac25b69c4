package query

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
)

// Incident is what hit many addresses at once and was not about any of them:
// failures for one reason, with one receiver or for one blocklist. Times are as
// stored.
type Incident struct {
	Scope    bounce.Scope    `json:"scope"`
	Category bounce.Category `json:"category"`
	Reason   bounce.Reason   `json:"reason"`
	// With is the blocklist, the provider or the domain that all have in
	// common; empty where they have none, as when our own network was down.
	With string `json:"with"`
	// Since and Until are the first failure and the last.
	Since string `json:"since"`
	Until string `json:"until"`
	// Ongoing means that the last is not long ago.
	Ongoing   bool   `json:"ongoing"`
	Failures  int    `json:"failures"`
	Addresses int    `json:"addresses"`
	Domains   int    `json:"domains"`
	Reply     string `json:"reply"` // the last of them
	Advice    string `json:"advice"`
}

// incident is one that is being gathered.
type incident struct {
	Incident
	addresses map[int64]struct{}
	domains   map[string]struct{}
	lastID    int64
}

// incidentKey is what the failures of an incident have in common.
type incidentKey struct {
	scope    bounce.Scope
	category bounce.Category
	reason   bounce.Reason
	with     string
}

// IncidentFilter says what makes an incident.
type IncidentFilter struct {
	Since     string        // of the failures that are looked at, as stored
	Now       time.Time     // by which an incident is ongoing
	Gap       time.Duration // a pause of more than this ends one
	Addresses int           // that it has hit at least; see enough
}

// enough returns how many addresses an incident must have hit. A listing on a
// blocklist concerns all mail, so one refusal is enough. Other problems of the
// sender need few: one refused message may be about that message.
func (f *IncidentFilter) enough(k *Incident) int {
	switch {
	case k.Reason == bounce.IPBlocklisted || k.Reason == bounce.DomainBlocklisted:
		return 1
	case k.Scope == bounce.ScopeSender || k.Scope == bounce.ScopeLocal:
		return min(f.Addresses, fewest)
	}
	return f.Addresses
}

// Incidents returns the incidents, the last to end first. It reads the failures
// since the time of the filter that are not about the recipient, by an index.
// What goes as intended is left out.
func (r *Reader) Incidents(ctx context.Context, f IncidentFilter) ([]Incident, error) {
	found := []*incident{}
	open := make(map[incidentKey]*incident)
	end := func(i *incident) {
		if len(i.addresses) >= min(f.enough(&i.Incident), fewest) {
			i.Addresses, i.Domains = len(i.addresses), len(i.domains)
			found = append(found, i)
		}
		i.addresses, i.domains = nil, nil
	}
	err := sqldb.ScanAll(ctx, r.db, `
		SELECT id, occurred_at, recipient_key, domain, scope, category, reason, coalesce(blocklist, ''), coalesce(provider, '')
		FROM bounces
		WHERE occurred_at >= ? AND scope NOT IN ('recipient', 'message') AND suppress = 0 AND reason NOT IN `+asIntended+`
		ORDER BY occurred_at`, func(scan func(...any) error) error {
		var id, address int64
		var at, domain, blocklist, provider string
		var k incidentKey
		if err := scan(&id, &at, &address, &domain, &k.scope, &k.category, &k.reason, &blocklist, &provider); err != nil {
			return err
		}
		k.with = common(k.scope, domain, blocklist, provider)
		i := open[k]
		if i != nil && bounce.ParseStamp(at).Sub(bounce.ParseStamp(i.Until)) > f.Gap {
			end(i)
			i = nil
		}
		if i == nil {
			i = &incident{
				Incident:  Incident{Scope: k.scope, Category: k.category, Reason: k.reason, With: k.with, Since: at, Advice: k.reason.Advice()},
				addresses: make(map[int64]struct{}), domains: make(map[string]struct{}),
			}
			open[k] = i
		}
		i.Until, i.lastID = at, id
		i.Failures++
		i.addresses[address] = struct{}{}
		i.domains[domain] = struct{}{}
		return nil
	}, f.Since)
	if err != nil {
		return nil, err
	}
	for _, i := range open {
		i.Ongoing = f.Now.Sub(bounce.ParseStamp(i.Until)) <= f.Gap
		end(i)
	}
	found = slices.DeleteFunc(together(found), func(i *incident) bool { return i.Addresses < f.enough(&i.Incident) })
	all := make([]Incident, 0, len(found))
	for _, i := range found {
		if err := r.db.QueryRowContext(ctx, "SELECT coalesce(reply, '') FROM bounces WHERE id = ?", i.lastID).Scan(&i.Reply); err != nil {
			return nil, err
		}
		all = append(all, i.Incident)
	}
	slices.SortFunc(all, func(a, b Incident) int {
		return cmp.Or(cmp.Compare(b.Until, a.Until), cmp.Compare(b.Since, a.Since), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.With, b.With))
	})
	return all, nil
}

// Many domains that cannot be reached from the same moment on are one incident:
// what they have in common is our own network.
const (
	atOnce = 15 * time.Minute // in which they begin
	many   = 5                // domains or providers
	fewest = 3                // addresses of each, so that a misspelt domain is none
)

// together makes one of the incidents on the network that began at once for
// the same reason.
func together(found []*incident) []*incident {
	slices.SortFunc(found, func(a, b *incident) int {
		return cmp.Or(cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Since, b.Since), cmp.Compare(a.With, b.With))
	})
	var joined []*incident
	for len(found) > 0 {
		first := found[0]
		n := 1
		for n < len(found) && found[n].Scope == first.Scope && found[n].Reason == first.Reason && bounce.ParseStamp(found[n].Since).Sub(bounce.ParseStamp(first.Since)) <= atOnce {
			n++
		}
		if n < many || first.Scope != bounce.ScopeNetwork {
			joined = append(joined, found[:n]...)
			found = found[n:]
			continue
		}
		first.With = ""
		for _, other := range found[1:n] {
			first.Failures += other.Failures
			first.Addresses += other.Addresses
			first.Domains += other.Domains
			first.Ongoing = first.Ongoing || other.Ongoing
			if other.Until > first.Until {
				first.Until, first.lastID = other.Until, other.lastID
			}
		}
		joined = append(joined, first)
		found = found[n:]
	}
	return joined
}

// common returns what tells one incident from another for the same reason. A
// blocklist is one for all who ask it; what is wrong on our side is one with
// all who have no name as a provider; an outage is one domain's.
func common(scope bounce.Scope, domain, blocklist, provider string) string {
	if scope == bounce.ScopeSender || scope == bounce.ScopeLocal {
		return cmp.Or(blocklist, provider)
	}
	return cmp.Or(provider, domain)
}
