package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/daemon"
	"github.com/bouncetail/bouncetail/internal/cmdline"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/output/webhook"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/report"
	"github.com/bouncetail/bouncetail/view/table"
)

func (a *app) webhooks() *cobra.Command {
	var flags listFlags
	c := &cobra.Command{
		Use:   "webhooks",
		Short: "Show the progress of the webhooks, and what they refused",
		Long: "Webhooks shows for each webhook how many changes it has not received yet, how many\n" +
			"recipients its program refused (dead letters), and why. bouncetail run delivers the\n" +
			"changes; the setting webhooks names the programs.",
		Args: cobra.NoArgs,
	}
	flags.addWithLimit(c, report.HookColumns)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		settings, err := a.settings()
		if err != nil {
			return err
		}
		return a.list(cmd.Context(), &flags, report.HookColumns, "The settings have no webhook, and none ever ran.", func(r *query.Reader, l *table.List) error {
			hooks, err := daemon.Hooks(cmd.Context(), settings, r)
			return table.Rows(l, hooks, err, func(h *query.Hook) []any { return report.HookCells(h, daemon.HostOf(settings, h.Name)) })
		})
	}
	c.AddCommand(a.testHook(), a.deadLetters(), a.replay(), a.dropLetters(), a.newKey())
	return c
}

// hook returns a webhook of the settings that can send.
func (a *app) hook(settings config.Config, name string) (*webhook.Hook, error) {
	w, err := daemon.NamedHook(settings, name)
	if err != nil {
		return nil, usageError{err}
	}
	return daemon.Hook(w, versionText(), a.logger(settings.Log))
}

func (a *app) testHook() *cobra.Command {
	return a.withResult(&cobra.Command{
		Use:   "test NAME",
		Short: "Send a webhook a request that changes nothing",
		Long: "Test sends one request about bouncetail-test@example.invalid, which cannot exist, and\n" +
			"says what is wrong with the webhook: the network, the url, the credentials, or the\n" +
			"program's settings. The kind json gets a body without recipients, with \"test\": true.",
		Args: cobra.ExactArgs(1),
	}, func(ctx context.Context, settings config.Config, args []string) (any, string, error) {
		h, err := a.hook(settings, args[0])
		if err != nil {
			return nil, "", err
		}
		if err := h.Test(ctx); err != nil {
			return nil, "", fmt.Errorf("webhook %s: %w", h.Name, err)
		}
		return did{"webhook": h.Name, "accepts": true}, fmt.Sprintf("Webhook %s accepts requests.", h.Name), nil
	})
}

func (a *app) replay() *cobra.Command {
	return a.withResult(&cobra.Command{
		Use:   "replay NAME",
		Short: "Send a webhook its dead letters again",
		Long: "Replay sends a webhook the recipients that it refused, as they are now, and forgets\n" +
			"those that it accepts. It skips those that it refuses again: bouncetail webhooks drop\n" +
			"removes them. It stops at an error that concerns the webhook itself.",
		Args: cobra.ExactArgs(1),
	}, func(ctx context.Context, settings config.Config, args []string) (any, string, error) {
		h, err := a.hook(settings, args[0])
		if err != nil {
			return nil, "", err
		}
		n, err := daemon.Replay(ctx, settings, h)
		if n.Dropped > 0 {
			a.remark("%s dropped: the state has changed, or the program cannot store the address", text.Amount(n.Dropped, "dead letter"))
		}
		if n.Refused > 0 {
			a.remark("%s refused again: %v; see bouncetail webhooks dead-letters %s, and drop", text.Amount(n.Refused, "recipient"), n.LastRefusal, h.Name)
		}
		if err != nil {
			err = partError{err}
		}
		return did{"delivered": n.Delivered, "refused": n.Refused, "dropped": n.Dropped}, text.Amount(n.Delivered, "recipient") + " delivered", err
	})
}

func (a *app) deadLetters() *cobra.Command {
	var flags listFlags
	c := &cobra.Command{
		Use:   "dead-letters NAME",
		Short: "List the recipients that a webhook refused",
		Args:  cmdline.OneArgument("the NAME of a webhook; bouncetail webhooks lists them"),
	}
	flags.addWithLimit(c, report.LetterColumns)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		none := fmt.Sprintf("Webhook %s has no dead letter.", text.Printable(args[0]))
		return a.list(cmd.Context(), &flags, report.LetterColumns, none, func(r *query.Reader, l *table.List) error {
			letters, err := r.DeadLetters(cmd.Context(), args[0])
			if settings, bad := a.settings(); err == nil && len(letters) == 0 {
				err = errors.Join(bad, daemon.CheckHook(cmd.Context(), settings, r, args[0]))
			}
			return table.Rows(l, letters, err, report.LetterCells)
		})
	}
	return c
}

func (a *app) dropLetters() *cobra.Command {
	return a.withResult(&cobra.Command{
		Use:   "drop NAME [ADDRESS…]",
		Short: "Forget dead letters of a webhook",
		Long: "Drop forgets the dead letters of these addresses, or all of the webhook. The recipients\n" +
			"stay as they are, and a later change of one is delivered as usual.",
		Example: "  bouncetail webhooks drop listmonk root",
		Args:    cobra.MinimumNArgs(1),
	}, func(ctx context.Context, settings config.Config, args []string) (any, string, error) {
		n, err := daemon.DropDeadLetters(ctx, settings, args[0], args[1:])
		return did{"dropped": n}, text.Amount(int(n), "dead letter") + " dropped", err
	})
}

func (a *app) newKey() *cobra.Command {
	return a.withResult(&cobra.Command{
		Use:   "key NAME",
		Short: "Make the signing key of a webhook of kind sendgrid",
		Long: "Key writes a new private key (ECDSA, P-256) to the webhook's key_file, if there is no\n" +
			"file yet, and prints the public key as receivers of SendGrid's events want it.",
		Args: cobra.ExactArgs(1),
	}, func(_ context.Context, settings config.Config, args []string) (any, string, error) {
		w, err := daemon.HookWithKey(settings, args[0])
		if err != nil {
			return nil, "", usageError{err}
		}
		public, err := webhook.KeyPair(w.KeyFile)
		return did{"public_key": public}, public, err
	})
}
