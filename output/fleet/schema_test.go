package fleet

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite"
	"github.com/bouncetail/bouncetail/sqlite/dbfile"
)

// viewsOf6 are the views of schema 6.
func viewsOf6(t *testing.T) string {
	t.Helper()
	views, err := os.ReadFile("testdata/views-of-schema-6.sql")
	if err != nil {
		t.Fatal(err)
	}
	return string(views)
}

// undo8 makes schema 6 of schema 8, without the views.
const undo8 = "DROP SCHEMA bouncetail_views CASCADE; DROP TABLE bouncetail.fleet_read, bouncetail.fleet_read_by_both, bouncetail.fleet_covered; ALTER TABLE bouncetail.fleet_clock DROP COLUMN crowds_from, DROP COLUMN crowds_to;" +
	"ALTER TABLE bouncetail.fleet_instances DROP COLUMN shared; UPDATE bouncetail.fleet_meta SET value = '6' WHERE name = 'schema';"

// An upgraded schema is the one that fleet init creates.
func TestAnUpgradedSchemaIsThatOfANewFleet(t *testing.T) {
	server, _, database := newFleet(t)
	old := server.Database(t)
	s := Settings{DSN: server.DSN(old, "postgres"), Policy: &policy}
	conn, err := s.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	err = pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
		return runScript(t.Context(), tx, "CREATE SCHEMA bouncetail;"+schemaSteps[0].sql+viewsOf6(t))
	})
	if err != nil {
		t.Fatal(err)
	}
	server.SQL(t, old, "INSERT INTO bouncetail.fleet_meta (name, value) VALUES ('schema', '6'), ('hash_key', '0'), ('policy', '{}')")
	if made, err := s.Init(t.Context()); err != nil || !made.Upgraded() || made.Before != 6 || made.Schema != schemaVersion {
		t.Fatalf("Init: %+v, %v", made, err)
	}
	server.SQL(t, database, "UPDATE bouncetail.fleet_meta SET value = '{}' WHERE name = 'policy'")
	without := regexp.MustCompile(`(?m)^--.*\n|^\\.*restrict.*\n`)
	lines := func(dump string) []string {
		all := strings.Split(without.ReplaceAllString(dump, ""), "\n")
		slices.Sort(all) // rows have no order
		return all
	}
	if got, want := lines(server.Dump(t, old)), lines(server.Dump(t, database)); !slices.Equal(got, want) {
		t.Errorf("upgraded: %s", diff(got, want))
	}
}

// An admin upgrades the hosts of a fleet one after the other. Senders wait, and go on by
// themselves. Nothing is lost or sent twice.
func TestSendersWaitUntilTheFleetIsUpgraded(t *testing.T) {
	server, dsn, database := newFleet(t)
	mx1, mx2 := newHost(t, dsn, "mx1"), newHost(t, dsn, "mx2")
	mx1.read(t, refused("jane", 1), refused("john", 2))
	mx2.read(t, refused("jane", 1), refused("mary", 3))
	mx1.send(t)
	mx2.send(t)
	mx1.sender.close()
	server.SQL(t, database, undo8+viewsOf6(t))

	// mx1 has the new version.
	mx1.read(t, refused("zoe", 4))
	log := &logged{}
	mx1.sender.Log = slog.New(slog.NewTextHandler(log, nil))
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- mx1.sender.Run(ctx) }()
	eventually(t, "the sender waits", func() bool { return strings.Contains(log.String(), "run bouncetail fleet init, which upgrades them") })
	admin := Settings{DSN: server.DSN(database, "postgres"), Policy: &policy}
	_, err := (&Settings{DSN: dsn}).Init(t.Context())
	wantErr(t, "Init as a sender", err, "does not own the tables", "fleet init")
	if made, err := admin.Init(t.Context()); err != nil || !made.Upgraded() {
		t.Fatalf("Init: %+v, %v", made, err)
	}
	if made, err := admin.Init(t.Context()); err != nil || made.Upgraded() || made.Created {
		t.Fatalf("Init again: %+v, %v", made, err)
	}
	eventually(t, "the sender goes on", func() bool {
		return server.SQL(t, database, "SELECT count(*) FROM bouncetail.bounces") == "4\n"
	})
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	// mx2 has read a failure of mx1; that is known of the time before the upgrade, too.
	if got := server.SQL(t, database, "SELECT instance, shared FROM bouncetail.fleet_instances ORDER BY 1"); got != "mx1|0\nmx2|1\n" {
		t.Errorf("shared: %s", got)
	}
	// The version that follows this one is waited for, too.
	server.SQL(t, database, "UPDATE bouncetail.fleet_meta SET value = '99' WHERE name = 'schema'")
	log = &logged{}
	mx2.sender.Log = slog.New(slog.NewTextHandler(log, nil))
	ctx, stop = context.WithCancel(t.Context())
	go func() { ended <- mx2.sender.Run(ctx) }()
	eventually(t, "the sender waits", func() bool { return strings.Contains(log.String(), "upgrade bouncetail on this host") })
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// An upgrade finds out which hosts follow the same logs. The first sender then counts these
// logs once, as in a fleet that was new with this version.
func TestAnUpgradeCountsSharedLogsOnce(t *testing.T) {
	t.Parallel()
	server, dsn, database := newFleet(t)
	admin := server.DSN(database, "postgres")
	r := rand.New(rand.NewPCG(3, 3))
	logs := apart(story(r, 2))
	hosts := []*host{newHost(t, dsn, "mx1"), newHost(t, dsn, "mx2"), newHost(t, dsn, "mx3"), newHost(t, dsn, "mx4")}
	for i, log := range [][]any{logs[0], logs[0], slices.Concat(logs...), slices.Concat(logs...)} {
		hosts[i].read(t, batches(r, log)...)
	}
	for _, h := range slices.Concat(hosts, hosts) {
		h.send(t)
		h.sender.close()
	}
	const (
		added = "SELECT day, sent::text, deferred::text, bounced::text, expired::text FROM bouncetail_views.daily_totals UNION ALL SELECT day, encode(slots, 'hex'), '', '', '' FROM bouncetail.daily_traffic ORDER BY 1, 2"
		// What schema 7 has added up.
		twice = "UPDATE bouncetail.daily_traffic SET slots = '\\x0001010203'; DELETE FROM bouncetail.crowds;"
	)
	want := dumpFleet(t, admin, added)
	crowds := "SELECT kind, unit, started_at::text, attempts::text FROM bouncetail.crowds ORDER BY 1, 2, 3"
	wantCrowds := dumpFleet(t, admin, crowds)
	if len(want) < 20 || len(wantCrowds) == 0 {
		t.Fatalf("%d days, crowds %s", len(want), wantCrowds)
	}
	server.SQL(t, database, twice+undo8+viewsOf6(t))
	if made, err := (&Settings{DSN: admin, Policy: &policy}).Init(t.Context()); err != nil || !made.Upgraded() {
		t.Fatalf("Init: %+v, %v", made, err)
	}
	if got, want := dumpFleet(t, admin, readByHosts), dumpFleet(t, admin, readInRows); !slices.Equal(got, want) || len(got) == 0 {
		t.Errorf("hosts have read:\n%s", diff(got, want))
	}
	hosts[2].send(t)
	if got := dumpFleet(t, admin, added); !slices.Equal(got, want) {
		t.Errorf("after the upgrade:\n%s", diff(got, want))
	}
	if got := dumpFleet(t, admin, crowds); !slices.Equal(got, wantCrowds) {
		t.Errorf("after the upgrade, crowds:\n%s", diff(got, wantCrowds))
	}
}

// Schemas before 6 are not upgraded. Who follows the error word by word has everything
// again, and the senders need not be started.
func TestAFleetThatIsNotUpgradedComesBack(t *testing.T) {
	server, dsn, database := newFleet(t)
	admin := Settings{DSN: server.DSN(database, "postgres"), Policy: &policy}
	jane, john := bounce.Address{Normal: "jane@example.com", Domain: "example.com"}, bounce.Address{Normal: "john@example.com", Domain: "example.com"}
	hosts := []*host{newHost(t, dsn, "mx1"), newHost(t, dsn, "mx2")}
	for i, h := range hosts {
		h.takes()
		h.read(t, refused("jane", 1), refused("john", 2), refused("mary", 3), refused(fmt.Sprint("only", i), 4+i))
	}
	e, err := sqlite.OpenEditor(t.Context(), hosts[0].sender.Database)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Decide(t.Context(), recipient.Allow, []bounce.Address{jane}, "she wrote", time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Release(t.Context(), recipient.Release{Since: bounce.Stamp(day.Add(3 * time.Minute)), Until: bounce.Stamp(day.Add(4 * time.Minute))}, false); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := hosts[1].store.Forget(t.Context(), &sqlite.Forgetting{People: []bounce.Address{john}, Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for _, h := range hosts {
			h.send(t)
		}
	}
	const said = `SELECT recipient, decision, note, decided_at FROM bouncetail.decisions ORDER BY 1; SELECT since, until, made_at, confirms FROM bouncetail.releases ORDER BY 1;
		SELECT recipient_key, until FROM bouncetail.forgotten ORDER BY 1; SELECT day, i.instance, deferred, bounced FROM bouncetail.daily_totals d JOIN bouncetail.fleet_instances i ON i.number = d.instance ORDER BY 1, 2; SELECT recipient, instance FROM bouncetail.bounces ORDER BY 1`
	states, words := dumpFleet(t, admin.DSN, fleetRecipients), server.SQL(t, database, said)
	if len(states) != 4 || strings.Contains(strings.Join(states, " "), "john") || !strings.Contains(words, "she wrote") {
		t.Fatalf("before: %s\n%s", states, words)
	}

	server.SQL(t, database, "UPDATE bouncetail.fleet_meta SET value = '5' WHERE name = 'schema'")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, len(hosts))
	log := &logged{}
	for _, h := range hosts {
		h.sender.Log = slog.New(slog.NewTextHandler(log, nil))
		h.sender.close()
		go func() { ended <- h.sender.Run(ctx) }()
	}
	eventually(t, "both wait", func() bool { return strings.Count(log.String(), "and are not upgraded") == 2 })
	_, err = admin.Init(t.Context())
	wantErr(t, "Init", err, "run DROP SCHEMA bouncetail CASCADE in psql, and then bouncetail fleet init: the hosts send again all that they have")
	server.SQL(t, database, "DROP SCHEMA bouncetail CASCADE")
	eventually(t, "both still wait", func() bool { return strings.Count(log.String(), "has no tables of a fleet") == 2 })
	if made, err := admin.Init(t.Context()); err != nil || !made.Created {
		t.Fatalf("Init: %+v, %v", made, err)
	}
	eventually(t, "everything is there again", func() bool {
		return slices.Equal(dumpFleet(t, admin.DSN, fleetRecipients), states) && server.SQL(t, database, "SELECT count(*) FROM bouncetail.forgotten, bouncetail.decisions, bouncetail.releases") == "1\n"
	})
	stop()
	for range hosts {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	for _, h := range hosts {
		h.send(t)
	}
	// Which host has sent a failure first may differ, and is not compared.
	first := regexp.MustCompile(`(?m)^(.*@.*)\|\d$`)
	if got, want := first.ReplaceAllString(server.SQL(t, database, said), "$1"), first.ReplaceAllString(words, "$1"); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// PostgreSQL is restored from a backup while a sender runs, and other hosts have sent
// more than was lost before that sender is back.
func TestASenderNoticesThatTheFleetWasRestored(t *testing.T) {
	server, dsn, database := newFleet(t)
	mx1, mx2 := newHost(t, dsn, "mx1"), newHost(t, dsn, "mx2")
	mx1.takes()
	decide := func(local string) {
		t.Helper()
		e, err := sqlite.OpenEditor(t.Context(), mx2.sender.Database)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Decide(t.Context(), recipient.Allow, []bounce.Address{{Normal: local + "@example.com", Domain: "example.com"}}, "", time.Time{}); err != nil {
			t.Fatal(err)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, h := range []*host{mx1, mx2} {
		h.read(t, refused("jane", 1))
		h.send(t)
	}
	backup := server.Dump(t, database)
	file := filepath.Join(t.TempDir(), "mx2.db") // mx2 is restored, too, and decides again
	if err := dbfile.Backup(t.Context(), mx2.sender.Database, file); err != nil {
		t.Fatal(err)
	}
	var more []*bounce.Batch
	for i := range 40 {
		more = append(more, refused(fmt.Sprint("lost", i), 10+i))
	}
	mx1.read(t, more...)
	// round is a round of a sender that goes on: SendAll would begin again.
	round := func(h *host) {
		t.Helper()
		for more, err := true, error(nil); more; {
			h.sender.hand.dueAt, h.sender.taking.dueAt, h.sender.watch.dueAt = time.Time{}, time.Time{}, time.Time{}
			if more, err = h.sender.round(t.Context()); err != nil {
				t.Fatal(err)
			}
			if k := h.sender.taking.running; k != nil {
				h.sender.taken(<-k)
			}
		}
	}
	round(mx1)
	round(mx1)
	before := mx1.sender.taking.seq

	mx1.sender.disconnect()
	mx2.sender.close()
	mx2.store.Close()
	server.SQL(t, "postgres", "DROP DATABASE "+database+"; ")
	server.SQL(t, "postgres", "CREATE DATABASE "+database)
	server.Restore(t, database, backup)
	mx2.sender.Database = file
	mx2.store = openStore(t, file)
	decide("early")
	mx2.send(t)
	var other []*bounce.Batch
	for i := range 100 {
		other = append(other, refused(fmt.Sprint("other", i), 100+i))
	}
	mx2.read(t, other...)
	mx2.send(t)
	if seq := server.SQL(t, database, "SELECT seq > "+fmt.Sprint(before)+" FROM bouncetail.fleet_clock"); seq != "t\n" {
		t.Fatalf("the fleet has not changed more than before: %s", seq)
	}
	for range 3 {
		round(mx1)
	}
	if got := dumpSQLite(t, mx1.sender.Database, "SELECT recipient FROM decisions"); fmt.Sprint(got) != "[early@example.com]" {
		t.Errorf("mx1 has taken over %s, want the decision about early@example.com", got)
	}
	if got := server.SQL(t, database, "SELECT count(*) FROM bouncetail.bounces"); got != "141\n" {
		t.Errorf("the fleet has %s failures, want 141", got)
	}
}

// A dump is restored under a running sender, which has no rights until its end.
func TestASenderWaitsForItsRights(t *testing.T) {
	server, dsn, database := newFleet(t)
	h := newHost(t, dsn, "mx1")
	h.read(t, refused("jane", 1))
	h.send(t)
	dump := server.Dump(t, database)
	dump = regexp.MustCompile(`(?m)^\\(un)?restrict .*\n`).ReplaceAllString(dump, "") // both belong together
	tables, rights, found := strings.Cut(dump, "GRANT ")
	if !found || !strings.Contains(tables, "COPY bouncetail.bounces") {
		t.Fatalf("the dump has no rights behind the rows:\n%s", dump)
	}
	server.SQL(t, "postgres", "DROP DATABASE "+database+" WITH (FORCE)")
	server.SQL(t, "postgres", "CREATE DATABASE "+database)
	server.Restore(t, database, tables)
	log := &logged{}
	h.sender.Log = slog.New(slog.NewTextHandler(log, nil))
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- h.sender.Run(ctx) }()
	h.read(t, refused("john", 2))
	eventually(t, "the sender waits", func() bool { return strings.Contains(log.String(), "GRANT bouncetail_sender") })
	server.Restore(t, database, "GRANT "+rights)
	eventually(t, "the sender goes on", func() bool {
		return server.SQL(t, database, "SELECT count(*) FROM bouncetail.bounces") == "2\n"
	})
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// logged is what was logged.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("not within a minute: %s", what)
}
