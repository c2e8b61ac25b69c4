package fleet

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

func TestADSNThatCannotBeUsedNamesTheCause(t *testing.T) {
	noPEM := filepath.Join(t.TempDir(), "none.crt")
	if err := os.WriteFile(noPEM, []byte("no certificate\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const address = "host=db.example user=mx1 password=hunter2 "
	for dsn, want := range map[string]string{
		address + "sslrootcert=/no/such.crt":                                      "sslrootcert: cannot read /no/such.crt: no such file",
		"postgresql://mx1:hunter2@db.example/x?sslrootcert=/no/such.crt":          "sslrootcert: cannot read /no/such.crt: no such file",
		address + "sslrootcert=" + noPEM:                                          "sslrootcert holds no certificate",
		address + "sslmode=verify-all":                                            "sslmode is not one of",
		address + "sslcert=/no/such.crt":                                          "give both or none",
		address + "sslcert=/no/such.crt sslkey=/no/such.key":                      "sslkey: cannot read /no/such.key: no such file",
		address + "connect_timeout=soon":                                          "connect_timeout is not a number",
		"host=db.example password='hunter2 sslmode is invalid' connect_timeout=x": "connect_timeout is not a number",
		address + "target_session_attrs=master":                                   "target_session_attrs is not one of any, read-write",
	} {
		_, err := parseDSN(dsn, "fleet.dsn")
		wantErr(t, dsn, err, want)
		if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "not an address")) {
			t.Errorf("%s: %v", dsn, err)
		}
	}
}

// Parts that something else than a space separates, or a password with an @, become parts
// of a host, a user or a database. They are not shown, and nothing is connected to.
func TestADSNWhosePartsRunTogetherIsNotShown(t *testing.T) {
	for _, dsn := range []string{
		"host=db.example;dbname=mail;user=mx1;password=hunter2",
		"host=db.example,port=5432,user=mx1,password=hunter2",
		"host=127.0.0.1 dbname=mail user=mx1,password=hunter2",
		"host=127.0.0.1 dbname=mail;password=hunter2 user=mx1",
		"jdbc:postgresql://127.0.0.1/mail?user=mx1&password=hunter2",
		"postgresql://mx1:secret@127.0.0.1/mail\npostgresql://mx1:hunter2@127.0.0.1/mail",
		"postgresql://mx1:secret@hunter2@127.0.0.1/mail",
		"\ufeffhost=127.0.0.1 user=mx1 password=hunter2",
		`"host=127.0.0.1 user=mx1 password=hunter2"`,
	} {
		_, err := parseDSN(dsn, "fleet.dsn_file")
		wantErr(t, dsn, err, "fleet.dsn_file is not an address of PostgreSQL", "host=HOST dbname=DATABASE")
		if err != nil && (strings.Contains(err.Error(), "hunter2") || !isPersons(err)) {
			t.Errorf("%q: %v", dsn, err)
		}
	}
	_, err := parseDSN(" \n", "fleet.dsn_file")
	wantErr(t, "a DSN of spaces", err, "fleet.dsn_file is empty")
	for _, dsn := range []string{
		"host=db.example\ndbname=mail\nuser=mx1\npassword=a=b@c;d\n",
		"postgresql://mx1%40db:p%40ss%3D@db.example:5432/mail?application_name=x",
		"host=a.example,b.example port=5432,5433 user=mx1@server dbname=mail target_session_attrs=read-write search_path=x",
	} {
		if _, err := parseDSN(dsn, "fleet.dsn"); err != nil {
			t.Errorf("%q: %v", dsn, err)
		}
	}
}

// Settings of a user of PostgreSQL that change how values are written do not change what
// is stored or shown.
func TestAUserWithOtherFormatsSendsTheSame(t *testing.T) {
	server, dsn, database := newFleet(t)
	user := "host_of_" + database
	for _, set := range []string{"datestyle = 'SQL, DMY'", "intervalstyle = sql_standard", "timezone = 'Asia/Tokyo'", "standard_conforming_strings = off", "client_encoding = LATIN1", "search_path = nothing", "extra_float_digits = -15"} {
		server.SQL(t, database, "ALTER ROLE "+user+" SET "+set)
	}
	h := newHost(t, dsn, "mx1")
	h.read(t, refused("jane", 1))
	h.send(t)
	h.sender.close()
	h.read(t, refused("jane", 2), refused("jöhn", 3))
	h.send(t)
	compare(t, "the formats are others", server.DSN(database, "postgres"), h.sender.Database)
	status, err := h.sender.Status(t.Context())
	if err != nil || len(status) != 1 || status[0].SeenAgo > 600 {
		t.Errorf("Status: %+v, %v", status, err)
	}
	server.SQL(t, database, "ALTER ROLE "+user+" SET bytea_output = escape")
	h.sender.close()
	_, err = h.sender.SendAll(t.Context())
	wantErr(t, "bytea_output", err, "bytea_output is escape", "SET bytea_output = hex")
}

// answersTLS answers a request for TLS with a letter, and with what follows it.
func answersTLS(t *testing.T, letter string, then func(net.Conn)) (port int) {
	t.Helper()
	return listens(t, func(conn net.Conn) {
		if _, err := io.ReadFull(conn, make([]byte, 8)); err == nil {
			_, _ = io.WriteString(conn, letter)
			then(conn)
		}
	})
}

// listens does something with each connection, and then closes it.
func listens(t *testing.T, do func(net.Conn)) (port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			do(conn)
			conn.Close()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

func TestAServerWhoseTLSFailsIsNotSaidToBeDown(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	root := filepath.Join(t.TempDir(), "root.crt")
	if err := os.WriteFile(root, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	handshake := func(conn net.Conn) { _ = tls.Server(conn, server.TLS).HandshakeContext(t.Context()) }
	none := answersTLS(t, "N", func(net.Conn) {})
	good := answersTLS(t, "S", handshake)
	noise := answersTLS(t, "S", func(conn net.Conn) {
		_, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n")
		_, _ = conn.Read(make([]byte, 4096))
	})
	for name, c := range map[string]struct {
		port  int
		host  string
		more  string
		wants []string
	}{
		"no TLS":               {none, "127.0.0.1", "", []string{"offers no TLS", "ssl=on"}},
		"an unknown authority": {good, "127.0.0.1", "", []string{"certificate", "not trusted", "sslrootcert"}},
		"another name":         {good, "localhost", "sslrootcert=" + root, []string{"not for the host name localhost"}},
		"what is not TLS":      {noise, "127.0.0.1", "", []string{"agree on TLS", "sslmode"}},
		"only the authority":   {good, "127.0.0.1", "sslmode=verify-ca", []string{"not trusted", "sslrootcert"}},
	} {
		s := Settings{DSN: fmt.Sprintf("host=%s port=%d user=mx1 password=hunter2 dbname=x sslmode=verify-full %s", c.host, c.port, c.more)}
		_, err := s.connect(t.Context())
		wantErr(t, name, err, c.wants...)
		if err != nil && (strings.Contains(err.Error(), "does not answer") || strings.Contains(err.Error(), "hunter2")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// greets says something to everybody who connects.
func greets(t *testing.T, greeting string) (port int) {
	t.Helper()
	return listens(t, func(conn net.Conn) {
		_, _ = io.WriteString(conn, greeting)
		_, _ = conn.Read(make([]byte, 4096))
	})
}

func TestAnotherServerIsNotToldToOfferTLS(t *testing.T) {
	t.Parallel()
	for name, greeting := range map[string]string{
		"a mail server": "220 mx.example.com ESMTP\r\n", "SSH": "SSH-2.0-OpenSSH_9.2p1\r\n", "a web server": "HTTP/1.1 400 Bad Request\r\n\r\n", "MySQL": "J\x00\x00\x00\x0a8.0.36\x00", "Redis": "-ERR unknown command\r\n",
	} {
		for _, mode := range []string{"verify-full", "disable"} {
			s := Settings{DSN: fmt.Sprintf("host=127.0.0.1 port=%d user=mx1 password=hunter2 dbname=x sslmode=%s", greets(t, greeting), mode), DSNSetting: "fleet.dsn_file"}
			_, err := s.connect(t.Context())
			wantErr(t, name+", "+mode, err, "is not PostgreSQL", "the host and the port in fleet.dsn_file")
			if err != nil && (strings.Contains(err.Error(), "ssl=on") || strings.Contains(err.Error(), "hunter2") || isPersons(err)) {
				t.Errorf("%s, %s: %v", name, mode, err)
			}
		}
	}
}

// The next step names the setting that the host has.
func TestErrorsNameTheSettingThatHasTheDSN(t *testing.T) {
	server, _, database := newFleet(t)
	for name, dsn := range map[string]string{
		"no DSN": "postgresql://user@host:port/x", "no certificate": "host=db.example sslrootcert=/no/such.crt", "nothing listens": "postgresql://mx1@127.0.0.1:1/x",
		"no such user": server.DSN(database, "nobody"), "no such database": server.DSN("nothing", "postgres"),
	} {
		s := Settings{DSN: dsn, DSNSetting: "fleet.dsn_file"}
		_, err := s.Connect(t.Context())
		wantErr(t, name, err, "fleet.dsn_file")
	}
	// Errors of statements do not know the setting.
	for name, dsn := range map[string]string{"no tables": server.DSN(server.Database(t), "postgres")} {
		_, err := (&Settings{DSN: dsn, DSNSetting: "fleet.dsn_file"}).Connect(t.Context())
		if err == nil || strings.Contains(err.Error(), "fleet.dsn") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A reader that has gone, as in export --fleet | head, is no trouble of PostgreSQL.
func TestAnErrorOfAFileIsNotOneOfTheConnection(t *testing.T) {
	pipe := &fs.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.EPIPE}
	if got := Explain(fmt.Errorf("export: %w", pipe)); strings.Contains(got.Error(), "PostgreSQL") {
		t.Errorf("Explain: %v", got)
	}
	wantErr(t, "of the network", Explain(&net.OpError{Op: "write", Err: syscall.EPIPE}), "the connection to PostgreSQL broke")
}

func TestASenderIsToldWhoRebuilds(t *testing.T) {
	_, dsn, _ := newFleet(t)
	s := Settings{DSN: dsn, Policy: &policy}
	_, err := s.Rebuild(t.Context())
	wantErr(t, "Rebuild as a sender", err, "run this command as their owner", "fleet rebuild")
	if !isPersons(err) || strings.Contains(err.Error(), "GRANT") {
		t.Errorf("Rebuild as a sender: %v", err)
	}
}

// What PostgreSQL does not allow now is reported with the next step. The sender tries
// again, and nothing is lost.
func TestLimitsOfPostgreSQLNameTheNextStep(t *testing.T) {
	server, dsn, database := newFleet(t)
	h := newHost(t, dsn, "mx1")
	h.send(t)
	user := "host_of_" + database
	admin, err := (&Settings{DSN: server.DSN(database, "postgres")}).connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(context.Background())
	for minute, c := range []struct {
		set, reset string
		wants      []string
	}{
		{"SET default_transaction_read_only = on", "RESET default_transaction_read_only", []string{"takes no changes", "target_session_attrs=read-write"}},
		{"SET statement_timeout = 50", "RESET statement_timeout", []string{"ended what took too long", "SET statement_timeout = "}},
		{"SET lock_timeout = 50", "RESET lock_timeout", []string{"ended what took too long", "SET lock_timeout = "}},
		{"CONNECTION LIMIT 0", "CONNECTION LIMIT -1", []string{"has no connection left", "CONNECTION LIMIT of the user " + user}},
	} {
		h.read(t, refused("jane", minute))
		h.sender.close()
		server.SQL(t, database, "ALTER ROLE "+user+" "+c.set)
		// Another sender has the clock.
		tx, err := admin.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(t.Context(), "UPDATE bouncetail.fleet_clock SET seq = seq"); err != nil {
			t.Fatal(err)
		}
		_, err = h.sender.SendAll(t.Context())
		wantErr(t, c.set, err, c.wants...)
		if isPersons(err) {
			t.Errorf("%s: the sender ends with %v", c.set, err)
		}
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
		server.SQL(t, database, "ALTER ROLE "+user+" "+c.reset)
		if n := h.send(t); n != 1 {
			t.Errorf("after %s: %d failures are new, want 1", c.set, n)
		}
	}
}

func TestAFullDiskOfPostgreSQLIsReported(t *testing.T) {
	err := Explain(&pgconn.PgError{Code: "53100", Message: `could not extend file "base/1/2"`})
	wantErr(t, "a full disk", err, "the disk of PostgreSQL is full", "free some space there")
	if isPersons(err) {
		t.Errorf("the sender ends with %v", err)
	}
}
