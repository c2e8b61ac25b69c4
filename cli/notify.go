package cli

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/daemon"
	"github.com/bouncetail/bouncetail/internal/text"
)

func (a *app) notify() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "notify",
		Short: "Send the notices of incidents that are due",
		Long: "Notify sends what is due to the channels of incidents.channels, and ends. What could\n" +
			"not be sent is tried again by the next call, with growing pauses. The units\n" +
			"bouncetail-notify.path and bouncetail-notify.timer call it; without systemd, cron can\n" +
			"do so every five minutes.",
		Example: "  sudo systemctl enable --now bouncetail-notify.path bouncetail-notify.timer\n  bouncetail notify test me",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			n, err := a.notifier()
			if err != nil {
				return err
			}
			sent, failed, err := n.Run(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON || sent > 0 {
				err = a.result(asJSON, map[string]int{"sent": sent, "failed": failed}, "%s sent.", text.Amount(sent, "notice"))
			}
			if failed > 0 {
				err = errors.Join(err, fmt.Errorf("%s could not be sent; the next call tries again", text.Amount(failed, "notice")))
			}
			return err
		},
	}
	jsonFlag(c, &asJSON)
	c.AddCommand(a.notifyTest())
	return c
}

func (a *app) notifyTest() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "test NAME",
		Short: "Send a test notice to a channel",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := a.notifier()
			if err != nil {
				return err
			}
			if err := n.Test(cmd.Context(), args[0]); err != nil {
				return err
			}
			return a.result(asJSON, map[string]string{"channel": args[0]}, "The channel %s took a test notice.", args[0])
		},
	}
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) notifier() (*daemon.Notify, error) {
	settings, err := a.settings()
	if err != nil {
		return nil, err
	}
	return &daemon.Notify{Config: settings, Version: versionText(), Log: a.logger(settings.Log), Now: time.Now}, nil
}
