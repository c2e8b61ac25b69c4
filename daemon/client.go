package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/internal/control"
	"github.com/bouncetail/bouncetail/sqlite/dbfile"
)

// command is what a client sends to the daemon.
type command struct {
	// Settings are those that decide on the result, as the client has them. The daemon
	// refuses the command if its own are others.
	Settings string
	Args     any
}

// The kinds of errors that a client distinguishes.
const (
	kindCanceled = "canceled"
	kindSettings = "settings"
	kindNoLines  = "no lines"
	kindNoSpace  = "no space"
	kindUnsaved  = "unsaved"
)

// kindOf returns the kind of an error for the client.
func kindOf(err error) string {
	var settings *config.Error
	switch {
	case errors.Is(err, context.Canceled):
		return kindCanceled
	case errors.As(err, &settings):
		return kindSettings
	case errors.Is(err, ErrNoLines):
		return kindNoLines
	case noSpace(err):
		return kindNoSpace
	case unsaved(err):
		return kindUnsaved
	}
	return ""
}

// dial connects to the daemon that writes a database. It returns nil if none listens.
func dial(ctx context.Context, c config.Config, log *slog.Logger) (*control.Client, error) {
	client, err := control.Dial(ctx, control.SocketOf(c.Database))
	switch {
	case errors.Is(err, control.ErrNoServer):
		return nil, nil
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf(
			"a daemon writes database %s, and only root and its own user may send it commands; use sudo bouncetail …",
			c.Database,
		)
	case err != nil:
		return nil, err
	}
	client.Waiting = func() { log.Info("waiting for another command to end", "daemon_pid", client.PID) }
	client.Log = func(r *control.Record) {
		var attrs []slog.Attr
		for _, a := range r.Attrs {
			attrs = append(attrs, slog.String(a.Key, a.Value))
		}
		log.LogAttrs(ctx, slog.Level(r.Level), r.Message, attrs...) //nolint:sloglint // a constant in the daemon
	}
	return client, nil
}

// startPatience is how long a daemon that is starting, or that reads new settings, is
// waited for.
const startPatience = 3 * time.Second

// atWriter calls remote with the daemon that writes the database, or here if none does.
func atWriter[R any](
	ctx context.Context, c config.Config, log *slog.Logger, remote func(*control.Client) (R, error), here func() (R, error),
) (result R, err error) {
	for deadline := time.Now().Add(startPatience); ; {
		client, err := dial(ctx, c, log)
		if err != nil {
			return result, err
		}
		if client != nil {
			result, err = remote(client)
			client.Close()
		} else {
			result, err = here()
		}
		var used *dbfile.InUse
		var refused *control.Error
		again := errors.As(err, &used) || errors.As(err, &refused) && refused.Kind == control.KindNotStarted
		if !again || ctx.Err() != nil || time.Now().After(deadline) {
			return result, inUse(err)
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return result, ctx.Err()
		}
	}
}

// fromDaemon turns an error that the daemon sent back into one of the kind that it was
// there.
func fromDaemon(err error) error {
	var e *control.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Kind {
	case kindCanceled:
		return &interruption{e}
	case kindSettings:
		return &config.Error{Err: e}
	case kindNoLines:
		return ErrNoLines
	}
	return err
}

// noSpace reports whether an error, here or in the daemon, says that the disk of the
// database is full.
func noSpace(err error) bool {
	var e *control.Error
	return dbfile.NoSpace(err) || errors.As(err, &e) && e.Kind == kindNoSpace
}

// unsaved reports whether an error, here or in the daemon, says that the database could
// not be saved.
func unsaved(err error) bool {
	if e, ok := errors.AsType[*control.Error](err); ok {
		return e.Kind == kindNoSpace || e.Kind == kindUnsaved
	}
	_, is := errors.AsType[*dbfile.Error](err)
	return is || dbfile.MayPass(err)
}

// canceled marks an error as an interruption if ctx has ended: SQLite's own error
// does not say so.
func canceled(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil || errors.Is(err, context.Canceled) {
		return err
	}
	return &interruption{err}
}

// interruption is an error that was caused by the end of a context.
type interruption struct{ error }

func (i *interruption) Unwrap() []error { return []error{i.error, context.Canceled} }

// inUse adds to the error of a database that is being written what to do: no daemon
// that takes commands does it.
func inUse(err error) error {
	var e *dbfile.InUse
	if !errors.As(err, &e) {
		return err
	}
	return fmt.Errorf(
		"database %s is being written by bouncetail with process id %s, which takes no commands; if it is another command, wait until it ends; if it is the daemon, it is still starting or an older version: systemctl restart bouncetail",
		e.Path, e.PID,
	)
}

// settingsText returns settings in a form that can be compared.
func settingsText(settings any) string {
	text, err := json.Marshal(settings)
	if err != nil {
		return err.Error() // differs from those of the daemon
	}
	return string(text)
}
