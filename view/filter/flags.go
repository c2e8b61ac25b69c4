package filter

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/internal/when"
)

// Flags adds the flags of a command that chooses recipients.
func (w *Words) Flags(c *cobra.Command) {
	w.FailureFlags(c)
	c.Flags().StringVar(&w.State, "state", "", "only `STATE`: "+strings.Join(States, ", ")+", or all")
	c.Flags().StringVar(&w.Since, "since", "", "only those that failed since `TIME`: "+when.Forms)
	c.Flags().StringVar(&w.BadSince, "bad-since", "", "only those that became bad since `TIME`")
	c.Flags().IntVar(&w.Limit, "limit", 0, "at most `N`; 0 is all")
	Complete(c, "state", append(slices.Clone(States), AllStates))
}

// FailureFlags adds the flags that also choose failures.
func (w *Words) FailureFlags(c *cobra.Command) {
	w.ReasonFlags(c)
	c.Flags().StringVar(&w.Provider, "provider", "", "only those whose failure came from `PROVIDER`, such as google")
	c.Flags().StringVar(&w.Sender, "sender", "", "only those that mail from `ADDRESS` failed for")
	c.Flags().StringVar(&w.Host, "host", "", "only those that mail of the server `HOST` failed for")
	c.Flags().StringVar(&w.Match, "match", "", "only addresses that contain `TEXT`; * and ? stand for any characters")
}

// ReasonFlags adds the flags for the domain and for what failed.
func (w *Words) ReasonFlags(c *cobra.Command) {
	c.Flags().StringVar(&w.Domain, "domain", "", "only addresses of `DOMAIN`")
	c.Flags().StringVar(&w.Category, "category", "", "only `CATEGORY`: "+strings.Join(Categories(), ", "))
	c.Flags().StringVar(&w.Reason, "reason", "", "only `REASON`: bouncetail reasons lists them")
	Complete(c, "category", Categories())
	Complete(c, "reason", Reasons())
}

// Complete offers fixed values to the completion of a shell.
func Complete(c *cobra.Command, flag string, values []string) {
	_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
}
