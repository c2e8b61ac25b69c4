package fleet

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/sqlite"
	"github.com/bouncetail/bouncetail/sqlite/dbfile"
)

var day = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// refused is a refusal of an address, minutes after noon.
func refused(local string, minute int) *bounce.Batch {
	b := &bounce.Batch{}
	b.Records.Add(&bounce.Record{
		Delivery: bounce.Delivery{
			ID: bounce.NewEventID(uint32(minute), local), At: day.Add(time.Duration(minute) * time.Minute), MTA: bounce.Postfix, Outcome: bounce.Bounced,
			Sender: "news@sender.example", HasSender: true, Reply: bounce.Reply{SMTPCode: 550, Text: "550 5.1.1 No such user " + local},
		},
		Verdict: bounce.Verdict{Category: bounce.InvalidAddress, Reason: bounce.NoSuchUser, Scope: bounce.ScopeRecipient, Disposition: bounce.Permanent, Suppress: true, Rule: "test"},
		To:      bounce.Address{Normal: local + "@example.com", Domain: "example.com"},
	})
	return b
}

func (h *host) read(t testing.TB, batches ...*bounce.Batch) {
	t.Helper()
	save(t, h.store, batches...)
}

func save(t testing.TB, s *sqlite.Store, batches ...*bounce.Batch) {
	t.Helper()
	for _, b := range batches {
		if _, err := s.Save(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
}

// send sends all there is, and returns what was new to the fleet.
func (h *host) send(t *testing.T) int {
	t.Helper()
	h.sender.sinceStart = Sent{}
	sent, err := h.sender.SendAll(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return sent.New
}

// wantErr checks that an error asks for a person and names what is wrong and what to do.
func wantErr(t *testing.T, what string, err error, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v, want %q in it", what, err, text)
		}
	}
}

func TestInitCreatesOnceAndChecksWhatIsThere(t *testing.T) {
	server, _, database := newFleet(t)
	s := Settings{DSN: server.DSN(database, "postgres"), Policy: &policy}
	if made, err := s.Init(t.Context()); err != nil || made.Created || made.Schema != schemaVersion {
		t.Errorf("Init again: %+v, %v", made, err)
	}
	s.HashKey = 5
	_, err := s.Init(t.Context())
	wantErr(t, "Init with a key", err, "the fleet holds addresses as they are", "privacy.hash_addresses")
	server.SQL(t, database, "UPDATE bouncetail.fleet_meta SET value = '7' WHERE name = 'hash_key'")
	_, err = s.Init(t.Context())
	wantErr(t, "Init with another key", err, "another key", "copy the key file")
	s.HashKey = 0
	_, err = s.Init(t.Context())
	wantErr(t, "Init without a key", err, "the fleet holds hashes", "set privacy.hash_addresses")
	for version, want := range map[string]string{"0": "older bouncetail", "99": "upgrade bouncetail on this host"} {
		server.SQL(t, database, "UPDATE bouncetail.fleet_meta SET value = '"+version+"' WHERE name = 'schema'")
		_, err = s.Init(t.Context())
		wantErr(t, "schema "+version, err, want)
	}
	server.SQL(t, database, "UPDATE bouncetail.fleet_meta SET value = 'x' WHERE name = 'schema'")
	_, err = s.Init(t.Context())
	wantErr(t, "a schema that is no number", err, "fleet_meta is damaged", "from a backup")
}

// A host that the fleet knows is refused also before it has a failure to send, and keeps
// its identity.
func TestAKnownHostIsRefusedIfTheFleetDoesNotFit(t *testing.T) {
	server, dsn, database := newFleet(t)
	h := newHost(t, dsn, "mx1")
	h.read(t, refused("jane", 1))
	h.send(t)
	host := server.SQL(t, database, "SELECT database_id, watermark FROM bouncetail.fleet_instances")
	refuse := func(name, want string) {
		t.Helper()
		h.sender.close() // the check is made when a connection begins
		_, err := h.sender.SendAll(t.Context())
		wantErr(t, name+": send", err, want)
		wantErr(t, name+": adopt", h.sender.Adopt(t.Context()), want)
		if got := server.SQL(t, database, "SELECT database_id, watermark FROM bouncetail.fleet_instances"); got != host {
			t.Errorf("%s: the host is %q, want %q", name, got, host)
		}
	}
	h.sender.HashKey = 5
	refuse("with a key", "the fleet holds addresses as they are")
	h.sender.HashKey = 0
	server.SQL(t, database, "UPDATE bouncetail.fleet_meta SET value = '99' WHERE name = 'schema'")
	refuse("a newer schema", "upgrade bouncetail on this host")
}

func TestErrorsOfAConnectionNameTheNextStep(t *testing.T) {
	server, _, database := newFleet(t)
	empty := server.Database(t)
	server.SQL(t, database, "CREATE ROLE stranger LOGIN")
	for name, c := range map[string]struct {
		dsn   string
		wants []string
		stays bool // until a person does something
	}{
		"no DSN":                     {"postgresql://user:hunter2@host:port/x", []string{"fleet.dsn is not an address", "postgresql://USER@HOST/DATABASE"}, true},
		"nothing listens":            {"postgresql://mx1@127.0.0.1:1/x", []string{"127.0.0.1:1 does not answer", "refused", "is it running"}, false},
		"no such socket":             {"host=/nowhere dbname=x user=mx1", []string{"/nowhere does not answer"}, false},
		"no such host":               {"postgresql://mx1@db.invalid/x", []string{"db.invalid:5432 does not answer"}, false},
		"an unknown parameter":       {server.DSN(database, "postgres") + " hunter=2", []string{"unrecognized configuration parameter", "check fleet.dsn"}, false},
		"a primary for a standby":    {server.DSN(database, "postgres") + " target_session_attrs=standby", []string{"is not what target_session_attrs asks for", "name all servers"}, false},
		"no such user":               {server.DSN(database, "nobody"), []string{"refuses the user nobody", "pg_hba.conf"}, false},
		"no such database":           {server.DSN("nothing", "postgres"), []string{"has no database nothing", "createdb"}, false},
		"a database without a fleet": {server.DSN(empty, "postgres"), []string{"has no tables of a fleet", "bouncetail fleet init"}, true},
		"a user without the role":    {server.DSN(database, "stranger"), []string{"permission denied", "GRANT bouncetail_sender"}, true},
	} {
		h := newHost(t, c.dsn, "mx1")
		_, err := h.sender.SendAll(t.Context())
		wantErr(t, name, err, c.wants...)
		if isPersons(err) != c.stays {
			t.Errorf("%s: %v asks for a person: %v", name, err, isPersons(err))
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error shows the password: %v", name, err)
		}
		_, err = h.sender.Status(t.Context())
		wantErr(t, name+": status", err, c.wants[0])
	}
	s := Settings{DSN: server.DSN(empty, "stranger"), Policy: &policy}
	_, err := s.Init(t.Context())
	wantErr(t, "Init without rights", err, "may not create tables", "BOUNCETAIL_FLEET_DSN")
	if got := server.SQL(t, empty, "SELECT count(*) FROM pg_namespace WHERE nspname = 'bouncetail'"); got != "0\n" {
		t.Errorf("a failed Init left a schema behind: %q", got)
	}
}

func TestTLSIsTheDefaultOutsideOfThisMachine(t *testing.T) {
	for dsn, want := range map[string]bool{
		"postgresql://mx1@db.example/mail":                   true,
		"postgresql://mx1@db.example/mail?connect_timeout=3": true,
		"host=db.example user=mx1":                           true,
		"host=192.0.2.1 user=mx1":                            true,
		"host=127.0.0.1 user=mx1":                            false,
		"host=/run/postgresql user=mx1":                      false,
	} {
		c, err := parseDSN(dsn, "fleet.dsn")
		if err != nil {
			t.Fatal(err)
		}
		verifies := c.TLSConfig != nil && !c.TLSConfig.InsecureSkipVerify && c.TLSConfig.ServerName == c.Host && len(c.Fallbacks) == 0
		if verifies != want {
			t.Errorf("%s: TLS with a verified name: %v, want %v", dsn, verifies, want)
		}
	}
}

// oldServer answers as a server of another version does.
func oldServer(t *testing.T, version string) (port int) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			b := pgproto3.NewBackend(conn, conn)
			for {
				m, err := b.ReceiveStartupMessage()
				if err != nil {
					break
				}
				if _, isTLS := m.(*pgproto3.SSLRequest); isTLS {
					_, _ = conn.Write([]byte("N"))
					continue
				}
				b.Send(&pgproto3.AuthenticationOk{})
				b.Send(&pgproto3.ParameterStatus{Name: "server_version", Value: version})
				b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
				_ = b.Flush()
				break
			}
			conn.Close()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

func TestAnOldServerIsRefused(t *testing.T) {
	for _, version := range []string{"14.9 (Debian 14.9-1)", "9.6.24"} {
		s := Settings{DSN: fmt.Sprintf("host=127.0.0.1 port=%d user=mx1 dbname=x", oldServer(t, version)), Policy: &policy}
		_, err := s.Init(t.Context())
		wantErr(t, version, err, "version 15 or later", "upgrade it")
	}
}

func TestASenderCanNeitherReadRepliesNorDelete(t *testing.T) {
	server, dsn, database := newFleet(t)
	h := newHost(t, dsn, "mx1")
	h.read(t, refused("jane", 1))
	if n := h.send(t); n != 1 {
		t.Fatalf("%d failures sent, want 1", n)
	}
	as := func(statement string) string {
		return server.SQL(t, database, fmt.Sprintf(`DO $$ BEGIN SET LOCAL ROLE host_of_%s; %s; RAISE EXCEPTION 'allowed'; EXCEPTION WHEN insufficient_privilege THEN NULL; END $$`, database, statement))
	}
	for _, denied := range []string{
		"PERFORM reply FROM bouncetail.bounces", "PERFORM sender FROM bouncetail.bounces", "PERFORM message_id FROM bouncetail.bounces", "PERFORM url FROM bouncetail.bounces",
		"DELETE FROM bouncetail.bounces", "DELETE FROM bouncetail.recipients", "DELETE FROM bouncetail.fleet_instances", "TRUNCATE bouncetail.bounces",
		"UPDATE bouncetail.bounces SET reply = ''", "UPDATE bouncetail.fleet_meta SET value = ''", "DROP TABLE bouncetail.bounces", "CREATE TABLE bouncetail.mine (x int)",
	} {
		as(denied) // fails the test unless it is denied
	}
}

func TestWhatADatabaseIsKnownBy(t *testing.T) {
	_, dsn, _ := newFleet(t)
	h := newHost(t, dsn, "mx1")
	h.read(t, refused("jane", 1), refused("john", 2))
	if n := h.send(t); n != 2 {
		t.Fatalf("%d failures sent, want 2", n)
	}
	backup, older := filepath.Join(t.TempDir(), "backup.db"), filepath.Join(t.TempDir(), "older.db")
	for _, path := range []string{backup, older} {
		if err := dbfile.Backup(t.Context(), h.sender.Database, path); err != nil {
			t.Fatal(err)
		}
	}

	other := newHost(t, dsn, "mx1")
	other.read(t, refused("mary", 3))
	_, err := other.sender.SendAll(t.Context())
	wantErr(t, "another database of the same name", err, "the fleet knows mx1 by another database", "bouncetail fleet adopt", "fleet.instance")

	other.sender.Instance, other.sender.Database = "mx2", backup
	_, err = other.sender.SendAll(t.Context())
	wantErr(t, "a copy under another name", err, "is sent as mx1 already", "bouncetail fleet adopt")
	if err := other.sender.Adopt(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := other.send(t); n != 0 {
		t.Errorf("the copy sent %d failures that are new, want none", n)
	}

	h.read(t, refused("mary", 3))
	if n := h.send(t); n != 1 {
		t.Errorf("%d failures sent, want 1", n)
	}
	// The backup is put back. It is noticed also if it has grown since.
	h.store.Close()
	h.sender.Database = older
	_, err = h.sender.SendAll(t.Context())
	wantErr(t, "an older backup", err, "a backup was restored", "bouncetail fleet adopt")
	h.store = openStore(t, older)
	h.read(t, refused("zoe", 4), refused("mary", 3), refused("ann", 5))
	_, err = h.sender.SendAll(t.Context())
	wantErr(t, "an older backup that has grown", err, "a backup was restored", "bouncetail fleet adopt")
	if err := h.sender.Adopt(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := h.send(t); n != 2 {
		t.Errorf("after adopt %d failures were new, want those of zoe and ann", n)
	}
}

// A database that is sent under two names at once joins under one of them, also if both
// looked before either had joined.
func TestADatabaseThatIsSentUnderTwoNamesAtOnce(t *testing.T) {
	server, dsn, database := newFleet(t)
	h := newHost(t, dsn, "mx1")
	h.read(t, refused("jane", 1))
	conn, err := (&Settings{DSN: server.DSN(database, "postgres")}).connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	h.sender.source.path = h.sender.Database
	if err := h.sender.source.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	id, err := h.sender.source.feed.DatabaseID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, says string }{{"mx2", "is sent as mx2 already"}, {"mx1", ""}} {
		tx, err := conn.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(t.Context(), "INSERT INTO bouncetail.fleet_instances (instance, database_id, watermark, deliveries_seq, rejudged, version, joined_at, last_seen, behind, gaps, failures) VALUES ($1, $2, 0, 0, 0, '', now(), now(), 0, 0, 0)", c.name, id); err != nil {
			t.Fatal(err)
		}
		sent := make(chan error, 1)
		go func() {
			_, err := h.sender.SendAll(t.Context())
			sent <- err
		}()
		eventually(t, "the sender waits for "+c.name, func() bool {
			return server.SQL(t, database, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") == "1\n"
		})
		if err := tx.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-sent; c.says == "" && err != nil {
			t.Errorf("sent under the same name: %v", err)
		} else if c.says != "" {
			wantErr(t, "under another name", err, c.says, "set fleet.instance to mx2")
		}
		server.SQL(t, database, "DELETE FROM bouncetail.fleet_instances WHERE instance = 'mx2'")
	}
	if got := server.SQL(t, database, "SELECT instance, failures FROM bouncetail.fleet_instances"); got != "mx1|1\n" {
		t.Errorf("the hosts are %q", got)
	}
}

// A copy of the file alone is recognised, whenever it was made: before its host was sent,
// while the number that identifies it is in the write-ahead log, and after adopt.
func TestACopyOfTheFileAloneIsRecognised(t *testing.T) {
	for name, c := range map[string]struct {
		older bool // the database was made by a version that gave it no number
		when  string
	}{
		"made before it is sent": {false, "before"}, "made after it is sent": {false, "sent"}, "of an older version": {true, "sent"}, "made after adopt": {true, "adopted"},
		"made before adopt": {false, "sent, and then adopted"},
	} {
		t.Run(name, func(t *testing.T) {
			_, dsn, _ := newFleet(t)
			h := newHost(t, dsn, "mx1")
			if c.older {
				h.write(t, "DELETE FROM meta WHERE name = 'fleet_database'")
			}
			h.read(t, refused("jane", 1))
			path := filepath.Join(t.TempDir(), "copy.db")
			cp := func(when string) {
				t.Helper()
				if when != c.when {
					return
				}
				if info, err := os.Stat(h.sender.Database + "-wal"); err != nil || info.Size() == 0 {
					t.Fatalf("the write-ahead log is empty: %v", err)
				}
				if out, err := exec.CommandContext(t.Context(), "cp", h.sender.Database, path).CombinedOutput(); err != nil {
					t.Fatalf("cp: %v\n%s", err, out)
				}
			}
			cp("before")
			h.send(t)
			cp("sent")
			cp("sent, and then adopted")
			if strings.HasSuffix(c.when, "adopted") {
				if err := h.sender.Adopt(t.Context()); err != nil {
					t.Fatal(err)
				}
				cp("adopted")
				h.send(t)
			}
			other := newHost(t, dsn, "mx2")
			other.sender.Database = path
			_, err := other.sender.SendAll(t.Context())
			wantErr(t, "a copy under another name", err, "is sent as mx1 already", "bouncetail fleet adopt")
		})
	}
}

// Citus distributes a table by a column that all of its unique keys hold, and that is
// never NULL.
func TestLargeTablesCanBeDistributedByTheKeyOfTheAddress(t *testing.T) {
	server, _, database := newFleet(t)
	got := server.SQL(t, database, `
		SELECT c.relname, count(*), bool_and(a.attnum = ANY (i.indkey) AND a.attnotnull)
		FROM pg_index i
		JOIN pg_class c ON c.oid = i.indrelid
		JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'recipient_key'
		WHERE c.relnamespace = 'bouncetail'::regnamespace AND i.indisunique
		GROUP BY c.relname ORDER BY c.relname`)
	if want := "also_read|1|t\nbounces|1|t\ndecisions|1|t\nforgotten|1|t\npruned_failures|1|t\nrecipients|1|t\nrefusals|1|t\n"; got != want {
		t.Errorf("tables with the number of their unique keys, and whether all hold recipient_key:\n%s\nwant\n%s", got, want)
	}
	if got := server.SQL(t, database, "SELECT count(*) FROM pg_constraint WHERE connamespace = 'bouncetail'::regnamespace AND contype IN ('f', 'x')"); got != "0\n" {
		t.Errorf("%s foreign keys or exclusion constraints, which distributed tables cannot have", got)
	}
	if got := server.SQL(t, database, "SELECT count(*) FROM pg_trigger"); got != "0\n" {
		t.Errorf("%s triggers", got)
	}
}
