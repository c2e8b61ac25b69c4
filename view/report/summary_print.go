package report

import (
	"fmt"
	"io"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/table"
)

// Print prints the summary of a database, the most frequent first.
func (s *Summary) Print(out *table.Screen, path string) error {
	title := func(s string) { fmt.Fprintf(out.Out, "\n%s\n", out.Paint(table.Bold, s)) }
	title("Recipients in " + text.Printable(path))
	g := out.Grid("", "", "")
	for _, of := range []struct{ state, means string }{
		{"bad", "they do not exist or are closed: stop writing to them"},
		{"suspect", "refused together with many others, perhaps in an outage"},
		{"failing", "failures that prove nothing about the address"},
		{"ok", "reached again after a failure, or allowed by hand"},
	} {
		if n := s.States[bounce.State(of.state)]; n > 0 {
			g.Row(n, of.state, of.means)
		}
	}
	if len(s.States) == 0 {
		g.Row("none", "", "")
	}
	if err := g.Flush(); err != nil {
		return err
	}
	if len(s.BadReasons) > 0 {
		title("Bad addresses, by reason")
		g := out.Grid("", "")
		for _, c := range s.BadReasons {
			g.Row(c.N, c.Name)
		}
		if err := g.Flush(); err != nil {
			return err
		}
	}
	if len(s.Problems) > 0 {
		title("To fix on your side: new failures that the recipients did not cause")
		g := out.Grid("", "", "")
		for _, p := range s.Problems {
			g.Row(p.Attempts, p.Name, p.Who(3))
		}
		if err := g.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// Next returns the command that follows an import. If no recipient has failed, delivery
// lines that were not parsed come first.
func (s *Summary) Next(unparsed bool) string {
	if unparsed && len(s.States) == 0 {
		return "doctor"
	}
	return "recipients --state bad"
}

// maxCounted is how many columns are printed of what is counted. It can be a log line
// that a remote server worded, of many KB.
const maxCounted = 200

// PrintCounts prints numbers, each with what it counts.
func PrintCounts(out *table.Screen, counts []query.Count) error {
	g := out.Grid("", "")
	for _, c := range counts {
		g.Row(c.N, text.Cut(text.Printable(c.Name), maxCounted))
	}
	return g.Flush()
}

// PrintDeleted prints what was deleted, or would be.
func PrintDeleted(out *table.Screen, counts []query.Count, dryRun bool) error {
	did := "Deleted"
	if dryRun {
		did = "Would delete"
	}
	if len(counts) == 0 {
		_, err := fmt.Fprintln(out.Out, did+" nothing.")
		return err
	}
	fmt.Fprintln(out.Out, did+":")
	return PrintCounts(out, counts)
}

// PrintForgotten prints what was deleted of people, or would be.
func PrintForgotten(out *table.Screen, who string, counts []query.Count, dryRun, leaveNothing bool) error {
	switch {
	case len(counts) == 0:
		fmt.Fprintf(out.Out, "Nothing is stored of %s.\n", who)
	case dryRun:
		fmt.Fprintf(out.Out, "Would forget %s:\n", who)
	default:
		fmt.Fprintf(out.Out, "Forgot %s:\n", who)
	}
	if err := PrintCounts(out, counts); err != nil || dryRun {
		return err
	}
	remark := "A hash stays, which keeps logs of before from bringing it back."
	if leaveNothing {
		remark = "No hash was kept: a log of before that is imported again brings it back."
	}
	_, err := io.WriteString(out.Out, remark+"\nYour mail logs, backups and exports are not touched.\n")
	return err
}

// Deleted is what JSON shows of what was deleted, or would be.
func Deleted(counts []query.Count, dryRun bool) any {
	type count struct {
		What string `json:"what"`
		N    int    `json:"count"`
	}
	list := make([]count, len(counts))
	for i, c := range counts {
		list[i] = count{c.Name, c.N}
	}
	return struct {
		Deleted []count `json:"deleted"`
		DryRun  bool    `json:"dry_run"`
	}{list, dryRun}
}
