package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/daemon"
	"github.com/bouncetail/bouncetail/view/table"
)

func (a *app) checkConfig() *cobra.Command {
	var quiet, online bool
	cmd := &cobra.Command{
		Use:   "check-config",
		Short: "Check the settings and the rules, and show what they mean",
		Long: "Check-config reads the settings and the rules as the daemon does, tells all that is\n" +
			"wrong with them at once, and changes nothing. What only may be wrong, such as a log\n" +
			"that does not exist yet, is a warning. It exits with 78 if the settings are broken.",
		Example: "  bouncetail check-config && sudo systemctl reload bouncetail\n" +
			"  bouncetail check-config --json | jq -r '.errors[], .warnings[]'",
		Args: cobra.NoArgs,
	}
	a.jsonFlag(cmd, "one JSON object, also where something is wrong")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print nothing where the settings are good; no warnings")
	cmd.Flags().BoolVar(&online, "online", false, "send each webhook a test request, as webhooks test does")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := a.settings()
		s, err := daemon.Check(cmd.Context(), c, err, daemon.CheckOptions{Reach: !quiet && !online, Test: online, Version: versionText(), Log: a.logger(c.Log)})
		if a.asJSON {
			return errors.Join(table.Objects(a.stdout).Encode(s), err)
		}
		if err != nil || quiet {
			return err
		}
		return s.Print(a.stdout, table.Remarks(a.stderr))
	}
	return cmd
}
