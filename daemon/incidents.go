package daemon

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/bouncetail/bouncetail/classify"
	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/incident"
	"github.com/bouncetail/bouncetail/internal/health"
	"github.com/bouncetail/bouncetail/sqlite/incidents"
)

const (
	// lookEvery is the pause between two looks for incidents.
	lookEvery = time.Minute
	// firstLook is when the first look follows the start. By then, ordinary logs have
	// been read, so that status shows their problems.
	firstLook = 5 * time.Second
)

// watcherOf opens the database to look for incidents.
func watcherOf(ctx context.Context, c *config.Config) (*incidents.Watcher, error) {
	w, err := incidents.Open(ctx, c.Database)
	if err != nil {
		return nil, err
	}
	// The settings were checked when they were loaded.
	w.Sensitivity, _ = incident.ParseSensitivity(c.Incidents.Sensitivity)
	for _, channel := range c.Incidents.Channels {
		var kinds []incident.Kind
		for _, kind := range channel.Kinds {
			kinds = append(kinds, incident.Kind(kind))
		}
		w.Channels = append(w.Channels, incidents.Channel{Name: channel.Name, Kinds: kinds, Again: channel.Again})
	}
	w.Addresses, w.Gap, w.Shape = c.Incidents.Addresses, c.Incidents.Gap, classify.Shape
	return w, nil
}

// watchIncidents looks for incidents soon, and then once a minute until ctx ends. It has
// its own connection to the database, and its errors never stop the daemon: retrying
// lists them.
func watchIncidents(ctx context.Context, c config.Config, clock *clock, retrying *health.Retrying, log *slog.Logger) {
	var w *incidents.Watcher
	if untilDone(ctx, retrying, log, "open the database for incidents", func() (err error) {
		w, err = watcherOf(ctx, &c)
		return err
	}) != nil {
		return
	}
	defer w.Close()
	next := time.NewTimer(max(firstLook, clock.settles()))
	defer next.Stop()
	for first := true; ; first = false {
		select {
		case <-next.C:
		case <-ctx.Done():
			return
		}
		next.Reset(lookEvery)
		now, jump := clock.now()
		w.Jumped = jump != 0
		err := look(ctx, w, noticesFile(c.Database), now, first)
		if ctx.Err() != nil {
			return
		}
		retrying.Report(log, "look for incidents", err)
	}
}

// look looks for incidents. The first time it leaves out logs that are not read: after a
// pause, the daemon may not have read the first line yet.
func look(ctx context.Context, w *incidents.Watcher, due string, now time.Time, first bool) error {
	var stalled []incident.Finding
	var judged []incident.Kind
	if !first {
		var err error
		if stalled, err = w.Stalled(ctx, now); err != nil {
			return err
		}
		judged = append(judged, incident.LogStalled)
	}
	n, err := w.Look(ctx, now, true, stalled, judged...)
	if err != nil || n == 0 {
		return err
	}
	return touch(due)
}

// noticesFile is the file that is touched when notices are due.
func noticesFile(database string) string { return filepath.Join(filepath.Dir(database), "notices.due") }

// lookBack looks for incidents in the failures that an import stored. None of them rings.
func lookBack(ctx context.Context, c *config.Config, failures *incident.NewFailures) error {
	w, err := watcherOf(ctx, c)
	if err != nil {
		return err
	}
	defer w.Close()
	w.New = failures
	_, err = w.Look(ctx, time.Now(), false, nil)
	return err
}

// touch changes the time of a file, and creates it if it does not exist.
func touch(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	now := time.Now()
	return os.Chtimes(path, now, now)
}
