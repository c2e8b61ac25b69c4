package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/sqlite"
)

// topKind is one of the lists of top: what it is of, and its columns.
type topKind struct {
	name, of string
	unknown  string // stands for a name that is not known
	columns  []topColumn
}

// topColumn is a column of a list: a number, a share, or a text.
type topColumn struct {
	title  string
	number func(t *sqlite.Top) int
	share  func(t *sqlite.Top, failed int) float64
	text   func(t *sqlite.Top) string
}

var (
	failedColumn    = topColumn{title: "failed", number: func(t *sqlite.Top) int { return t.Failed }}
	shareColumn     = topColumn{title: "share", share: func(t *sqlite.Top, failed int) float64 { return float64(t.Failed) / float64(failed) }}
	permanentColumn = topColumn{title: "permanent", number: func(t *sqlite.Top) int { return t.Permanent }}
	heldColumn      = topColumn{title: "suppress", number: func(t *sqlite.Top) int { return t.Suppress }}
	sentColumn      = topColumn{title: "sent", number: func(t *sqlite.Top) int { return t.Sent }}
	rateColumn      = topColumn{title: "failing", share: func(t *sqlite.Top, _ int) float64 { return float64(t.Failed) / float64(t.Failed+t.Sent) }}
	deadColumn      = topColumn{title: "dead", number: func(t *sqlite.Top) int { return t.Dead }}
	categoryColumn  = topColumn{title: "category", text: func(t *sqlite.Top) string { return t.Category }}
	mostColumn      = topColumn{title: "mostly", text: func(t *sqlite.Top) string { return t.MostCategory + " / " + t.MostReason }}
	mostShareColumn = topColumn{title: "of_these", share: func(t *sqlite.Top, _ int) float64 { return float64(t.MostFailed) / float64(t.Failed) }}
)

var topKinds = []topKind{
	{"domains", "domain", "(none)", []topColumn{failedColumn, shareColumn, sentColumn, rateColumn, deadColumn}},
	{"providers", "provider", "(other)", []topColumn{failedColumn, shareColumn, deadColumn, mostColumn, mostShareColumn}},
	{"categories", "category", "(none)", []topColumn{failedColumn, shareColumn, permanentColumn, heldColumn}},
	{"reasons", "reason", "(none)", []topColumn{failedColumn, shareColumn, permanentColumn, heldColumn, categoryColumn}},
	{"senders", "sender", "(not known)", []topColumn{failedColumn, shareColumn, permanentColumn, heldColumn, mostColumn, mostShareColumn}},
}

func (a *app) top() *cobra.Command {
	var since, until string
	var limit int
	var asJSON bool
	var names []string
	for _, k := range topKinds {
		names = append(names, k.name)
	}
	c := &cobra.Command{
		Use:   "top " + strings.Join(names, "|"),
		Short: "Show who most attempts fail for, or by",
		Long: "Top shows for whom, by whom or why most delivery attempts failed in a period.\n" +
			"Domains are counted by whole days (UTC), with what was delivered to them; a sender\n" +
			"and a provider are known of failures alone. \"dead\" is how many addresses are bad\n" +
			"today. On a terminal it is a table; a pipe gets values divided by tabs, with shares\n" +
			"between 0 and 1.",
		ValidArgs: names,
		Args:      cobra.ExactArgs(1),
	}
	c.Flags().StringVar(&since, "since", "30d", "from `TIME` on: 24h, 7d, 2026-11-01, or RFC 3339")
	c.Flags().StringVar(&until, "until", "", "up to `TIME`, without it (default: now)")
	c.Flags().IntVar(&limit, "limit", 20, "at most `N`; 0 is all")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		i := slices.IndexFunc(topKinds, func(k topKind) bool { return k.name == args[0] })
		if i < 0 {
			return usageError{fmt.Errorf("%q is none of %s", args[0], strings.Join(names, ", "))}
		}
		if limit < 0 {
			return usageError{fmt.Errorf("--limit: %d is less than 0", limit)}
		}
		list := topList{topKind: topKinds[i]}
		var err error
		if list.since, err = parseSince(since, a.now()); err != nil {
			return usageError{fmt.Errorf("--since: %w", err)}
		}
		// The failure of this very second is in.
		list.until = a.now().Add(time.Second).Truncate(time.Second)
		if until != "" {
			if list.until, err = parseSince(until, a.now()); err != nil {
				return usageError{fmt.Errorf("--until: %w", err)}
			}
		}
		if !list.since.Before(list.until) {
			return usageError{errors.New("--since is not before --until")}
		}
		r, err := a.reader(cmd.Context())
		if err != nil {
			return err
		}
		defer r.Close()
		if list.rows, list.failed, err = r.Top(cmd.Context(), list.name, list.since, list.until, limit); err != nil {
			return err
		}
		if len(list.rows) == 0 {
			last, err := r.LastFailure(cmd.Context())
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(a.stderr, "No attempt failed %s; %s\n", list.period(), lastFailure(last))
			return err
		}
		if asJSON {
			return list.writeJSON(a.stdout)
		}
		if s := a.screen(); s.width > 0 {
			return list.show(s)
		}
		fmt.Fprintf(a.stderr, "Attempts that failed %s.\n", list.period())
		return list.writePlain(a.stdout)
	}
	return c
}

func lastFailure(at string) string {
	if at == "" {
		return "there is none at all"
	}
	return fmt.Sprintf("the last that did is of %s, see --since %s", shortTime(at), at[:len("2026-11-01")])
}

// topList is a list with the period that it is of.
type topList struct {
	topKind
	since, until time.Time
	rows         []sqlite.Top
	failed       int // of all, also of those that are not shown
}

// period says what was counted.
func (l *topList) period() string {
	if l.name == "domains" {
		return fmt.Sprintf("from %s to %s, whole days in UTC", l.since.UTC().Format(time.DateOnly), l.until.UTC().Add(-1).Format(time.DateOnly))
	}
	const minute = "2006-01-02 15:04"
	return fmt.Sprintf("from %s to %s UTC", l.since.UTC().Format(minute), l.until.UTC().Format(minute))
}

func (l *topList) nameOf(t *sqlite.Top) string {
	switch {
	case t.Name == nil || *t.Name == "" && l.name == "domains":
		return l.unknown
	case *t.Name == "":
		return "<>" // the null sender
	}
	return *t.Name
}

func (l *topList) writeJSON(w io.Writer) error {
	enc := objects(w)
	const seconds = "2006-01-02T15:04:05Z"
	for i := range l.rows {
		t := &l.rows[i]
		object := map[string]any{l.of: t.Name, "since": l.since.UTC().Format(seconds), "until": l.until.UTC().Format(seconds)}
		for _, c := range l.columns {
			switch {
			case c.number != nil:
				object[c.title] = c.number(t)
			case c.share != nil:
				object[c.title] = c.share(t, l.failed)
			default:
				object[c.title] = c.text(t)
			}
		}
		if err := enc.Encode(object); err != nil {
			return err
		}
	}
	return nil
}

// writePlain writes values divided by tabs, below their titles.
func (l *topList) writePlain(w io.Writer) error {
	titles := []string{l.of}
	for _, c := range l.columns {
		titles = append(titles, c.title)
	}
	if _, err := fmt.Fprintln(w, strings.Join(titles, "\t")); err != nil {
		return err
	}
	for i := range l.rows {
		t := &l.rows[i]
		fields := []string{text.Printable(l.nameOf(t))}
		for _, c := range l.columns {
			switch {
			case c.number != nil:
				fields = append(fields, fmt.Sprint(c.number(t)))
			case c.share != nil:
				fields = append(fields, fmt.Sprintf("%.4f", c.share(t, l.failed)))
			default:
				fields = append(fields, c.text(t))
			}
		}
		if _, err := fmt.Fprintln(w, strings.Join(fields, "\t")); err != nil {
			return err
		}
	}
	return nil
}

// show prints what a person reads.
func (l *topList) show(s *screen) error {
	heads := []string{strings.ToUpper(l.of)}
	for _, c := range l.columns {
		heads = append(heads, strings.ReplaceAll(strings.ToUpper(c.title), "_", " "))
	}
	g := s.table(heads...)
	for i := range l.rows {
		t := &l.rows[i]
		row := []any{l.nameOf(t)}
		for _, c := range l.columns {
			switch {
			case c.number != nil:
				row = append(row, c.number(t))
			case c.share != nil:
				row = append(row, share(c.share(t, l.failed)))
			default:
				row = append(row, c.text(t))
			}
		}
		g.row(row...)
	}
	if _, err := fmt.Fprintf(s.out, "%s failed %s.\n\n", text.Amount(l.failed, "attempt"), l.period()); err != nil {
		return err
	}
	return g.flush()
}
