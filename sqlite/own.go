package sqlite

import (
	"cmp"
	"slices"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
)

// Problem is a number of failed attempts that are not about the recipients.
type Problem struct {
	Name     string // category / reason
	Provider string // who refused: the provider, or the domain where none is known
	N        int
}

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

// Problems returns how many of the failures that were new since the database
// was opened were about us, by category and reason and by who refused, most
// first.
func (s *Store) Problems() []Problem {
	var all []Problem
	for at, n := range s.problems {
		all = append(all, Problem{at.category + " / " + at.reason, at.by, n})
	}
	slices.SortFunc(all, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Provider, b.Provider))
	})
	return all
}
