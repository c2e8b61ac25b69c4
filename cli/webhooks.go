package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/address"
	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/daemon"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/output/webhook"
	"github.com/bouncetail/bouncetail/sqlite/outbox"
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
		hosts := make(map[string]string)
		for i := range settings.Webhooks {
			hosts[settings.Webhooks[i].Name] = daemon.HostOf(&settings.Webhooks[i])
		}
		return a.list(cmd.Context(), &flags, report.HookColumns, "The settings have no webhook, and none ever ran.", func(r *query.Reader, l *table.List) error {
			hooks, err := r.Hooks(cmd.Context())
			for _, w := range settings.Webhooks {
				if !slices.ContainsFunc(hooks, func(h query.Hook) bool { return h.Name == w.Name }) {
					waits := "nothing delivered yet; does bouncetail run with these settings?"
					hooks = append(hooks, query.Hook{Name: w.Name, Trouble: &waits})
				}
			}
			for i := range hooks {
				if err == nil {
					err = l.Row(&hooks[i], report.HookCells(&hooks[i], hosts[hooks[i].Name])...)
				}
			}
			return err
		})
	}
	c.AddCommand(a.testHook(), a.deadLetters(), a.replay(), a.dropLetters(), a.newKey())
	return c
}

// namedHook returns the settings, and the webhook of a name.
func (a *app) namedHook(name string) (config.Config, *webhook.Hook, error) {
	settings, err := a.settings()
	if err != nil {
		return settings, nil, err
	}
	i := slices.IndexFunc(settings.Webhooks, func(w config.Webhook) bool { return w.Name == name })
	if i < 0 {
		return settings, nil, usageError{fmt.Errorf("the settings have no webhook %q; bouncetail webhooks lists them", name)}
	}
	h, err := daemon.Hook(&settings.Webhooks[i], versionText(), a.logger(settings.Log))
	return settings, h, err
}

func (a *app) testHook() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "test NAME",
		Short: "Send a webhook a request that changes nothing",
		Long: "Test sends one request about bouncetail-test@example.invalid, which cannot exist, and\n" +
			"says what is wrong with the webhook: the network, the url, the credentials, or the\n" +
			"program's settings. The kind json gets a body without recipients, with \"test\": true.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, h, err := a.namedHook(args[0])
			if err != nil {
				return err
			}
			if err := h.Test(cmd.Context()); err != nil {
				return fmt.Errorf("webhook %s: %w", h.Name, err)
			}
			return a.result(asJSON, map[string]any{"webhook": h.Name, "accepts": true}, "Webhook %s accepts requests.\n", h.Name)
		},
	}
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) replay() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "replay NAME",
		Short: "Send a webhook its dead letters again",
		Long: "Replay sends a webhook the recipients that it refused, as they are now, and forgets\n" +
			"those that it accepts. It skips those that it refuses again: bouncetail webhooks drop\n" +
			"removes them. It stops at an error that concerns the webhook itself.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			settings, h, err := a.namedHook(args[0])
			if err != nil {
				return err
			}
			changes, err := outbox.Open(cmd.Context(), settings.Database)
			if err != nil {
				return err
			}
			h.Store = changes
			n, err := h.Replay(cmd.Context())
			return errors.Join(err, a.showReplayed(h.Name, n, asJSON), changes.Close())
		},
	}
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) showReplayed(name string, n webhook.Replayed, asJSON bool) error {
	if n.Dropped > 0 {
		a.remark("%s dropped: the state has changed, or the program cannot store the address", text.Amount(n.Dropped, "dead letter"))
	}
	if n.Refused > 0 {
		a.remark("%s refused again: %v; see bouncetail webhooks dead-letters %s, and drop", text.Amount(n.Refused, "recipient"), n.LastRefusal, name)
	}
	return a.result(asJSON, map[string]any{"delivered": n.Delivered, "refused": n.Refused, "dropped": n.Dropped}, "%s delivered\n", text.Amount(n.Delivered, "recipient"))
}

// letterColumns are the columns of the list of dead letters.
var letterColumns = []table.Column{{Key: "recipient", Long: true}, {Key: "state", Keep: 2}, {Key: "since", Keep: 1, Time: true}, {Key: "error", Long: true}}

func (a *app) deadLetters() *cobra.Command {
	var flags listFlags
	c := &cobra.Command{
		Use:   "dead-letters NAME",
		Short: "List the recipients that a webhook refused",
		Args:  oneArgument("the NAME of a webhook; bouncetail webhooks lists them"),
	}
	flags.addWithLimit(c, letterColumns)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		none := fmt.Sprintf("Webhook %s has no dead letter.", text.Printable(args[0]))
		return a.list(cmd.Context(), &flags, letterColumns, none, func(r *query.Reader, l *table.List) error {
			letters, err := r.DeadLetters(cmd.Context(), args[0])
			for i := range letters {
				if d := &letters[i]; err == nil {
					err = l.Row(d, d.Recipient, table.State(d.State), table.Stamp(d.Since), d.Error)
				}
			}
			return err
		})
	}
	return c
}

func (a *app) dropLetters() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "drop NAME [ADDRESS…]",
		Short: "Forget dead letters of a webhook",
		Long: "Drop forgets the dead letters of these addresses, or all of the webhook. The recipients\n" +
			"stay as they are, and a later change of one is delivered as usual.",
		Example: "  bouncetail webhooks drop listmonk root",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			settings, err := a.settings()
			if err != nil {
				return err
			}
			addresses, err := storedAddresses(settings.Privacy, args[1:])
			if err != nil {
				return err
			}
			n, err := a.drop(cmd.Context(), settings.Database, args[0], addresses)
			if err != nil {
				return err
			}
			return a.result(asJSON, map[string]any{"dropped": n}, "%s dropped\n", text.Amount(int(n), "dead letter"))
		},
	}
	jsonFlag(c, &asJSON)
	return c
}

func (a *app) drop(ctx context.Context, database, name string, addresses []string) (int64, error) {
	changes, err := outbox.Open(ctx, database)
	if err != nil {
		return 0, err
	}
	n, err := changes.DropDeadLetters(ctx, name, addresses)
	return n, errors.Join(err, changes.Close())
}

// storedAddresses returns addresses as the database has them.
func storedAddresses(c config.Privacy, given []string) ([]string, error) {
	var stored []string
	if len(given) == 0 {
		return nil, nil
	}
	h, err := daemon.OpenHasher(c)
	if err != nil {
		return nil, err
	}
	for _, g := range given {
		stored = append(stored, h.Hashed(address.Parse(g)).Normal)
	}
	return stored, nil
}

func (a *app) newKey() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "key NAME",
		Short: "Make the signing key of a webhook of kind sendgrid",
		Long: "Key writes a new private key (ECDSA, P-256) to the webhook's key_file, if there is no\n" +
			"file yet, and prints the public key as receivers of SendGrid's events want it.",
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			settings, err := a.settings()
			if err != nil {
				return err
			}
			i := slices.IndexFunc(settings.Webhooks, func(w config.Webhook) bool { return w.Name == args[0] })
			if i < 0 {
				return usageError{fmt.Errorf("the settings have no webhook %q; bouncetail webhooks lists them", args[0])}
			}
			w := &settings.Webhooks[i]
			if w.Kind != "sendgrid" || w.KeyFile == "" {
				return usageError{fmt.Errorf("webhook %s needs kind: sendgrid, and key_file with the path of a file", w.Name)}
			}
			public, err := webhook.KeyPair(w.KeyFile)
			if err != nil {
				return err
			}
			return a.result(asJSON, map[string]any{"public_key": public}, "%s\n", public)
		},
	}
	jsonFlag(c, &asJSON)
	return c
}
