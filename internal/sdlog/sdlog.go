// Package sdlog writes log records, also for systemd's journal.
package sdlog

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Logger returns a logger that writes to w: lines of text, of JSON if that is the format,
// or lines for the journal if w is its stream. The level is info if it is not known.
func Logger(w io.Writer, level, format string) *slog.Logger {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo
	}
	o := &slog.HandlerOptions{Level: l}
	switch {
	case format == "json":
		return slog.New(slog.NewJSONHandler(w, o))
	case IsJournal(w):
		return slog.New(New(w, l))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// IsJournal reports whether a writer is the stream to the journal that systemd has
// opened: JOURNAL_STREAM names its device and inode (systemd.exec(5)). A child
// whose output goes elsewhere inherits the variable.
func IsJournal(w io.Writer) bool {
	if q, ok := w.(*Queue); ok {
		w = q.out
	}
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	var is unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &is); err != nil {
		return false
	}
	return os.Getenv("JOURNAL_STREAM") == fmt.Sprintf("%d:%d", is.Dev, is.Ino)
}

// Handler writes lines for the journal, which has its own time stamps and takes the
// level from a prefix such as <4> (sd-daemon(3)).
type Handler struct {
	slog.Handler
	to *prefixing
}

// prefixing writes each line with the prefix of its level.
type prefixing struct {
	sync.Mutex

	out    io.Writer
	prefix string
}

func (p *prefixing) Write(line []byte) (int, error) {
	if _, err := p.out.Write(append([]byte(p.prefix), line...)); err != nil {
		return 0, err
	}
	return len(line), nil
}

// New returns a handler that writes records of a level and above.
func New(out io.Writer, level slog.Level) *Handler {
	to := &prefixing{out: out}
	return &Handler{to: to, Handler: slog.NewTextHandler(to, &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(groups []string, attr slog.Attr) slog.Attr {
			if len(groups) == 0 && (attr.Key == slog.TimeKey || attr.Key == slog.LevelKey) {
				return slog.Attr{}
			}
			return attr
		},
	})}
}

// Handle writes a record.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	h.to.Lock()
	defer h.to.Unlock()
	switch {
	case r.Level >= slog.LevelError:
		h.to.prefix = "<3>"
	case r.Level >= slog.LevelWarn:
		h.to.prefix = "<4>"
	case r.Level >= slog.LevelInfo:
		h.to.prefix = "<6>"
	default:
		h.to.prefix = "<7>"
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs returns a handler that adds attributes.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &Handler{h.Handler.WithAttrs(attrs), h.to}
}

// WithGroup returns a handler that puts attributes into a group.
func (h *Handler) WithGroup(name string) slog.Handler {
	return &Handler{h.Handler.WithGroup(name), h.to}
}
