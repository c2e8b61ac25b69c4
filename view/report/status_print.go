package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/table"
)

// Print prints at most ten lines that fit 80 columns. The daemon reads the logs or not,
// and may have a trouble. It need not read a database that was only imported into.
func (s *Status) Print(out *table.Screen, zone table.Zone, now time.Time, reading bool, trouble string) error {
	width := out.Width
	if width == 0 {
		width = 80
	}
	var b strings.Builder
	line := func(style, format string, args ...any) {
		shown := strings.TrimRight(text.Printable(fmt.Sprintf(format, args...)), " ")
		b.WriteString(out.Paint(style, text.Wrap(shown, width, 2)) + "\n")
	}
	line(table.Bold, "%s", s.Headline(now))
	line("", "%-12s %10s %10s %10s   bounced in 30 days", "", "delivered", "deferred", "bounced")
	for _, row := range []struct {
		name string
		day  query.Day
		tail string
	}{{"today (UTC)", s.Today, ""}, {"yesterday", s.Previous, text.Sparkline(s.Bounced)}, {"30 days", s.Month, ""}} {
		line("", "%-12s %10s %10s %10s   %s", row.name,
			text.Thousands(row.day.Delivered), text.Thousands(row.day.Deferred), text.Thousands(row.day.Bounced),
			row.tail)
	}
	switch {
	case !reading && !s.Followed:
		line("", "Filled by bouncetail import; no daemon has followed a log into it.")
	case trouble != "":
		line(table.Red, "%s", trouble)
	}
	next := "bouncetail recipients --state bad"
	switch n := len(s.Yours); {
	case n == 0 && trouble == "":
		line(table.Green, "Nothing to fix on your side.")
	case n > 0:
		i := &s.Yours[0]
		line(table.Red, "To fix on your side: %s%s, %s since %s",
			What(&i.Incident), with(text.Printable(i.Subject)),
			text.Amount(i.Attempts, "failure"), zone.Short(i.StartedAt))
		if n > 1 && s.Fleet == nil { // ten lines
			line(table.Red, "                     and %d more", n-1)
		}
		next = "bouncetail incidents"
	}
	line("", "Addresses: %s bad (%s new today), %s suspect, %s failing",
		inState(s, "bad"), text.Thousands(int64(s.NewBad)), inState(s, "suspect"), inState(s, "failing"))
	if s.Fleet != nil {
		style, sentence := s.Fleet.sentence(now)
		line(style, "%s", sentence)
	}
	if !reading && s.Followed {
		next = "systemctl status bouncetail"
	}
	line("", "Next: %s", next)
	_, err := fmt.Fprint(out.Out, b.String())
	return err
}

func inState(s *Status, state string) string { return text.Thousands(int64(s.States[state])) }

func with(who string) string {
	if who == "" {
		return ""
	}
	return " at " + who
}
