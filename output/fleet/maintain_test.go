package fleet

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/sqlite"
)

// Old rows are deleted in the fleet as on one host, and states stay, also when they are
// made again, and when a host sends everything again.
func TestMaintainDeletesAsPruningDoes(t *testing.T) {
	server, dsn, database := newFleet(t)
	admin := server.DSN(database, "postgres")
	// The rights that docs/fleet.md grants suffice.
	user := "maintainer_of_" + database
	server.SQL(t, database, "CREATE ROLE "+user+" LOGIN; GRANT USAGE ON SCHEMA bouncetail TO "+user+"; GRANT ALL ON ALL TABLES IN SCHEMA bouncetail TO "+user)
	for seed := range seeds(t, 3) {
		server.SQL(t, database, emptyFleet+"; DELETE FROM bouncetail.fleet_meta WHERE name = 'horizon'")
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(seed), 13))
			events := slices.Concat(story(r, 2)...)
			one := filepath.Join(t.TempDir(), "one.db")
			store := openStore(t, one)
			save(t, store, batches(r, events)...)
			h := newHost(t, dsn, "mx1")
			h.read(t, batches(r, events)...)
			h.send(t)
			h.send(t)
			now := time.Date(2026, 4, 20, 0, 0, 0, 0, time.UTC)
			keep := Retention{Bounces: 20, Recipients: 40}
			if _, err := store.Prune(t.Context(), sqlite.Retention{Bounces: keep.Bounces, Recipients: keep.Recipients}, now); err != nil {
				t.Fatal(err)
			}
			s := Settings{DSN: server.DSN(database, user), Policy: &policy, Keep: keep}
			done, err := s.Maintain(t.Context(), now)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%+v", done)
			if done.Failures == 0 || done.Recipients == 0 {
				t.Errorf("deleted: %+v", done)
			}
			same := func(when string) {
				t.Helper()
				if got, want := dumpFleet(t, admin, fleetRecipients), dumpSQLite(t, one, sqliteRecipients); !slices.Equal(got, want) {
					t.Errorf("when %s, recipients:\n%s", when, diff(got, want))
				}
				compareCrowds(t, when, admin, one)
			}
			same("old failures are deleted")
			left := dumpFleet(t, admin, "SELECT count(*)::text FROM bouncetail.bounces")
			if want := dumpSQLite(t, one, "SELECT count(*) FROM bounces"); !slices.Equal(left, want) {
				t.Errorf("%s failures are left, want %s", left, want)
			}
			if again, err := s.Maintain(t.Context(), now); err != nil || again != (Deleted{}) {
				t.Errorf("a second time, %+v is deleted, %v", again, err)
			}
			if err := h.sender.Adopt(t.Context()); err != nil {
				t.Fatal(err)
			}
			h.send(t)
			if got := dumpFleet(t, admin, "SELECT count(*)::text FROM bouncetail.bounces WHERE occurred_at < '2026-03-31'"); fmt.Sprint(got) != fmt.Sprint(dumpSQLite(t, one, "SELECT count(*) FROM bounces WHERE occurred_at < '2026-03-31'")) {
				t.Errorf("%s old failures after all were sent again", got)
			}
			s.DSN = admin
			if _, err := s.Rebuild(t.Context()); err != nil {
				t.Fatal(err)
			}
			same("states are made again")
		})
	}
}

func TestMaintainNeedsTheOwner(t *testing.T) {
	_, dsn, _ := newFleet(t)
	s := Settings{DSN: dsn, Policy: &policy, Keep: Retention{Bounces: 10}}
	_, err := s.Maintain(t.Context(), time.Now())
	wantErr(t, "maintain as a sender", err, "does not own the tables", "bouncetail fleet maintain")
	s.Keep.Recipients = 5
	_, err = s.Maintain(t.Context(), time.Now())
	wantErr(t, "a shorter retention of addresses", err, "retention.bounces must be set")
}
