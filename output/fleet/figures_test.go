package fleet

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/sqldb"
	"github.com/bouncetail/bouncetail/sqlite"
	"github.com/bouncetail/bouncetail/sqlite/dbfile"
)

// figuresOf returns, for each table of counters and incidents, a query for the host's
// rows, and one for what the fleet has of them.
func figuresOf(instance string) (queries [][2]string) {
	for i := range allFigures {
		f := &allFigures[i]
		names := strings.Split(f.names(f.columns), ", ")
		if f.digested {
			names = names[:len(names)-1]
		}
		if f.table == "daily_counts" {
			names = append(names, "sent", "sent_slots")
		}
		var here, there []string
		for j, name := range names {
			own, sent := "coalesce("+name+", '-')", "coalesce("+name+"::text, '-')"
			switch {
			case name == "shape_hash":
				continue
			case name == "sent_slots":
				own, sent = "iif(sent_slots IS NULL, '-', hex(sent_slots))", "coalesce(upper(encode(sent_slots, 'hex')), '-')"
			case name == "private_subject":
				own = "iif(kind IN ('bad-list', 'unclassified-surge'), subject, '-')"
			case name == "subject":
				own = "iif(kind IN ('bad-list', 'unclassified-surge'), '', subject)"
			case name == "reply":
				own = "coalesce((SELECT reply FROM bounces WHERE id = bounce_id), '-')"
			case j < len(f.columns) && f.columns[j].kind == "double precision":
				own, sent = "coalesce(CAST(round(1000000 * "+name+") AS INTEGER), '-')", "coalesce(round(1000000 * "+name+")::bigint::text, '-')"
			}
			here, there = append(here, own), append(there, sent)
		}
		queries = append(queries, [2]string{
			"SELECT " + strings.Join(here, ", ") + " FROM " + f.table,
			"SELECT " + strings.Join(there, ", ") + " FROM bouncetail." + f.table + " WHERE instance = (SELECT number FROM bouncetail.fleet_instances i WHERE i.instance = '" + instance + "')",
		})
	}
	return queries
}

// compareFigures checks that the fleet has of each host what the host has.
func compareFigures(t *testing.T, when, admin string, hosts ...*host) (rows int) {
	t.Helper()
	for _, h := range hosts {
		for _, q := range figuresOf(h.sender.Instance) {
			got, want := dumpFleet(t, admin, q[1]), dumpSQLite(t, h.sender.Database, q[0])
			slices.Sort(got)
			slices.Sort(want)
			if rows += len(want); !slices.Equal(got, want) {
				t.Errorf("when %s, of %s, %s: %d rows, want %d:\n%s", when, h.sender.Instance, q[0], len(got), len(want), diff(got, want))
			}
		}
	}
	return rows
}

// write runs statements on the SQLite file of a host, as its daemon would.
func (h *host) write(t *testing.T, statements ...string) {
	t.Helper()
	db := sqldb.Connect(h.sender.Database, "rw", "")
	defer db.Close()
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// insertIncident returns the statement of an incident that is over or, without a time,
// open.
func insertIncident(id int, kind, subject, over string) string {
	return fmt.Sprintf(`
		INSERT INTO incidents (id, kind, scope, category, reason, enhanced_code, subject, started_at, last_at, opened_at, over_at, backlog, tried, baseline, p, attempts, addresses, domains, bounce_id)
		VALUES (%d, '%s', 'sender', 'blocked', 'policy', '5.7.1', '%s', '2026-03-02T12:00:00.000Z', '2026-03-02T13:00:00.000Z', '2026-03-02T12:01:00.000Z', nullif('%s', ''), 0, 40, 0.0123456, 1e-9, 30, 20, 2,
		  (SELECT max(id) FROM bounces))`, id, kind, subject, over)
}

// some returns what a host has counted: failures and deliveries on two days.
func some(first int) (batches []*bounce.Batch) {
	for i := range 6 {
		b := refused(fmt.Sprint("u", first+i), first+i)
		at := day.AddDate(0, 0, i%2).Add(time.Duration(first+i) * time.Minute)
		b.Domains = []string{"example.com"}
		b.Successes = append(b.Successes, bounce.Success{ID: bounce.NewEventID(uint32(first+i), fmt.Sprint("sent", first+i)), At: at.UnixMilli(), Key: int64(first + i)})
		batches = append(batches, b)
	}
	return batches
}

func TestAFleetHasTheCountersAndIncidentsOfItsHosts(t *testing.T) {
	t.Parallel()
	server, dsn, database := newFleet(t)
	admin := server.DSN(database, "postgres")
	hosts := []*host{newHost(t, dsn, "mx1"), newHost(t, dsn, "mx2")}
	for i, h := range hosts {
		h.read(t, some(10*i)...)
		h.write(t, insertIncident(1, "provider-refuses", "google", ""), insertIncident(2, "bad-list", "news@shop.example", "2026-03-02T14:00:00.000Z"),
			"INSERT INTO provider_baselines (provider, tried, refused, updated, judged, ended) VALUES ('google', 12.5, 0.1, 7, 7, 0)",
			"INSERT INTO gaps (noticed_at, source, path, bytes, why) VALUES ('2026-03-02T12:00:00.000Z', 'mail', '/var/log/mail.log', -1, 'truncated')",
			"INSERT INTO unparsed_lines (mta, shape, count, example, last_read_at) VALUES ('postfix', 'to=<> odd', 3, 'to=<jane@example.com> odd', '2026-03-02T12:00:00.000Z')")
		h.send(t)
	}
	if rows := compareFigures(t, "sent at first", admin, hosts...); rows < 20 {
		t.Errorf("only %d rows were compared", rows)
	}
	if got := server.SQL(t, database, "SELECT count(DISTINCT shape_hash), count(*) FROM bouncetail.unparsed_lines"); got != "1|2\n" {
		t.Errorf("one shape at two hosts: %q", got)
	}
	// More of a day that was sent, and other verdicts on it.
	h := hosts[0]
	h.read(t, some(100)...)
	h.write(t, "UPDATE incidents SET over_at = '2026-03-02T15:00:00.000Z', ended_by = 'delivery' WHERE id = 1", "UPDATE provider_baselines SET tried = 13")
	rejudge(t, h.store)
	h.send(t)
	compareFigures(t, "more is sent", admin, hosts...)
	// Windows are added up, twice.
	for _, later := range []time.Duration{20, 100} {
		if err := h.store.RollUp(t.Context(), day.Add(later*24*time.Hour)); err != nil {
			t.Fatal(err)
		}
		h.send(t)
		compareFigures(t, fmt.Sprintf("windows are %d days old", later), admin, hosts...)
	}
}

func TestWhatAHostDeletesForItsAgeStaysInTheFleet(t *testing.T) {
	server, dsn, database := newFleet(t)
	h := newHost(t, dsn, "mx1")
	h.read(t, some(0)...)
	h.write(t, insertIncident(1, "provider-refuses", "google", "2026-03-02T14:00:00.000Z"), insertIncident(2, "bad-list", "news@shop.example", "2026-03-02T14:00:00.000Z"),
		insertIncident(3, "provider-refuses", "yahoo", ""))
	h.send(t)
	const sums = `SELECT (SELECT sum(failures) FROM bouncetail.daily_reasons), (SELECT sum(sent + bounced) FROM bouncetail.daily_totals),
		(SELECT sum(sent + bounced) FROM bouncetail.daily_counts), (SELECT sum(sent + bounced) FROM bouncetail.provider_windows), (SELECT string_agg(id || coalesce(reply, '-'), ' ' ORDER BY id) FROM bouncetail.incidents)`
	before := server.SQL(t, database, sums)
	if _, err := h.store.Prune(t.Context(), sqlite.Retention{DailyCounts: 30, Incidents: 30, Gaps: 30, UnparsedLines: 30}, day.AddDate(0, 0, 60)); err != nil {
		t.Fatal(err)
	}
	if left := dumpSQLite(t, h.sender.Database, "SELECT (SELECT count(*) FROM daily_totals), (SELECT count(*) FROM incidents)"); left[0] != "0|1" {
		t.Fatalf("pruned: %v", left)
	}
	h.read(t, refused("later", 60*24*90))
	h.send(t)
	// One more failure. Of incidents that are deleted, the reply goes, and those about a
	// sender go as a whole.
	want := "6|12|12|12|1550 5.1.1 No such user u5 2550 5.1.1 No such user u5 3550 5.1.1 No such user u5\n"
	if before != want {
		t.Fatalf("before: %q, want %q", before, want)
	}
	want = "7|13|13|13|1- 3550 5.1.1 No such user u5\n"
	if got := server.SQL(t, database, sums); got != want {
		t.Errorf("after: %q, want %q", got, want)
	}
	for range 2 { // nothing is left to say about it
		h.sender.figures = figures{}
		h.send(t)
	}
	if got := server.SQL(t, database, sums); got != want {
		t.Errorf("sent again: %q, want %q", got, want)
	}
}

func TestForgettingASenderTakesItOutOfTheIncidentsOfTheFleet(t *testing.T) {
	server, dsn, database := newFleet(t)
	h := newHost(t, dsn, "mx1")
	h.read(t, some(0)...)
	h.write(t, insertIncident(1, "bad-list", "jane@shop.example", "2026-03-02T14:00:00.000Z"), insertIncident(2, "provider-refuses", "google", ""))
	h.send(t)
	people := []bounce.Address{{Normal: "jane@shop.example", Domain: "shop.example"}, {Normal: "u5@example.com", Domain: "example.com"}}
	if _, err := h.store.Forget(t.Context(), &sqlite.Forgetting{People: people, Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
	h.send(t)
	if got := server.SQL(t, database, "SELECT id, subject, private_subject, reply FROM bouncetail.incidents"); got != "2|google||\n" {
		t.Errorf("incidents: %q, want the other one without the reply that names the address", got)
	}
}

func TestARestoredBackupDoesNotLowerCounters(t *testing.T) {
	server, dsn, database := newFleet(t)
	admin := server.DSN(database, "postgres")
	h := newHost(t, dsn, "mx1")
	h.read(t, some(0)...)
	h.write(t, insertIncident(1, "provider-refuses", "google", "2026-03-02T14:00:00.000Z"))
	h.send(t)
	backup := filepath.Join(t.TempDir(), "backup.db")
	if err := dbfile.Backup(t.Context(), h.sender.Database, backup); err != nil {
		t.Fatal(err)
	}
	h.read(t, some(20)...)
	h.write(t, insertIncident(2, "provider-refuses", "yahoo", ""))
	h.send(t)
	const sums = "SELECT (SELECT sum(failures) FROM bouncetail.daily_reasons), (SELECT sum(sent + bounced) FROM bouncetail.daily_totals), (SELECT sum(sent + bounced) FROM bouncetail.daily_counts), (SELECT sum(sent + bounced) FROM bouncetail.provider_windows)"
	before := server.SQL(t, database, sums)

	h.store.Close()
	h.sender.Database = backup
	_, err := h.sender.SendAll(t.Context())
	wantErr(t, "a backup", err, "a backup was restored", "bouncetail fleet adopt")
	if got := server.SQL(t, database, "SELECT count(*) FROM bouncetail.incidents"); got != "2\n" {
		t.Errorf("a backup that nobody has adopted has left %q incidents, want 2", got)
	}
	if err := h.sender.Adopt(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.send(t)
	if got := server.SQL(t, database, sums); got != before {
		t.Errorf("after the backup %q, want %q as before", got, before)
	}
	if got := server.SQL(t, database, "SELECT id FROM bouncetail.incidents"); got != "1\n" {
		t.Errorf("incidents %q, want that of the backup", got)
	}
	// It reads the lines again, and another one.
	h.store = openStore(t, backup)
	h.read(t, some(20)...)
	h.read(t, some(30)...)
	h.send(t)
	compareFigures(t, "the logs are read again", admin, h)
}

func TestResendMendsCountersThatWereChangedInTheFleet(t *testing.T) {
	server, dsn, database := newFleet(t)
	admin := server.DSN(database, "postgres")
	h := newHost(t, dsn, "mx1")
	h.read(t, some(0)...)
	h.write(t, insertIncident(1, "provider-refuses", "google", ""))
	h.send(t)
	server.SQL(t, database, "UPDATE bouncetail.provider_windows SET sent = sent + 1; UPDATE bouncetail.daily_reasons SET reason = 'other'; DELETE FROM bouncetail.incidents")
	if err := h.sender.Resend(t.Context()); err != nil {
		t.Fatal(err)
	}
	for {
		more, err := h.sender.round(t.Context()) // the sender that runs hears of it
		if err != nil {
			t.Fatal(err)
		}
		if h.sender.figures.dueAt = (time.Time{}); !more && h.sender.resending.target == 0 {
			break
		}
	}
	compareFigures(t, "all was sent again", admin, h)
}

func TestCountersOfADayGoInBoundedTransactions(t *testing.T) {
	server, dsn, database := newFleet(t)
	admin := server.DSN(database, "postgres")
	h := newHost(t, dsn, "mx1")
	h.read(t, some(0)...)
	h.write(t, `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3500)
		INSERT INTO provider_windows SELECT 300, 1772409600 + 300 * (i % 288), 'p' || i, 1, 2, 3, 4, 5, 6 FROM n`)
	h.send(t)
	compareFigures(t, "3,500 windows are sent", admin, h)
	// All go at once, and so do those in the fleet.
	if err := h.store.RollUp(t.Context(), day.AddDate(0, 0, 100)); err != nil {
		t.Fatal(err)
	}
	h.sender.figures.dueAt = time.Time{}
	transactions := 0
	for more := true; more; transactions++ {
		var err error
		if more, err = h.sender.round(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if compareFigures(t, "they are added up", admin, h); transactions < 4 {
		t.Errorf("7,000 rows changed in %d transactions, want 1,000 at most in each", transactions)
	}
}

func TestASenderDoesNotReadPrivateColumnsOfIncidents(t *testing.T) {
	server, dsn, database := newFleet(t)
	h := newHost(t, dsn, "mx1")
	h.read(t, some(0)...)
	h.write(t, insertIncident(1, "bad-list", "news@shop.example", ""))
	h.send(t)
	for _, column := range []string{"reply", "private_subject"} {
		server.SQL(t, database, fmt.Sprintf(`DO $$ BEGIN SET LOCAL ROLE host_of_%s; PERFORM %s FROM bouncetail.incidents; RAISE EXCEPTION 'allowed'; EXCEPTION WHEN insufficient_privilege THEN NULL; END $$`, database, column))
	}
	// A host that hides replies sends neither, and takes back what it has sent.
	h.sender.HideReplies = true
	h.sender.close()
	h.send(t)
	if got := server.SQL(t, database, "SELECT kind, subject, private_subject IS NULL, reply IS NULL FROM bouncetail.incidents"); got != "bad-list||t|t\n" {
		t.Errorf("the incident is %q, want it without sender and reply", got)
	}
}
