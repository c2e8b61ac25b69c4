package fleet

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/pgtest"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

func TestMain(m *testing.M) {
	if what := os.Getenv(sendProcess); what != "" {
		sendAll(context.Background(), what)
		return
	}
	pgtest.Main(m)
}

var quiet = slog.New(slog.DiscardHandler)

// policy is reached by the failures of few days.
var policy = bounce.Policy{
	General: bounce.Threshold{Failures: 4, Days: 3, Window: 20, BadDays: 10},
	Categories: map[bounce.Category]bounce.Threshold{
		bounce.MailboxFull: {Failures: 3, Days: 5, Window: 30, BadDays: 0, SuppressDays: 5},
	},
	Crowds: bounce.CrowdLimits{Addresses: 5, Domains: 3, Share: 10, Usual: 3},
}

// host is a host of a fleet in a test.
type host struct {
	store  *sqlite.Store
	sender *Sender
	rest   []*bounce.Batch // that it has not read yet
}

// newHost returns a host with an empty database.
func newHost(t testing.TB, dsn, name string) *host {
	t.Helper()
	h := &host{sender: &Sender{Settings: Settings{
		DSN: dsn, Instance: name, Database: filepath.Join(t.TempDir(), name+".db"), Version: "test", Policy: &policy, Log: quiet,
	}}}
	h.store = openStore(t, h.sender.Database)
	t.Cleanup(h.sender.close)
	return h
}

func openStore(t testing.TB, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if _, _, err := s.UsePolicy(t.Context(), &policy); err != nil {
		t.Fatal(err)
	}
	return s
}

// noHosts is the database of a fleet without hosts. All fleets of the tests are copies of
// it, which takes a fifth of the time of Init.
var noHosts struct {
	sync.Once
	database string
}

// newFleet returns the DSN of a fleet without hosts.
func newFleet(t testing.TB) (server *pgtest.Server, dsn, database string) {
	t.Helper()
	server = pgtest.Get(t)
	noHosts.Do(func() {
		noHosts.database = server.Database(t)
		s := Settings{DSN: server.DSN(noHosts.database, "postgres"), Policy: &policy}
		if made, err := s.Init(t.Context()); err != nil || !made.Created {
			t.Fatalf("Init: %+v, %v", made, err)
		}
	})
	database = server.Copy(t, noHosts.database)
	// Hosts have the rights of the role, and no others.
	server.SQL(t, database, fmt.Sprintf("CREATE ROLE host_of_%s LOGIN IN ROLE bouncetail_sender", database))
	return server, server.DSN(database, "host_of_"+database), database
}

// compare compares a fleet with one database that has all logs.
func compare(t *testing.T, when, admin, one string) {
	t.Helper()
	if got, want := dumpFleet(t, admin, fleetRecipients), dumpSQLite(t, one, sqliteRecipients); !slices.Equal(got, want) {
		t.Errorf("when "+when+", recipients:\n%s", diff(got, want))
	}
	compareCrowds(t, when, admin, one)
	inSQLite, inFleet := recordsOf()
	if got, want := dumpFleet(t, admin, inFleet), dumpSQLite(t, one, inSQLite); !slices.Equal(got, want) {
		t.Errorf("when "+when+", bounces:\n%s", diff(got, want))
	}
	if numbers := dumpFleet(t, admin, "SELECT count(*)::text FROM (SELECT seq FROM bouncetail.recipients GROUP BY seq HAVING count(*) > 1) twice"); numbers[0] != "0" {
		t.Errorf("%s change numbers were given twice", numbers[0])
	}
	const counted = "SELECT state, recipients::text FROM bouncetail.state_counts WHERE recipients <> 0 ORDER BY 1"
	const byState = `SELECT state COLLATE "C", count(*)::text FROM bouncetail.recipients GROUP BY 1 ORDER BY 1`
	if got, want := dumpFleet(t, admin, counted), dumpFleet(t, admin, byState); !slices.Equal(got, want) {
		t.Errorf("when %s, the numbers of recipients by state are %s, want %s", when, got, want)
	}
	if got, want := dumpFleet(t, admin, readByHosts), dumpFleet(t, admin, readInRows); !slices.Equal(got, want) {
		t.Errorf("when %s, hosts have read:\n%s", when, diff(got, want))
	}
	changes := dumpFleet(t, admin, "SELECT (SELECT count(*) FROM bouncetail.recipients)::text, (SELECT count(*) FROM bouncetail.changes)::text, (SELECT count(*) FROM bouncetail.recipient_changes)::text")
	if n := strings.Split(changes[0], "|"); n[0] != n[1] || n[0] != n[2] {
		t.Errorf("when %s, of %s recipients %s can be read by their change, and there are %s numbers", when, n[0], n[1], n[2])
	}
}

// readByHosts is what is stored about the failures that hosts have read, and readInRows what
// the failures themselves say.
const (
	readByHosts = `SELECT day, instance::text, instance::text, failures::text FROM bouncetail.fleet_read WHERE failures <> 0
		UNION ALL SELECT day, one::text, other::text, failures::text FROM bouncetail.fleet_read_by_both WHERE failures <> 0 ORDER BY 1, 2, 3`
	readInRows = `WITH readers AS (
		  SELECT recipient_key, occurred_at, event_id, instance, to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') COLLATE "C" AS day
		  FROM (SELECT recipient_key, occurred_at, event_id, instance FROM bouncetail.bounces
		    UNION ALL SELECT recipient_key, occurred_at, event_id, instance FROM bouncetail.also_read) x)
		SELECT a.day, a.instance::text, b.instance::text, count(*)::text
		FROM readers a JOIN readers b USING (recipient_key, occurred_at, event_id) WHERE a.instance <= b.instance GROUP BY 1, 2, 3 ORDER BY 1, 2, 3`
)

func compareCrowds(t *testing.T, when, admin, one string) {
	t.Helper()
	const crowds = "SELECT kind, unit, started_at, last_at, ended_at, addresses, refused, attempts, coalesce(domains, 'null'), frozen FROM crowds ORDER BY kind, unit, started_at"
	fleetCrowds := "SELECT kind, unit, " + asStamp("started_at") + ", " + asStamp("last_at") + ", " + asStamp("ended_at") +
		`, addresses::text, refused::text, attempts::text, domains, frozen::int::text FROM bouncetail.crowds ORDER BY kind COLLATE "C", unit COLLATE "C", started_at`
	if got, want := dumpFleet(t, admin, fleetCrowds), dumpSQLite(t, one, crowds); !slices.Equal(got, want) {
		t.Errorf("when "+when+", crowds:\n%s", diff(got, want))
	}
}

// ownRefusal marks what a host itself refused, which concerns no address.
const ownRefusal = "[bouncetail]"

// rejudge judges all failures of a database again.
func rejudge(t *testing.T, s *sqlite.Store) {
	t.Helper()
	verdicts := []bounce.Verdict{
		{Category: bounce.InvalidAddress, Reason: bounce.NoSuchUser, Scope: bounce.ScopeRecipient, Disposition: bounce.Permanent, Suppress: true, Rule: "new"},
		{Category: bounce.MailboxFull, Reason: "mailbox-full", Scope: bounce.ScopeRecipient, Disposition: bounce.Retry, Rule: "new"},
	}
	n, err := s.Rejudge(t.Context(), func(d *bounce.Delivery) bounce.Verdict {
		if strings.Contains(d.Reply.Text, ownRefusal) {
			return bounce.Verdict{Category: bounce.Blocked, Reason: bounce.Suppressed, Scope: bounce.ScopeLocal, Disposition: bounce.Permanent, Rule: "test"}
		}
		sum := sha256.Sum256(fmt.Append(nil, d.Recipient, d.At.UnixMilli()))
		return verdicts[sum[0]%2]
	}, func(*query.Stored, bounce.Verdict) {})
	if err != nil || n == 0 {
		t.Fatalf("%d verdicts changed, %v", n, err)
	}
}

// decideByHand does the same in two databases: an admin decides about an address, or about
// the failures of some days, or withdraws that.
func decideByHand(t *testing.T, r *rand.Rand, paths ...string) {
	t.Helper()
	address := bounce.Address{Normal: fmt.Sprintf("user%d@d%d.example", r.IntN(15), r.IntN(2))}
	_, address.Domain, _ = strings.Cut(address.Normal, "@")
	since := time.Date(2026, 3, 1+r.IntN(20), 0, 0, 0, 0, time.UTC)
	release := recipient.Release{Since: bounce.Stamp(since), Until: bounce.Stamp(since.AddDate(0, 0, 1+r.IntN(5))), Domain: []string{"", address.Domain}[r.IntN(2)]}
	what, decision := r.IntN(6), []string{recipient.Allow, recipient.Block}[r.IntN(2)]
	for _, path := range paths {
		e, err := sqlite.OpenEditor(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		switch what {
		case 0, 1:
			_, err = e.Decide(t.Context(), decision, []bounce.Address{address}, "", time.Time{})
		case 2:
			_, err = e.Withdraw(t.Context(), []bounce.Address{address})
		case 3:
			_, err = e.Release(t.Context(), release, false)
		case 4:
			_, err = e.Confirm(t.Context(), release, false)
		case 5:
			err = withdrawRelease(t, e, path, &release)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		if err != nil { // this host has no such failure, or no such decision
			return
		}
	}
	time.Sleep(2 * time.Millisecond) // the last word is the later one
}

// withdrawRelease withdraws the first release of a domain that is in force. In the next
// database it has another number, and the same span.
func withdrawRelease(t *testing.T, e *sqlite.Editor, path string, of *recipient.Release) error {
	for _, row := range dumpSQLite(t, path, "SELECT id, since, until, coalesce(domain, '') FROM releases WHERE withdrawn_at IS NULL ORDER BY id") {
		fields := strings.Split(row, "|")
		if fields[3] != of.Domain || of.Note != "" && of.Note != fields[1]+fields[2] {
			continue
		}
		id, err := strconv.ParseInt(fields[0], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		of.Note = fields[1] + fields[2]
		_, err = e.WithdrawRelease(t.Context(), id)
		return err
	}
	return errors.New("there is none")
}

const emptyFleet = "TRUNCATE bouncetail.bounces, bouncetail.also_read, bouncetail.pruned_failures, bouncetail.recipients, bouncetail.recipient_changes, bouncetail.state_counts, bouncetail.fleet_instances, bouncetail.refusals, bouncetail.daily_counts, bouncetail.daily_traffic, bouncetail.fleet_days, bouncetail.crowds, bouncetail.decisions, bouncetail.releases, bouncetail.forgotten, bouncetail.daily_totals, bouncetail.daily_reasons, bouncetail.provider_windows, bouncetail.provider_baselines, bouncetail.gaps, bouncetail.unparsed_lines, bouncetail.incidents, bouncetail.fleet_figures, bouncetail.fleet_read, bouncetail.fleet_read_by_both, bouncetail.fleet_covered; UPDATE bouncetail.fleet_clock SET seq = 0, crowds_from = NULL, crowds_to = NULL"

// seeds returns the seeds of the stories that are told: usual ones, or from
// BOUNCETAIL_TEST_FLEET_FIRST_SEED to below BOUNCETAIL_TEST_FLEET_SEEDS, so that long runs
// can be made in pieces.
func seeds(t testing.TB, usual ...uint64) []uint64 {
	end := os.Getenv("BOUNCETAIL_TEST_FLEET_SEEDS")
	if end == "" {
		return usual
	}
	var all []uint64
	for seed := number(t, cmp.Or(os.Getenv("BOUNCETAIL_TEST_FLEET_FIRST_SEED"), "0")); seed < number(t, end); seed++ {
		all = append(all, seed)
	}
	return all
}

func number(t testing.TB, text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// The oracle: what a fleet has equals what one bouncetail has that read all logs,
// whatever order the hosts read and send in, and whatever breaks meanwhile. In the usual
// story a host follows the logs of two others, the server is killed, and the rules change.
// In that of seed 1, which make torture tells, each log has one host, and the policy changes.
func TestAFleetEqualsOneThatReadAllLogs(t *testing.T) {
	server, dsn, database := newFleet(t)
	for _, seed := range seeds(t, 3) {
		server.SQL(t, database, emptyFleet)
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { tellStory(t, server, dsn, seed) })
	}
}

func tellStory(t *testing.T, server *pgtest.Server, dsn string, seed uint64) {
	dsn = "connect_timeout=120 " + dsn // a busy machine is not a server that is away
	r := rand.New(rand.NewPCG(seed, 7))
	events, sharing := toldTo(r, seed)
	one := filepath.Join(t.TempDir(), "one.db")
	store := openStore(t, one)
	save(t, store, batches(r, slices.Concat(events...))...)
	network := newCutting(r)
	admin, _, _ := strings.Cut(dsn, " user=")
	admin += " user=postgres"
	hosts := make([]*host, len(events))
	reading := 0 // how many hosts have still to read something
	for i := range hosts {
		hosts[i] = newHost(t, dsn, fmt.Sprint("mx", i))
		hosts[i].rest = batches(r, events[i])
		hosts[i].sender.dial = network.dial
		reading += min(1, len(hosts[i].rest))
	}
	killAt := -1
	if seed%7 == 3 {
		killAt = r.IntN(40)
	}
	for step := 0; reading > 0; step++ {
		h := hosts[r.IntN(len(hosts))]
		switch {
		case step == killAt:
			server.Kill()
			if err := server.Start(); err != nil {
				t.Fatal(err)
			}
		case r.IntN(12) == 0:
			decideByHand(t, r, h.sender.Database, one)
		case r.IntN(2) == 0 && len(h.rest) > 0:
			h.read(t, h.rest[0])
			if h.rest = h.rest[1:]; len(h.rest) == 0 {
				reading--
			}
		default:
			if r.IntN(8) == 0 { // it is killed, and starts again
				h.sender.close()
			}
			if r.IntN(4) == 0 {
				h.sender.watch.dueAt = time.Time{}
			}
			if r.IntN(4) == 0 {
				h.sender.counts.dueAt, h.sender.hand.dueAt, h.sender.figures.dueAt, h.sender.settling.dueAt = time.Time{}, time.Time{}, time.Time{}, time.Time{}
			}
			if _, err := h.sender.round(t.Context()); isPersons(err) {
				t.Fatal(err)
			}
		}
	}
	for range 10 {
		h := hosts[r.IntN(len(hosts))]
		decideByHand(t, r, h.sender.Database, one)
		h.sender.hand.dueAt = time.Time{}
		if _, err := h.sender.round(t.Context()); isPersons(err) {
			t.Fatal(err)
		}
	}
	// The second time, each has heard of what the others have sent.
	for _, h := range slices.Concat(hosts, hosts) {
		h.sender.close()
		h.sender.dial = nil
		if _, err := h.sender.SendAll(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	same := func(when string) {
		t.Helper()
		compare(t, when, admin, one)
		compareFigures(t, when, admin, hosts...)
		if sharing {
			compareCounters(t, when, admin, one)
		}
	}
	same("everything is sent")
	changeMinds(t, r, seed, hosts, store, admin, one, same)
	t.Logf("%d cuts; by hand: %s", network.cuts.Load(),
		dumpFleet(t, admin, "SELECT (SELECT count(*) FROM bouncetail.decisions)::text, (SELECT count(*) FROM bouncetail.releases WHERE NOT confirms)::text, (SELECT count(*) FROM bouncetail.releases WHERE confirms)::text, (SELECT count(withdrawn_at) FROM bouncetail.releases)::text"))
}

// changeMinds does what changes states of all that was sent: other rules, another policy,
// addresses that are forgotten.
func changeMinds(t *testing.T, r *rand.Rand, seed uint64, hosts []*host, store *sqlite.Store, admin, one string, same func(when string)) {
	t.Helper()
	if seed%3 == 0 { // each host has other rules now
		for _, h := range hosts {
			rejudge(t, h.store)
		}
		rejudge(t, store)
		for _, h := range hosts {
			if _, err := h.sender.SendAll(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		same("all was judged again")
	}
	if seed%3 == 1 {
		other := bounce.Policy{General: bounce.Threshold{Failures: 2, Days: 1, Window: 40}, Crowds: bounce.CrowdLimits{Addresses: 2, Domains: 2, Share: 5}}
		for _, p := range []*bounce.Policy{&other, &policy} {
			if _, _, err := store.UsePolicy(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			s := Settings{DSN: admin, Policy: p}
			if _, err := s.Rebuild(t.Context()); err != nil {
				t.Fatal(err)
			}
			compare(t, "the policy is another one", admin, one)
		}
	}
	h := hosts[r.IntN(len(hosts))]
	people := []bounce.Address{{Normal: "user1@d0.example", Domain: "d0.example"}, {Normal: "a7@d2.example", Domain: "d2.example"}}
	for _, s := range []*sqlite.Store{h.store, store} {
		if _, err := s.Forget(t.Context(), &sqlite.Forgetting{People: people, Now: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	// The others have not forgotten them, and one sends everything again.
	if err := hosts[0].sender.Adopt(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, h := range slices.Concat([]*host{h}, hosts) {
		if _, err := h.sender.SendAll(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	same("two addresses are forgotten")
}
