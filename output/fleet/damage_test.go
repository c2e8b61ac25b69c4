package fleet

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// A host that somebody took over can write rows that cannot be read. The senders of the
// others go on, name these rows, and decide what they can without them.
func TestRowsThatCannotBeReadDoNotStopTheOthers(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 5))
	events := story(r, 2)
	var log bytes.Buffer
	var want []string // recipients and crowds without damage
	for what, damage := range [...]string{
		"",
		`UPDATE bouncetail.crowds SET domains = '["d0.example", {'; UPDATE bouncetail.recipients SET memory = '{"counted": 5'`,
		`UPDATE bouncetail.daily_counts SET sent_slots = '\x90' WHERE domain = 'd4.example'; UPDATE bouncetail.daily_traffic SET slots = '\x01'`,
	} {
		r := rand.New(rand.NewPCG(7, 5))
		server, dsn, database := newFleet(t)
		for i := range events {
			h := newHost(t, dsn, fmt.Sprint("mx", i))
			all := batches(r, events[i])
			half := len(all) / 2
			h.read(t, all[:half]...)
			h.send(t)
			h.sender.Log = slog.New(slog.NewTextHandler(&log, nil))
			server.SQL(t, database, damage)
			h.read(t, all[half:]...)
			h.send(t)
			h.send(t)
		}
		admin := server.DSN(database, "postgres")
		if what == 1 {
			server.SQL(t, database, damage)
			conn, err := pgx.Connect(t.Context(), admin)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Crowds(t.Context(), conn); err != nil {
				t.Errorf("Crowds: %v", err)
			}
			_ = conn.Close(t.Context())
		}
		s := Settings{DSN: admin, Policy: &policy}
		if _, err := s.Rebuild(t.Context()); err != nil {
			t.Errorf("Rebuild after %q: %v", damage, err)
		}
		got := slices.Concat(dumpFleet(t, admin, fleetRecipients), dumpFleet(t, admin, "SELECT kind, unit, started_at, domains FROM bouncetail.crowds ORDER BY 1, 2, 3"))
		if what == 0 {
			want = got
		} else if what == 1 && !slices.Equal(got, want) {
			t.Errorf("after a rebuild with damaged rows:\n%s", diff(got, want))
		}
	}
	for _, want := range []string{"domains of crowd 2 in crowds", "memory of recipient_key", "d4.example on 2026-", "in daily_traffic"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not name the %s", want)
		}
	}
	if n := strings.Count(log.String(), "crowd 2 in crowds"); n != len(events) {
		t.Errorf("crowd 2 is named %d times, want once by each host", n)
	}
	if strings.Contains(log.String(), "@") {
		t.Errorf("the log holds an address:\n%s", log.String())
	}
}

// PostgreSQL itself cannot go on with some values. The error says where they come from.
func TestNumbersThatAreTooLargeAreExplained(t *testing.T) {
	server, dsn, database := newFleet(t)
	h := newHost(t, dsn, "mx1")
	h.read(t, refused("jane", 1))
	h.send(t)
	const highest = "9223372036854775807"
	server.SQL(t, database, "UPDATE bouncetail.state_counts SET recipients = "+highest+"; UPDATE bouncetail.daily_totals SET day = 'x'")
	h.read(t, refused("john", 2))
	_, err := h.sender.SendAll(t.Context())
	wantErr(t, "SendAll", err, "that bouncetail does not write (bigint out of range)", "as their owner")
	_, err = (&Settings{DSN: server.DSN(database, "postgres")}).Status(t.Context())
	wantErr(t, "Status", err, "that bouncetail does not write (invalid input syntax for type date")
}
