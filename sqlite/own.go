package sqlite

import (
	"cmp"
	"slices"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// problems counts failures that are the sender's own, by what and by whom.
type problems map[problem]int

type problem struct{ category, reason, by string }

// maxProblems bounds what is told apart: a provider that is not known has many
// domains.
const maxProblems = 50_000

func (p problems) count(r *bounce.Record) {
	if r.Scope != bounce.ScopeSender && r.Scope != bounce.ScopeLocal || r.Reason.AsIntended() {
		return
	}
	at := problem{string(r.Category), string(r.Reason), cmp.Or(r.Provider, r.To.Domain)}
	if _, known := p[at]; !known && len(p) >= maxProblems {
		at.by = "others"
	}
	p.add(at, 1)
}

// add counts n more of a problem. It clones what it keeps, which would otherwise
// keep all texts of the record.
func (p problems) add(at problem, n int) {
	if _, known := p[at]; !known {
		at = problem{strings.Clone(at.category), strings.Clone(at.reason), strings.Clone(at.by)}
	}
	p[at] += n
}

// Problems counts the failures that are the sender's own, in the transactions that
// it is given to.
type Problems struct{ counts problems }

// Count has the new failures of a transaction counted once it is committed.
func (p *Problems) Count(tx *Tx) { tx.problems, tx.counting = make(problems), p }

// add counts those of a transaction.
func (p *Problems) add(counts problems) {
	if p.counts == nil {
		p.counts = make(problems)
	}
	for at, n := range counts {
		p.counts.add(at, n)
	}
}

// List returns how many failures there were, by category and reason and by who
// refused, most first.
func (p *Problems) List() []query.Problem {
	var all []query.Problem
	for at, n := range p.counts {
		all = append(all, query.Problem{Name: at.category + " / " + at.reason, Provider: at.by, N: n})
	}
	slices.SortFunc(all, func(a, b query.Problem) int {
		return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Provider, b.Provider))
	})
	return all
}
