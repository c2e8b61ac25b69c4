package daemon

import (
	"context"
	"fmt"
	"time"

	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/report"
	"github.com/bouncetail/bouncetail/view/table"
)

// Print prints what was read, and what the database holds now.
func (result *Imported) Print(ctx context.Context, out *table.Screen, r *query.Reader, f *report.Summary, path string) error {
	g := out.Grid("", "", "")
	g.Row("lines read", result.Lines, fmt.Sprintf("in %v", result.Took.Round(10*time.Millisecond)))
	g.Row("sent", result.Sent, "")
	g.Row("deferred", result.Deferred, "the mail server tries again")
	g.Row("bounced", result.Bounced, "it gave up")
	g.Row("expired", result.Expired, "it gave up after trying for too long")
	g.Row("new failures", result.New, "that the database did not hold yet")
	if n := result.TooLong; n > 0 {
		g.Row("too long", n, "lines left out, see max_line in the settings")
	}
	if n := result.Unparsed; n > 0 {
		g.Row("not parsed", n, "delivery lines, see below")
	}
	if n := result.Unjoined; n > 0 {
		g.Row("lost track", n, "messages expired whose deferrals are in a log not read")
	}
	if err := g.Flush(); err != nil {
		return err
	}
	if err := f.Print(out, path); err != nil {
		return err
	}
	for _, part := range []struct {
		title string
		list  func(context.Context) ([]query.Count, error)
	}{
		{"Delivery lines not parsed", r.Unparsed},
		{"Gaps: parts of logs that were destroyed before they could be read (table gaps)", r.Gaps},
	} {
		counts, err := part.list(ctx)
		if err != nil {
			return err
		}
		if len(counts) == 0 {
			continue
		}
		fmt.Fprintf(out.Out, "\n%s\n", out.Paint(table.Bold, part.title))
		if err := report.PrintCounts(out, counts); err != nil {
			return err
		}
	}
	return nil
}
