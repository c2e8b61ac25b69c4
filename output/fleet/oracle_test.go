package fleet

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/crowdgen"
	"github.com/bouncetail/bouncetail/internal/pgtest"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/recipient"
	"github.com/bouncetail/bouncetail/sqlite"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

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

// newFleet returns the DSN of a fleet without hosts.
func newFleet(t testing.TB) (server *pgtest.Server, dsn, database string) {
	t.Helper()
	server = pgtest.Get(t)
	database = server.Database(t)
	dsn = server.DSN(database, "postgres")
	s := Settings{DSN: dsn, Policy: &policy}
	if made, err := s.Init(t.Context()); err != nil || !made.Created {
		t.Fatalf("Init: %+v, %v", made, err)
	}
	// Hosts have the rights of the role, and no others.
	server.SQL(t, database, fmt.Sprintf("CREATE ROLE host_of_%s LOGIN IN ROLE bouncetail_sender", database))
	return server, server.DSN(database, "host_of_"+database), database
}

// story makes what happened at some hosts. Addresses fail and are reached at several of
// them, stamps coincide, and the clock of one host is an hour ahead.
func story(r *rand.Rand, hosts int) [][]any {
	verdicts := []struct {
		bounce.Verdict
		outcome bounce.Outcome
	}{
		{bounce.Verdict{Category: bounce.InvalidAddress, Reason: bounce.NoSuchUser, Scope: bounce.ScopeRecipient, Disposition: bounce.Permanent, Suppress: true}, bounce.Bounced},
		{bounce.Verdict{Category: bounce.MailboxFull, Reason: "mailbox-full", Scope: bounce.ScopeRecipient, Disposition: bounce.Retry}, bounce.Bounced},
		{bounce.Verdict{Category: bounce.RateLimit, Reason: bounce.Greylisted, Scope: bounce.ScopeSender, Disposition: bounce.Retry}, bounce.Deferred},
		{bounce.Verdict{Category: bounce.Unclassified, Reason: "unclassified", Scope: bounce.ScopeMessage, Disposition: bounce.Permanent}, bounce.Expired},
		{bounce.Verdict{Category: bounce.Blocked, Reason: bounce.Suppressed, Scope: bounce.ScopeLocal, Disposition: bounce.Permanent}, bounce.Bounced},
		{bounce.Verdict{Category: bounce.Mailbox, Reason: "account-disabled", Scope: bounce.ScopeRecipient, Disposition: bounce.Permanent}, bounce.Bounced},
	}
	events := make([][]any, hosts)
	for n := range 150 {
		at := time.Date(2026, 3, 1+r.IntN(40), r.IntN(24), r.IntN(3)*20, 0, 0, time.UTC)
		h := r.IntN(hosts)
		if h == 1 {
			at = at.Add(time.Hour)
		}
		address := bounce.Address{Normal: fmt.Sprintf("user%d@d%d.example", r.IntN(15), r.IntN(2)), Domain: ""}
		_, address.Domain, _ = strings.Cut(address.Normal, "@")
		sum := sha256.Sum256(fmt.Append(nil, address.Normal, at, n))
		id := bounce.EventID(sum[:len(bounce.EventID{})])
		var e any
		if r.IntN(4) == 0 {
			e = bounce.Success{ID: id, At: at.UnixMilli(), Key: address.Key(), Domain: uint32(slices.Index(domains, address.Domain))}
		} else {
			v := verdicts[r.IntN(len(verdicts))]
			v.Rule = "test"
			e = bounce.Record{
				Delivery: bounce.Delivery{
					ID: id, At: at, MTA: bounce.Postfix, Host: fmt.Sprint("mx", h), QueueID: fmt.Sprintf("%X", sum[:6]), Outcome: v.outcome, Sender: "news@sender.example", HasSender: n%3 > 0,
					Reply: bounce.Reply{SMTPCode: 500 + n%60, Text: fmt.Sprintf("550 5.1.1 reply %d \xff\x00 %s", n, strings.Repeat("é", n%5)), RelayHost: "mx.hoster.example", RelayIP: "192.0.2.7", RelayPort: 25},
				},
				Verdict: v.Verdict, To: address,
			}
		}
		events[h] = append(events[h], e)
		if _, failed := e.(bounce.Record); failed && r.IntN(6) == 0 { // another host has that line, too
			events[(h+1)%hosts] = append(events[(h+1)%hosts], e)
		}
	}
	for _, e := range crowdgen.Bursts(r) {
		h := r.IntN(hosts)
		events[h] = append(events[h], eventOf(&e, h))
	}
	return events
}

// eventOf returns what the stages make of an event.
func eventOf(e *crowdgen.Event, host int) any {
	address := bounce.Address{Normal: e.To}
	_, address.Domain, _ = strings.Cut(e.To, "@")
	sum := sha256.Sum256(fmt.Append(nil, e.To, e.At, host))
	id := bounce.EventID(sum[:len(bounce.EventID{})])
	if e.Reason == "" {
		return bounce.Success{ID: id, At: e.At.UnixMilli(), Key: address.Key(), Domain: uint32(slices.Index(domains, address.Domain))}
	}
	r := bounce.Record{
		Delivery: bounce.Delivery{
			ID: id, At: e.At, MTA: bounce.Postfix, Outcome: bounce.Bounced, QueueID: fmt.Sprintf("%X", sum[:6]),
			Reply: bounce.Reply{SMTPCode: 550, Text: e.Reply, RelayHost: e.Relay, RelayIP: e.IP()},
		},
		Verdict: bounce.Verdict{Category: bounce.InvalidAddress, Reason: bounce.Reason(e.Reason), Scope: bounce.ScopeRecipient, Disposition: bounce.Permanent, Suppress: true, Rule: "test"},
		To:      address,
	}
	if r.Reason == bounce.NoSuchDomain {
		r.Scope, r.Reply.SMTPCode = bounce.ScopeDomain, 0
	}
	return r
}

// domains are those of all stories.
var domains = []string{"d0.example", "d1.example", "d2.example", "d3.example", "d4.example"}

// batches makes batches of events in any order.
func batches(r *rand.Rand, events []any) (all []*bounce.Batch) {
	events = slices.Clone(events)
	r.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	for rest := events; len(rest) > 0; {
		n := min(1+r.IntN(60), len(rest))
		b := &bounce.Batch{Domains: domains}
		for _, e := range rest[:n] {
			switch e := e.(type) {
			case bounce.Record:
				b.Records.Add(&e)
			case bounce.Success:
				b.Successes = append(b.Successes, e)
			}
		}
		all, rest = append(all, b), rest[n:]
	}
	return all
}

// cutting is a network whose next connection breaks at a random moment.
type cutting struct {
	r    *rand.Rand
	cuts int // that were made
}

// cutConn breaks after some writes. The last one may still arrive, and then its answer
// is lost.
type cutConn struct {
	net.Conn
	left   int
	arrive bool
	cut    *int
}

var errCut = errors.New("the test has cut the connection")

func (c *cutting) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil || c.r.IntN(3) == 0 {
		return conn, err
	}
	return &cutConn{conn, 2 + c.r.IntN(30), c.r.IntN(2) == 0, &c.cuts}, nil
}

func (c *cutConn) Write(b []byte) (int, error) {
	if c.left--; c.left > 0 {
		return c.Conn.Write(b)
	}
	*c.cut++
	if c.arrive {
		_, _ = c.Conn.Write(b)
		time.Sleep(time.Millisecond) // so that the server reads it before the end
	}
	return 0, errors.Join(errCut, c.Conn.Close())
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
		if err := errors.Join(e.Close()); err != nil {
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

const sqliteRecipients = `
	SELECT r.recipient, r.domain, r.state, r.decided_by, r.category, r.reason, coalesce(r.first_failure_at, '-'), coalesce(r.last_failure_at, '-'),
	  CASE r.decided_by WHEN 'delivery' THEN '-' ELSE coalesce(r.last_delivery_at, '-') END, r.permanent_count, r.retry_count,
	  CASE r.decided_by WHEN 'manual' THEN '-' ELSE coalesce(r.bad_since, '-') END, coalesce(r.bad_until, '-'), coalesce(r.memory, '-'),
	  coalesce((SELECT occurred_at || ' ' || event_id FROM bounces WHERE id = r.last_bounce_id), '-'),
	  coalesce((SELECT occurred_at || ' ' || event_id FROM bounces WHERE id = r.deciding_bounce_id), '-')
	FROM recipients r
	ORDER BY r.recipient`

// asStamp is a time as SQLite has it.
func asStamp(column string) string {
	return "coalesce(to_char(" + column + ` AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), '-')`
}

var fleetRecipients = `
	SELECT recipient, domain, state, decided_by, category, reason, ` + asStamp("first_failure_at") + `, ` + asStamp("last_failure_at") + `,
	  CASE decided_by WHEN 'delivery' THEN '-' ELSE ` + asStamp("last_delivery_at") + ` END, permanent_count::text, retry_count::text,
	  CASE decided_by WHEN 'manual' THEN '-' ELSE ` + asStamp("bad_since") + ` END, ` + asStamp("bad_until") + `, coalesce(memory, '-'),
	  coalesce(` + asStamp("last_failure_at") + ` || ' ' || encode(last_event_id, 'hex'), '-'), coalesce(` + asStamp("deciding_at") + ` || ' ' || encode(deciding_event_id, 'hex'), '-')
	FROM bouncetail.recipients r
	-- SQLite deletes the row of an address that never failed with the decision on it.
	WHERE last_failure_at IS NOT NULL OR EXISTS (SELECT 1 FROM bouncetail.decisions d WHERE d.recipient_key = r.recipient_key AND d.decision <> '')
	ORDER BY recipient COLLATE "C"`

// recordsOf returns the queries for all columns of bounces that both databases have.
func recordsOf() (inSQLite, inFleet string) {
	var here, there []string
	for _, c := range query.BounceColumns {
		expression := "coalesce(" + c.Name + "::text, '-')"
		switch c.Name {
		case "event_id":
			expression = "encode(event_id, 'hex')"
		case "occurred_at":
			expression = asStamp(c.Name)
		case "suppress":
			expression = "suppress::int::text"
		}
		here, there = append(here, "coalesce("+c.Name+", '-')"), append(there, expression)
	}
	return "SELECT " + strings.Join(here, ", ") + " FROM bounces ORDER BY event_id", "SELECT " + strings.Join(there, ", ") + " FROM bouncetail.bounces ORDER BY event_id"
}

func dumpSQLite(t testing.TB, path, query string) []string {
	t.Helper()
	db := sqldb.Connect(path, "ro", "_query_only=on")
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for rows.Next() {
		texts := make([]string, len(columns))
		into := make([]any, len(columns))
		for i := range into {
			into[i] = &texts[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		all = append(all, clean(strings.Join(texts, "|")))
	}
	if rows.Err() != nil {
		t.Fatal(rows.Err())
	}
	return all
}

func dumpFleet(t testing.TB, dsn, query string) []string {
	t.Helper()
	s := Settings{DSN: dsn}
	conn, err := s.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	rows, err := conn.Query(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		texts := make([]string, len(row.FieldDescriptions()))
		into := make([]any, len(texts))
		for i := range into {
			into[i] = &texts[i]
		}
		err := row.Scan(into...)
		return strings.Join(texts, "|"), err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func diff(got, want []string) string {
	var lines []string
	for _, line := range got {
		if !slices.Contains(want, line) {
			lines = append(lines, "fleet: "+line)
		}
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			lines = append(lines, "one:   "+line)
		}
	}
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(a[7:], b[7:]) })
	return strings.Join(lines[:min(len(lines), 12)], "\n")
}

// seeds returns how many stories are told.
func seeds(t testing.TB, usual int) int {
	n := usual
	if text := os.Getenv("BOUNCETAIL_TEST_FLEET_SEEDS"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// The oracle: what a fleet has equals what one bouncetail has that read all logs,
// whatever order the hosts read and send in, and whatever breaks meanwhile.
func TestAFleetEqualsOneThatReadAllLogs(t *testing.T) {
	server, dsn, database := newFleet(t)
	for seed := range seeds(t, 6) {
		server.SQL(t, database, "TRUNCATE bouncetail.bounces, bouncetail.recipients, bouncetail.fleet_instances, bouncetail.refusals, bouncetail.daily_counts, bouncetail.daily_traffic, bouncetail.fleet_days, bouncetail.crowds, bouncetail.decisions, bouncetail.releases; UPDATE bouncetail.fleet_clock SET seq = 0")
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { tellStory(t, server, dsn, uint64(seed)) })
	}
}

func tellStory(t *testing.T, server *pgtest.Server, dsn string, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 7))
	events := story(r, 2+int(seed%2))
	one := filepath.Join(t.TempDir(), "one.db")
	store := openStore(t, one)
	for _, b := range batches(r, slices.Concat(events...)) {
		if _, err := store.Save(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	network := &cutting{r: r}
	admin, _, _ := strings.Cut(dsn, " user=")
	admin += " user=postgres"
	hosts := make([]*host, len(events))
	for i := range hosts {
		hosts[i] = newHost(t, dsn, fmt.Sprint("mx", i))
		hosts[i].rest = batches(r, events[i])
		hosts[i].sender.dial = network.dial
	}
	killAt := -1
	if seed%10 == 3 {
		killAt = r.IntN(40)
	}
	for step, reading := 0, len(hosts); reading > 0; step++ {
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
			if _, err := h.store.Save(t.Context(), h.rest[0]); err != nil {
				t.Fatal(err)
			}
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
				h.sender.counts.dueAt, h.sender.hand.dueAt = time.Time{}, time.Time{}
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
	if got, want := dumpFleet(t, admin, fleetRecipients), dumpSQLite(t, one, sqliteRecipients); !slices.Equal(got, want) {
		t.Errorf("recipients:\n%s", diff(got, want))
	}
	const crowds = "SELECT kind, unit, started_at, last_at, ended_at, addresses, refused, attempts, coalesce(domains, 'null') FROM crowds ORDER BY kind, unit, started_at"
	fleetCrowds := "SELECT kind, unit, " + asStamp("started_at") + ", " + asStamp("last_at") + ", " + asStamp("ended_at") +
		`, addresses::text, refused::text, attempts::text, domains FROM bouncetail.crowds ORDER BY kind COLLATE "C", unit COLLATE "C", started_at`
	if got, want := dumpFleet(t, admin, fleetCrowds), dumpSQLite(t, one, crowds); !slices.Equal(got, want) {
		t.Errorf("crowds:\n%s", diff(got, want))
	}
	inSQLite, inFleet := recordsOf()
	if got, want := dumpFleet(t, admin, inFleet), dumpSQLite(t, one, inSQLite); !slices.Equal(got, want) {
		t.Errorf("bounces:\n%s", diff(got, want))
	}
	if numbers := dumpFleet(t, admin, "SELECT count(*)::text FROM (SELECT seq FROM bouncetail.recipients GROUP BY seq HAVING count(*) > 1) twice"); numbers[0] != "0" {
		t.Errorf("%s change numbers were given twice", numbers[0])
	}
	t.Logf("%d cuts, %d crowds; by hand: %s", network.cuts, len(dumpFleet(t, admin, fleetCrowds)),
		dumpFleet(t, admin, "SELECT (SELECT count(*) FROM bouncetail.decisions)::text, (SELECT count(*) FROM bouncetail.releases WHERE NOT confirms)::text, (SELECT count(*) FROM bouncetail.releases WHERE confirms)::text, (SELECT count(withdrawn_at) FROM bouncetail.releases)::text"))
}
