package daemon

import (
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

func TestTheDaemonDeletesOldRecordsAtItsStartAndOnceADay(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b.db")
	synctest.Test(t, func(t *testing.T) {
		log := slog.New(slog.DiscardHandler)
		store, err := sqlite.Open(t.Context(), path, log)
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		noteGap := func(age time.Duration) {
			if _, err := store.Save(t.Context(), &bounce.Batch{Gaps: []bounce.Gap{{At: time.Now().Add(-age)}}}); err != nil {
				t.Fatal(err)
			}
		}
		var ahead atomic.Int64 // of the machine's clock
		// What Prune would delete is what the daemon has left.
		left := func() int {
			r, err := query.OpenReader(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			counts, err := sqlite.Prunable(t.Context(), r, sqlite.Retention{Gaps: 10}, time.Now().Add(time.Duration(ahead.Load())))
			if err != nil {
				t.Fatal(err)
			}
			if len(counts) == 0 {
				return 0
			}
			return counts[0].N
		}
		const day = 24 * time.Hour
		noteGap(11 * day)
		noteGap(9*day + day/2)
		started := time.Now()
		read := func() (time.Time, time.Duration) {
			return time.Now().Add(time.Duration(ahead.Load())), time.Since(started) + time.Hour
		}
		s := &stages{store: store, log: log, clock: &clock{read: read}}
		stop := s.pruneDaily(t.Context(), sqlite.Retention{Gaps: 10})
		synctest.Wait()
		if n := left(); n != 0 {
			t.Errorf("%d old gaps are left after the start, want none", n)
		}
		time.Sleep(day - time.Second)
		synctest.Wait()
		if n := left(); n != 1 {
			t.Errorf("%d old gaps are there before the day is over, want one", n)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := left(); n != 0 {
			t.Errorf("%d old gaps are left a day later, want none", n)
		}
		stop()

		// A machine that has lost the time may start years ahead of it.
		noteGap(0)
		block := func(lasts time.Duration) {
			e, err := sqlite.OpenEditor(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := e.Decide(t.Context(), recipient.Block, []bounce.Address{{Normal: "jane@example.com", Domain: "example.com"}}, "", time.Now().Add(lasts)); err != nil {
				t.Fatal(err)
			}
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
		}
		block(50 * day)
		blocked := func() int {
			r, err := query.OpenReader(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			n := 0
			if err := r.Decisions(t.Context(), false, func(*recipient.Decision) error { n++; return nil }); err != nil {
				t.Fatal(err)
			}
			return n
		}
		time.Sleep(100 * day)
		stop = s.pruneDaily(t.Context(), sqlite.Retention{Gaps: 10})
		stopExpiring := s.expireStates(t.Context())
		synctest.Wait()
		if n := left(); n != 1 {
			t.Errorf("%d old gaps are left by a clock that is months ahead, want the one that was new", n)
		}
		if n := blocked(); n != 1 {
			t.Errorf("%d decisions are in force at a clock that is months ahead, want the one that was in force", n)
		}
		time.Sleep(day + time.Minute)
		synctest.Wait()
		if n := left(); n != 0 {
			t.Errorf("%d old gaps are left after a day with that clock, want none", n)
		}
		if n := blocked(); n != 0 {
			t.Errorf("%d decisions are in force after a day with that clock, want none", n)
		}
		stop()
		stopExpiring()

		// The clock of a daemon that has run for days jumps ahead.
		s.clock = &clock{read: read}
		store.Now = s.clock.Now
		noteGap(0)
		block(10 * day)
		stop = s.pruneDaily(t.Context(), sqlite.Retention{Gaps: 10})
		stopExpiring = s.expireStates(t.Context())
		time.Sleep(2*day + time.Hour)
		ahead.Store(int64(40 * day))
		time.Sleep(day - time.Minute) // with a daily deletion
		synctest.Wait()
		if n := left(); n != 1 {
			t.Errorf("%d old gaps are left by a clock that jumped, want the one that was new", n)
		}
		if n := blocked(); n != 1 {
			t.Errorf("%d decisions are in force by a clock that jumped, want the one that was in force", n)
		}
		time.Sleep(day)
		synctest.Wait()
		if n := left(); n != 0 {
			t.Errorf("%d old gaps are left a day after the clock jumped, want none", n)
		}
		if n := blocked(); n != 0 {
			t.Errorf("%d decisions are in force a day after the clock jumped, want none", n)
		}
		stop()
		stopExpiring()
	})
}
