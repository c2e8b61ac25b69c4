package cli

import (
	"context"
	"log/slog"
	"sync"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/sqlite"
)

// startOutputs starts what hands the state of recipients on while the logs are
// followed: the maps of mail servers. It has connections to the database of its
// own, and whatever happens to it, the logs are followed on. It ends with ctx;
// wait waits until it has.
func startOutputs(ctx context.Context, c config.Config, log *slog.Logger) (wait func()) {
	var running sync.WaitGroup
	if c.Publish.Directory != "" {
		running.Go(func() {
			r, err := sqlite.OpenReader(ctx, c.Database)
			if err != nil {
				log.Error("maps are not published", "error", err)
				return
			}
			defer r.Close()
			publisher(c.Publish, r, log).Run(ctx)
		})
	}
	return running.Wait
}
