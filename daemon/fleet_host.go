package daemon

import (
	"context"
	"errors"
	"log/slog"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/sqlite"
	"github.com/bouncetail/bouncetail/sqlite/feed"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// fleetHost takes over what other hosts of a fleet have decided.
type fleetHost struct {
	c   config.Config
	log *slog.Logger
}

// Decide writes next to a daemon, as the commands do that decide by hand.
func (h fleetHost) Decide(ctx context.Context, decisions []feed.Decision, releases []feed.Release) (err error) {
	hash, err := OpenHasher(h.c.Privacy)
	if err != nil {
		return err
	}
	e, err := sqlite.OpenEditor(ctx, h.c.Database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	if err := e.UseKey(ctx, hash.ID()); err != nil {
		return err
	}
	changes, err := e.TakeOver(ctx, decisions, releases)
	if err == nil {
		h.log.Info("decisions of other hosts hold here",
			"addresses", len(decisions), "releases", len(releases),
			"now_bad", changes.Bad, "no_longer_bad", changes.Good)
	}
	return err
}

// Forget has the daemon delete, which remembers what it has read, or does it here.
func (h fleetHost) Forget(ctx context.Context, addresses []feed.Forgotten) error {
	f := &ForgetElsewhere{make(map[int64]string, len(addresses))}
	for _, a := range addresses {
		f.Until[a.Key] = a.Until
	}
	found, err := write(ctx, h.c, "forget-elsewhere", f, h.log)
	if err == nil {
		rows := 0
		for _, c := range found {
			rows += c.N
		}
		h.log.Info("addresses that another host has forgotten are forgotten here", "addresses", len(addresses), "rows", rows)
	}
	return err
}

// ForgetElsewhere deletes what is known of addresses that other hosts of a fleet have
// forgotten.
type ForgetElsewhere struct {
	Until map[int64]string // when, as stored stamps by key; what is later stays
}

func (f *ForgetElsewhere) settings(c *config.Config) any { return c.Privacy }

func (f *ForgetElsewhere) apply(ctx context.Context, c *config.Config, s *sqlite.Store, _ *slog.Logger) (found []query.Count, err error) {
	r, err := query.OpenReader(ctx, c.Database)
	if err != nil {
		return nil, err
	}
	keys := make([]int64, 0, len(f.Until))
	for key := range f.Until {
		keys = append(keys, key)
	}
	people, err := r.NamesOf(ctx, keys)
	if err := errors.Join(err, r.Close()); err != nil { // before the files are searched
		return nil, err
	}
	forgetting := sqlite.Forgetting{Until: f.Until}
	return forgetPeople(ctx, c, s, &forgetting, people)
}
