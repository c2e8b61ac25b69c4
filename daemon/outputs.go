package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/internal/backoff"
	"github.com/bouncetail/bouncetail/internal/health"
	"github.com/bouncetail/bouncetail/output/maps"
	"github.com/bouncetail/bouncetail/output/webhook"
	"github.com/bouncetail/bouncetail/sqlite/outbox"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// startOutputs starts what passes on the state of recipients while the logs are
// followed: the maps of mail servers, the webhooks, and the look for incidents. They have their own
// connections to the database, and their errors never stop the daemon: retrying
// lists them. They end with ctx, and wait returns after they have.
func (d *Daemon) startOutputs(ctx context.Context, c config.Config, retrying *health.Retrying, log *slog.Logger) (wait func()) {
	var running sync.WaitGroup
	if c.Publish.Directory != "" {
		running.Go(func() {
			var r *query.Reader
			if untilDone(ctx, retrying, log, "open the database for the maps", func() (err error) {
				r, err = query.OpenReader(ctx, c.Database)
				return err
			}) != nil {
				return
			}
			defer r.Close()
			Publisher(c.Publish, r, d.Version, retrying, log).Run(ctx)
		})
	}
	running.Go(func() { watchIncidents(ctx, c, retrying, log) })
	for i := range c.Webhooks {
		running.Go(func() { runHook(ctx, c.Database, &c.Webhooks[i], d.Version, retrying, log) })
	}
	return running.Wait
}

func runHook(ctx context.Context, database string, w *config.Webhook, version string, retrying *health.Retrying, log *slog.Logger) {
	var h *webhook.Hook
	var changes *outbox.Outbox
	if untilDone(ctx, retrying, log, "start webhook "+w.Name, func() (err error) {
		if h, err = Hook(w, version, log); err == nil {
			changes, err = outbox.Open(ctx, database)
		}
		return err
	}) != nil {
		return
	}
	defer changes.Close()
	h.Store, h.Retrying = changes, retrying
	h.Run(ctx)
}

// untilDone calls try until it succeeds. It returns an error if ctx ended before.
func untilDone(ctx context.Context, retrying *health.Retrying, log *slog.Logger, operation string, try func() error) error {
	pauses := backoff.Backoff{Min: time.Second, Max: time.Minute}
	for {
		err := try()
		if ctx.Err() != nil && err != nil {
			return ctx.Err()
		}
		retrying.Report(log, operation, err)
		if err == nil {
			return nil
		}
		if err := pauses.Wait(ctx); err != nil {
			return err
		}
	}
}

// Hook returns a webhook of the settings, with its secrets read.
func Hook(w *config.Webhook, version string, log *slog.Logger) (*webhook.Hook, error) {
	secret, err := secretOf(w.Secret, w.SecretFile)
	if err != nil {
		return nil, err
	}
	password, err := secretOf(w.Password, w.PasswordFile)
	if err != nil {
		return nil, err
	}
	token, err := secretOf(w.Token, w.TokenFile)
	if err != nil {
		return nil, err
	}
	h := &webhook.Hook{
		Name: w.Name, URL: w.URL, Kind: w.Kind,
		Secret: secret, Username: w.Username, Password: password, Token: token, TokenHeader: w.TokenHeader,
		States: w.States, FromNow: w.Start == "now", Batch: w.Batch, Timeout: w.Timeout, Tries: w.Tries,
		UserAgent: "bouncetail/" + version,
		Log:       log,
	}
	if w.KeyFile != "" {
		key, err := secretOf("", w.KeyFile)
		if err != nil {
			return nil, err
		}
		if w.Kind == "mailgun" {
			h.Secret = key
		} else if h.SigningKey, err = webhook.ParseKey([]byte(key)); err != nil {
			return nil, fmt.Errorf("key_file: %w", err)
		}
	}
	if os.Getenv("INVOCATION_ID") != "" { // started by systemd
		h.Hint = "if its unit keeps bouncetail off the network, install the drop-in webhooks.conf as docs/webhooks.md shows"
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

// Publisher returns the writer of the maps of the settings.
func Publisher(c config.Publish, source maps.Source, version string, retrying *health.Retrying, log *slog.Logger) *maps.Publisher {
	return &maps.Publisher{
		Dir:      c.Directory,
		Maps:     c.Maps,
		Text:     c.Text,
		Warn:     c.Action == "warn",
		MinAge:   c.MinAge,
		Every:    c.Every,
		MadeBy:   "bouncetail " + version,
		Source:   source,
		Retrying: retrying,
		Log:      log,
	}
}

// HostOf returns as much of a URL as holds no secret.
func HostOf(w *config.Webhook) string {
	at, err := url.Parse(w.URL)
	if err != nil {
		return ""
	}
	return at.Host
}
