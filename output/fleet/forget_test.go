package fleet

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/sqlite"
)

// reached is a delivery to an address of example.com, minutes after noon.
func reached(local string, minute int) *bounce.Batch {
	to := bounce.Address{Normal: local + "@example.com", Domain: "example.com"}
	return &bounce.Batch{Domains: []string{"example.com"}, Successes: []bounce.Success{{
		ID: bounce.NewEventID(uint32(minute), "sent to "+local), At: day.Add(time.Duration(minute) * time.Minute).UnixMilli(), Key: to.Key(),
	}}}
}

// The addresses of a crowd that were not forgotten stay suspect, and the crowd stays as it
// was found, whatever is read later: as on one host.
func TestACrowdStaysAsItIsWhenSomeOfItsAddressesAreForgotten(t *testing.T) {
	t.Parallel()
	server, dsn, database := newFleet(t)
	admin := server.DSN(database, "postgres")
	one := filepath.Join(t.TempDir(), "one.db")
	store := openStore(t, one)
	hosts := []*host{newHost(t, dsn, "mx0"), newHost(t, dsn, "mx1")}
	read := func(h *host, batches ...*bounce.Batch) {
		h.read(t, batches...)
		save(t, store, batches...)
	}
	const aDay = 24 * 60
	for i := range 6 {
		local := fmt.Sprint("user", i)
		read(hosts[i%2], reached(local, i), refused(local, aDay+i))
	}
	send := func() {
		t.Helper()
		for _, h := range slices.Concat(hosts, hosts) {
			h.send(t)
		}
	}
	send()
	compare(t, "six addresses are refused together", admin, one)
	if got := dumpFleet(t, admin, "SELECT count(*)::text FROM bouncetail.recipients WHERE state = 'suspect'"); got[0] != "6" {
		t.Fatalf("%s addresses are suspect, want 6", got)
	}
	people := []bounce.Address{{Normal: "user0@example.com", Domain: "example.com"}, {Normal: "user1@example.com", Domain: "example.com"}}
	now := time.Now()
	for _, s := range []*sqlite.Store{hosts[0].store, store} {
		if _, err := s.Forget(t.Context(), &sqlite.Forgetting{People: people, Now: now}); err != nil {
			t.Fatal(err)
		}
	}
	send()
	compare(t, "two are forgotten", admin, one)
	// Another address of that time is read late, so that crowds are looked for again.
	read(hosts[1], reached("late", 1), refused("late", aDay+7))
	send()
	compare(t, "another one is read late", admin, one)
	s := Settings{DSN: admin, Policy: &policy}
	if _, err := s.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	compare(t, "all is made again", admin, one)
	if got := dumpFleet(t, admin, "SELECT count(*)::text FROM bouncetail.recipients WHERE state = 'suspect'"); got[0] != "5" {
		t.Errorf("%s addresses are suspect, want 5", got)
	}
}
