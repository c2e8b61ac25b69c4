package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/daemon"
	"github.com/bouncetail/bouncetail/internal/text"
)

func (a *app) notify() *cobra.Command {
	c := a.withResult(&cobra.Command{
		Use:   "notify",
		Short: "Send the notices of incidents that are due",
		Long: "Notify sends what is due to the channels of incidents.channels, and ends. What could\n" +
			"not be sent is tried again by the next call, with growing pauses. The units\n" +
			"bouncetail-notify.path and bouncetail-notify.timer call it; without systemd, cron can\n" +
			"do so every five minutes.",
		Example: "  sudo systemctl enable --now bouncetail-notify.path bouncetail-notify.timer\n  bouncetail notify test me",
		Args:    cobra.NoArgs,
	}, func(ctx context.Context, settings config.Config, _ []string) (any, string, error) {
		sent, failed, err := a.notifier(settings).Run(ctx)
		switch {
		case err != nil && sent+failed > 0:
			err = partError{err}
		case err == nil && failed > 0:
			err = partError{fmt.Errorf("%s could not be sent; the next call tries again", text.Amount(failed, "notice"))}
		}
		sentence := ""
		if sent > 0 {
			sentence = text.Amount(sent, "notice") + " sent."
		}
		return did{"sent": sent, "failed": failed}, sentence, err
	})
	c.AddCommand(a.notifyTest())
	return c
}

func (a *app) notifyTest() *cobra.Command {
	return a.withResult(&cobra.Command{
		Use:   "test NAME",
		Short: "Send a test notice to a channel",
		Args:  cobra.ExactArgs(1),
	}, func(ctx context.Context, settings config.Config, args []string) (any, string, error) {
		err := a.notifier(settings).Test(ctx, args[0])
		return did{"channel": args[0]}, fmt.Sprintf("The channel %s took a test notice.", args[0]), err
	})
}

func (a *app) notifier(c config.Config) *daemon.Notify {
	return &daemon.Notify{Config: c, Version: versionText(), Log: a.logger(c.Log), Now: time.Now}
}
