package cli

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/view/report"
)

func (a *app) watch() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "watch",
		Short: "Show failures as they come, until interrupted",
		Args:  cobra.NoArgs,
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		r, err := a.reader(cmd.Context())
		if err != nil {
			return err
		}
		defer r.Close()
		out := &report.Watch{Reader: r, Screen: a.screen(), Zone: a.zone(), JSON: asJSON}
		if err := out.Begin(cmd.Context()); err != nil {
			return err
		}
		a.remark("Waiting for failures. Ctrl-C ends it.")
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			if err := out.Print(cmd.Context()); err != nil && cmd.Context().Err() == nil {
				return err
			}
			select {
			case <-tick.C:
			case <-cmd.Context().Done():
				return nil
			}
		}
	}
	return c
}
