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
	n, known := p[at]
	switch {
	case known:
	case len(p) >= maxProblems:
		at.by = "others"
		n = p[at]
	default: // its texts lie in the batch
		at = problem{strings.Clone(at.category), strings.Clone(at.reason), strings.Clone(at.by)}
	}
	p[at] = n + 1
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

// add adds what a transaction has counted.
func (p problems) add(other problems) {
	for at, n := range other {
		p[at] += n
	}
}
