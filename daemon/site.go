package daemon

import (
	"context"
	"log/slog"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/table"
	"github.com/bouncetail/bouncetail/view/web"
)

// Site returns the web pages of the database of the settings.
func Site(c config.Config, version string, zone table.Zone, log *slog.Logger) *web.Site {
	site := &web.Site{
		Open: func(ctx context.Context) (*query.Reader, error) { return query.OpenReader(ctx, c.Database) },
		Stored: func(ctx context.Context, r *query.Reader, to bounce.Address) (bounce.Address, error) {
			return StoredAs(ctx, c, r, to)
		},
		Database: c.Database, Version: version, Zone: zone, Hosts: c.Web.Hosts, Log: log,
	}
	for _, s := range c.List() {
		site.Settings = append(site.Settings, web.Setting(s))
	}
	return site
}
