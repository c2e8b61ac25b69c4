package daemon

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/internal/backoff"
	"github.com/bouncetail/bouncetail/internal/health"
	"github.com/bouncetail/bouncetail/output/maps"
	"github.com/bouncetail/bouncetail/output/webhook"
	"github.com/bouncetail/bouncetail/sqlite"
	"github.com/bouncetail/bouncetail/sqlite/outbox"
	"github.com/bouncetail/bouncetail/sqlite/query"
	view "github.com/bouncetail/bouncetail/view/fleet"
)

// startOutputs starts what passes on the state of recipients while the logs are
// followed: the maps of mail servers, the webhooks, and the look for incidents. They
// have their own connections to the database, and their errors never stop the daemon:
// retrying lists them. They end with ctx, and wait returns after they have.
func (d *Daemon) startOutputs(
	ctx context.Context, c config.Config, store *sqlite.Store, retrying *health.Retrying, log *slog.Logger,
) (wait func()) {
	var running sync.WaitGroup
	if c.Publish.Directory != "" && c.Publish.From == "local" {
		running.Go(func() {
			var r *query.Reader
			if untilDone(ctx, retrying, log, "open the database for the maps", func() (err error) {
				r, err = query.OpenReader(ctx, c.Database)
				return err
			}) != nil {
				return
			}
			defer r.Close()
			p := newPublisher(c.Publish, r, d.Version, retrying, log)
			noteMaps(p, func(name string, value int64) error { return store.Note(ctx, name, value) })
			p.Run(ctx)
		})
	}
	running.Go(func() { watchIncidents(ctx, c, &d.clock, retrying, log) })
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

// newPublisher returns the writer of the maps of the settings.
func newPublisher(c config.Publish, source maps.Source, version string, retrying *health.Retrying, log *slog.Logger) *maps.Publisher {
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

// noteMaps has a publisher note for the metrics what it has written.
func noteMaps(p *maps.Publisher, note func(name string, value int64) error) {
	p.Written = func(name string, entries int) {
		err := errors.Join(note(query.MapEntries+name, int64(entries)), note(query.MapPublished+name, time.Now().Unix()))
		if err != nil {
			p.Log.Debug("not noted in the database", "map", name, "error", err) // a full disk
		}
	}
}

// PublishFlags puts the flags of the command over the settings: where to write, and
// whether mail to bad addresses is only warned of.
func PublishFlags(c *config.Publish, folder string, warn bool) (err error) {
	if folder != "" {
		if c.Directory, err = filepath.Abs(folder); err != nil {
			return err
		}
	}
	if c.Directory == "" {
		return errors.New("no folder to publish into; give -o DIR, or the setting publish.directory")
	}
	if warn {
		c.Action = "warn"
	}
	return nil
}

// Publish writes the maps of the settings once.
func Publish(ctx context.Context, c config.Config, version string, log *slog.Logger) (result maps.Result, err error) {
	if c.Publish.From == "fleet" {
		s, err := Fleet(c, version, log)
		if err != nil {
			return result, err
		}
		if s.HashKey != 0 {
			return result, errHashed
		}
		bad := &view.BadList{Settings: s}
		defer bad.Close()
		result, err = newPublisher(c.Publish, bad, version, nil, log).Publish(ctx)
		return result, asConfigError(err)
	}
	r, err := query.OpenReader(ctx, c.Database)
	if err != nil {
		return result, err
	}
	defer r.Close()
	if hashed, err := r.Hashed(ctx); err != nil {
		return result, err
	} else if hashed {
		return result, errHashed
	}
	return newPublisher(c.Publish, r, version, nil, log).Publish(ctx)
}

var errHashed = errors.New(
	"the database holds hashes, and a mail server looks up addresses; write lists of your own addresses with bouncetail export --addresses",
)
