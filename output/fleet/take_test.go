package fleet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/pgtest"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite"
	"github.com/bouncetail/bouncetail/sqlite/feed"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

// taker is a Host that writes the database of a host of a test.
type taker struct {
	h     *host
	err   error // that it returns
	calls int
}

func (k *taker) fail() error {
	k.calls++
	return k.err
}

func (k *taker) Decide(ctx context.Context, decisions []feed.Decision, releases []feed.Release) error {
	if err := k.fail(); err != nil {
		return err
	}
	e, err := sqlite.OpenEditor(ctx, k.h.sender.Database)
	if err != nil {
		return err
	}
	_, err = e.TakeOver(ctx, decisions, releases)
	return errors.Join(err, e.Close())
}

func (k *taker) Forget(ctx context.Context, addresses []feed.Forgotten) error {
	if err := k.fail(); err != nil {
		return err
	}
	until := make(map[int64]string)
	for _, a := range addresses {
		until[a.Key] = a.Until
	}
	f := sqlite.Forgetting{Until: until, Now: time.Now()}
	r, err := query.OpenReader(ctx, k.h.sender.Database)
	if err != nil {
		return err
	}
	keys := []int64{}
	for key := range until {
		keys = append(keys, key)
	}
	f.People, err = r.NamesOf(ctx, keys)
	if err := errors.Join(err, r.Close()); err != nil {
		return err
	}
	_, err = k.h.store.Forget(ctx, &f)
	return err
}

// takes makes a host take over what others decide.
func (h *host) takes() *taker {
	k := &taker{h: h}
	h.sender.Host = k
	return k
}

// wordsOf returns what was decided by hand in a database, by what it means.
func wordsOf(t *testing.T, path string) (all []string) {
	t.Helper()
	f, err := feed.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	decisions, err := f.Decisions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range decisions {
		if d.Decision != "" {
			all = append(all, fmt.Sprint(d.Recipient, " ", d.Decision, " ", d.At, " ", d.Until))
		}
	}
	releases, err := f.Releases(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range releases {
		if r.WithdrawnAt == nil {
			all = append(all, fmt.Sprintf("%+v", r.Identity()))
		}
	}
	forgotten, err := f.ForgottenUntil(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for key, until := range forgotten {
		all = append(all, fmt.Sprint("forgotten ", key, " ", until))
	}
	slices.Sort(all)
	return all
}

const wordsInFleet = `SELECT (SELECT coalesce(max(seq), 0) FROM bouncetail.decisions) || ' ' || (SELECT coalesce(max(seq), 0) FROM bouncetail.releases) || ' ' || (SELECT coalesce(max(seq), 0) FROM bouncetail.forgotten)`

// Some hosts have read the same logs, and admins decide and forget on all of them while
// connections break and senders are killed. In the end, every host has what one database
// has in which all of that was done in the order of time, and nothing is sent back.
func TestWhatIsDecidedOnOneHostHoldsOnAll(t *testing.T) {
	t.Parallel()
	server, dsn, database := newFleet(t)
	for _, seed := range seeds(t, 1) {
		server.SQL(t, database, emptyFleet)
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { decideEverywhere(t, server, dsn, database, seed) })
	}
}

func decideEverywhere(t *testing.T, server *pgtest.Server, dsn, database string, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 11))
	events := slices.Concat(story(r, 2)...)
	one := filepath.Join(t.TempDir(), "one.db")
	store := openStore(t, one)
	save(t, store, batches(r, events)...)
	network := newCutting(r)
	hosts := make([]*host, 2+int(seed%2))
	for i := range hosts {
		hosts[i] = newHost(t, dsn, fmt.Sprint("mx", i))
		hosts[i].read(t, batches(r, events)...)
		hosts[i].sender.dial = network.dial
		hosts[i].takes()
	}
	away := r.IntN(len(hosts)) // is not online before the end
	for range 80 {
		i := r.IntN(len(hosts))
		h := hosts[i]
		switch n := r.IntN(20); {
		case n < 8:
			decideByHand(t, r, h.sender.Database, one)
		case n == 8:
			forgetIn(t, r, h.store, store)
		case n == 9:
			h.sender.close() // it is killed
		case i != away:
			if r.IntN(3) == 0 {
				h.sender.hand.dueAt, h.sender.taking.dueAt = time.Time{}, time.Time{}
			}
			if _, err := h.sender.round(t.Context()); isPersons(err) {
				t.Fatal(err)
			}
		}
	}
	for range 2 {
		for _, h := range hosts {
			h.sender.close()
			h.sender.dial = nil
			if _, err := h.sender.SendAll(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	end := server.SQL(t, database, wordsInFleet)
	want := dumpSQLite(t, one, sqliteRecipients)
	for i, h := range hosts {
		if got, want := wordsOf(t, h.sender.Database), wordsOf(t, hosts[0].sender.Database); !slices.Equal(got, want) {
			t.Errorf("host %d has other words than host 0:\n%s", i, diff(got, want))
		}
		if got := dumpSQLite(t, h.sender.Database, sqliteRecipients); !slices.Equal(got, want) {
			t.Errorf("host %d (away: %d) has other states than one database:\n%s", i, away, diff(got, want))
		}
		if _, err := h.sender.SendAll(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if again := server.SQL(t, database, wordsInFleet); again != end {
		t.Errorf("words were sent back: their last numbers were %s, and are %s", end, again)
	}
	t.Logf("%d cuts, %d words", network.cuts.Load(), len(wordsOf(t, hosts[0].sender.Database)))
}

// forgetIn forgets an address in two databases.
func forgetIn(t *testing.T, r *rand.Rand, stores ...*sqlite.Store) {
	t.Helper()
	address := bounce.Address{Normal: fmt.Sprintf("user%d@d%d.example", r.IntN(15), r.IntN(2))}
	_, address.Domain, _ = strings.Cut(address.Normal, "@")
	now := time.Now()
	for _, s := range stores {
		if _, err := s.Forget(t.Context(), &sqlite.Forgetting{People: []bounce.Address{address}, Now: now}); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(2 * time.Millisecond)
}

// toForget returns what status says that hosts have still to forget.
func toForget(t *testing.T, admin string) map[string]int64 {
	t.Helper()
	s := Settings{DSN: admin}
	all, err := s.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]int64)
	for _, i := range all {
		found[i.Instance] = i.ToForget
	}
	return found
}

func TestStatusNamesHostsThatHaveStillToForget(t *testing.T) {
	server, dsn, database := newFleet(t)
	admin := server.DSN(database, "postgres")
	jane := bounce.Address{Normal: "jane@example.com", Domain: "example.com"}
	var hosts []*host
	for _, name := range []string{"mx1", "mx2", "mx3"} {
		h := newHost(t, dsn, name)
		h.read(t, refused("jane", 1), refused("john", 2))
		h.send(t)
		hosts = append(hosts, h)
	}
	hosts[0].takes()
	there := hosts[1].takes()
	// mx2 reads a later failure before it hears that the address was forgotten.
	until := day.Add(time.Hour)
	if _, err := hosts[0].store.Forget(t.Context(), &sqlite.Forgetting{People: []bounce.Address{jane}, Now: until}); err != nil {
		t.Fatal(err)
	}
	hosts[1].read(t, refused("jane", 90))
	hosts[0].send(t)
	if got := toForget(t, admin); got["mx1"] != 0 || got["mx2"] != 1 || got["mx3"] != 1 {
		t.Errorf("to forget: %v, want 1 at mx2 and mx3", got)
	}
	there.err = errors.New("database is busy")
	_, err := hosts[1].sender.SendAll(t.Context())
	wantErr(t, "a host that cannot forget", err, "database is busy")
	if got := toForget(t, admin); got["mx2"] != 1 {
		t.Errorf("to forget: %v, want 1 at mx2", got)
	}
	there.err = nil
	hosts[1].send(t)
	if got := toForget(t, admin); got["mx2"] != 0 || got["mx3"] != 1 {
		t.Errorf("to forget: %v, want 1 at mx3 alone", got)
	}
	const failures = "SELECT recipient, occurred_at FROM bounces ORDER BY recipient, occurred_at"
	want := []string{"jane@example.com|2026-03-02T13:30:00.000Z", "john@example.com|2026-03-02T12:02:00.000Z"}
	if got := dumpSQLite(t, hosts[1].sender.Database, failures); !slices.Equal(got, want) {
		t.Errorf("mx2 has %q, want %q", got, want)
	}
	const states = "SELECT recipient, state, permanent_count, first_failure_at FROM recipients ORDER BY recipient"
	want = []string{"jane@example.com|bad|1|2026-03-02T13:30:00.000Z", "john@example.com|bad|1|2026-03-02T12:02:00.000Z"}
	if got := dumpSQLite(t, hosts[1].sender.Database, states); !slices.Equal(got, want) {
		t.Errorf("mx2 has %q, want %q", got, want)
	}
	// It stays so when the sender starts again, and nothing is forgotten twice.
	calls := there.calls
	hosts[1].sender.close()
	hosts[1].send(t)
	if got := toForget(t, admin); got["mx2"] != 0 || there.calls != calls {
		t.Errorf("to forget after another start: %v, %d calls, want 0 and none", got, there.calls-calls)
	}
}

// A clock that is ahead says later words, and an admin elsewhere can still overrule them.
func TestADecisionOfAHostWhoseClockIsAheadCanBeOverruled(t *testing.T) {
	_, dsn, _ := newFleet(t)
	ahead, right := newHost(t, dsn, "mx1"), newHost(t, dsn, "mx2")
	jane := bounce.Address{Normal: "jane@example.com", Domain: "example.com"}
	for _, h := range []*host{ahead, right} {
		h.takes()
	}
	stamp := bounce.Stamp(time.Now().Add(time.Hour))
	if err := ahead.sender.Host.Decide(t.Context(), []feed.Decision{{Key: jane.Key(), Recipient: jane.Normal, Domain: jane.Domain, Decision: recipient.Block, At: stamp}}, nil); err != nil {
		t.Fatal(err)
	}
	both := func(want string) {
		t.Helper()
		for _, h := range []*host{ahead, right, ahead, right} {
			h.send(t)
		}
		for _, h := range []*host{ahead, right} {
			got := dumpSQLite(t, h.sender.Database, "SELECT recipient, decision FROM decisions WHERE ended_at IS NULL")
			if fmt.Sprint(got) != want {
				t.Errorf("%s: in force are %v, want %s", h.sender.Instance, got, want)
			}
		}
	}
	both("[jane@example.com|block]")
	edit := func(do func(*sqlite.Editor) (recipient.Changes, error)) {
		t.Helper()
		e, err := sqlite.OpenEditor(t.Context(), right.sender.Database)
		if err != nil {
			t.Fatal(err)
		}
		_, err = do(e)
		if err := errors.Join(err, e.Close()); err != nil {
			t.Fatal(err)
		}
	}
	edit(func(e *sqlite.Editor) (recipient.Changes, error) {
		return e.Withdraw(t.Context(), []bounce.Address{jane})
	})
	both("[]")
	edit(func(e *sqlite.Editor) (recipient.Changes, error) {
		return e.Decide(t.Context(), recipient.Allow, []bounce.Address{jane}, "she wrote", time.Time{})
	})
	both("[jane@example.com|allow]")
}

// A host that somebody took over can write any row. The others take over what a host of
// the fleet could have written, and leave the rest out.
func TestRowsThatNoHostWritesAreNotTakenOver(t *testing.T) {
	server, dsn, database := newFleet(t)
	h := newHost(t, dsn, "mx1")
	h.takes()
	var log bytes.Buffer
	h.sender.Log = slog.New(slog.NewTextHandler(&log, nil))
	h.send(t)
	at := func(local, domain string) bounce.Address {
		return bounce.Address{Normal: local + "@" + domain, Domain: domain}
	}
	decide := func(to bounce.Address, key int64, domain, decision, decided, until string) {
		t.Helper()
		server.SQL(t, database, fmt.Sprintf("INSERT INTO bouncetail.decisions SELECT %d, E'%s', '%s', '%s', 'note', %s, %s, 9, seq + 1 FROM bouncetail.fleet_clock",
			key, strings.ReplaceAll(to.Normal, "\n", `\n`), domain, decision, decided, until))
	}
	for name, c := range map[string]struct{ domain, decision, decided, until string }{
		"good":       {"x.example", recipient.Block, "now()", "NULL"},
		"limited":    {"x.example", recipient.Allow, "now()", "'9999-12-31'"},
		"decision":   {"x.example", "destroy", "now()", "NULL"},
		"domain":     {"y.example", recipient.Block, "now()", "NULL"},
		"infinite":   {"x.example", recipient.Block, "'infinity'", "NULL"},
		"end":        {"x.example", recipient.Block, "now()", "'infinity'"},
		"old":        {"x.example", recipient.Block, "'4000-01-01 BC'", "NULL"},
		"late":       {"x.example", recipient.Block, "'200000-01-01'", "NULL"},
		"two\nlines": {"x.example", recipient.Block, "now()", "NULL"},
	} {
		to := at(name, "x.example")
		decide(to, to.Key(), c.domain, c.decision, c.decided, c.until)
	}
	decide(at("key", "x.example"), 4711, "x.example", recipient.Allow, "now()", "NULL")
	server.SQL(t, database, `
		INSERT INTO bouncetail.releases SELECT 9, false, 1, '-infinity', 'infinity', '', '', '', NULL, now(), NULL, seq + 1 FROM bouncetail.fleet_clock;
		INSERT INTO bouncetail.forgotten SELECT 4711, 'infinity', 9, seq + 1 FROM bouncetail.fleet_clock;
		INSERT INTO bouncetail.forgotten SELECT 4712, '200000-01-01', 9, seq + 1 FROM bouncetail.fleet_clock;
		UPDATE bouncetail.fleet_clock SET seq = seq + 1`)
	h.send(t)
	got := dumpSQLite(t, h.sender.Database, "SELECT recipient, decision FROM decisions UNION ALL SELECT 'release', id FROM releases UNION ALL SELECT 'forgotten', until FROM forgotten ORDER BY 1")
	if want := "[good@x.example|block limited@x.example|allow]"; fmt.Sprint(got) != want {
		t.Errorf("taken over were %v, want %s", got, want)
	}
	if !strings.Contains(log.String(), "left out") || !strings.Contains(log.String(), "rows=11") {
		t.Errorf("the log does not say that 11 rows are left out:\n%s", log.String())
	}
	if n, err := h.store.Rebuild(t.Context()); n != 0 || err != nil {
		t.Errorf("Rebuild: %d, %v, want 0 rows corrected", n, err)
	}
}
