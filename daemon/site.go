package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/user"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/output/export"
	"github.com/bouncetail/bouncetail/sqlite/query"
	view "github.com/bouncetail/bouncetail/view/fleet"
	"github.com/bouncetail/bouncetail/view/login"
	"github.com/bouncetail/bouncetail/view/table"
	"github.com/bouncetail/bouncetail/view/web"
)

// Site returns the web pages of the database of the settings, or of the fleet.
func Site(q Question, zone table.Zone) (*web.Site, error) {
	c := q.Config
	site := &web.Site{
		Open: func(ctx context.Context) (*query.Reader, error) { return query.OpenReader(ctx, c.Database) },
		Stored: func(ctx context.Context, r *query.Reader, to bounce.Address) (bounce.Address, error) {
			return storedAs(ctx, c, r, to)
		},
		Database: c.Database, Version: q.Version, Zone: zone, Hosts: c.Web.Hosts, Compat: c.Metrics.Compat, Log: q.Log,
		UserHeader: c.Web.UserHeader, Owner: userName(),
	}
	for _, s := range c.List() {
		site.Settings = append(site.Settings, web.Setting(s))
	}
	if q.Fleet {
		if err := fleetSite(site, &q); err != nil {
			return nil, err
		}
	} else if c.Web.Write {
		site.Writer = pageWriter{c, q.Log}
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

// fleetSite has a site show a fleet. Decisions are made on the pages of a host.
func fleetSite(site *web.Site, q *Question) error {
	s, err := Fleet(q.Config, q.Version, q.Log)
	if err != nil {
		return err
	}
	if site.Server, err = s.Server(); err != nil {
		return asConfigError(err)
	}
	db := view.Database(s)
	db.SetConnMaxIdleTime(time.Minute)
	site.Open = func(ctx context.Context) (*query.Reader, error) {
		return view.Begin(ctx, db, func() error { return nil })
	}
	site.Fleet = func(ctx context.Context) (web.FleetReader, error) { return view.Open(ctx, s) }
	site.Database += " of a fleet" // another site than that of the host
	return nil
}

// siteIdle is how long the process waits for requests if systemd starts it for them.
const siteIdle = 10 * time.Minute

// ServeSite serves the pages on a socket until ctx ends. It prints the link to a port that
// asks for no password on stdout; the link works once.
func ServeSite(ctx context.Context, site *web.Site, l net.Listener, stdout, remarks io.Writer) error {
	idle := time.Duration(0)
	switch {
	case web.Activated():
		idle = siteIdle
	case l.Addr().Network() == "unix":
		fmt.Fprintf(remarks, "Listening on %s. Ctrl-C ends it.\n", l.Addr())
	case site.Users != nil:
		fmt.Fprintf(remarks, "Listening on http://%s/. Ctrl-C ends it.\n", l.Addr())
	default:
		site.Token = web.NewToken()
		if _, err := fmt.Fprintf(stdout, "http://%s/?once=%s\n", l.Addr(), site.Token); err != nil {
			return errors.Join(err, l.Close())
		}
		fmt.Fprintln(remarks, "The link works once. Ctrl-C ends it.")
	}
	return site.Serve(ctx, l, idle)
}

// userName returns the name of the user of this process.
func userName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return fmt.Sprintf("uid %d", os.Getuid())
}
