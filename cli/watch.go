package cli

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/report"
)

func (a *app) watch() *cobra.Command {
	c := &cobra.Command{
		Use:   "watch",
		Short: "Show failures as they come, until interrupted",
		Args:  cobra.NoArgs,
	}
	a.jsonFlag(c, "one JSON object a line")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		return a.read(cmd.Context(), func(_ config.Config, r *query.Reader) error {
			out := &report.Watch{Reader: r, Screen: a.screen(), Zone: a.zone(), JSON: a.asJSON}
			if err := out.Begin(cmd.Context()); err != nil {
				return err
			}
			a.remark("Waiting for failures. Ctrl-C ends it.")
			return out.Run(cmd.Context(), time.Second)
		})
	}
	return c
}
