package cli

import (
	"fmt"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/sqlite"
	"github.com/bouncetail/bouncetail/view/report"
)

// printSummary prints a summary, the most frequent first.
func printSummary(f *report.Summary, out *screen, path string) error {
	title := func(s string) { fmt.Fprintf(out.out, "\n%s\n", out.paint(bold, s)) }
	title("Recipients in " + text.Printable(path))
	g := out.table("", "", "")
	for _, s := range []struct{ state, means string }{
		{"bad", "dead addresses, to be struck off"},
		{"suspect", "said to be bad in a crowd that may be an outage"},
		{"failing", "failures that prove nothing about the address"},
		{"ok", "reached again after a failure"},
	} {
		if n := f.States[bounce.State(s.state)]; n > 0 {
			g.row(n, s.state, s.means)
		}
	}
	if err := g.flush(); err != nil {
		return err
	}
	if len(f.BadReasons) > 0 {
		title("Bad addresses, by reason")
		g := out.table("", "")
		for _, c := range f.BadReasons {
			g.row(c.N, c.Name)
		}
		if err := g.flush(); err != nil {
			return err
		}
	}
	if len(f.Problems) > 0 {
		title("Your own problem: new failures that are not about the recipient, and at whom")
		g := out.table("", "", "")
		for _, p := range f.Problems {
			g.row(p.Attempts, p.Name, p.Who(3))
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
