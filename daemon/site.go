package daemon

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/user"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/output/export"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/login"
	"github.com/bouncetail/bouncetail/view/table"
	"github.com/bouncetail/bouncetail/view/web"
)

// Site returns the web pages of the database of the settings.
func Site(c config.Config, version string, zone table.Zone, log *slog.Logger) (*web.Site, error) {
	site := &web.Site{
		Open: func(ctx context.Context) (*query.Reader, error) { return query.OpenReader(ctx, c.Database) },
		Stored: func(ctx context.Context, r *query.Reader, to bounce.Address) (bounce.Address, error) {
			return StoredAs(ctx, c, r, to)
		},
		Database: c.Database, Version: version, Zone: zone, Hosts: c.Web.Hosts, Compat: c.Metrics.Compat, Log: log,
		UserHeader: c.Web.UserHeader, Owner: userName(),
	}
	for _, s := range c.List() {
		site.Settings = append(site.Settings, web.Setting(s))
	}
	if c.Web.Write {
		site.Writer = pageWriter{c, log}
	}
	csv, err := export.Named("csv")
	if err != nil {
		return nil, err
	}
	site.CSV = func(w io.Writer) web.RecipientWriter { return csv.New(w, export.Options{}) }
	if c.Web.UsersFile != "" {
		if site.Users, err = login.OpenUsers(c.Web.UsersFile); err != nil {
			return nil, &config.Error{Err: fmt.Errorf("web.users_file: %w", err)}
		}
	}
	if c.Web.TokensFile != "" {
		if site.Tokens, err = login.OpenTokens(c.Web.TokensFile); err != nil {
			return nil, &config.Error{Err: fmt.Errorf("web.tokens_file: %w", err)}
		}
	}
	return site, nil
}

// userName returns the name of the user of this process.
func userName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return fmt.Sprintf("uid %d", os.Getuid())
}
