package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/bouncetail/bouncetail/config"
)

// logFlags adds --log-level and --log-format, which go before the settings.
func (a *app) logFlags(c *cobra.Command) {
	c.Flags().StringVar(&a.logLevel, "log-level", "", "`LEVEL` of the program's own log: "+strings.Join(config.LogLevels, ", ")+" (default: the setting log.level)")
	c.Flags().StringVar(&a.logFormat, "log-format", "", "its `FORMAT`: "+strings.Join(config.LogFormats, ", ")+" (default: the setting log.format)")
}

// applyLogFlags puts the flags over the settings.
func (a *app) applyLogFlags(c *config.Log) error {
	for _, flag := range []struct {
		name, given string
		known       []string
		to          *string
	}{
		{"--log-level", a.logLevel, config.LogLevels, &c.Level},
		{"--log-format", a.logFormat, config.LogFormats, &c.Format},
	} {
		if flag.given == "" {
			continue
		}
		if !slices.Contains(flag.known, flag.given) {
			return usageError{fmt.Errorf("%s: %q is none of %s", flag.name, flag.given, strings.Join(flag.known, ", "))}
		}
		*flag.to = flag.given
	}
	return nil
}

// logger returns the logger that the settings ask for.
func (a *app) logger(c config.Log) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo // config has refused it before
	}
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(a.stderr, o))
	}
	if toJournal(a.stderr) {
		return slog.New(newJournalHandler(a.stderr, level))
	}
	return slog.New(slog.NewTextHandler(a.stderr, o))
}

// toJournal reports whether a writer is the stream to the journal that systemd
// has opened: JOURNAL_STREAM names its device and inode (systemd.exec(5)). A
// child whose output goes elsewhere has inherited the variable.
func toJournal(w io.Writer) bool {
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

// journalHandler writes lines for the journal: it has stamps of its own, and
// takes the level from a prefix such as <4> (sd-daemon(3)).
type journalHandler struct {
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

func newJournalHandler(out io.Writer, level slog.Level) *journalHandler {
	to := &prefixing{out: out}
	return &journalHandler{to: to, Handler: slog.NewTextHandler(to, &slog.HandlerOptions{
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
func (h *journalHandler) Handle(ctx context.Context, r slog.Record) error {
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
func (h *journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &journalHandler{h.Handler.WithAttrs(attrs), h.to}
}

// WithGroup returns a handler that puts attributes into a group.
func (h *journalHandler) WithGroup(name string) slog.Handler {
	return &journalHandler{h.Handler.WithGroup(name), h.to}
}
