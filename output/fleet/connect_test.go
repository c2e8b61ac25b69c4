package fleet

import (
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
	} {
		_, err := ParseDSN(dsn)
		wantErr(t, dsn, err, want)
		if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "not an address")) {
			t.Errorf("%s: %v", dsn, err)
		}
	}
}

// answersTLS answers a request for TLS with a letter, and with what follows it.
func answersTLS(t *testing.T, letter string, then func(net.Conn)) (port int) {
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
			if _, err := io.ReadFull(conn, make([]byte, 8)); err == nil {
				_, _ = io.WriteString(conn, letter)
				then(conn)
			}
			conn.Close()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

func TestAServerWhoseTLSFailsIsNotSaidToBeDown(t *testing.T) {
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

func TestASenderIsToldWhoRebuilds(t *testing.T) {
	_, dsn, _ := newFleet(t)
	s := Settings{DSN: dsn, Policy: &policy}
	_, err := s.Rebuild(t.Context())
	wantErr(t, "Rebuild as a sender", err, "run this command as their owner", "fleet rebuild")
	if !isPersons(err) || strings.Contains(err.Error(), "GRANT") {
		t.Errorf("Rebuild as a sender: %v", err)
	}
}
