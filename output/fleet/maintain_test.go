package fleet

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/sqlite"
)

// Old rows are deleted in the fleet as on one host, and states stay, also when they are
// made again, and when a host sends everything again.
func TestMaintainDeletesAsPruningDoes(t *testing.T) {
	t.Parallel()
	server, dsn, database := newFleet(t)
	admin := server.DSN(database, "postgres")
	// The rights that docs/fleet.md grants suffice.
	user := "maintainer_of_" + database
	server.SQL(t, database, "CREATE ROLE "+user+" LOGIN; GRANT USAGE ON SCHEMA bouncetail TO "+user+"; GRANT ALL ON ALL TABLES IN SCHEMA bouncetail TO "+user)
	for _, seed := range seeds(t, 0) {
		server.SQL(t, database, emptyFleet+"; DELETE FROM bouncetail.fleet_meta WHERE name LIKE 'horizon%'")
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 13))
			events := slices.Concat(story(r, 2)...)
			one := filepath.Join(t.TempDir(), "one.db")
			store := openStore(t, one)
			save(t, store, batches(r, events)...)
			h := newHost(t, dsn, "mx1")
			h.read(t, batches(r, events)...)
			h.send(t)
			h.send(t)
			now := time.Date(2026, 4, 20, 0, 0, 0, 0, time.UTC)
			keep := Retention{Bounces: 20, Recipients: 40, DailyCounts: 25}
			if _, err := store.Prune(t.Context(), sqlite.Retention{Bounces: keep.Bounces, Recipients: keep.Recipients, DailyCounts: keep.DailyCounts}, now); err != nil {
				t.Fatal(err)
			}
			s := Settings{DSN: server.DSN(database, user), Policy: &policy, Keep: keep}
			done, err := s.Maintain(t.Context(), now)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%+v", done)
			if done.Failures == 0 || done.Recipients == 0 || done.DailyCounts == 0 {
				t.Errorf("deleted: %+v", done)
			}
			same := func(when string) {
				t.Helper()
				if got, want := dumpFleet(t, admin, fleetRecipients), dumpSQLite(t, one, sqliteRecipients); !slices.Equal(got, want) {
					t.Errorf("when %s, recipients:\n%s", when, diff(got, want))
				}
				compareCrowds(t, when, admin, one)
				for _, table := range []string{"daily_counts", "daily_totals", "daily_reasons"} {
					days := "SELECT DISTINCT day FROM " + table + " ORDER BY day"
					if got, want := dumpFleet(t, admin, strings.Replace(days, "FROM ", "FROM bouncetail.", 1)), dumpSQLite(t, one, days); !slices.Equal(got, want) {
						t.Errorf("when %s, days of %s:\n%s", when, table, diff(got, want))
					}
				}
				const refusals = "SELECT count(*) FROM bounces WHERE suppress"
				left := dumpFleet(t, admin, "SELECT count(*)::text FROM bouncetail.refusals")
				if want := dumpSQLite(t, one, refusals); !slices.Equal(left, want) {
					t.Errorf("when %s, %s refusals are left, want %s", when, left, want)
				}
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

// What the fleet has deleted for its age is not sent again by a host that keeps it longer.
func TestMaintainDeletesOldFigures(t *testing.T) {
	server, dsn, database := newFleet(t)
	h := newHost(t, dsn, "mx1")
	h.read(t, some(0)...)
	h.read(t, refused("later", 60*24*90))
	const old, later = "2026-03-02T14:00:00.000Z", "2026-05-30T14:00:00.000Z"
	h.write(t, insertIncident(1, "provider-refuses", "google", old), insertIncident(2, "provider-refuses", "yahoo", later), insertIncident(3, "provider-refuses", "aol", ""))
	for i, at := range []string{old, later} {
		h.write(t, fmt.Sprintf("INSERT INTO gaps (id, noticed_at, source, path, bytes, why) VALUES (%d, '%s', 'files', '/var/log/mail.log', 7, 'rotated')", i+10, at),
			fmt.Sprintf("INSERT INTO unparsed_lines (mta, shape, count, last_read_at, example) VALUES ('postfix', 'shape %d', 1, '%s', 'line')", i, at))
	}
	h.send(t)
	const all = `SELECT (SELECT string_agg(id::text, ' ' ORDER BY id) FROM bouncetail.incidents), (SELECT string_agg(noticed_at, ' ' ORDER BY id) FROM bouncetail.gaps),
		(SELECT string_agg(last_read_at, ' ' ORDER BY last_read_at) FROM bouncetail.unparsed_lines), (SELECT string_agg(DISTINCT day, ' ') FROM bouncetail.daily_counts),
		(SELECT string_agg(day, ' ') FROM bouncetail.daily_totals), (SELECT string_agg(DISTINCT day, ' ') FROM bouncetail.daily_reasons), (SELECT count(*) > 0 FROM bouncetail.provider_windows)`
	s := Settings{DSN: server.DSN(database, "postgres"), Policy: &policy, Keep: Retention{DailyCounts: 30, Gaps: 30, UnparsedLines: 30, Incidents: 30}}
	now := day.AddDate(0, 0, 100)
	done, err := s.Maintain(t.Context(), now)
	if err != nil {
		t.Fatal(err)
	}
	if done.Gaps != 1 || done.UnparsedLines != 1 || done.Incidents != 1 || done.DailyCounts == 0 || done.Failures != 0 {
		t.Errorf("deleted: %+v", done)
	}
	want := strings.Join([]string{"2 3", later, later, "2026-05-31", "2026-05-31", "2026-05-31", "t"}, "|") + "\n"
	for _, when := range []string{"deleted", "sent again", "all is compared again"} {
		if got := server.SQL(t, database, all); got != want {
			t.Errorf("%s: %q, want %q", when, got, want)
		}
		h.sender.close()
		if when == "sent again" {
			if err := h.sender.Resend(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		h.write(t, "UPDATE gaps SET bytes = bytes + 1", "UPDATE incidents SET attempts = attempts + 1", "UPDATE unparsed_lines SET count = count + 1")
		h.send(t)
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
