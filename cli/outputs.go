package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/output/webhook"
	"github.com/bouncetail/bouncetail/sqlite"
)

// startOutputs starts what hands the state of recipients on while the logs are
// followed: the maps of mail servers, and the webhooks. It has connections to
// the database of its own, and whatever happens to it, the logs are followed
// on. It ends with ctx; wait waits until it has.
func startOutputs(ctx context.Context, c config.Config, log *slog.Logger) (wait func()) {
	var running sync.WaitGroup
	if c.Publish.Directory != "" {
		running.Go(func() {
			r, err := sqlite.OpenReader(ctx, c.Database)
			if err != nil {
				log.Error("maps are not published", "error", err)
				return
			}
			defer r.Close()
			publisher(c.Publish, r, log).Run(ctx)
		})
	}
	for i := range c.Webhooks {
		running.Go(func() {
			if err := runHook(ctx, c.Database, &c.Webhooks[i], log); err != nil {
				log.Error("webhook is not told of changes", "webhook", c.Webhooks[i].Name, "error", err)
			}
		})
	}
	return running.Wait
}

func runHook(ctx context.Context, database string, w *config.Webhook, log *slog.Logger) error {
	h, err := hook(w, log)
	if err != nil {
		return err
	}
	outbox, err := sqlite.OpenOutbox(ctx, database)
	if err != nil {
		return err
	}
	defer outbox.Close()
	h.Store = outbox
	h.Run(ctx)
	return nil
}

// hook returns a webhook of the settings, with its secrets read.
func hook(w *config.Webhook, log *slog.Logger) (*webhook.Hook, error) {
	secret, err := secretOf(w.Secret, w.SecretFile)
	if err != nil {
		return nil, err
	}
	password, err := secretOf(w.Password, w.PasswordFile)
	if err != nil {
		return nil, err
	}
	h := &webhook.Hook{
		Name: w.Name, URL: w.URL, Kind: w.Kind,
		Secret: secret, Username: w.Username, Password: password,
		States: w.States, FromNow: w.Start == "now", Batch: w.Batch, Timeout: w.Timeout, Tries: w.Tries,
		UserAgent: "bouncetail/" + versionText(),
		Log:       log,
	}
	if os.Getenv("INVOCATION_ID") != "" { // started by systemd
		h.Hint = "if its unit keeps bouncetail off the network, install the drop-in webhooks.conf as docs/webhooks.md tells"
	}
	return h, nil
}

// secretOf returns a secret, or what its file holds without the end of line
// that editors put there.
func secretOf(given config.Secret, path string) (string, error) {
	if path == "" {
		return string(given), nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("secret: %w", err)
	}
	secret := strings.TrimRight(string(text), "\r\n")
	if secret == "" {
		return "", fmt.Errorf("secret: %s is empty", path)
	}
	return secret, nil
}

// checkHooks adds the webhooks. With reach it warns of those that cannot be
// reached from here.
func (a *app) checkHooks(ctx context.Context, c config.Config, s *settled, reach bool) error {
	var errs []error
	for i := range c.Webhooks {
		w := &c.Webhooks[i]
		h, err := hook(w, a.logger(c.Log))
		if err != nil {
			errs = append(errs, fmt.Errorf("webhooks[%d]: %w", i, err))
			continue
		}
		s.Webhooks = append(s.Webhooks, settledHook{w.Name, hostOf(w), w.Kind, h.Secret != ""})
		if !reach {
			continue
		}
		if err := h.Reach(ctx); err != nil {
			s.Warnings = append(s.Warnings, fmt.Sprintf("webhook %s cannot be reached from here: %v", w.Name, err))
		}
	}
	return errors.Join(errs...)
}
