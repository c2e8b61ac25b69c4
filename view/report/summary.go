// Package report computes what the commands and the daemon show: the summary of a
// database, who most attempts fail for, the problems of the sender.
package report

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/tally"
)

// Summary is what an admin wants to know after logs were read.
type Summary struct {
	States     map[bounce.State]int
	BadReasons []query.Count // bad addresses by reason
	Problems   []SenderProblem
}

// SenderProblem is a reason of failures that the sender has to solve.
type SenderProblem struct {
	Name     string // category / reason
	Attempts int
	By       []query.Count // who refused: providers or domains, most first
}

// Summarize reads the summary from a database.
func Summarize(ctx context.Context, r *query.Reader) (*Summary, error) {
	problems, err := r.SenderProblemsByProvider(ctx)
	if err != nil {
		return nil, err
	}
	return SummarizeWith(ctx, r, problems)
}

// SummarizeWith is Summarize with problems that were counted before. In a database
// of gigabytes it takes long to read all failures.
func SummarizeWith(ctx context.Context, r *query.Reader, problems []tally.Problem) (*Summary, error) {
	s := &Summary{States: make(map[bounce.State]int)}
	states, err := r.States(ctx)
	if err != nil {
		return nil, err
	}
	for _, state := range states {
		s.States[bounce.State(state.Name)] = state.N
	}
	if s.BadReasons, err = r.BadByReason(ctx); err != nil {
		return nil, err
	}
	s.Problems = groupProblems(problems)
	return s, nil
}

// groupProblems gathers the problems of the same name, most attempts first.
func groupProblems(problems []tally.Problem) []SenderProblem {
	var grouped []SenderProblem
	for _, p := range problems {
		i := slices.IndexFunc(grouped, func(g SenderProblem) bool { return g.Name == p.Name })
		if i < 0 {
			i = len(grouped)
			grouped = append(grouped, SenderProblem{Name: p.Name})
		}
		grouped[i].Attempts += p.N
		grouped[i].By = append(grouped[i].By, query.Count{Name: p.Provider, N: p.N})
	}
	slices.SortStableFunc(grouped, func(a, b SenderProblem) int { return b.Attempts - a.Attempts })
	return grouped
}

// SenderAttempts is the number of attempts that failed because of the sender.
func (s *Summary) SenderAttempts() int {
	n := 0
	for _, p := range s.Problems {
		n += p.Attempts
	}
	return n
}

// Sentence describes the states of the addresses.
func (s *Summary) Sentence() string {
	sentence := fmt.Sprintf("addresses: %s bad", text.Thousands(int64(s.States[bounce.StateBad])))
	if n := s.States[bounce.StateSuspect]; n > 0 {
		sentence += fmt.Sprintf(", %s suspect", text.Thousands(int64(n)))
	}
	return sentence + fmt.Sprintf(
		", %s failing, %s ok",
		text.Thousands(int64(s.States[bounce.StateFailing])),
		text.Thousands(int64(s.States[bounce.StateOK])),
	)
}

// ProblemSentence describes the problems of the sender in one line.
func (s *Summary) ProblemSentence() string {
	var parts []string
	for i, p := range s.Problems {
		if i == 3 {
			parts = append(parts, fmt.Sprintf("%d more", len(s.Problems)-i))
			break
		}
		parts = append(parts, fmt.Sprintf("%s %s at %s", text.Thousands(int64(p.Attempts)), p.Name, p.Who(2)))
	}
	return fmt.Sprintf(
		"failed attempts to fix on your side: %s, of them %s",
		text.Thousands(int64(s.SenderAttempts())), strings.Join(parts, "; "),
	)
}

// LogReasons lists the reasons of bad addresses for the log.
func (s *Summary) LogReasons() string {
	var parts []string
	for _, c := range s.BadReasons {
		parts = append(parts, fmt.Sprintf("%d %s", c.N, c.Name))
	}
	return strings.Join(parts, "; ")
}

// LogProblems lists the problems of the sender for the log, with the providers.
// The domains of recipients may be names of persons and are left out.
func (s *Summary) LogProblems() string {
	var parts []string
	for _, p := range s.Problems {
		part, others := fmt.Sprintf("%d %s", p.Attempts, p.Name), 0
		var at []string
		for _, c := range p.By {
			if strings.Contains(c.Name, ".") || c.Name == "" {
				others += c.N
			} else {
				at = append(at, fmt.Sprintf("%s %d", c.Name, c.N))
			}
		}
		if len(at) > 0 {
			if others > 0 {
				at = append(at, fmt.Sprintf("others %d", others))
			}
			part += " (" + strings.Join(at, ", ") + ")"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "; ")
}

// Who names the n providers or domains that refused most.
func (p *SenderProblem) Who(n int) string {
	var names []string
	for i, c := range p.By {
		if i == n {
			names = append(names, fmt.Sprintf("%d more", len(p.By)-n))
			break
		}
		name := c.Name
		if name == "" {
			name = "this host"
		}
		names = append(names, fmt.Sprintf("%s (%s)", name, text.Thousands(int64(c.N))))
	}
	return strings.Join(names, ", ")
}
