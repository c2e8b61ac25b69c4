package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/bouncetail/bouncetail/address"
	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/internal/openfile"
	"github.com/bouncetail/bouncetail/output/webhook"
	"github.com/bouncetail/bouncetail/sqlite/outbox"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// NamedHook returns the settings of a webhook.
func NamedHook(c config.Config, name string) (*config.Webhook, error) {
	i := slices.IndexFunc(c.Webhooks, func(w config.Webhook) bool { return w.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("the settings have no webhook %q; bouncetail webhooks lists them", name)
	}
	return &c.Webhooks[i], nil
}

// HostOf returns the host of a webhook: as much of its URL as holds no secret. It is
// empty if the settings have no such webhook.
func HostOf(c config.Config, name string) string {
	w, err := NamedHook(c, name)
	if err != nil {
		return ""
	}
	return hostOf(w)
}

func hostOf(w *config.Webhook) string {
	at, err := url.Parse(w.URL)
	if err != nil {
		return ""
	}
	return at.Host
}

// Hooks returns the progress of the webhooks that ever ran, and of those of the settings.
func Hooks(ctx context.Context, c config.Config, r *query.Reader) ([]query.Hook, error) {
	hooks, err := r.Hooks(ctx)
	for _, w := range c.Webhooks {
		if !slices.ContainsFunc(hooks, func(h query.Hook) bool { return h.Name == w.Name }) {
			waits := "nothing delivered yet; does bouncetail run with these settings?"
			hooks = append(hooks, query.Hook{Name: w.Name, Trouble: &waits})
		}
	}
	return hooks, err
}

// CheckHook returns an error that names all webhooks if none that ever ran, or is in the
// settings, has a name.
func CheckHook(ctx context.Context, c config.Config, r *query.Reader, name string) error {
	hooks, err := Hooks(ctx, c, r)
	if err != nil {
		return err
	}
	names := make([]string, len(hooks))
	for i, h := range hooks {
		names[i] = h.Name
	}
	switch {
	case slices.Contains(names, name):
		return nil
	case len(names) == 0:
		return fmt.Errorf("there is no webhook %q; the settings name none", name)
	}
	return fmt.Errorf("there is no webhook %q; there is %s", name, strings.Join(names, ", "))
}

// Replay sends a webhook its dead letters again.
func Replay(ctx context.Context, c config.Config, h *webhook.Hook) (webhook.Replayed, error) {
	changes, err := outbox.Open(ctx, c.Database)
	if err != nil {
		return webhook.Replayed{}, err
	}
	h.Store = changes
	n, err := h.Replay(ctx)
	return n, errors.Join(err, changes.Close())
}

// DropDeadLetters deletes the dead letters of a webhook for some addresses, for all if
// none is given. It returns how many it deleted.
func DropDeadLetters(ctx context.Context, c config.Config, name string, given []string) (int64, error) {
	h, err := OpenHasher(c.Privacy)
	if err != nil {
		return 0, err
	}
	var stored []string
	for _, one := range given {
		stored = append(stored, h.Hashed(address.Parse(one)).Normal)
	}
	r, err := query.OpenReader(ctx, c.Database)
	if err != nil {
		return 0, err
	}
	if err := errors.Join(CheckHook(ctx, c, r, name), r.Close()); err != nil {
		return 0, err
	}
	changes, err := outbox.Open(ctx, c.Database)
	if err != nil {
		return 0, err
	}
	n, err := changes.DropDeadLetters(ctx, name, stored)
	return n, errors.Join(err, changes.Close())
}

// Hook returns a webhook of the settings, with its secrets read.
func Hook(w *config.Webhook, version string, log *slog.Logger) (*webhook.Hook, error) {
	secret, err := secretOf("secret_file", w.Secret, w.SecretFile)
	if err != nil {
		return nil, err
	}
	password, err := secretOf("password_file", w.Password, w.PasswordFile)
	if err != nil {
		return nil, err
	}
	token, err := secretOf("token_file", w.Token, w.TokenFile)
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
		key, err := secretOf("key_file", "", w.KeyFile)
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

// HookWithKey returns the webhook of a name, which must be of a kind whose key can be made.
func HookWithKey(c config.Config, name string) (*config.Webhook, error) {
	w, err := NamedHook(c, name)
	if err == nil && (w.Kind != "sendgrid" || w.KeyFile == "") {
		err = fmt.Errorf("webhook %s needs kind: sendgrid, and key_file with the path of a file", w.Name)
	}
	return w, err
}

// secretOf returns a secret, or what its file holds without the end of line that
// editors put there. An error begins with the key of the setting that names the file.
func secretOf(key string, given config.Secret, path string) (string, error) {
	if path == "" {
		return string(given), nil
	}
	text, err := openfile.Read(path, 1<<20)
	if at, is := errors.AsType[*fs.PathError](err); is {
		return "", fmt.Errorf("%s: cannot read %s: %w", key, path, at.Err)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", key, err)
	}
	secret := strings.TrimRight(string(text), "\r\n")
	if secret == "" {
		return "", fmt.Errorf("%s: %s is empty; write the value into it", key, path)
	}
	return secret, nil
}
