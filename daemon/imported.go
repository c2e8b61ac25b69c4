package daemon

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/report"
	"github.com/bouncetail/bouncetail/view/table"
)

// Kept describes how much of an import that ended early is stored, and how to continue.
func (im *Import) Kept(done *Imported) string {
	if _, missing := os.Stat(im.Config.Database); missing != nil || done == nil {
		done = &Imported{} // nothing was saved
	}
	return report.Kept(done.Saved, done.Lines, done.BytesRead, done.BytesTotal)
}

// Explain adds to an error of saving how much is stored. Other errors are returned as
// they are.
func (im *Import) Explain(done *Imported, err error) error {
	switch {
	case !unsaved(err):
		return err
	case noSpace(err):
		return fmt.Errorf("the disk of %s is full. %s", im.Config.Database, im.Kept(done))
	}
	return fmt.Errorf("%w; %s", err, im.Kept(done))
}

// Object is what JSON shows, with the addresses of the database by state.
func (result *Imported) Object(f *report.Summary) any {
	return struct {
		*Imported
		Seconds float64              `json:"seconds"`
		States  map[bounce.State]int `json:"recipients"`
	}{result, result.Took.Seconds(), f.States}
}

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
