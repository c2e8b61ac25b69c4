package incident

import (
	"cmp"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// The limits of what NewFailures keeps.
const (
	MaxNew        = 500_000 // failures, of 32 bytes each
	maxNewDomains = 50_000
)

// NewFailures are the failures that an import stored, in the order of their rows. At its
// end they need not be read again. Those about recipients are left out: they belong to no
// incident of the gatherer.
type NewFailures struct {
	stored  newFailures // of transactions that are committed
	all     newFailures
	facts   interned[facts]
	domains interned[string]
	tooMany bool
}

type newFailures struct {
	failures    []newFailure
	first, last int64 // their ids, also of those that are left out
	since       int64 // the earliest, in Unix milliseconds
	suppressed  bool
	// addresses are those that failed for the first time.
	addresses []int64
}

type newFailure struct {
	id, at, address int64
	facts, domain   int32 // see interned
}

// facts are what failures to many domains have in common.
type facts struct {
	provider, blocklist, enhancedCode string
	scope                             bounce.Scope
	category                          bounce.Category
	reason                            bounce.Reason
	suppress                          bool
}

// interned numbers values. Two small maps are faster than one of all combinations.
type interned[T comparable] struct {
	all   []T
	index map[T]int32
}

func (n *interned[T]) number(v T, clone func(T) T) int32 {
	i, known := n.index[v]
	if !known {
		if n.index == nil {
			n.index = make(map[T]int32)
		}
		v, i = clone(v), int32(len(n.all))
		n.all, n.index[v] = append(n.all, v), i
	}
	return i
}

// Begin begins a transaction. What was added for one that failed is dropped.
func (n *NewFailures) Begin() { n.all = n.stored }

// Commit keeps what was added.
func (n *NewFailures) Commit() { n.stored = n.all }

// Add adds a failure that was inserted. It clones what it keeps.
func (n *NewFailures) Add(id, address int64, r *bounce.Record) {
	if n.tooMany {
		return
	}
	all, at := &n.all, r.At.UnixMilli()
	if all.first == 0 {
		all.first, all.since = id, at
	}
	all.last, all.since, all.suppressed = id, min(all.since, at), all.suppressed || r.Suppress
	if r.Scope == bounce.ScopeRecipient && r.Blocklist == "" {
		return
	}
	f := facts{r.Provider, r.Blocklist, r.Reply.EnhancedCode, r.Scope, r.Category, r.Reason, r.Suppress}
	all.failures = append(all.failures, newFailure{id, at, address, n.facts.number(f, facts.clone), n.domains.number(r.To.Domain, strings.Clone)})
	if len(all.failures) > MaxNew || len(n.domains.all) > maxNewDomains || len(n.facts.all) > maxNewDomains {
		*n = NewFailures{tooMany: true}
	}
}

// AddFirst adds an address that fails for the first time.
func (n *NewFailures) AddFirst(address int64) {
	if !n.tooMany {
		n.all.addresses = append(n.all.addresses, address)
	}
}

func (f facts) clone() facts {
	return facts{
		strings.Clone(f.provider), strings.Clone(f.blocklist), strings.Clone(f.enhancedCode),
		bounce.Scope(strings.Clone(string(f.scope))), bounce.Category(strings.Clone(string(f.category))), bounce.Reason(strings.Clone(string(f.reason))), f.suppress,
	}
}

// IDs returns those of the first and the last new failure. They are 0 if there are none,
// or too many to be kept.
func (n *NewFailures) IDs() (first, last int64) { return n.stored.first, n.stored.last }

// Since returns the time of the earliest new failure, and whether one of them shows that
// an address is bad. There must be one: see IDs.
func (n *NewFailures) Since() (since time.Time, suppressed bool) {
	return time.UnixMilli(n.stored.since), n.stored.suppressed
}

// Gather sorts what was stored, the failures by time, and adds these to a gatherer.
func (n *NewFailures) Gather(g *Gatherer) {
	slices.SortFunc(n.stored.failures, func(a, b newFailure) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.id, b.id))
	})
	slices.Sort(n.stored.addresses)
	for _, one := range n.stored.failures {
		f := &n.facts.all[one.facts]
		g.Add(&Failure{
			ID: one.id, At: one.at, Address: one.address, Domain: n.domains.all[one.domain], Provider: f.provider, Blocklist: f.blocklist,
			Scope: f.scope, Category: f.category, Reason: f.reason, EnhancedCode: f.enhancedCode, Suppress: f.suppress,
		})
	}
}

// Counts are what failures of an incident have.
type Counts struct {
	Attempts  int
	Addresses []int64 // each once, in ascending order
	Older     []int64 // those of them that may have failed before
	Domains   []string
}

// Count counts the failures of an incident. It must be called after Gather, which sorts
// them. It returns nil if some may be among those that are left out.
func (n *NewFailures) Count(i *Incident) *Counts {
	switch i.Kind {
	case Blocklist, OwnNetwork:
	case ProviderRefuses, Unreachable, OwnServer:
		if i.Scope == bounce.ScopeRecipient {
			return nil
		}
	default:
		return nil
	}
	since, until := bounce.ParseStamp(i.StartedAt).UnixMilli(), bounce.ParseStamp(i.LastAt).UnixMilli()
	c, known := &Counts{}, make([]bool, len(n.domains.all))
	all := n.stored.failures
	all = all[sort.Search(len(all), func(at int) bool { return all[at].at >= since }):]
	all = all[:sort.Search(len(all), func(at int) bool { return all[at].at > until })]
	for _, one := range all {
		if !n.facts.all[one.facts].belongTo(i, n.domains.all[one.domain]) {
			continue
		}
		c.Attempts++
		c.Addresses = append(c.Addresses, one.address)
		if !known[one.domain] {
			known[one.domain] = true
			c.Domains = append(c.Domains, n.domains.all[one.domain])
		}
	}
	slices.Sort(c.Addresses)
	c.Addresses = slices.Compact(c.Addresses)
	c.Older = n.older(c.Addresses, i.Reason)
	return c
}

// older returns those of some sorted addresses that may have failed before with a reason.
// Refusals by our own maps do not count as failures of an address.
func (n *NewFailures) older(addresses []int64, reason bounce.Reason) (older []int64) {
	if reason == bounce.Suppressed {
		return addresses
	}
	first := n.stored.addresses
	for _, address := range addresses {
		for len(first) > 0 && first[0] < address {
			first = first[1:]
		}
		if len(first) == 0 || first[0] != address {
			older = append(older, address)
		}
	}
	return older
}

// belongTo reports whether failures to a domain belong to an incident, if their time does.
func (f *facts) belongTo(i *Incident, domain string) bool {
	switch i.Kind {
	case Blocklist:
		return f.blocklist == i.Subject && f.reason == i.Reason
	case OwnNetwork:
		return !f.suppress && f.scope == bounce.ScopeNetwork && f.reason == i.Reason
	default: // by the receiver
	}
	var belong bool
	switch {
	case i.Subject == "" || i.Subject == bounce.OtherValue:
		belong = f.provider == ""
	case f.provider == "":
		belong = domain == i.Subject
	default:
		belong = f.provider == i.Subject
	}
	belong = belong && !f.suppress
	if i.Reason == Mixed {
		return belong && f.scope != bounce.ScopeRecipient && f.scope != bounce.ScopeLocal && !f.reason.AsIntended()
	}
	if !belong || f.reason != i.Reason {
		return false
	}
	switch i.Scope {
	case bounce.ScopeNetwork, bounce.ScopeDomain: // as in Failure.Cause
		return f.scope == bounce.ScopeNetwork || f.scope == bounce.ScopeDomain
	case bounce.ScopeSender:
		return f.scope == i.Scope && f.blocklist == "" // others are of the incident of that blocklist
	default:
		return f.scope == i.Scope
	}
}
