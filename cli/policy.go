package cli

import (
	"context"
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/sqlite"
)

// policyOf turns settings into what the states follow.
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

// usePolicy lets the states follow the settings, and says so where that is new.
func usePolicy(ctx context.Context, s *sqlite.Store, c *config.Config, log *slog.Logger) error {
	begun := time.Now()
	other, changes, err := s.UsePolicy(ctx, policyOf(c.Policy, c.Crowds))
	if err == nil && other {
		log.Info("the policy is another, recipients made out anew", "changed", changes.Rows, "now_bad", changes.Bad, "bad_no_more", changes.Good, "took", time.Since(begun).Round(time.Millisecond))
	}
	return err
}

// stayAlive tells systemd every few seconds that a long start goes on, in a
// goroutine of its own until the function is called that it returns, which
// waits for it.
func stayAlive(log *slog.Logger) (end func()) {
	stop, done := make(chan struct{}), make(chan struct{})
	interval, _ := watchdog()
	go func() {
		defer close(done)
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				notify(log, "EXTEND_TIMEOUT_USEC=120000000\n"+daemon.SdNotifyWatchdog)
			case <-stop:
				return
			}
		}
	}()
	return func() { close(stop); <-done }
}

// keepUp moves states on whose time is over, once a minute, in a goroutine of
// its own until the function is called that it returns, which waits for it.
func keepUp(ctx context.Context, s *sqlite.Store, log *slog.Logger) (end func()) {
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
				log.Warn("states whose time is over not moved on, trying again in a minute", "error", err)
			case n > 0:
				log.Info("the time of some states is over", "recipients", n)
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
