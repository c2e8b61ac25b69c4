package fleet

import (
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/sqlite"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// A host that is gone is not silent any more, and cannot send again by itself.
func TestAHostThatIsGoneIsRemoved(t *testing.T) {
	server, dsn, database := newFleet(t)
	h, other := newHost(t, dsn, "mx1"), newHost(t, dsn, "mx2")
	h.read(t, refused("jane", 1))
	h.send(t)
	other.send(t)
	s := &other.sender.Settings
	err := s.Remove(t.Context(), "mx3")
	wantErr(t, "an unknown host", err, "does not know mx3", "fleet status")
	err = s.Remove(t.Context(), "mx1")
	wantErr(t, "a host that sends", err, "mx1 still sends", "stop bouncetail-fleet.service there")
	server.SQL(t, database, "UPDATE bouncetail.fleet_instances SET last_seen = now() - interval '3 days' WHERE instance = 'mx1'")
	status := func() InstanceStatus {
		t.Helper()
		all, err := s.Status(t.Context())
		if err != nil || len(all) != 2 {
			t.Fatalf("%d hosts, %v", len(all), err)
		}
		return all[0]
	}
	if _, err := other.store.Forget(t.Context(), &sqlite.Forgetting{People: []bounce.Address{{Normal: "someone@example.com", Domain: "example.com"}}, Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
	other.send(t)
	if i := status(); !i.Silent || i.Removed || i.ToForget != 1 {
		t.Errorf("before, the status is %+v", i)
	}
	for range 2 {
		if err := s.Remove(t.Context(), "mx1"); err != nil {
			t.Fatal(err)
		}
		if i := status(); i.Silent || !i.Removed || i.ToForget != 0 || i.Failures != 1 {
			t.Errorf("the status is %+v", i)
		}
	}
	h.sender.close()
	h.read(t, refused("john", 2))
	_, err = h.sender.SendAll(t.Context())
	wantErr(t, "a removed host", err, "mx1 was removed from the fleet", "bouncetail fleet adopt")
	if !isPersons(err) {
		t.Errorf("a removed host: %v does not ask for a person", err)
	}
	err = h.sender.Resend(t.Context())
	wantErr(t, "resend of a removed host", err, "mx1 was removed from the fleet", "bouncetail fleet adopt")
	h.sender.Instance = "mx4"
	_, err = h.sender.SendAll(t.Context())
	wantErr(t, "a removed host under another name", err, "is sent as mx1 already", "bouncetail fleet adopt")
	h.sender.Instance = "mx1"
	if got := server.SQL(t, database, "SELECT count(*) FROM bouncetail.bounces"); got != "1\n" {
		t.Errorf("%s failures are in the fleet, want that of before", got)
	}
	if err := h.sender.Adopt(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := h.send(t); n != 1 {
		t.Errorf("after adopt, %d failures are new, want 1", n)
	}
	if i := status(); i.Silent || i.Removed {
		t.Errorf("after adopt, the status is %+v", i)
	}
}

// The host knows how far the fleet is, and the fleet what it will never get.
func TestAHostAndItsFleetKnowWhatIsMissing(t *testing.T) {
	_, dsn, _ := newFleet(t)
	h := newHost(t, dsn, "mx1")
	sent := func() query.Sent {
		t.Helper()
		r, err := query.OpenReader(t.Context(), h.sender.Database)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		s, _, err := r.Sent(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if s := sent(); !s.At.IsZero() || s.Failure != 0 {
		t.Errorf("before anything is sent, %+v", s)
	}
	h.read(t, refused("jane", 1), refused("john", 2))
	h.send(t)
	if s := sent(); s.Failure != 2 || time.Since(s.At) > time.Minute {
		t.Errorf("after 2 failures, %+v", s)
	}
	h.read(t, refused("old", 3), refused("older", 4))
	keep := sqlite.Retention{Bounces: 30, Recipients: 30, Fleet: true, MaxLag: time.Hour}
	if _, err := h.store.Prune(t.Context(), keep, time.Now()); err != nil { // jane and john
		t.Fatal(err)
	}
	if s := sent(); s.Missed != 0 {
		t.Errorf("%d failures are missing, want none", s.Missed)
	}
	if _, err := h.store.Prune(t.Context(), keep, time.Now().Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	h.send(t)
	all, err := h.sender.Status(t.Context())
	if err != nil || all[0].Missed != 2 || all[0].Failures != 2 || sent().Missed != 2 {
		t.Errorf("the status is %+v, %v; the host has %+v", all, err, sent())
	}
	if err := h.sender.Adopt(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := sent(); s.Failure != 0 {
		t.Errorf("after adopt, %+v, want that nothing is sent", s)
	}
}
