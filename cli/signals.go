package cli

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/spf13/cobra"
)

// services are the commands that run until they are told to stop, and log meanwhile.
var services = []string{"bouncetail run", "bouncetail web", "bouncetail fleet send"}

// handleSignals lets SIGHUP, as of a terminal that is closed, end a command in order as
// SIGINT does, by calling stop, unless nohup has it ignored. The daemon reloads at it.
// Services go on when what read their log is gone; a write to it would end them. The
// signal is caught and not ignored, because programs that they start would inherit that.
func handleSignals(c *cobra.Command, stop func()) {
	if slices.Contains(services, c.CommandPath()) {
		signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	}
	if c.CommandPath() != services[0] && !signal.Ignored(syscall.SIGHUP) {
		hangup, _ := signal.NotifyContext(c.Context(), syscall.SIGHUP) // until the process ends
		context.AfterFunc(hangup, stop)
	}
}
