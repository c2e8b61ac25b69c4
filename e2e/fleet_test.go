package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/internal/pgtest"
	"github.com/bouncetail/bouncetail/internal/volume"
)

var sqlBlock = regexp.MustCompile("(?s)```sql\n(.*?)```")

// mailServer is a host of a fleet: a log, a daemon that follows it, and a sender.
type mailServer struct {
	t        *testing.T
	name     string
	settings string
	db, log  string
	written  strings.Builder
	daemon   *daemon // nil if the test does not keep it
	sender   *daemon
}

func (m *mailServer) write(line string) {
	m.t.Helper()
	m.written.WriteString(line)
	f, err := os.OpenFile(m.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err == nil {
		_, err = f.WriteString(line)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		m.t.Fatal(err)
	}
}

// send starts bouncetail fleet send.
func (m *mailServer) send() {
	m.sender = &daemon{t: m.t, said: &output{}, done: make(chan struct{})}
	m.sender.cmd = exec.Command(program(m.t), "fleet", "send", "--config", m.settings)
	m.sender.cmd.Stderr = m.sender.said
	m.sender.run()
}

// newFleet makes a fleet as docs/fleet.md does, with servers whose senders do not run yet.
func newFleet(t *testing.T, names ...string) (server *pgtest.Server, database string, hosts []*mailServer) {
	return newFleetWith(t, "", names...)
}

// newFleetWith is newFleet, with further settings that all servers have.
func newFleetWith(t *testing.T, common string, names ...string) (server *pgtest.Server, database string, hosts []*mailServer) {
	server = pgtest.New(t)
	database = server.Database(t)
	dir := t.TempDir()
	settings := func(name, user string) string {
		path, dsn := filepath.Join(dir, name+".yaml"), filepath.Join(dir, name+".dsn")
		text := fmt.Sprintf("database: %s/%s.db\nsources:\n  - path: %s/%s.log\nfleet:\n  dsn_file: %s\n  instance: %s\n", dir, name, dir, name, dsn, name) + common
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.WriteFile(dsn, []byte(server.DSN(database, user)+"\n"), 0o600)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if out := run(t, "fleet", "init", "--config", settings("db", "postgres")); !strings.Contains(out, "created") {
		t.Fatalf("fleet init said %q", out)
	}
	for _, block := range sqlBlock.FindAllStringSubmatch(file(t, "docs/fleet.md"), -1) {
		server.SQL(t, database, block[1])
	}
	for _, name := range names {
		hosts = append(hosts, &mailServer{t: t, name: name, settings: settings(name, name), db: filepath.Join(dir, name+".db"), log: filepath.Join(dir, name+".log")})
	}
	return server, database, hosts
}

// Three daemons follow logs, their senders are killed, and PostgreSQL is, too. The fleet
// then has what one import of all logs has.
func TestAFleetHasWhatAllLogsSay(t *testing.T) {
	t.Parallel()
	server, database, hosts := newFleet(t, "mx1", "mx2", "mx3")
	r := rand.New(rand.NewPCG(1, 1))
	n := 0
	line := func(h *mailServer) {
		n++
		to := fmt.Sprintf("user%d@example.com", r.IntN(40))
		at := time.Date(2026, 11, 1, 0, 0, n, 0, time.UTC).Format("2006-01-02T15:04:05.000000-07:00")
		outcome := []string{
			"dsn=5.1.1, status=bounced (host mx.example.com[192.0.2.1] said: 550 5.1.1 No such user (in reply to RCPT TO command))",
			"dsn=4.2.2, status=deferred (host mx.example.com[192.0.2.1] said: 452 4.2.2 Mailbox full (in reply to RCPT TO command))",
			"dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 4F1A2B3C)",
		}[r.IntN(3)]
		h.write(fmt.Sprintf("%s %s postfix/smtp[7]: 4F%06X: to=<%s>, relay=mx.example.com[192.0.2.1]:25, delay=1, delays=0/0/0/1, %s\n", at, h.name, n, to, outcome))
	}
	for _, h := range hosts {
		line(h)
		start(t, "--config", h.settings)
		h.send()
	}
	steps := volume.Of(16, 40)
	for step := range steps {
		for range 400 / steps {
			line(hosts[r.IntN(3)])
		}
		h := hosts[r.IntN(3)]
		switch step % 8 {
		case 1, 5:
			h.sender.kill()
		case 2, 6:
			for _, h := range hosts {
				select {
				case <-h.sender.done:
					h.send()
				default:
				}
			}
		case 3:
			server.Kill()
			if err := server.Start(); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(20 * time.Millisecond) // so that each step meets the senders elsewhere
	}
	all := filepath.Join(t.TempDir(), "all.log")
	text := ""
	for _, h := range hosts {
		text += h.written.String()
		h.sender.kill()
		h.send()
	}
	if err := os.WriteFile(all, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	one := filepath.Join(t.TempDir(), "one.db")
	run(t, "import", "--config", hosts[0].settings, "--db", one, all)
	want := query(t, one, "SELECT recipient, state, decided_by, reason, permanent_count, retry_count FROM recipients ORDER BY recipient")
	want = append(want, query(t, one, "SELECT count(*) FROM bounces")...)
	ask := "SELECT concat_ws('|', recipient, state, decided_by, reason, permanent_count, retry_count) FROM bouncetail.recipients ORDER BY recipient COLLATE \"C\"; SELECT count(*) FROM bouncetail.bounces"
	var got []string
	if !poll(func() bool {
		got = strings.Split(strings.TrimSpace(server.SQL(t, database, ask)), "\n")
		return slices.Equal(got, want)
	}) {
		t.Errorf("the fleet has\n%s\none import has\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	askFleet(t, hosts[1], one)
	statusOfFleet(t, server, database, hosts)
	incidentsOfFleet(t, hosts[0])
}

// askFleet checks that commands with --fleet answer what those without do about one
// database with all logs.
func askFleet(t *testing.T, h *mailServer, one string) {
	t.Helper()
	rows := func(args ...string) (rows []map[string]any) {
		for line := range strings.Lines(run(t, append(args, "--config", h.settings)...)) {
			var row map[string]any
			if err := json.Unmarshal([]byte(line), &row); err != nil {
				t.Fatalf("%v: %s: %v", args, line, err)
			}
			delete(row, "seq")
			delete(row, "last_bounce_id") // in a fleet, failures have no numbers
			if row["decided_by"] == "delivery" {
				delete(row, "last_delivery_at")
			}
			rows = append(rows, row)
		}
		return rows
	}
	same := func(args ...string) {
		t.Helper()
		if got, want := rows(append(args, "--fleet")...), rows(append(args, "--db", one)...); !reflect.DeepEqual(got, want) || len(got) == 0 {
			t.Errorf("%v: %d rows in the fleet, %d in one database:\n%v\n%v", args, len(got), len(want), got, want)
		}
	}
	same("recipients", "--json")
	same("recipients", "--json", "--state", "failing", "--limit", "3")
	same("recipients", "--json", "--match", "user1*", "--reason", "no-such-user")
	same("recipients", "--json", "--host", "mx2", "--since", "2026-11-01")
	same("export", "--format", "ndjson", "--state", "all", "-q")
	same("check", "--json", "user99@example.com", "stranger@example.net")

	span := []string{"--json", "--since", "2026-11-01", "--until", "2026-11-20"}
	domains := append([]string{"top", "domains"}, span...)
	wantDomains := rows(append(domains, "--db", one)...)
	waitFor(t, "the counters, which follow within ten seconds", func() bool {
		return reflect.DeepEqual(rows(append(domains, "--fleet")...), wantDomains)
	})
	for _, kind := range []string{"domains", "providers", "categories", "reasons"} {
		same(append([]string{"top", kind}, span...)...)
		same(append([]string{"top", kind, "--reason", "no-such-user"}, span...)...)
	}

	export := func() int {
		return len(rows("export", "--format", "ndjson", "--state", "all", "--fleet", "--cursor", "crm", "-q"))
	}
	if first, second := export(), export(); first != 40 || second != 0 {
		t.Errorf("by cursor, %d and then %d rows, want 40 and none", first, second)
	}
	h.write("2026-11-02T10:00:00.000000+00:00 mx2 postfix/smtp[7]: 4FFFFFFF: to=<user99@example.com>, relay=mx.example.com[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (host mx.example.com[192.0.2.1] said: 550 5.1.1 No such user (in reply to RCPT TO command))\n")
	found := 0
	waitFor(t, "a row by cursor after a failure", func() bool {
		found = export()
		return found > 0
	})
	if found != 1 {
		t.Errorf("%d rows by cursor after a failure, want 1", found)
	}
	history := run(t, "explain", "user99@example.com", "--fleet", "--config", h.settings)
	if !strings.Contains(history, "user99@example.com is bad: invalid-address / no-such-user") || !strings.Contains(history, "at mx2") {
		t.Errorf("explain --fleet prints\n%s", history)
	}
	if err := exec.CommandContext(t.Context(), program(t), "check", "user99@example.com", "--fleet", "--config", h.settings).Run(); err == nil || err.Error() != "exit status 1" {
		t.Errorf("check --fleet of a bad address: %v, want exit status 1", err)
	}
}

// incidentsOfFleet checks that the fleet lists the incidents that an import finds on
// another host, and shows each as that host does.
func incidentsOfFleet(t *testing.T, h *mailServer) {
	t.Helper()
	const name = "mx4"
	settings := filepath.Join(t.TempDir(), "mx4.yaml")
	text, err := os.ReadFile(h.settings)
	if err != nil {
		t.Fatal(err)
	}
	other := strings.NewReplacer("mx1.db", "mx4.db", "mx1.log", "mx4.log", "instance: mx1", "instance: mx4").Replace(string(text))
	if err := os.WriteFile(settings, []byte(other), 0o600); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	for i := range 5 {
		fmt.Fprintf(&log, "2026-11-03T10:0%d:00.000000+00:00 mx1 postfix/smtp[7]: 4FEEEE%02d: to=<user%d@example.net>, relay=mx.example.net[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.7.1, "+
			"status=bounced (host mx.example.net[192.0.2.1] said: 554 5.7.1 Service unavailable; Client host [192.0.2.9] blocked using zen.spamhaus.org (in reply to RCPT TO command))\n", i, i, i)
	}
	path := filepath.Join(t.TempDir(), "blocked.log")
	if err := os.WriteFile(path, []byte(log.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "import", "--config", settings, path)
	run(t, "fleet", "send", "--once", "--config", settings)
	list := func(args ...string) (all []map[string]any) {
		for line := range strings.Lines(run(t, append([]string{"incidents", "--since", "2026-11-01", "--json"}, args...)...)) {
			var one map[string]any
			if err := json.Unmarshal([]byte(line), &one); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			delete(one, "bounce_id")
			delete(one, "reply") // which the user of the fleet may not read
			all = append(all, one)
		}
		return all
	}
	want := list("--config", settings)
	for _, one := range want {
		one["instance"] = name
	}
	got := slices.DeleteFunc(list("--config", h.settings, "--fleet"), func(one map[string]any) bool { return one["instance"] != name })
	if len(want) == 0 || !reflect.DeepEqual(got, want) {
		t.Fatalf("the fleet lists the incidents\n%v\n%s has\n%v", got, name, want)
	}
	which := fmt.Sprintf("%s/%v", name, want[0]["id"])
	shown := run(t, "incidents", which, "--config", h.settings, "--fleet")
	if !strings.HasPrefix(shown, "#"+which+" Your IP is on the blocklist zen.spamhaus.org") || !strings.Contains(shown, "bouncetail recipients --incident "+which+" --fleet") {
		t.Errorf("incidents %s --fleet prints\n%s", which, shown)
	}
	hit := run(t, "recipients", "--incident", which, "--fleet", "--config", h.settings, "--columns", "recipient")
	if n := strings.Count(hit, "@example.net"); n != 5 {
		t.Errorf("recipients --incident %s --fleet prints\n%s", which, hit)
	}
	out, err := exec.CommandContext(t.Context(), program(t), "incidents", "17", "--fleet", "--config", h.settings).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "as mx1/17 does; bouncetail incidents --fleet lists them") {
		t.Errorf("incidents 17 --fleet prints\n%s", out)
	}
}

func statusOfFleet(t *testing.T, server *pgtest.Server, database string, hosts []*mailServer) {
	status := func() (lines []map[string]any, code int) {
		cmd := exec.CommandContext(t.Context(), program(t), "fleet", "status", "--json", "--config", hosts[0].settings)
		out, err := cmd.Output()
		if exit, failed := errors.AsType[*exec.ExitError](err); failed {
			code = exit.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(out)) {
			var one map[string]any
			if err := json.Unmarshal([]byte(line), &one); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			lines = append(lines, one)
		}
		return lines, code
	}
	lines, code := status()
	if len(lines) != len(hosts) || code != 0 || lines[0]["instance"] != "mx1" || lines[0]["silent"] != false || lines[0]["behind"] != 0.0 {
		t.Errorf("status exits with %d: %v", code, lines)
	}
	for _, h := range hosts {
		h.sender.stop()
	}
	server.SQL(t, database, "UPDATE bouncetail.fleet_instances SET last_seen = now() - interval '3 days' WHERE instance = 'mx2'")
	if lines, code := status(); code != 1 || lines[0]["silent"] != false || lines[1]["silent"] != true {
		t.Errorf("with a silent host, status exits with %d: %v", code, lines)
	}
	out, err := exec.CommandContext(t.Context(), program(t), "fleet", "status", "--format", "table", "--wide", "--config", hosts[0].settings).Output()
	if err == nil || !strings.Contains(string(out), "is bouncetail-fleet.service running there?") {
		t.Errorf("status prints\n%s", out)
	}
}

// A host keeps what its fleet has not got, says how far it is, and disappears from the
// status of the fleet when it is removed.
func TestAHostWhoseSenderIsStopped(t *testing.T) {
	t.Parallel()
	server, database, hosts := newFleetWith(t, "retention: {bounces: 30, recipients: 30}\n", "mx1", "mx2")
	h := hosts[1]
	fail := func(n int) {
		h.write(fmt.Sprintf("2025-11-03T10:00:%02d.000000+00:00 mx2 postfix/smtp[7]: 4F0000%02d: to=<user%d@example.com>, relay=mx.example.com[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (host mx.example.com[192.0.2.1] said: 550 5.1.1 No such user (in reply to RCPT TO command))\n", n, n, n))
		run(t, "import", "--config", h.settings, h.log)
	}
	said := func(want string, args ...string) {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), program(t), append(args, "--config", h.settings)...).CombinedOutput()
		if !strings.Contains(strings.Join(strings.Fields(string(out)), " "), want) {
			t.Errorf("%v: %v, want %q in\n%s", args, err, want, out)
		}
	}
	fail(1)
	said("Fleet: 1 failure still to be sent, nothing was sent yet: is bouncetail-fleet.service running?", "status")
	run(t, "fleet", "send", "--once", "--config", h.settings)
	said("Fleet: everything was sent, last contact ", "status")
	fail(2)
	run(t, "prune", "--config", h.settings)
	if got := query(t, h.db, "SELECT recipient FROM recipients"); !slices.Equal(got, []string{"user2@example.com"}) {
		t.Errorf("pruning left %q, want what was not sent", got)
	}
	text, err := os.ReadFile(h.settings)
	if err != nil {
		t.Fatal(err)
	}
	write(t, h.settings, strings.Replace(string(text), "fleet:\n", "fleet:\n  max_lag: 0s\n", 1))
	said("1 of these, failures that were not sent to the fleet", "prune")
	said("1 failure deleted before it got them", "status")
	run(t, "fleet", "send", "--once", "--config", h.settings)
	said("1 failure deleted there before they were sent", "fleet", "status", "--format", "table", "--wide")

	if out, err := exec.CommandContext(t.Context(), program(t), "fleet", "remove", "mx2", "--config", hosts[0].settings).CombinedOutput(); err == nil || !strings.Contains(string(out), "mx2 still sends") {
		t.Errorf("remove of a host that sends: %v\n%s", err, out)
	}
	server.SQL(t, database, "UPDATE bouncetail.fleet_instances SET last_seen = now() - interval '3 days'")
	status := func() error {
		return exec.CommandContext(t.Context(), program(t), "fleet", "status", "--config", hosts[0].settings).Run()
	}
	if err := status(); err == nil || err.Error() != "exit status 1" {
		t.Errorf("status with a silent host: %v, want exit status 1", err)
	}
	run(t, "fleet", "remove", "mx2", "--config", hosts[0].settings)
	if err := status(); err != nil {
		t.Errorf("status after remove: %v", err)
	}
	said("removed", "fleet", "status", "--format", "table", "--wide")
	out, err := exec.CommandContext(t.Context(), program(t), "fleet", "send", "--once", "--config", h.settings).CombinedOutput()
	if err == nil || err.Error() != "exit status 78" || !strings.Contains(string(out), "mx2 was removed from the fleet") {
		t.Errorf("a removed host sends: %v\n%s", err, out)
	}
}

func TestUnitsOfTheFleetAreHardened(t *testing.T) {
	for _, name := range []string{"bouncetail-fleet.service", "bouncetail-fleet-maintain.service"} {
		littleExposed(t, "../systemd/"+name, 1.2) // it has the network
		text := strings.Replace(file(t, "systemd/"+name), "ExecStart=bouncetail", "ExecStart="+program(t), 1)
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		verified, err := exec.CommandContext(t.Context(), "systemd-analyze", "verify", "--man=no", path).CombinedOutput()
		if err != nil || strings.Contains(string(verified), "bouncetail-fleet") {
			t.Errorf("systemd-analyze verify: %v\n%s", err, verified)
		}
	}
}
