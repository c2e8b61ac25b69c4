package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/view/report"
)

func (a *app) classify() *cobra.Command {
	var explain bool
	var known bounce.Delivery
	var mta string
	c := &cobra.Command{
		Use:   "classify [REPLY…]",
		Short: "Classify replies or whole log lines",
		Long: "Classify explains replies or whole log lines, from arguments or one a line from standard input.\n\n" +
			"A bare reply does not say who it is about. If a verdict depends on it, name the recipient: a domain that your " +
			"own mail server could not find makes the address bad only if it is the recipient's domain.",
		Example: "  bouncetail classify '550 5.1.1 User unknown'\n" +
			"  bouncetail classify --explain '421 4.7.28 Gmail has detected an unusual rate'\n" +
			"  bouncetail classify --recipient jane@gone.example \\\n    'Name service error for name=gone.example type=A: Host not found'\n" +
			"  bouncetail classify --mta sendmail --dsn 5.7.1 'User unknown'\n" +
			"  grep status=bounced /var/log/mail.log | bouncetail classify --json",
	}
	folder := rulesFlag(c)
	a.jsonFlag(c, "one JSON object a line")
	c.Flags().BoolVar(&explain, "explain", false, "show every layer that had a say, and what to do")
	c.Flags().StringVar(&known.Recipient, "recipient", "", "the `ADDRESS` that the reply is about")
	c.Flags().StringVar(&known.DSN, "dsn", "", "the `STATUS` that the mail server logged, such as 5.1.1")
	c.Flags().StringVar(&mta, "mta", "", "the mail `SERVER` that logged it: "+strings.Join(bounce.MTAs, ", "))
	c.RunE = func(_ *cobra.Command, replies []string) error {
		known.MTA = bounce.MTA(mta)
		if err := report.CheckKnown(&known); err != nil {
			return usageError{err}
		}
		classifier, err := a.classifier(*folder)
		if err != nil {
			return err
		}
		judge := report.Judge{Classifier: classifier, Known: known, JSON: a.asJSON, Explain: explain, Out: a.screen()}
		return report.EachReply(replies, a.input, judge.One)
	}
	return c
}
