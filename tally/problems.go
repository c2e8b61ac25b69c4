package tally

import (
	"cmp"
	"slices"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
)

// Problem is a number of failed attempts that are not about the recipients.
type Problem struct {
	Name     string // category / reason
	Provider string // who refused: the provider, or the domain if it is not known
	N        int
}

// Problems counts failures that are the sender's own, by reason and by who refused. The
// zero value is empty.
type Problems struct{ counts map[problem]*int }

type problem struct{ category, reason, by string }

// maxProblems bounds how many are counted apart: a provider that is not known has many
// domains.
const maxProblems = 50_000

// Count counts a failure, if it is the sender's own problem.
func (p *Problems) Count(r *bounce.Record) {
	if r.Scope != bounce.ScopeSender && r.Scope != bounce.ScopeLocal || r.Reason.AsIntended() {
		return
	}
	at := problem{string(r.Category), string(r.Reason), cmp.Or(r.Provider, r.To.Domain)}
	if p.counts[at] == nil && len(p.counts) >= maxProblems {
		at.by = "others"
	}
	p.add(at, 1)
}

// add counts n more of a problem. It clones what it keeps, which would otherwise
// keep all texts of the record.
func (p *Problems) add(at problem, n int) {
	if p.counts == nil {
		p.counts = make(map[problem]*int)
	}
	count := p.counts[at]
	if count == nil {
		count = new(int)
		p.counts[problem{strings.Clone(at.category), strings.Clone(at.reason), strings.Clone(at.by)}] = count
	}
	*count += n
}

// Add adds those that were counted elsewhere.
func (p *Problems) Add(other *Problems) {
	for at, n := range other.counts {
		p.add(at, *n)
	}
}

// List returns how many failures there were, by category and reason and by who
// refused, most first.
func (p *Problems) List() []Problem {
	var all []Problem
	for at, n := range p.counts {
		all = append(all, Problem{at.category + " / " + at.reason, at.by, *n})
	}
	slices.SortFunc(all, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Provider, b.Provider))
	})
	return all
}
