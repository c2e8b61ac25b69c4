package fleet

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/internal/pgtest"
)

// elsewhere is the address at which the tests reach the server as if it were another host.
const elsewhere = "192.0.2.10"

// certificate makes a key and a certificate of it, for some addresses, and signs it by
// itself.
func certificate(t *testing.T, addresses ...string) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "db.example.com"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	for _, a := range addresses {
		c.IPAddresses = append(c.IPAddresses, net.ParseIP(a))
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})
}

// useCertificate makes the server of the package offer TLS with a certificate, until the
// end of the test.
func useCertificate(t *testing.T, server *pgtest.Server, cert, key []byte) {
	t.Helper()
	owner, err := os.Stat(filepath.Join(server.Dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"fleet.crt": cert, "fleet.key": key} {
		path := filepath.Join(server.Dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(path, int(owner.Sys().(*syscall.Stat_t).Uid), int(owner.Sys().(*syscall.Stat_t).Gid)); err != nil {
			t.Fatal(err)
		}
	}
	for _, set := range []string{"ssl_cert_file = '" + server.Dir + "/fleet.crt'", "ssl_key_file = '" + server.Dir + "/fleet.key'", "ssl = on"} {
		server.SQL(t, "postgres", "ALTER SYSTEM SET "+set)
	}
	server.SQL(t, "postgres", "SELECT pg_reload_conf()")
	t.Cleanup(func() {
		server.SQL(t, "postgres", "ALTER SYSTEM RESET ssl")
		server.SQL(t, "postgres", "SELECT pg_reload_conf()")
	})
	for range 1000 {
		if server.SQL(t, "postgres", "SHOW ssl") == "on\n" {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the server offers no TLS")
}

func TestAServerElsewhereIsReachedByVerifiedTLSOnly(t *testing.T) {
	server, _, database := newFleet(t)
	cert, key := certificate(t, elsewhere)
	useCertificate(t, server, cert, key)
	dir := t.TempDir()
	root, other := filepath.Join(dir, "root.crt"), filepath.Join(dir, "other.crt")
	stranger, _ := certificate(t, elsewhere)
	for path, text := range map[string][]byte{root: cert, other: stranger} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	connect := func(host, more string) (tls bool, err error) {
		t.Helper()
		s := Settings{DSN: fmt.Sprintf("host=%s port=%d dbname=%s user=postgres %s", host, server.Port, database, more), Policy: &policy}
		s.dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, fmt.Sprintf("127.0.0.1:%d", server.Port))
		}
		conn, err := s.Connect(t.Context())
		if err != nil {
			return false, err
		}
		defer conn.Close(t.Context())
		return tls, conn.QueryRow(t.Context(), "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").Scan(&tls)
	}
	if tls, err := connect(elsewhere, "sslrootcert="+root); err != nil || !tls {
		t.Errorf("with the certificate of the server: TLS %v, %v", tls, err)
	}
	if tls, err := connect("127.0.0.1", "sslmode=disable"); err != nil || tls {
		t.Errorf("on this machine, with TLS switched off: TLS %v, %v", tls, err)
	}
	for name, c := range map[string]struct {
		host, more string
		wants      []string
	}{
		"no authority":         {elsewhere, "", []string{"is not trusted here", "sslrootcert of fleet.dsn"}},
		"another authority":    {elsewhere, "sslrootcert=" + other, []string{"is not trusted here", "sslrootcert of fleet.dsn"}},
		"another name":         {"192.0.2.11", "sslrootcert=" + root, []string{"is not for the host name 192.0.2.11", "use a name of the certificate"}},
		"no file of authority": {elsewhere, "sslrootcert=" + dir + "/none.crt", []string{"cannot read", "correct the path"}},
	} {
		_, err := connect(c.host, c.more)
		wantErr(t, name, err, c.wants...)
	}
	server.SQL(t, "postgres", "ALTER SYSTEM SET ssl = off")
	server.SQL(t, "postgres", "SELECT pg_reload_conf()")
	for range 1000 {
		if server.SQL(t, "postgres", "SHOW ssl") == "off\n" {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	_, err := connect(elsewhere, "sslrootcert="+root)
	wantErr(t, "a server without TLS", err, "offers no TLS", "ssl=on")
}

// A password may stand in the file that PGPASSFILE names, and in no setting.
func TestThePasswordMayBeInPGPASSFILE(t *testing.T) {
	server, _, database := newFleet(t)
	hba := strings.TrimSpace(server.SQL(t, "postgres", "SHOW hba_file"))
	before, err := os.ReadFile(hba)
	if err != nil {
		t.Fatal(err)
	}
	user := "host_of_" + database
	use := func(text string) {
		t.Helper()
		if err := os.WriteFile(hba, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		server.SQL(t, "postgres", "SELECT pg_reload_conf()")
	}
	server.SQL(t, "postgres", "ALTER ROLE "+user+" PASSWORD 'long and: random'")
	use("host all " + user + " 127.0.0.1/32 scram-sha-256\n" + string(before))
	t.Cleanup(func() { use(string(before)) })
	passwords := filepath.Join(t.TempDir(), "pgpass")
	if err := os.WriteFile(passwords, []byte(`127.0.0.1:*:`+database+`:`+user+`:long and\: random`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h := newHost(t, fmt.Sprintf("host=127.0.0.1 port=%d dbname=%s user=%s", server.Port, database, user), "mx1")
	h.read(t, refused("jane", 1))
	for range 1000 { // until the server has read the file
		if _, err = h.sender.SendAll(t.Context()); err != nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	wantErr(t, "without a password", err, "refuses the user "+user, "PGPASSFILE")
	t.Setenv("PGPASSFILE", passwords)
	h.send(t)
}
