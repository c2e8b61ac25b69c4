package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/spf13/cobra"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/daemon"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/web"
)

// webIdle is how long the process waits for requests if systemd starts it for them.
const webIdle = 10 * time.Minute

func (a *app) web() *cobra.Command {
	var address string
	c := &cobra.Command{
		Use:   "web",
		Short: "Show in a browser what the commands show, read-only",
		Long: "Web serves pages about providers, recipients, incidents, reasons and senders, on this\n" +
			"machine only. It changes nothing. On a port, it prints a link that works once, since\n" +
			"other users of the machine can reach the port; a unix socket is for its owner only.\n\n" +
			"bouncetail-web.socket starts it on demand, see docs/web.md.",
		Example: "  sudo bouncetail web\n" +
			"  bouncetail web --db /tmp/b.db --listen unix:/tmp/bouncetail.sock",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := a.settings()
			if err != nil {
				return err
			}
			r, err := query.OpenReader(cmd.Context(), settings.Database) // reports what is wrong
			if err != nil {
				return err
			}
			if err := r.Close(); err != nil {
				return err
			}
			l, err := web.Listen(address)
			if err != nil {
				return fmt.Errorf("--listen: %w", err)
			}
			return a.serve(cmd.Context(), settings, l)
		},
	}
	c.Flags().StringVar(&address, "listen", "127.0.0.1:0", "listen on `ADDRESS`: unix:PATH, or 127.0.0.1:PORT; port 0 is any that is free")
	a.logFlags(c)
	return c
}

// serve serves the pages on a socket, until interrupted.
func (a *app) serve(ctx context.Context, c config.Config, l net.Listener) error {
	site := daemon.Site(c, versionText(), a.zone(), a.logger(c.Log))
	idle := time.Duration(0)
	switch {
	case web.Activated():
		idle = webIdle
	case l.Addr().Network() == "unix":
		a.remark("Listening on %s. Ctrl-C ends it.", l.Addr())
	default:
		site.Token = web.NewToken()
		if _, err := fmt.Fprintf(a.stdout, "http://%s/?once=%s\n", l.Addr(), site.Token); err != nil {
			return errors.Join(err, l.Close())
		}
		a.remark("The link works once. Ctrl-C ends it.")
	}
	return site.Serve(ctx, l, idle)
}
