package incident

import (
	"cmp"
	"slices"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// Failure is a failed delivery attempt, as far as incidents need it.
type Failure struct {
	ID       int64 // of its row; grows
	At       int64 // Unix milliseconds
	Address  int64 // see bounce.Address.Key
	Domain   string
	Provider string // the slug, or empty
	// Blocklist is the one that the reply names, or empty.
	Blocklist    string
	Scope        bounce.Scope
	Category     bounce.Category
	Reason       bounce.Reason
	EnhancedCode string
	Suppress     bool // it shows that the address is bad
}

// Cause identifies an incident among those of its time.
type Cause struct {
	Kind    Kind
	Subject string
	Reason  bounce.Reason
}

// Cause returns the incident that a failure belongs to. A blocklist is one incident
// for all who use it. A problem of ours is one with all receivers that have no
// provider's name. An outage is that of one provider or domain.
func (f *Failure) Cause() Cause {
	switch f.Scope {
	case bounce.ScopeSender:
		if f.Blocklist != "" {
			return Cause{Blocklist, f.Blocklist, f.Reason}
		}
		return Cause{ProviderRefuses, f.Provider, f.Reason}
	case bounce.ScopeLocal:
		return Cause{OwnServer, f.Provider, f.Reason}
	default:
		return Cause{Unreachable, cmp.Or(f.Provider, f.Domain), f.Reason}
	}
}

// Group is a number of failures with one cause, without a long pause.
type Group struct {
	Cause
	Scope        bounce.Scope
	Category     bounce.Category
	Since, Until int64 // the first and the last failure, in Unix milliseconds
	Attempts     int
	Addresses    int
	Domains      int
	Providers    int
	LastID       int64 // of the last failure
	EnhancedCode string
	Ended        bool // a later failure began another group
}

const (
	// maxCounted bounds the addresses and the domains of a group that are
	// remembered. Larger groups are shown as this many.
	maxCounted = 200_000
	// maxGroups bounds the groups of which nothing is shown yet. Any stranger can
	// make one by sending from a domain that cannot be reached.
	maxGroups = 50_000
)

// Gatherer groups failures by cause. The order in which it gets them matters only if
// it is far from that of their times.
type Gatherer struct {
	Gap time.Duration // a longer pause between two failures ends a group

	groups map[Cause]*group
	closed []Group // ended by a later failure, and not yet taken
}

type group struct {
	Group
	addresses map[int64]struct{}
	domains   map[string]struct{}
	providers map[string]struct{}
	changed   bool
}

// Add adds a failure, unless it is of a kind that is no incident.
func (g *Gatherer) Add(f *Failure) {
	if f.Suppress || f.Scope == bounce.ScopeRecipient || f.Scope == bounce.ScopeMessage || f.Reason.AsIntended() {
		return
	}
	if g.groups == nil {
		g.groups = make(map[Cause]*group)
	}
	cause := f.Cause()
	gap := g.Gap.Milliseconds()
	of := g.groups[cause]
	if of != nil && f.At < of.Since-gap {
		return // older than what is gathered; it was part of an earlier group
	}
	if of != nil && f.At > of.Until+gap {
		if of.changed {
			closed := of.snapshot()
			closed.Ended = true
			g.closed = append(g.closed, closed)
		}
		of = nil
	}
	if of == nil {
		if len(g.groups) >= maxGroups {
			g.evict()
		}
		of = &group{
			Group:     Group{Cause: cause, Scope: f.Scope, Category: f.Category, Since: f.At, Until: f.At},
			addresses: make(map[int64]struct{}), domains: make(map[string]struct{}), providers: make(map[string]struct{}),
		}
		g.groups[cause] = of
	}
	of.add(f)
}

func (g *group) add(f *Failure) {
	g.Attempts++
	g.Since = min(g.Since, f.At)
	if f.At >= g.Until {
		g.Until, g.LastID, g.EnhancedCode = f.At, f.ID, f.EnhancedCode
	}
	if len(g.addresses) < maxCounted {
		g.addresses[f.Address] = struct{}{}
	}
	if len(g.domains) < maxCounted {
		g.domains[f.Domain] = struct{}{}
		g.providers[cmp.Or(f.Provider, f.Domain)] = struct{}{}
	}
	g.changed = true
}

func (g *group) snapshot() Group {
	g.Addresses, g.Domains, g.Providers = len(g.addresses), len(g.domains), len(g.providers)
	return g.Group
}

// evict drops the older half of the groups with few addresses.
func (g *Gatherer) evict() {
	small := make([]*group, 0, len(g.groups))
	for _, of := range g.groups {
		if len(of.addresses) < fewest {
			small = append(small, of)
		}
	}
	slices.SortFunc(small, func(a, b *group) int { return cmp.Compare(a.Until, b.Until) })
	for _, of := range small[:(len(small)+1)/2] {
		delete(g.groups, of.Cause)
	}
}

// Take returns the groups that changed since the last Take and have enough
// addresses to be stored, and forgets those whose last failure is more than Gap before now. Many
// domains that could not be reached from the same moment on are one group.
func (g *Gatherer) Take(now time.Time, addresses int) []Group {
	found := g.closed
	g.closed = nil
	var network []*group
	for cause, of := range g.groups {
		if of.Scope == bounce.ScopeNetwork {
			network = append(network, of)
		} else if of.changed {
			found = append(found, of.snapshot())
			of.changed = false
		}
		if now.UnixMilli()-of.Until > g.Gap.Milliseconds() {
			delete(g.groups, cause)
		}
	}
	found = append(found, together(network)...)
	found = slices.DeleteFunc(found, func(of Group) bool { return of.Addresses < min(of.enough(addresses), fewest) })
	slices.SortFunc(found, func(a, b Group) int {
		return cmp.Or(cmp.Compare(a.Since, b.Since), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Subject, b.Subject))
	})
	return found
}

const (
	atOnce = 15 * time.Minute // in which an outage of our network begins for many
	many   = 5                // domains or providers
	fewest = 3                // addresses of each, so that a misspelled domain does not count
)

// together returns the groups on the network. Those that began at once, for the same
// reason, are one group without a subject: what they have in common is our network.
func together(groups []*group) []Group {
	slices.SortFunc(groups, func(a, b *group) int {
		return cmp.Or(cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Since, b.Since), cmp.Compare(a.Subject, b.Subject))
	})
	var joined []Group
	for len(groups) > 0 {
		first := groups[0]
		n, large, changed := 0, 0, false
		for n < len(groups) && groups[n].Reason == first.Reason && groups[n].Since-first.Since <= atOnce.Milliseconds() {
			if len(groups[n].addresses) >= fewest {
				large++
			}
			changed = changed || groups[n].changed
			groups[n].changed = false
			n++
		}
		all := groups[:n]
		groups = groups[n:]
		if large < many {
			for _, of := range all {
				joined = append(joined, of.snapshot())
			}
			continue
		}
		if changed {
			joined = append(joined, join(all))
		}
	}
	return joined
}

func join(groups []*group) Group {
	all := groups[0].snapshot()
	all.Kind, all.Subject = OwnNetwork, ""
	for _, of := range groups[1:] {
		one := of.snapshot()
		all.Attempts += one.Attempts
		all.Addresses += one.Addresses
		all.Domains += one.Domains
		all.Providers += one.Providers
		if one.Until > all.Until {
			all.Until, all.LastID, all.EnhancedCode = one.Until, one.LastID, one.EnhancedCode
		}
	}
	return all
}

// enough returns how many addresses a group must have. A listing on a blocklist
// concerns all mail, so one refusal is enough. Other problems of ours need few: one
// refused message may be about that message.
func (g *Group) enough(addresses int) int {
	switch {
	case g.Reason == bounce.IPBlocklisted || g.Reason == bounce.DomainBlocklisted:
		return 1
	case g.Scope == bounce.ScopeSender || g.Scope == bounce.ScopeLocal:
		return min(addresses, fewest)
	}
	return addresses
}
