package daemon

import (
	"context"
	"log/slog"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/sqlite"
	"github.com/bouncetail/bouncetail/sqlite/query"
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
		log.Info("the policy changed, recipients recomputed",
			"changed", changes.Rows, "now_bad", changes.Bad, "no_longer_bad", changes.Good,
			"took", time.Since(begun).Round(time.Millisecond))
	}
	return err
}

// expireStates updates once a minute the states that end by time, such as an address
// that is bad until a day. Nothing brings back what a wrong clock has ended, so it waits
// while the clock is in doubt.
func (s *stages) expireStates(ctx context.Context) (end func()) {
	begun, jumped := time.Now(), false
	return every(ctx, s.clock.settles(), time.Minute, func(ctx context.Context) {
		switch now, jump := s.clock.now(); {
		case jump != 0 && !jumped:
			s.log.Warn(
				"the clock has jumped ahead; states end, old records are deleted and incidents are judged by the time before, until the clock has kept its time for as long as it has jumped, at most for a day",
				"clock", now.Add(jump), "used", now,
			)
			jumped = true
		case jump == 0 && jumped:
			s.log.Info("states end, old records are deleted and incidents are judged by the clock again", "clock", now)
			jumped = false
		}
		if _, doubt := s.doubtClock(ctx, begun); doubt {
			return
		}
		n, err := s.store.Expire(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			s.log.Warn("cannot update states that end by time, retrying in a minute", "error", err)
		case n > 0:
			s.log.Info("states ended by time", "recipients", n)
		}
	})
}

// prunedAt is the name in meta of when old records were last deleted, in Unix seconds.
const prunedAt = "pruned_at"

// clockDoubt is how long after the last deletion a clock is doubted: a machine that has
// lost the time may start years ahead, until it asks a time server.
const clockDoubt = 30 * 24 * time.Hour

// doubtClock returns when old records were last deleted, and reports whether that is too
// long ago to believe. A daemon that has run for a day believes it.
func (s *stages) doubtClock(ctx context.Context, begun time.Time) (last time.Time, doubt bool) {
	noted, err := s.store.Noted(ctx, prunedAt)
	last = time.Unix(noted, 0)
	return last, err == nil && noted > 0 && s.clock.Now().Sub(last) > clockDoubt && time.Since(begun) < 24*time.Hour
}

// prune deletes records that are old at a time, and notes when it did.
func prune(ctx context.Context, s *sqlite.Store, r sqlite.Retention, now time.Time, log *slog.Logger) ([]query.Count, error) {
	counts, err := s.Prune(ctx, r, now)
	if err == nil {
		note(ctx, s, log, prunedAt, now.Unix())
	}
	return counts, err
}

// pruneDaily deletes old records and adds up old windows once a day. What was deleted by a
// wrong clock is gone, and everything older is refused from then on; so if the clock is in
// doubt at the start, it waits a day.
func (s *stages) pruneDaily(ctx context.Context, r sqlite.Retention) (end func()) {
	begun := time.Now()
	return every(ctx, s.clock.settles(), 24*time.Hour, func(ctx context.Context) {
		if last, doubt := s.doubtClock(ctx, begun); doubt {
			s.log.Warn(
				"old records are deleted and states end by time tomorrow, in case the clock is wrong; if it is right, bouncetail prune does both now",
				"clock", s.clock.Now(), "last_deleted", last,
			)
			return
		}
		counts, err := prune(ctx, s.store, r, s.clock.Now(), s.log)
		for _, c := range counts {
			s.log.Info("old records deleted", "kind", c.Name, "rows", c.N)
		}
		if err != nil && ctx.Err() == nil {
			s.log.Error("cannot delete old records, retrying tomorrow", "error", err)
		}
	})
}

// every calls do after a pause, and then at intervals until ctx ends. It starts a
// goroutine; the returned function ends it and waits for it.
func every(ctx context.Context, pause, interval time.Duration, do func(context.Context)) (end func()) {
	ctx, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		next := time.NewTimer(pause)
		defer next.Stop()
		for {
			select {
			case <-next.C:
			case <-ctx.Done():
				return
			}
			next.Reset(interval)
			do(ctx)
		}
	}()
	return func() { stop(); <-done }
}
