package daemon

import (
	"context"
	"log/slog"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/sqlite"
)

// policyOf returns the policy that the settings describe.
func policyOf(c config.Policy, crowds config.Crowds) *bounce.Policy {
	p := &bounce.Policy{
		General: bounce.Threshold(c.Threshold), Crowds: bounce.CrowdLimits(crowds),
		Categories: make(map[bounce.Category]bounce.Threshold, len(c.Categories)),
	}
	for category, t := range c.Categories {
		p.Categories[bounce.Category(category)] = bounce.Threshold(t)
	}
	return p
}

// UsePolicy applies the policy of the settings, and logs a change.
func UsePolicy(ctx context.Context, s *sqlite.Store, c *config.Config, log *slog.Logger) error {
	begun := time.Now()
	other, changes, err := s.UsePolicy(ctx, policyOf(c.Policy, c.Crowds))
	if err == nil && other {
		log.Info("the policy changed, recipients recomputed", "changed", changes.Rows, "now_bad", changes.Bad, "no_longer_bad", changes.Good, "took", time.Since(begun).Round(time.Millisecond))
	}
	return err
}

// expireStates updates once a minute the states that end by time, such as an
// address that is bad until a day. It starts a goroutine; the returned function
// ends it and waits for it.
func expireStates(ctx context.Context, s *sqlite.Store, log *slog.Logger) (end func()) {
	ctx, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Minute)
		defer tick.Stop()
		for {
			n, err := s.Expire(ctx)
			switch {
			case ctx.Err() != nil:
			case err != nil:
				log.Warn("cannot update states that end by time, retrying in a minute", "error", err)
			case n > 0:
				log.Info("states ended by time", "recipients", n)
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() { stop(); <-done }
}

// pruneDaily deletes old records and adds up old windows, now and once a day. It
// starts a goroutine; the
// returned function ends it and waits for it.
func (s *stages) pruneDaily(ctx context.Context, r sqlite.Retention) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		daily := time.NewTicker(24 * time.Hour)
		defer daily.Stop()
		for {
			counts, err := s.store.Prune(ctx, r, time.Now())
			for _, c := range counts {
				s.log.Info("old records deleted", "kind", c.Name, "rows", c.N)
			}
			if err != nil && ctx.Err() == nil {
				s.log.Error("cannot delete old records, retrying tomorrow", "error", err)
			}
			select {
			case <-daily.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() { cancel(); <-done }
}
