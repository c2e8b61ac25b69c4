package e2e

import (
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// mailLog writes a log as Postfix does, and keeps a copy of every line.
type mailLog struct {
	t    testing.TB
	path string
	f    *os.File
	all  strings.Builder
	n    int
}

func newMailLog(t testing.TB) *mailLog {
	l := &mailLog{t: t, path: filepath.Join(t.TempDir(), "mail.log")}
	l.create()
	t.Cleanup(func() { l.f.Close() })
	return l
}

func (l *mailLog) create() {
	l.t.Helper()
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		l.t.Fatal(err)
	}
	l.f = f
}

// write writes a line with the next stamp.
func (l *mailLog) write(format string, args ...any) {
	l.t.Helper()
	l.n++
	line := l.stamp() + " mx postfix/" + fmt.Sprintf(format, args...) + "\n"
	l.all.WriteString(line)
	if _, err := l.f.WriteString(line); err != nil {
		l.t.Fatal(err)
	}
}

// stamp returns the time of the next line, a second after the previous one.
func (l *mailLog) stamp() string {
	return l.now().Format("2006-01-02T15:04:05.000000-07:00")
}

// now is the time of the log, which its lines advance.
func (l *mailLog) now() time.Time { return time.Date(2026, 11, 1, 0, 0, l.n, 0, time.UTC) }

// accept writes what Postfix logs about a message that enters its queue.
func (l *mailLog) accept(id string) {
	l.write("cleanup[11]: %s: message-id=<%s@shop.example>", id, id)
	l.write("qmgr[12]: %s: from=<news@shop.example>, size=1000, nrcpt=1 (queue active)", id)
}

// bounce writes what Postfix logs about a refused message.
func (l *mailLog) bounce(id string) {
	l.write("smtp[13]: %s: to=<%s@example.com>, relay=mx.example.com[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (host mx.example.com[192.0.2.1] said: 550 5.1.1 <%s@example.com>: User unknown (in reply to RCPT TO command))", id, id, id)
	l.write("qmgr[12]: %s: removed", id)
}

func (l *mailLog) messages(from, to int) {
	for i := from; i < to; i++ {
		id := fmt.Sprintf("4A%06X", i)
		l.accept(id)
		l.bounce(id)
	}
}

// rotate renames the log and its predecessors, and creates a new one.
func (l *mailLog) rotate() {
	l.t.Helper()
	for i := 80; i > 0; i-- { // nothing is deleted
		for _, end := range []string{"", ".gz"} {
			old := fmt.Sprintf("%s.%d%s", l.path, i, end)
			if _, err := os.Stat(old); err == nil {
				l.check(os.Rename(old, fmt.Sprintf("%s.%d%s", l.path, i+1, end)))
			}
		}
	}
	l.check(os.Rename(l.path, l.path+".1"))
	l.check(l.f.Close())
	l.create()
}

// pack compresses a rotated file, as logrotate does.
func (l *mailLog) pack(path string) {
	l.t.Helper()
	text, err := os.ReadFile(path)
	l.check(err)
	f, err := os.Create(path + ".gz")
	l.check(err)
	w := gzip.NewWriter(f)
	_, err = w.Write(text)
	l.check(err)
	l.check(w.Close())
	l.check(f.Close())
	l.check(os.Remove(path))
}

func (l *mailLog) check(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

const countBounces = "SELECT count(*) FROM bounces"

func TestDaemonKeepsEveryLineThroughRotationKillAndRestart(t *testing.T) {
	t.Parallel()
	log := newMailLog(t)
	db := filepath.Join(t.TempDir(), "b.db")
	log.messages(0, 10) // written before the daemon starts

	d := start(t, log.path, "--db", db)
	eventually(t, db, countBounces, "10")

	log.messages(10, 20)
	eventually(t, db, countBounces, "20")

	log.rotate()
	log.messages(20, 30)
	eventually(t, db, countBounces, "30")

	// The daemon is killed while a message is in the queue: its sender and message-id
	// were read, its end was not.
	log.accept("4B000001")
	eventually(t, db, "SELECT queue_id FROM queue_entries", "4B000001")
	d.kill()
	log.messages(30, 40)
	log.rotate()
	log.pack(log.path + ".2")
	log.messages(40, 50)
	log.rotate()
	log.pack(log.path + ".2")
	log.bounce("4B000001")

	d = start(t, log.path, "--db", db)
	eventually(t, db, countBounces, "51")
	eventually(t, db, "SELECT sender, message_id FROM bounces WHERE queue_id = '4B000001'", "news@shop.example|4B000001@shop.example")
	log.messages(50, 60)
	eventually(t, db, countBounces, "61")
	d.stop()

	// Following gives the same records as reading every line once.
	whole := filepath.Join(t.TempDir(), "whole.log")
	log.check(os.WriteFile(whole, []byte(log.all.String()), 0o600))
	once := filepath.Join(t.TempDir(), "once.db")
	run(t, "import", "--db", once, whole)
	for _, sql := range []string{
		"SELECT event_id, occurred_at, recipient, sender, message_id, queue_id, host, outcome, dsn, smtp_code, enhanced_code, reply, stage, relay_host, relay_ip, category, reason, rule FROM bounces ORDER BY event_id",
		"SELECT recipient, state, permanent_count, bad_since FROM recipients ORDER BY recipient",
		"SELECT * FROM daily_outcomes",
	} {
		if got, want := query(t, db, sql), query(t, once, sql); len(want) == 0 || !slices.Equal(got, want) {
			t.Errorf("%s\nfollowed: %d rows %.300q\nimported: %d rows %.300q", sql, len(got), got, len(want), want)
		}
	}
	if got := run(t, "recipients", "--db", db, "--state", "bad", "--json"); strings.Count(got, "\n") != 61 {
		t.Errorf("bouncetail recipients --state bad: %d lines, want 61", strings.Count(got, "\n"))
	}
}

func TestASecondDaemonReportsTheProcessOfTheFirst(t *testing.T) {
	t.Parallel()
	log := newMailLog(t)
	db := filepath.Join(t.TempDir(), "b.db")
	log.messages(0, 1)
	d := start(t, log.path, "--db", db)
	eventually(t, db, countBounces, "1")
	second := start(t, log.path, "--db", db)
	<-second.done
	if second.err == nil {
		t.Error("a second daemon runs on the same database")
	}
	if want := fmt.Sprintf("process id %d", d.cmd.Process.Pid); !strings.Contains(second.said.String(), want) {
		t.Errorf("the second daemon said %q, want %q", second.said, want)
	}
	log.messages(1, 2)
	eventually(t, db, countBounces, "2")
	d.stop()
}

// SIGHUP loads changed rules, unless they are invalid.
func TestSIGHUPReloadsRules(t *testing.T) {
	log := newMailLog(t)
	db, told, rules := filepath.Join(t.TempDir(), "b.db"), filepath.Join(t.TempDir(), "told"), t.TempDir()
	t.Setenv("BOUNCETAIL_RULES", rules)
	tarpit := func(id string) {
		log.write("smtp[13]: %s: to=<%s@example.com>, relay=mx.example.com[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=4.0.0, status=deferred (host mx.example.com[192.0.2.1] said: 450 Tarpit nr 5 (in reply to RCPT TO command))", id, id)
	}
	judged := func(id string) string {
		return "SELECT rule FROM bounces WHERE queue_id = '" + id + "'"
	}
	d := startInto(t, told, "--db", db, log.path)
	tarpit("4A000001")
	eventually(t, db, judged("4A000001"), "class/4xx")

	const rule = "- id: mine/tarpit\n  why: A word of our partner's own.\n  match: {any: ['tarpit nr']}\n" +
		"  verdict: {category: rate-limit, reason: rate-limited, scope: sender, disposition: retry}\n  decides: ['450 Tarpit nr 17']\n"
	log.check(os.WriteFile(filepath.Join(rules, "mine.yaml"), []byte(rule), 0o600))
	log.check(d.cmd.Process.Signal(syscall.SIGHUP))
	waitFor(t, "the rules to be taken over", func() bool { return strings.Contains(words(told), "settings and rules reloaded") })
	tarpit("4A000002")
	eventually(t, db, judged("4A000002"), "mine/tarpit")
	const successful = "SELECT value FROM meta WHERE name = 'config_last_reload_successful'"
	eventually(t, db, successful, "1")

	log.check(os.WriteFile(filepath.Join(rules, "bad.yaml"), []byte("- id: mine/bad\n"), 0o600))
	log.check(d.cmd.Process.Signal(syscall.SIGHUP))
	waitFor(t, "the bad rules to be refused", func() bool { return strings.Contains(words(told), "keeping the old ones") })
	tarpit("4A000003")
	eventually(t, db, judged("4A000003"), "mine/tarpit")
	eventually(t, db, successful, "0")
	d.stop()
}
