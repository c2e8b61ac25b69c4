package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/internal/pgtest"
	"github.com/bouncetail/bouncetail/internal/volume"
)

// gate is a port of 127.0.0.1 behind which PostgreSQL is, until it is closed: then it
// accepts connections and never answers, and neither do those that it has passed on.
type gate struct {
	port    int
	closed  atomic.Bool
	mutex   sync.Mutex
	waiting sync.Cond // for a change of closed
}

// newGate starts a gate that runs until the test ends.
func newGate(t *testing.T, to int) *gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{port: l.Addr().(*net.TCPAddr).Port}
	g.waiting.L = &g.mutex
	var running sync.WaitGroup
	running.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { g.pass(client, to) })
		}
	})
	t.Cleanup(func() { l.Close(); g.set(false); running.Wait() })
	return g
}

func (g *gate) set(closed bool) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.closed.Store(closed)
	g.waiting.Broadcast()
}

func (g *gate) wait() {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	for g.closed.Load() {
		g.waiting.Wait()
	}
}

// pass passes a connection on while the gate is open.
func (g *gate) pass(client net.Conn, to int) {
	defer client.Close()
	g.wait()
	server, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", to))
	if err != nil {
		return
	}
	var ways sync.WaitGroup
	for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
		ways.Go(func() {
			defer way[0].Close()
			for buf := make([]byte, 32<<10); ; {
				n, err := way[1].Read(buf)
				g.wait()
				if _, err2 := way[0].Write(buf[:n]); err != nil || err2 != nil {
					return
				}
			}
		})
	}
	ways.Wait()
}

// fleetCommands are all commands that ask or change a fleet.
var fleetCommands = [][]string{
	{"check", "first@example.com", "--fleet"},
	{"recipients", "--fleet"},
	{"recipients", "--state", "bad", "--limit", "5", "--fleet"},
	{"recipients", "crowds", "--fleet"},
	{"recipients", "--incident", "mx1/1", "--fleet"},
	{"explain", "first@example.com", "--fleet"},
	{"export", "--format", "csv", "--fleet"},
	{"export", "--format", "ndjson", "--fleet", "--cursor", "away"},
	{"report", "--fleet"},
	{"top", "reasons", "--fleet"},
	{"top", "providers", "--fleet"},
	{"incidents", "--fleet"},
	{"incidents", "mx1/1", "--fleet"},
	{"publish"},
	{"fleet", "status"},
	{"fleet", "send", "--once"},
	{"fleet", "init"},
	{"fleet", "adopt"},
	{"fleet", "remove", "mx9"},
	{"fleet", "resend"},
	{"fleet", "maintain"},
	{"fleet", "rebuild"},
}

// answerWithin is how long a command of a fleet may take while PostgreSQL is away:
// six seconds, and what a busy machine needs.
const answerWithin = 40 * time.Second

// commandsEnd runs all commands of a fleet at once, and checks that each ends in time with
// one sentence.
func commandsEnd(t *testing.T, h *mailServer) {
	t.Helper()
	var running sync.WaitGroup
	defer running.Wait()
	for _, args := range fleetCommands {
		running.Go(func() {
			begun := time.Now()
			out, err := exec.CommandContext(t.Context(), program(t), append(args, "--config", h.settings)...).CombinedOutput()
			said := strings.TrimSpace(string(out))
			want := "exit status 1"
			if args[0] == "check" || strings.Join(args, " ") == "fleet status" {
				want = "exit status 3"
			}
			if took := time.Since(begun); err == nil || err.Error() != want || took > answerWithin || strings.Contains(said, "\n") ||
				!strings.Contains(said, "PostgreSQL at ") || !strings.Contains(said, "does not answer (") || !strings.Contains(said, "is it running, and is fleet.dsn_file right?") {
				if args[0] == "publish" && strings.Contains(said, "another bouncetail is publishing there") {
					return // the daemon, which waits for PostgreSQL too
				}
				t.Errorf("bouncetail %s took %v and ended with %v, want %s:\n%s", strings.Join(args, " "), took, err, want, said)
			}
		})
	}
}

// hostAnswers checks that the commands of a host answer from its own database.
func hostAnswers(t *testing.T, h *mailServer) {
	t.Helper()
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"recipients", "--format", "csv"}, "first@example.com"},
		{[]string{"export", "--format", "csv", "--columns", "recipient"}, "first@example.com"},
		{[]string{"explain", "first@example.com"}, "first@example.com"},
		{[]string{"report", "--until", "now"}, "no-such-user"},
	} {
		if out := run(t, append(c.args, "--config", h.settings)...); !strings.Contains(out, c.want) {
			t.Errorf("bouncetail %s has no %q:\n%s", strings.Join(c.args, " "), c.want, out)
		}
	}
	if out, err := exec.CommandContext(t.Context(), program(t), "check", "first@example.com", "--config", h.settings).CombinedOutput(); err == nil || err.Error() != "exit status 1" {
		t.Errorf("check of a bad address: %v\n%s", err, out)
	}
	if out, err := exec.CommandContext(t.Context(), program(t), "status", "--config", h.settings).CombinedOutput(); err != nil && err.Error() == "exit status 3" || !strings.Contains(string(out), "Fleet: ") {
		t.Errorf("status: %v\n%s", err, out)
	}
}

// away is a way in which PostgreSQL can be away.
type away struct {
	server *pgtest.Server
	gate   *gate
}

// While PostgreSQL is away, whichever way, a host works as without a fleet, all commands of
// the fleet end with a sentence, and maps keep what they hold. Behind it everything arrives.
func TestAHostWorksWhilePostgreSQLIsAway(t *testing.T) {
	t.Parallel()
	ways := []struct {
		name  string
		leave func(t *testing.T, a away) (back func())
	}{
		{"killed", func(t *testing.T, a away) func() {
			a.server.Kill()
			return func() {
				if err := a.server.Start(); err != nil {
					t.Fatal(err)
				}
			}
		}},
		{"silent", func(_ *testing.T, a away) func() {
			a.gate.set(true)
			return func() { a.gate.set(false) }
		}},
		{"stopped", func(t *testing.T, a away) func() { return a.server.Hang(t) }},
	}
	for _, way := range volume.Of(ways[:2], ways) {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			workWhileAway(t, way.leave)
		})
	}
}

func workWhileAway(t *testing.T, leave func(t *testing.T, a away) (back func())) {
	server, database, hosts := newFleetWith(t, "retention: {bounces: 90}\n", "mx1", "mx2")
	g := newGate(t, server.Port)
	maps := filepath.Join(t.TempDir(), "maps")
	for _, h := range hosts {
		write(t, strings.TrimSuffix(h.db, ".db")+".dsn", fmt.Sprintf("host=127.0.0.1 port=%d dbname=%s user=%s sslmode=disable connect_timeout=4\n", g.port, database, h.name))
		write(t, h.log, "")
	}
	h, other := hosts[0], hosts[1]
	appendTo(t, h.settings, fmt.Sprintf("publish: {from: fleet, directory: %s, every: 1s}\n", maps))
	fail := func(h *mailServer, name string) {
		h.write(fmt.Sprintf("%s %s postfix/smtp[7]: 4F0001: to=<%s@example.com>, relay=mx.example.com[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (host mx.example.com[192.0.2.1] said: 550 5.1.1 No such user (in reply to RCPT TO command))\n",
			time.Now().UTC().Format("2006-01-02T15:04:05.000000-07:00"), h.name, name))
	}
	for _, h := range hosts {
		h.daemon = start(t, "--config", h.settings)
		h.send()
	}
	page := startWebWith(t, []string{"sh", "-c", `exec "$@" 2>/dev/null`, "sh"}, "--fleet", "--config", h.settings)
	mapHolds := func(name string) func() bool {
		return func() bool {
			text, _ := os.ReadFile(filepath.Join(maps, "access")) // it may not be there yet
			return strings.Contains(string(text), name+"@example.com")
		}
	}
	fail(h, "first")
	fail(other, "second")
	waitFor(t, "the first map", func() bool { return mapHolds("first")() && mapHolds("second")() })

	before := delaysOf(t, h, "before")
	back := leave(t, away{server, g})
	fail(other, "third")
	during := delaysOf(t, h, "during")
	t.Logf("half of the records took at most %v while PostgreSQL was away, and %v before", during, before)
	if during > 4*before+2*time.Second {
		t.Error("records take longer while PostgreSQL is away")
	}
	hostAnswers(t, h)
	commandsEnd(t, h)
	began := time.Now()
	if status, text := statusOf(t, page); status != http.StatusServiceUnavailable && status != http.StatusInternalServerError || time.Since(began) > answerWithin ||
		!strings.Contains(text, "PostgreSQL at ") || !strings.Contains(text, "does not answer") && !strings.Contains(text, "did not answer within 2s") {
		t.Errorf("a page of the fleet took %v and says %d\n%s", time.Since(began), status, text)
	}
	if !mapHolds("first")() || !mapHolds("second")() || mapHolds("third")() {
		t.Error("the maps have changed while PostgreSQL was away")
	}
	waitFor(t, "a warning of the sender", func() bool { return strings.Contains(h.sender.said.String(), "does not answer") })
	other.sender.stop() // while it waits

	back()
	other.send()
	waitFor(t, "the map with all", func() bool { return mapHolds("first")() && mapHolds("second")() && mapHolds("third")() })
	var want int
	for _, h := range hosts {
		want += len(query(t, h.db, "SELECT event_id FROM bounces"))
	}
	waitFor(t, "all failures in PostgreSQL", func() bool {
		return server.SQL(t, database, "SELECT (SELECT count(*) FROM bouncetail.bounces), (SELECT sum(failures) FROM bouncetail.fleet_instances)") == fmt.Sprintf("%d|%d\n", want, want)
	})
}

// delaysOf has some addresses fail at a host one after the other, and returns how long half
// of the records took at most to its database.
func delaysOf(t *testing.T, h *mailServer, name string) time.Duration {
	t.Helper()
	lines := &stream{h: h}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	before := len(query(t, h.db, "SELECT id FROM bounces"))
	var at []time.Time
	var reading sync.WaitGroup
	reading.Go(func() {
		at = arrivals(ctx, func() (int, error) { return len(query(t, h.db, "SELECT id FROM bounces")) - before, nil })
	})
	writing, end := context.WithTimeout(ctx, 3*time.Second)
	defer end()
	lines.run(writing, 60)
	waitFor(t, "the records "+name, func() bool { return len(query(t, h.db, "SELECT id FROM bounces"))-before >= lines.count() })
	stop()
	reading.Wait()
	return percentile(lines.delays(at, 0, lines.count()), 50)
}

// statusOf returns the status and the text of a page.
func statusOf(t *testing.T, url string) (int, string) {
	t.Helper()
	r, err := http.Get(url + "/")
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	return r.StatusCode, string(text)
}
