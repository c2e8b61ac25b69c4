package cli

import (
	"cmp"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/internal/sdlog"
	"github.com/bouncetail/bouncetail/internal/text"
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
	if err := badFlag("log-level", text.OneOf(c.Level, config.LogLevels)); err != nil {
		return err
	}
	return badFlag("log-format", text.OneOf(c.Format, config.LogFormats))
}

// logger returns the logger that the settings ask for.
func (a *app) logger(c config.Log) *slog.Logger { return sdlog.Logger(a.log, c.Level, c.Format) }
