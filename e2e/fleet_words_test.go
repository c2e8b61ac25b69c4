package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// newDecidingFleet starts two servers with daemons, the second one with maps, that both
// have read the failures of jane and john. All have the common settings.
func newDecidingFleet(t *testing.T, common string) []*mailServer {
	t.Helper()
	_, _, hosts := newFleetWith(t, common, "mx1", "mx2")
	for i, h := range hosts {
		if i == 1 && common == "" { // there are no maps of hashes
			h.configure(fmt.Sprintf("publish:\n  directory: %s\n  maps: [access]\n  every: 1s\n", h.maps()))
		}
		for n, name := range []string{"jane", "john"} {
			h.fail(name, n)
		}
		h.daemon = start(t, "--config", h.settings)
		h.send()
	}
	return hosts
}

func (m *mailServer) maps() string { return filepath.Join(filepath.Dir(m.db), m.name+".maps") }

// configure adds settings.
func (m *mailServer) configure(text string) {
	m.t.Helper()
	f, err := os.OpenFile(m.settings, os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString(text)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		m.t.Fatal(err)
	}
}

// fail writes a line of a failure, n minutes after noon.
func (m *mailServer) fail(name string, n int) {
	m.write(fmt.Sprintf("2026-11-01T12:%02d:00.000000+00:00 %s postfix/smtp[7]: 4F%s%03X: to=<%s@example.com>, relay=mx.example.com[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (host mx.example.com[192.0.2.1] said: 550 5.1.1 <%s@example.com>: no such user (in reply to RCPT TO command))\n",
		n, m.name, m.name[2:], n, name, name))
}

// has waits until a query has a result.
func (m *mailServer) has(what, question string, want ...string) {
	m.t.Helper()
	var got []string
	if poll(func() bool {
		got = query(m.t, m.db, question)
		return slices.Equal(got, want)
	}) {
		return
	}
	m.t.Fatalf("%s: %s has %q, want %q; its sender says\n%s", what, m.name, got, want, m.sender.said)
}

const states = "SELECT state, decided_by FROM recipients ORDER BY first_failure_at"

// What an admin decides at one server holds in the database, the maps and the exports of
// the other one, whichever of them runs at that time.
func TestDecisionsReachTheOtherServers(t *testing.T) {
	t.Parallel()
	hosts := newDecidingFleet(t, "")
	a, b := hosts[0], hosts[1]
	for _, h := range hosts {
		h.has("at first", states, "bad|failure", "bad|failure")
	}
	run(t, "export", "--format", "ndjson", "--state", "all", "--cursor", "crm", "-q", "--config", b.settings)
	run(t, "recipients", "allow", "jane@example.com", "--note", "she wrote", "--config", a.settings)
	b.has("allowed", states, "ok|manual", "bad|failure")
	b.has("with its note", "SELECT note FROM decisions", "she wrote")
	if changed := run(t, "export", "--format", "ndjson", "--state", "all", "--cursor", "crm", "-q", "--config", b.settings); strings.Count(changed, "\n") != 1 || !strings.Contains(changed, "jane@example.com") {
		t.Errorf("the export has\n%s\nwant jane alone", changed)
	}
	waitFor(t, "the map without jane", func() bool {
		found, err := os.ReadFile(filepath.Join(b.maps(), "access"))
		return err == nil && strings.Contains(string(found), "john@example.com") && !strings.Contains(string(found), "jane@example.com")
	})

	// Back from the other server, which withdraws what it has taken over.
	run(t, "recipients", "unset", "jane@example.com", "--config", b.settings)
	a.has("withdrawn elsewhere", states, "bad|failure", "bad|failure")

	// A server that is down hears of it later.
	b.sender.kill()
	b.daemon.kill()
	run(t, "recipients", "release", "--since", "2026-11-01", "--until", "2026-11-02", "--config", a.settings)
	run(t, "recipients", "block", "new@example.com", "--config", a.settings)
	a.has("released", states, "bad|manual", "ok|release", "ok|release")
	b.send() // without a daemon
	b.has("heard of later", states, "bad|manual", "ok|release", "ok|release")
	run(t, "recipients", "release", "--undo", query(t, b.db, "SELECT id FROM releases")[0], "--config", b.settings)
	a.has("a release withdrawn elsewhere", states, "bad|manual", "bad|failure", "bad|failure")
}

// A forgotten address disappears from the databases and files of all servers, with
// addresses hashed or not, with a daemon or without.
func TestAnAddressIsForgottenOnAllServers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		hashed bool
	}{{"in clear", false}, {"hashed", true}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			common := ""
			if c.hashed {
				key := filepath.Join(t.TempDir(), "hash.key")
				if err := os.WriteFile(key, []byte("an example of a key\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				common = "privacy: {hash_addresses: true, key_file: " + key + "}\n"
			}
			hosts := newDecidingFleet(t, common)
			a, b := hosts[0], hosts[1]
			for _, h := range hosts {
				h.has("at first", states, "bad|failure", "bad|failure")
			}
			run(t, "forget", "jane@example.com", "--yes", "--config", a.settings)
			b.has("forgotten by the daemon", states, "bad|failure")
			b.has("of john alone", "SELECT count(*) FROM bounces", "1")
			status := func() (string, error) {
				out, err := exec.CommandContext(t.Context(), program(t), "fleet", "status", "--format", "table", "--wide", "--config", a.settings).CombinedOutput()
				return string(out), err
			}
			waitFor(t, "a status without trouble", func() bool { _, err := status(); return err == nil })
			waitFor(t, "both to log it", func() bool {
				return strings.Contains(b.sender.said.String(), "forgotten here") && strings.Contains(b.daemon.said.String(), "forget-elsewhere")
			})
			b.daemon.kill()
			b.sender.kill()
			run(t, "forget", "john@example.com", "--yes", "--config", a.settings)
			waitFor(t, "a status that names mx2", func() bool {
				out, err := status()
				return err != nil && err.Error() == "exit status 1" && strings.Contains(out, "has still to forget 1 address")
			})
			b.send()
			b.has("forgotten without a daemon", "SELECT count(*) FROM recipients", "0")
			waitFor(t, "a status without trouble", func() bool { _, err := status(); return err == nil })
			for _, path := range []string{b.db, b.db + "-wal"} {
				data, err := os.ReadFile(path)
				if err != nil && !errors.Is(err, os.ErrNotExist) {
					t.Fatal(err)
				}
				for _, name := range []string{"jane@example", "john@example"} {
					if strings.Contains(string(data), name) {
						t.Errorf("%s still holds %s", filepath.Base(path), name)
					}
				}
			}
			// The log of before does not bring it back.
			b.daemon = start(t, "--config", b.settings)
			takesCommands(t, b.db)
			run(t, "import", "--config", b.settings, b.log)
			b.has("after an import", "SELECT count(*) FROM bounces", "0")
		})
	}
}

// A server that takes over nothing keeps its own database as it is.
func TestAServerCanKeepOthersDecisionsOut(t *testing.T) {
	t.Parallel()
	hosts := newDecidingFleet(t, "")
	a, b := hosts[0], hosts[1]
	b.sender.kill()
	text, err := os.ReadFile(b.settings)
	if err == nil {
		err = os.WriteFile(b.settings, []byte(strings.Replace(string(text), "fleet:\n", "fleet:\n  decisions: false\n", 1)), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	b.send()
	for _, h := range hosts {
		h.has("at first", states, "bad|failure", "bad|failure")
	}
	run(t, "recipients", "allow", "jane@example.com", "--config", a.settings)
	run(t, "recipients", "allow", "john@example.com", "--config", b.settings)
	a.has("both decided", states, "ok|manual", "ok|manual") // so that b's sender has looked, too
	time.Sleep(3 * time.Second)
	b.has("its own decision only", states, "bad|failure", "ok|manual")
}
