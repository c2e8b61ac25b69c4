package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/classify"
	"github.com/bouncetail/bouncetail/daemon"
	"github.com/bouncetail/bouncetail/internal/when"
	"github.com/bouncetail/bouncetail/view/report"
)

func (a *app) report() *cobra.Command {
	var f daemon.Report
	c := &cobra.Command{
		Use:   "report",
		Short: "Compare the last week with the week before, to read or mail",
		Long: "Report shows what needs you, the numbers of the last 7 whole days (UTC) and of the 7\n" +
			"days before, the days, providers, reasons, newly bad addresses, senders, incidents,\n" +
			"unknown replies, and how well the logs were read. As HTML it is one file with charts\n" +
			"that needs no other file and no script. With --fleet the figures are those of all\n" +
			"hosts of a fleet.\n\n" +
			"With --mail or --send it is mailed and not printed, also if nothing happened. Nothing\n" +
			"is printed then unless it fails.",
		Example: "  bouncetail report\n" +
			"  bouncetail report --since 30d -o report.html\n" +
			"  bouncetail report --mail postmaster@example.com",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q, err := a.question(cmd)
			if err != nil {
				return err
			}
			if err := f.Check(q.Config.Report, a.now()); err != nil {
				return usageError{err}
			}
			return f.Write(cmd.Context(), &q, a.stdout, a.zone())
		},
	}
	c.Flags().StringVar(&f.Since, "since", "7d", "from the day of `TIME` on: "+when.Forms)
	c.Flags().StringVar(&f.Until, "until", "today", "up to the day of `TIME`, without it; now includes today")
	c.Flags().StringVar(&f.Format, "format", "", "`FORMAT`: "+strings.Join(report.DigestFormats, ", ")+" (default: by the name of the file of -o, else text)")
	c.Flags().BoolVar(&f.JSON, "json", false, "one JSON object, as --format json")
	c.Flags().StringVarP(&f.Output, "output", "o", "", "write to `FILE`, whole or not at all")
	c.Flags().StringSliceVar(&f.Mail, "mail", nil, "mail it to these `ADDRESSES`")
	c.Flags().BoolVar(&f.Send, "send", false, "mail it to the addresses of the setting report.mail")
	c.Flags().IntVar(&f.Addresses, "addresses", 20, "list at most `N` newly bad addresses; 0 lists none")
	c.Flags().StringVar(&f.Provider, "provider", "", "only the provider `NAME`, such as google; other is every receiver without a name")
	fleetFlag(c)
	complete(c, "format", report.DigestFormats)
	complete(c, "provider", classify.Providers())
	return c
}
