package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/bouncetail/bouncetail/sqlite"
)

// findings are what an admin did not know before the logs were read.
type findings struct {
	states map[string]int
	bad    []sqlite.Count // bad addresses, by reason
	own    []problem      // what is the sender's own
}

// problem is a reason of failures that is the sender's own, with who refused
// for it.
type problem struct {
	name string // category / reason
	n    int
	by   []sqlite.Count // providers or domains, most first
}

// found asks the database.
func found(ctx context.Context, r *sqlite.Reader) (*findings, error) {
	own, err := r.SenderProblemsByProvider(ctx)
	if err != nil {
		return nil, err
	}
	return foundBeside(ctx, r, own)
}

// foundBeside asks the database for the recipients alone, because to look at all
// failures takes long in one of gigabytes.
func foundBeside(ctx context.Context, r *sqlite.Reader, own []sqlite.Problem) (*findings, error) {
	f := &findings{states: make(map[string]int)}
	states, err := r.States(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range states {
		f.states[s.Name] = s.N
	}
	if f.bad, err = r.BadByReason(ctx); err != nil {
		return nil, err
	}
	for _, row := range own {
		i := slices.IndexFunc(f.own, func(p problem) bool { return p.name == row.Name })
		if i < 0 {
			i = len(f.own)
			f.own = append(f.own, problem{name: row.Name})
		}
		f.own[i].n += row.N
		f.own[i].by = append(f.own[i].by, sqlite.Count{Name: row.Provider, N: row.N})
	}
	slices.SortStableFunc(f.own, func(a, b problem) int { return b.n - a.n })
	return f, nil
}

// ownAttempts is how many attempts failed for reasons of the sender's own.
func (f *findings) ownAttempts() int {
	n := 0
	for _, p := range f.own {
		n += p.n
	}
	return n
}

// sentence tells the states of the addresses.
func (f *findings) sentence() string {
	return fmt.Sprintf("addresses: %s bad, %s failing, %s ok after failures",
		thousands(int64(f.states["bad"])), thousands(int64(f.states["failing"])), thousands(int64(f.states["ok"])))
}

// ownSentence tells what is the sender's own, in a line.
func (f *findings) ownSentence() string {
	var parts []string
	for i, p := range f.own {
		if i == 3 {
			parts = append(parts, fmt.Sprintf("%d more", len(f.own)-i))
			break
		}
		parts = append(parts, fmt.Sprintf("%s %s at %s", thousands(int64(p.n)), p.name, p.who(2)))
	}
	return fmt.Sprintf("failed attempts that are your own problem, not the recipients': %s, of them %s", thousands(int64(f.ownAttempts())), strings.Join(parts, "; "))
}

// reasons tells what is bad for which reason, for the log.
func (f *findings) reasons() string {
	var parts []string
	for _, c := range f.bad {
		parts = append(parts, fmt.Sprintf("%d %s", c.N, c.Name))
	}
	return strings.Join(parts, "; ")
}

// problems tells what is the sender's own and at which providers, for the log:
// the domains of recipients may be persons' names, and stay out of it.
func (f *findings) problems() string {
	var parts []string
	for _, p := range f.own {
		part, others := fmt.Sprintf("%d %s", p.n, p.name), 0
		var at []string
		for _, c := range p.by {
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

// who names who refused, n of them.
func (p *problem) who(n int) string {
	var names []string
	for i, c := range p.by {
		if i == n {
			names = append(names, fmt.Sprintf("%d more", len(p.by)-n))
			break
		}
		name := c.Name
		if name == "" {
			name = "this host"
		}
		names = append(names, fmt.Sprintf("%s (%s)", name, thousands(int64(c.N))))
	}
	return strings.Join(names, ", ")
}

// print shows all of it, the most frequent first.
func (f *findings) print(out *screen, path string) error {
	title := func(s string) { fmt.Fprintf(out.out, "\n%s\n", out.paint(bold, s)) }
	title("Recipients in " + printable(path))
	g := out.table("", "", "")
	for _, s := range []struct{ state, means string }{
		{"bad", "dead addresses, to be struck off"},
		{"suspect", "said to be bad in a crowd that may be an outage"},
		{"failing", "failures that prove nothing about the address"},
		{"ok", "reached again after a failure"},
	} {
		if n := f.states[s.state]; n > 0 {
			g.row(n, s.state, s.means)
		}
	}
	if err := g.flush(); err != nil {
		return err
	}
	if len(f.bad) > 0 {
		title("Bad addresses, by reason")
		g := out.table("", "")
		for _, c := range f.bad {
			g.row(c.N, c.Name)
		}
		if err := g.flush(); err != nil {
			return err
		}
	}
	if len(f.own) > 0 {
		title("Your own problem: new failures that are not about the recipient, and at whom")
		g := out.table("", "", "")
		for _, p := range f.own {
			g.row(p.n, p.name, p.who(3))
		}
		if err := g.flush(); err != nil {
			return err
		}
	}
	return nil
}

// counts prints numbers, each with what it counts.
func (s *screen) counts(counts []sqlite.Count) error {
	g := s.table("", "")
	for _, c := range counts {
		g.row(c.N, c.Name)
	}
	return g.flush()
}
