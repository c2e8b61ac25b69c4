package cli

import (
	"errors"
	"fmt"
	"net/url"
	"slices"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/sqlite"
)

func (a *app) webhooks() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "webhooks",
		Short: "Show how far the webhooks are, and what they did not take",
		Long: "Webhooks shows for each webhook how many changes it has not been told of yet, how\n" +
			"many recipients were given up (dead letters), and why. bouncetail run tells them;\n" +
			"the setting webhooks names them.",
		Args: cobra.NoArgs,
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		settings, err := a.settings()
		if err != nil {
			return err
		}
		r, err := sqlite.OpenReader(cmd.Context(), settings.Database)
		if err != nil {
			return err
		}
		defer r.Close()
		hooks, err := r.Hooks(cmd.Context())
		if err != nil {
			return err
		}
		for _, w := range settings.Webhooks {
			if !slices.ContainsFunc(hooks, func(h sqlite.Hook) bool { return h.Name == w.Name }) {
				waits := "not told of anything yet; does bouncetail run with these settings?"
				hooks = append(hooks, sqlite.Hook{Name: w.Name, Trouble: &waits})
			}
		}
		if asJSON {
			return printObjects(a, hooks)
		}
		return a.hookTable(settings.Webhooks, hooks)
	}
	c.AddCommand(a.replay())
	return c
}

func (a *app) hookTable(set []config.Webhook, hooks []sqlite.Hook) error {
	g := a.screen().table("WEBHOOK", "HOST", "BEHIND", "DEAD LETTERS", "TROUBLE")
	for _, h := range hooks {
		host := "not in the settings"
		if i := slices.IndexFunc(set, func(w config.Webhook) bool { return w.Name == h.Name }); i >= 0 {
			host = hostOf(&set[i])
		}
		trouble := "none"
		switch {
		case h.Trouble != nil:
			trouble = *h.Trouble
		case h.LastError != nil:
			trouble = "given up: " + *h.LastError
		}
		g.row(h.Name, host, h.Behind, h.DeadLetters, trouble)
	}
	return g.flush()
}

// hostOf returns as much of a URL as holds no secret.
func hostOf(w *config.Webhook) string {
	at, err := url.Parse(w.URL)
	if err != nil {
		return ""
	}
	return at.Host
}

func (a *app) replay() *cobra.Command {
	return &cobra.Command{
		Use:   "replay NAME",
		Short: "Tell a webhook once more of what it did not take",
		Long: "Replay tells a webhook of the recipients that were given up, as they are now, and\n" +
			"forgets those that it takes. It ends at the first request that it refuses.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			settings, err := a.settings()
			if err != nil {
				return err
			}
			i := slices.IndexFunc(settings.Webhooks, func(w config.Webhook) bool { return w.Name == args[0] })
			if i < 0 {
				return usageError{fmt.Errorf("the settings have no webhook %q; bouncetail webhooks lists them", args[0])}
			}
			h, err := hook(&settings.Webhooks[i], a.logger(settings.Log))
			if err != nil {
				return err
			}
			outbox, err := sqlite.OpenOutbox(cmd.Context(), settings.Database)
			if err != nil {
				return err
			}
			h.Store = outbox
			n, err := h.Replay(cmd.Context())
			if _, saying := fmt.Fprintf(a.stdout, "%s told\n", amount(n, "recipient")); saying != nil {
				err = errors.Join(err, saying)
			}
			return errors.Join(err, outbox.Close())
		},
	}
}
