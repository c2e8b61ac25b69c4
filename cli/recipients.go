package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/address"
	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/internal/when"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/table"
)

// states are the states of an address. The worst comes first.
var states = []string{string(bounce.StateBad), string(bounce.StateSuspect), string(bounce.StateFailing), string(bounce.StateOK)}

// allStates is the value of --state that chooses every state.
const allStates = "all"

// recipientFilter holds the flags that choose recipients.
type recipientFilter struct {
	query.Filter
	since, badSince string
}

func (f *recipientFilter) flags(c *cobra.Command) {
	f.failureFlags(c)
	c.Flags().StringVar(&f.State, "state", "", "only `STATE`: "+strings.Join(states, ", ")+", or all")
	c.Flags().StringVar(&f.since, "since", "", "only those that failed since `TIME`: "+when.Forms)
	c.Flags().StringVar(&f.badSince, "bad-since", "", "only those that became bad since `TIME`")
	c.Flags().IntVar(&f.Limit, "limit", 0, "at most `N`; 0 is all")
	complete(c, "state", append(slices.Clone(states), allStates))
}

// failureFlags adds the flags that also choose failures.
func (f *recipientFilter) failureFlags(c *cobra.Command) {
	c.Flags().StringVar(&f.Domain, "domain", "", "only addresses of `DOMAIN`")
	c.Flags().StringVar(&f.Category, "category", "", "only `CATEGORY`: "+categorySlugs())
	c.Flags().StringVar(&f.Reason, "reason", "", "only `REASON`: bouncetail reasons lists them")
	c.Flags().StringVar(&f.Provider, "provider", "", "only those whose failure came from `PROVIDER`, such as google")
	c.Flags().StringVar(&f.Sender, "sender", "", "only those that mail from `ADDRESS` failed for")
	c.Flags().StringVar(&f.Host, "host", "", "only those that mail of the server `HOST` failed for")
	c.Flags().StringVar(&f.Match, "match", "", "only addresses that contain `TEXT`; * and ? stand for any characters")
	complete(c, "category", strings.Split(categorySlugs(), ", "))
	complete(c, "reason", reasonSlugs())
}

// complete offers fixed values to the completion of a shell.
func complete(c *cobra.Command, flag string, values []string) {
	_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
}

// parse checks the flags.
func (f *recipientFilter) parse(now time.Time) (query.Filter, error) {
	filter := f.Filter
	if filter.State == allStates {
		filter.State = ""
	}
	if filter.State != "" {
		if _, err := bounce.ParseState(filter.State); err != nil {
			return filter, usageError{fmt.Errorf("--state: %w%s", err, near(filter.State, append(slices.Clone(states), allStates)))}
		}
	}
	if f.Category != "" && !slices.ContainsFunc(bounce.Categories, func(m bounce.Meaning) bool { return m.Slug == f.Category }) {
		return filter, usageError{fmt.Errorf("--category: %q is not one of %s%s", f.Category, categorySlugs(), near(f.Category, strings.Split(categorySlugs(), ", ")))}
	}
	if f.Reason != "" && !slices.Contains(reasonSlugs(), f.Reason) {
		return filter, usageError{fmt.Errorf("--reason: there is no reason %q%s; bouncetail reasons lists them", f.Reason, near(f.Reason, reasonSlugs()))}
	}
	if f.Limit < 0 {
		return filter, usageError{fmt.Errorf("--limit: %d is less than 0", f.Limit)}
	}
	for _, t := range []struct {
		flag, given string
		to          *string
	}{{"--since", f.since, &filter.Since}, {"--bad-since", f.badSince, &filter.BadSince}} {
		if t.given == "" {
			continue
		}
		from, err := when.Past(t.given, now)
		if err != nil {
			return filter, usageError{fmt.Errorf("%s: %w", t.flag, err)}
		}
		*t.to = bounce.Stamp(from)
	}
	filter.Domain = address.Domain(f.Domain)
	return filter, nil
}

// near names the value that somebody may have meant, unless none is similar.
func near(word string, values []string) string {
	if nearest := text.Similar(word, values); nearest != "" {
		return fmt.Sprintf("; did you mean %s?", nearest)
	}
	return ""
}

// recipientColumns are the columns of the list of recipients.
var recipientColumns = []table.Column{
	{Key: "recipient", Long: true}, {Key: "state", Keep: 4}, {Key: "category", Keep: 1}, {Key: "reason", Keep: 5},
	{Key: "last_failure_at", Keep: 3, Time: true}, {Key: "reply", Keep: 2, Long: true},
	{Key: "domain", More: true}, {Key: "decided_by", More: true}, {Key: "first_failure_at", More: true, Time: true}, {Key: "last_delivery_at", More: true, Time: true},
	{Key: "permanent_count", More: true}, {Key: "retry_count", More: true}, {Key: "bad_since", More: true, Time: true}, {Key: "bad_until", More: true, Time: true},
}

func (a *app) recipients() *cobra.Command {
	var filter recipientFilter
	var flags listFlags
	c := &cobra.Command{
		Use:   "recipients [ADDRESS]",
		Short: "List the addresses that failed, the last first",
		Long: "Recipients lists the addresses that ever failed, the last failure first. With an\n" +
			"ADDRESS it explains that one, as bouncetail explain does.",
		Example: "  bouncetail recipients --state bad --since 7d\n" +
			"  bouncetail recipients --domain example.com --category mailbox-full\n" +
			"  bouncetail recipients --provider google --bad-since yesterday\n" +
			"  bouncetail recipients --state bad --json | jq -r .recipient",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && !strings.Contains(args[0], "@") {
				return usageError{fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())}
			}
			if len(args) == 1 {
				return a.explainAddress(cmd.Context(), args[0], 20, flags.JSON)
			}
			f, err := filter.parse(a.now())
			if err != nil {
				return err
			}
			flags.All = cmd.Flags().Changed("limit")
			if f.State != "" {
				flags.Drop = append(flags.Drop, "state")
			}
			if f.Category != "" {
				flags.Drop = append(flags.Drop, "category")
			}
			r, err := a.reader(cmd.Context())
			if err != nil {
				return err
			}
			defer r.Close()
			list, err := flags.open(a, recipientColumns)
			if err != nil {
				return err
			}
			if _, err = r.Recipients(cmd.Context(), f, func(row *bounce.Recipient) error {
				return list.Row(row, row.Recipient, table.State(row.State), string(row.Category), string(row.Reason), table.StampOf(row.LastFailureAt), row.Reply,
					row.Domain, string(row.DecidedBy), table.StampOf(row.FirstFailureAt), table.StampOf(row.LastDeliveryAt),
					row.PermanentCount, row.RetryCount, table.StampOf(row.BadSince), table.StampOf(row.BadUntil))
			}); err != nil {
				return err
			}
			return list.End("No address matches.")
		},
	}
	c.AddCommand(a.allow(), a.block(), a.unset(), a.decisions(), a.release(), a.releases(), a.crowds(), a.confirm(), a.confirms(), a.rebuild())
	filter.flags(c)
	flags.add(c, recipientColumns)
	return c
}

func categorySlugs() string {
	var slugs []string
	for _, m := range bounce.Categories {
		slugs = append(slugs, m.Slug)
	}
	return strings.Join(slugs, ", ")
}

func reasonSlugs() []string {
	var slugs []string
	for _, m := range bounce.Reasons {
		slugs = append(slugs, string(m.Reason))
	}
	return slugs
}
