package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/classify"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/internal/when"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/report"
	"github.com/bouncetail/bouncetail/view/table"
)

func (a *app) unclassified() *cobra.Command {
	var flags listFlags
	var chosen choice
	c := &cobra.Command{
		Use:   "unclassified",
		Short: "List the replies that no rule knows, the most frequent first",
		Args:  cobra.NoArgs,
	}
	flags.add(c, report.ReplyColumns)
	c.Flags().StringVar(&chosen.Since, "since", "", "only those since `TIME`: "+when.Forms)
	c.Flags().IntVar(&chosen.Limit, "limit", 20, "at most `N`; 0 is all")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		f, err := chosen.parse(a.now())
		if err != nil {
			return err
		}
		settings, err := a.settings()
		if err != nil {
			return err
		}
		flags.All, flags.Limit = true, f.Limit // --limit has a default
		total, draft := 0, ""
		err = a.list(cmd.Context(), &flags, report.ReplyColumns, "A rule knows every reply.", func(r *query.Reader, l *table.List) error {
			replies, err := r.Unclassified(cmd.Context(), f.Since, classify.Shape)
			if total = len(replies); total > 0 && l.Format != "json" {
				draft = classify.Draft(replies[0].Shape, replies[0].Example)
			}
			return table.Rows(l, replies, err, report.ReplyCells)
		})
		if err != nil || draft == "" {
			return err
		}
		a.remark("%s of replies %s known to no rule. A rule for the first, to be completed and saved in %s:",
			text.Amount(total, "shape"), text.Verb(total, "is", "are"), text.Printable(settings.Rules+"/mine.yaml"))
		_, err = fmt.Fprint(a.stderr, draft)
		return err
	}
	return c
}
