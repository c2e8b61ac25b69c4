package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/address"
	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/sqlite"
)

// states are the states of an address. The worst comes first.
var states = []string{string(bounce.StateBad), string(bounce.StateSuspect), string(bounce.StateFailing), string(bounce.StateOK)}

// allStates is the value of --state that chooses every state.
const allStates = "all"

// recipientFilter holds the flags that choose recipients.
type recipientFilter struct {
	sqlite.Filter
	since string
}

func (f *recipientFilter) flags(c *cobra.Command) {
	c.Flags().StringVar(&f.State, "state", "", "only `STATE`: "+strings.Join(states, ", ")+", or all")
	c.Flags().StringVar(&f.Domain, "domain", "", "only addresses of `DOMAIN`")
	c.Flags().StringVar(&f.Category, "category", "", "only `CATEGORY`: "+categorySlugs())
	c.Flags().StringVar(&f.since, "since", "", "only those that failed since `TIME`: 24h, 7d, 2026-11-01, or RFC 3339")
	c.Flags().IntVar(&f.Limit, "limit", 0, "at most `N`; 0 is all")
}

// parse checks the flags.
func (f *recipientFilter) parse(now time.Time) (sqlite.Filter, error) {
	filter := f.Filter
	if filter.State == allStates {
		filter.State = ""
	}
	if filter.State != "" {
		if _, err := bounce.ParseState(filter.State); err != nil {
			return filter, usageError{fmt.Errorf("--state: %w", err)}
		}
	}
	if f.Category != "" && !slices.ContainsFunc(bounce.Categories, func(m bounce.Meaning) bool { return m.Slug == f.Category }) {
		return filter, usageError{fmt.Errorf("--category: %q is none of %s", f.Category, categorySlugs())}
	}
	if f.Limit < 0 {
		return filter, usageError{fmt.Errorf("--limit: %d is less than 0", f.Limit)}
	}
	if f.since != "" {
		from, err := parseSince(f.since, now)
		if err != nil {
			return filter, usageError{fmt.Errorf("--since: %w", err)}
		}
		filter.Since = stored(from)
	}
	filter.Domain = address.Domain(f.Domain)
	return filter, nil
}

func (a *app) recipients() *cobra.Command {
	var filter recipientFilter
	var asJSON bool
	c := &cobra.Command{
		Use:   "recipients",
		Short: "List the addresses that failed, the last first",
		Example: "  bouncetail recipients --state bad --since 7d\n" +
			"  bouncetail recipients --domain example.com --category mailbox-full\n" +
			"  bouncetail recipients --state bad --json | jq -r .recipient",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := filter.parse(time.Now())
			if err != nil {
				return err
			}
			r, err := a.reader(cmd.Context())
			if err != nil {
				return err
			}
			defer r.Close()
			list := func(each func(*bounce.Recipient) error) error {
				_, err := r.Recipients(cmd.Context(), f, each)
				return err
			}
			if asJSON {
				enc := a.objects()
				return list(func(row *bounce.Recipient) error { return enc.Encode(row) })
			}
			return a.recipientTable(list)
		},
	}
	c.AddCommand(a.allow(), a.block(), a.unset(), a.decisions(), a.release(), a.releases(), a.rebuild())
	filter.flags(c)
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line, with the columns of the table recipients")
	return c
}

func categorySlugs() string {
	var slugs []string
	for _, m := range bounce.Categories {
		slugs = append(slugs, m.Slug)
	}
	return strings.Join(slugs, ", ")
}

// parseSince reads a span back from now, a day, or a time.
func parseSince(s string, now time.Time) (time.Time, error) {
	if days, ok := daysIn(s); ok {
		return now.AddDate(0, 0, -days), nil
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time; write 24h, 7d, 2026-11-01, or 2026-11-01T12:00:00Z", s)
}

// daysIn reads a number of days, such as 30d.
func daysIn(s string) (n int, ok bool) {
	digits, ok := strings.CutSuffix(s, "d")
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(digits)
	return n, err == nil && n >= 0
}

func (a *app) recipientTable(list func(func(*bounce.Recipient) error) error) error {
	g := a.screen().table("RECIPIENT", "STATE", "CATEGORY", "REASON", "LAST FAILURE", "REPLY")
	err := list(func(r *bounce.Recipient) error {
		g.row(r.Recipient, r.State, r.Category, r.Reason, ifAny(r.LastFailureAt), r.Reply)
		return nil
	})
	if err != nil {
		return err
	}
	return g.flush()
}

// ifAny shows a stored time like shortTime, and nothing where there is none.
func ifAny(stored *string) string {
	if stored == nil {
		return ""
	}
	return shortTime(*stored)
}

// shortTime shows a stored time to the minute.
func shortTime(stored string) string {
	return strings.Replace(stored[:min(len(stored), 16)], "T", " ", 1)
}
