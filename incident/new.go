package incident

import (
	"cmp"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

const (
	maxNew      = 500_000 // failures, of 32 bytes each
	maxNewFacts = 50_000
)

// NewFailures are the failures that an import stored, in the order of their rows. At its
// end they need not be read again. Those about recipients are left out: they belong to no
// incident of the gatherer.
type NewFailures struct {
	stored  newFailures // of transactions that are committed
	all     newFailures
	facts   []facts
	index   map[facts]int32 // in facts
	tooMany bool
}

type newFailures struct {
	failures    []newFailure
	first, last int64 // their ids, also of those that are left out
	since       int64 // the earliest, in Unix milliseconds
	suppressed  bool
}

type newFailure struct {
	id, at, address int64
	facts           int32
}

// facts are what failures have in common.
type facts struct {
	domain, provider, blocklist, enhancedCode string
	scope                                     bounce.Scope
	category                                  bounce.Category
	reason                                    bounce.Reason
	suppress                                  bool
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
	f := facts{r.To.Domain, r.Provider, r.Blocklist, r.Reply.EnhancedCode, r.Scope, r.Category, r.Reason, r.Suppress}
	i, known := n.index[f]
	if !known {
		if n.index == nil {
			n.index = make(map[facts]int32)
		}
		i, f = int32(len(n.facts)), f.clone()
		n.facts, n.index[f] = append(n.facts, f), i
	}
	all.failures = append(all.failures, newFailure{id, at, address, i})
	if len(all.failures) > maxNew || len(n.facts) > maxNewFacts {
		*n = NewFailures{tooMany: true}
	}
}

func (f *facts) clone() facts {
	return facts{
		strings.Clone(f.domain), strings.Clone(f.provider), strings.Clone(f.blocklist), strings.Clone(f.enhancedCode),
		bounce.Scope(strings.Clone(string(f.scope))), bounce.Category(strings.Clone(string(f.category))), bounce.Reason(strings.Clone(string(f.reason))), f.suppress,
	}
}

// IDs returns those of the first and the last new failure. They are 0 if there are none,
// or too many to be kept.
func (n *NewFailures) IDs() (first, last int64) { return n.stored.first, n.stored.last }

// Since returns the time of the earliest new failure, and whether one of them shows that
// an address is bad.
func (n *NewFailures) Since() (since time.Time, suppressed bool) {
	return time.UnixMilli(n.stored.since), n.stored.suppressed
}

// Gather adds the failures to a gatherer, in the order of their times.
func (n *NewFailures) Gather(g *Gatherer) {
	slices.SortFunc(n.stored.failures, func(a, b newFailure) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.id, b.id))
	})
	for _, one := range n.stored.failures {
		f := &n.facts[one.facts]
		if f.suppress || f.scope == bounce.ScopeRecipient || f.scope == bounce.ScopeMessage || f.reason.AsIntended() {
			continue
		}
		g.Add(&Failure{
			ID: one.id, At: one.at, Address: one.address, Domain: f.domain, Provider: f.provider, Blocklist: f.blocklist,
			Scope: f.scope, Category: f.category, Reason: f.reason, EnhancedCode: f.enhancedCode,
		})
	}
}

// Count counts the failures of an incident, after Gather. It returns false if they may be
// among those that are left out.
func (n *NewFailures) Count(i *Incident) (attempts, addresses, domains int, counted bool) {
	var chosen []bool
	for at := range n.facts {
		belongs, known := n.facts[at].belongTo(i)
		if !known {
			return 0, 0, 0, false
		}
		chosen = append(chosen, belongs)
	}
	since, until := bounce.ParseStamp(i.StartedAt).UnixMilli(), bounce.ParseStamp(i.LastAt).UnixMilli()
	all := n.stored.failures
	all = all[sort.Search(len(all), func(at int) bool { return all[at].at >= since }):]
	all = all[:sort.Search(len(all), func(at int) bool { return all[at].at > until })]
	seen := make([]bool, len(n.facts))
	addressSet, domainSet := make(map[int64]struct{}), make(map[string]struct{})
	for _, one := range all {
		if !chosen[one.facts] {
			continue
		}
		attempts++
		addressSet[one.address] = struct{}{}
		if !seen[one.facts] {
			seen[one.facts] = true
			domainSet[n.facts[one.facts].domain] = struct{}{}
		}
	}
	return attempts, len(addressSet), len(domainSet), true
}

// belongTo reports whether failures belong to an incident, if their time does. It is
// false for incidents that can be about recipients.
func (f *facts) belongTo(i *Incident) (belong, known bool) {
	switch i.Kind {
	case Blocklist:
		return f.blocklist == i.Subject && f.reason == i.Reason, true
	case OwnNetwork:
		return f.scope == bounce.ScopeNetwork && f.reason == i.Reason, true
	case ProviderRefuses, Unreachable, OwnServer:
		switch {
		case i.Subject == "" || i.Subject == bounce.OtherValue:
			belong = f.provider == ""
		case f.provider == "":
			belong = f.domain == i.Subject
		default:
			belong = f.provider == i.Subject
		}
		if i.Reason == Mixed {
			return belong && f.scope != bounce.ScopeRecipient && f.scope != bounce.ScopeLocal && !f.reason.AsIntended(), true
		}
		return belong && f.reason == i.Reason && f.scope == i.Scope, i.Scope != bounce.ScopeRecipient
	}
	return false, false
}
