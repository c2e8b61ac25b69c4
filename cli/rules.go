package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/classify"
	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/daemon"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/report"
)

func (a *app) rules() *cobra.Command {
	c := &cobra.Command{
		Use:   "rules",
		Short: "Check, list and test the rules that judge replies",
		Long: "Rules of your own stand in *.yaml files of the folder that the setting rules names,\n" +
			"and go before those built in. Each is an entry such as\n\n" +
			"  - id: mine/tarpit\n" +
			"    why: Our partner's server slows us down with an unusual word.\n" +
			"    match: {any: ['tarpit nr']}        # expressions for the reply in lower case\n" +
			"    verdict:\n" +
			"      category: rate-limit\n" +
			"      reason: rate-limited\n" +
			"      scope: sender\n" +
			"      disposition: retry\n" +
			"    decides: ['450 Tarpit nr 17']      # what it must decide\n" +
			"    leaves: ['550 5.1.1 No such user'] # what it must not\n\n" +
			"A rule that takes over an example of another rule has to say so (overrides: [id]).\n" +
			"The daemon takes changed rules over at SIGHUP, and keeps the old ones if the new\n" +
			"are bad.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(a.rulesCheck(), a.rulesList(), a.rulesTest())
	return c
}

// rulesFlag is --rules, which stands in for the setting.
func rulesFlag(c *cobra.Command) *string {
	return c.Flags().String("rules", "", "`FOLDER` with rules (default: the setting rules)")
}

func (a *app) classifier(folder string) (*classify.Classifier, error) {
	if folder == "" {
		settings, err := a.settings()
		if err != nil {
			return nil, err
		}
		folder = settings.Rules
	}
	return classify.New(folder)
}

func (a *app) rulesCheck() *cobra.Command {
	c := &cobra.Command{
		Use:   "check",
		Short: "Check all rules and their examples against one another",
		Args:  cobra.NoArgs,
	}
	folder := rulesFlag(c)
	return a.withResult(c, func(context.Context, config.Config, []string) (any, string, error) {
		classifier, err := a.classifier(*folder)
		if err == nil {
			err = classifier.Check()
		}
		if err != nil {
			return nil, "", err
		}
		n, own, examples := report.CountRules(classifier)
		return did{"rules": n, "own": own, "examples": examples}, fmt.Sprintf("%d rules, %d of them yours, hold their %d examples.", n, own, examples), nil
	})
}

func (a *app) rulesList() *cobra.Command {
	flags := listFlags{}
	c := &cobra.Command{
		Use:   "list",
		Short: "List the rules in the order in which they are asked",
		Args:  cobra.NoArgs,
	}
	flags.All = true
	folder := rulesFlag(c)
	flags.add(c, report.RuleColumns)
	c.RunE = func(*cobra.Command, []string) error {
		classifier, err := a.classifier(*folder)
		if err != nil {
			return err
		}
		l, err := flags.open(a, report.RuleColumns)
		if err != nil {
			return err
		}
		return report.PrintRules(l, classifier)
	}
	return c
}

func (a *app) rulesTest() *cobra.Command {
	c := &cobra.Command{
		Use:   "test [REPLY…]",
		Short: "Show what the rules would change, before they do",
		Long: "Test judges replies with the rules in the folder and with the built-in ones only, and\n" +
			"shows both where they differ. Without replies it reads them from standard input, a\n" +
			"line each; with --database it takes the records of the database, and compares with\n" +
			"the verdicts that are stored there.",
	}
	folder := rulesFlag(c)
	fromDatabase := c.Flags().Bool("database", false, "test the records of the database")
	a.jsonFlag(c, "the result as one JSON object")
	c.RunE = func(cmd *cobra.Command, replies []string) error {
		if *fromDatabase && len(replies) > 0 {
			return usageError{errors.New("give replies or --database, not both")}
		}
		with, err := a.classifier(*folder)
		if err != nil {
			return err
		}
		var changes report.VerdictChanges
		if *fromDatabase {
			return a.read(cmd.Context(), func(_ config.Config, r *query.Reader) error {
				if err := changes.Records(cmd.Context(), r, with); err != nil {
					return err
				}
				return a.printChanges(&changes, "records")
			})
		}
		if err := changes.Replies(replies, a.input, with); err != nil {
			return err
		}
		return a.printChanges(&changes, "replies")
	}
	return c
}

// printChanges prints what other verdicts change.
func (a *app) printChanges(c *report.VerdictChanges, of string) error {
	return a.show(c.Object(), func() error { return c.Print(a.screen(), of) })
}

func (a *app) reclassify() *cobra.Command {
	return a.withReport(&cobra.Command{
		Use:   "reclassify",
		Short: "Classify all stored records again, after a change of rules",
		Long: "Reclassify classifies all stored records again and brings the recipients up to date, in\n" +
			"one transaction, and shows what changed. bouncetail rules test --database shows the\n" +
			"same and changes nothing. If the daemon runs, it does the work, and judges by the\n" +
			"new rules from then on.",
		Args: cobra.NoArgs,
	}, func(ctx context.Context, settings config.Config, _ []string) (any, func() error, error) {
		changes, err := new(daemon.Reclassify).Run(ctx, settings, a.logger(settings.Log))
		if err != nil {
			return nil, nil, interrupted(ctx, err, "Nothing was changed.")
		}
		return changes.Object(), func() error { return changes.Print(a.screen(), "records") }, nil
	})
}
