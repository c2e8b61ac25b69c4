package fleet

import (
	"log/slog"
	"slices"
	"testing"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/pgtest"
	"github.com/bouncetail/bouncetail/output/fleet"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestBadListShowsEveryChangeOfABadAddress(t *testing.T) {
	server := pgtest.Get(t)
	database := server.Database(t)
	s := fleet.Settings{DSN: server.DSN(database, "postgres"), Policy: &bounce.Policy{}, Log: slog.New(slog.DiscardHandler)}
	if _, err := s.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	// A sender's rights suffice.
	server.SQL(t, database, "CREATE ROLE maps_of_"+database+" LOGIN IN ROLE bouncetail_sender")
	s.DSN = server.DSN(database, "maps_of_"+database)
	l := &BadList{Settings: s}
	defer l.Close()
	set := func(key, address, state, leftBad string) string {
		return `WITH c AS (UPDATE bouncetail.fleet_clock SET seq = seq + 1 RETURNING seq),
			n AS (INSERT INTO bouncetail.recipient_changes (seq, recipient_key) SELECT seq, ` + key + ` FROM c)
			INSERT INTO bouncetail.recipients (recipient_key, recipient, domain, state, decided_by, category, reason, permanent_count, retry_count, bad_since, seq, left_bad_seq)
			SELECT ` + key + `, '` + address + `', 'example.com', '` + state + `', 'policy', 'invalid-address', 'no-such-user', 1, 0, '2026-11-20T10:00:00Z', seq, ` + leftBad + ` FROM c
			ON CONFLICT (recipient_key) DO UPDATE SET state = excluded.state, seq = excluded.seq, left_bad_seq = excluded.left_bad_seq`
	}
	last := int64(-1)
	for _, step := range []struct {
		what, sql string
		changed   bool
		bad       []string
	}{
		{"an empty fleet", "SELECT 1", true, nil},
		{"nothing", "SELECT 1", false, nil},
		{"a failing address", set("1", "z@example.com", "failing", "NULL"), false, nil},
		{"deliveries that were counted", "UPDATE bouncetail.fleet_clock SET seq = seq + 5", false, nil},
		{"it is bad", set("1", "z@example.com", "bad", "NULL"), true, []string{"z@example.com"}},
		{"another one is bad", set("2", "Z@example.com", "bad", "NULL"), true, []string{"Z@example.com", "z@example.com"}},
		{"the first one is ok", set("1", "z@example.com", "ok", "seq"), true, []string{"Z@example.com"}},
		{"it fails again", set("1", "z@example.com", "failing", "1"), false, []string{"Z@example.com"}},
		{"the other is forgotten", "SELECT bouncetail.forget(ARRAY[2], ARRAY[now()], 1, 1)", true, nil},
		{"it is bad again", set("2", "Z@example.com", "bad", "NULL"), true, []string{"Z@example.com"}},
		{"it is forgotten again", "SELECT bouncetail.forget(ARRAY[2], ARRAY[now()], 1, 2)", true, nil},
		{"a restored backup", "UPDATE bouncetail.fleet_clock SET seq = 1", true, nil},
	} {
		server.SQL(t, database, step.sql)
		change, err := l.LastChange(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		if (change != last) != step.changed {
			t.Errorf("%s: number %d after %d, want a change: %v", step.what, change, last, step.changed)
		}
		last = change
		if got := badOf(t, l); !slices.Equal(got, step.bad) {
			t.Errorf("%s: bad are %v, want %v", step.what, got, step.bad)
		}
	}

	// A backup is restored, in which as many numbers were given since.
	server.SQL(t, database, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'maps_of_"+database+"'; DELETE FROM bouncetail.recipients")
	if _, err := l.LastChange(t.Context()); err == nil {
		t.Error("LastChange by a connection that was closed: no error")
	}
	if change, err := l.LastChange(t.Context()); err != nil || change == last {
		t.Errorf("after a backup was restored: number %d, %v", change, err)
	}

	server.Kill()
	if _, err := l.LastChange(t.Context()); err == nil {
		t.Error("LastChange without PostgreSQL: no error")
	}
	if err := l.Bad(t.Context(), func(*bounce.Recipient) error { return nil }); err == nil {
		t.Error("Bad without PostgreSQL: no error")
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	server.SQL(t, database, set("3", "new@example.com", "bad", "NULL"))
	if change, err := l.LastChange(t.Context()); err != nil || change == last {
		t.Errorf("after PostgreSQL was away: number %d, %v", change, err)
	}
	if got := badOf(t, l); !slices.Equal(got, []string{"new@example.com"}) {
		t.Errorf("after PostgreSQL was away, bad are %v", got)
	}
}

func badOf(t *testing.T, l *BadList) (all []string) {
	t.Helper()
	err := l.Bad(t.Context(), func(r *bounce.Recipient) error {
		if r.Reason != bounce.NoSuchUser || r.BadSince == nil || *r.BadSince != "2026-11-20T10:00:00.000Z" {
			t.Errorf("%s is bad for %s since %v", r.Recipient, r.Reason, r.BadSince)
		}
		all = append(all, r.Recipient)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
