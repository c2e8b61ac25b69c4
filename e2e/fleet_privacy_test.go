package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// recorder is a proxy that keeps what passes.
type recorder struct {
	listener net.Listener
	mutex    sync.Mutex
	passed   bytes.Buffer
	running  sync.WaitGroup
}

func (r *recorder) Write(b []byte) (int, error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.passed.Write(b)
}

// record passes connections on to a port of this machine until the test ends.
func record(t *testing.T, to int) *recorder {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{listener: l}
	r.running.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", to))
			if err != nil {
				client.Close()
				continue
			}
			for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
				r.running.Go(func() {
					_, _ = io.Copy(io.MultiWriter(way[0], r), way[1]) // until one side ends
					way[0].Close()
				})
			}
		}
	})
	t.Cleanup(func() { l.Close(); r.running.Wait() })
	return r
}

// With hashed addresses, neither the database of the fleet nor what passes on the wire
// names a person: recipients, senders, aliases, and what replies quote.
func TestAFleetOfHashesNamesNobody(t *testing.T) {
	t.Parallel()
	key := filepath.Join(t.TempDir(), "hash.key")
	if err := os.WriteFile(key, []byte("an example of a key\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	server, database, hosts := newFleetWith(t, "privacy: {hash_addresses: true, key_file: "+key+"}\n", "mx1", "mx2")
	wire := record(t, server.Port)
	for _, h := range hosts {
		dsn := fmt.Sprintf("host=127.0.0.1 port=%d dbname=%s user=%s sslmode=disable\n", wire.listener.Addr().(*net.TCPAddr).Port, database, h.name)
		if err := os.WriteFile(strings.TrimSuffix(h.db, ".db")+".dsn", []byte(dsn), 0o600); err != nil {
			t.Fatal(err)
		}
		for n, person := range []string{"jane.doe", "john.roe"} {
			id := fmt.Sprintf("4F%s%03X", h.name[2:], n)
			at := fmt.Sprintf("2026-11-01T12:%02d:00.000000+00:00 %s postfix/", n, h.name)
			h.write(at + "cleanup[6]: " + id + ": message-id=<" + id + "@shop.example>\n")
			h.write(at + "qmgr[5]: " + id + ": from=<news.letter+" + person + "=customer.example@shop.example>, size=2, nrcpt=1 (queue active)\n")
			h.write(at + "smtp[7]: " + id + ": to=<" + person + "@customer.example>, orig_to=<alias." + person + "@shop.example>, relay=mx.customer.example[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (host mx.customer.example[192.0.2.1] said: 550 5.1.1 <" + person + "@customer.example>: no such user, see https://help.example/?to=" + person + "%40customer.example (in reply to RCPT TO command))\n")
		}
		h.daemon = start(t, "--config", h.settings)
		h.send()
	}
	a, b := hosts[0], hosts[1]
	for _, h := range hosts {
		h.has("at first", states, "bad|failure", "bad|failure")
	}
	run(t, "recipients", "allow", "jane.doe@customer.example", "--config", a.settings)
	b.has("allowed", states, "ok|manual", "bad|failure")
	run(t, "forget", "john.roe@customer.example", "--yes", "--config", a.settings)
	b.has("forgotten", states, "ok|manual")
	waitFor(t, "the failures of jane in PostgreSQL", func() bool {
		return server.SQL(t, database, "SELECT count(*) FROM bouncetail.bounces") == "2\n"
	})
	time.Sleep(time.Second)
	dump := server.Dump(t, database)
	if !strings.Contains(dump, "customer.example") {
		t.Fatal("the dump does not hold the domain, so that the test shows nothing")
	}
	wire.mutex.Lock()
	defer wire.mutex.Unlock()
	if wire.passed.Len() < 10_000 {
		t.Fatalf("only %d bytes passed on the wire", wire.passed.Len())
	}
	for what, data := range map[string]string{"the dump": dump, "the wire": wire.passed.String()} {
		for _, name := range []string{"jane", "doe@", "john", "roe", "news.letter", "alias."} {
			if i := strings.Index(strings.ToLower(data), name); i >= 0 {
				t.Errorf("%s holds %q: %q", what, name, data[max(0, i-60):min(len(data), i+60)])
			}
		}
	}
}
