package cli

import (
	"cmp"
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
	c.Level, c.Format = cmp.Or(a.logLevel, c.Level), cmp.Or(a.logFormat, c.Format)
	if err := oneOf("--log-level", c.Level, config.LogLevels); err != nil {
		return err
	}
	return oneOf("--log-format", c.Format, config.LogFormats)
}

// oneOf refuses a value of a flag that is not known.
func oneOf(flag, given string, known []string) error {
	if slices.Contains(known, given) {
		return nil
	}
	return usageError{fmt.Errorf("%s: %q is not one of %s", flag, given, strings.Join(known, ", "))}
}

// logger returns the logger that the settings ask for.
func (a *app) logger(c config.Log) *slog.Logger { return sdlog.Logger(a.log, c.Level, c.Format) }
