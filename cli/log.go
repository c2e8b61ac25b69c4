package cli

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/internal/sdlog"
)

// logFlags adds --log-level and --log-format, which go before the settings.
func (a *app) logFlags(c *cobra.Command) {
	c.Flags().StringVar(&a.logLevel, "log-level", "", "`LEVEL` of the program's own log: "+strings.Join(config.LogLevels, ", ")+" (default: the setting log.level)")
	c.Flags().StringVar(&a.logFormat, "log-format", "", "its `FORMAT`: "+strings.Join(config.LogFormats, ", ")+" (default: the setting log.format)")
	complete(c, "log-level", config.LogLevels)
	complete(c, "log-format", config.LogFormats)
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
			return usageError{fmt.Errorf("%s: %q is not one of %s", flag.name, flag.given, strings.Join(flag.known, ", "))}
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
	if sdlog.IsJournal(a.stderr) {
		return slog.New(sdlog.New(a.stderr, level))
	}
	return slog.New(slog.NewTextHandler(a.stderr, o))
}
