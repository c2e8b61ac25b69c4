package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// powercut records a program that fills a database from a log, and simulates power
// failures.
type powercut struct {
	*mailLog
	recording
	db   string
	n    int        // failures in the log
	want [][]string // the tables after reading the log once
}

func newPowercut(t *testing.T) *powercut {
	if !exists("/usr/bin/strace") {
		t.Skip("SKIPPED, power failures are not tested: strace is missing")
	}
	x := &powercut{mailLog: newMailLog(t), recording: recording{dir: t.TempDir()}}
	x.db = filepath.Join(x.dir, "b.db")
	if out, err := exec.CommandContext(t.Context(), "strace", "-qq", "-o", "/dev/null", "true").CombinedOutput(); err != nil {
		t.Skipf("SKIPPED, power failures are not tested: strace may not trace: %v: %s", err, out)
	}
	return x
}

// write adds messages: some bounce, some are deferred first, some are delivered.
func (x *powercut) write(messages int) {
	for range messages {
		id := fmt.Sprintf("4P%06X", x.mailLog.n)
		x.accept(id)
		switch x.mailLog.n % 3 {
		case 0:
			x.bounce(id)
			x.n++
		case 1:
			x.mailLog.write("smtp[13]: %s: to=<%s@example.com>, relay=mx.example.com[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=4.2.2, status=deferred (host mx.example.com[192.0.2.1] said: 452 4.2.2 full (in reply to RCPT TO command))", id, id)
			x.bounce(id)
			x.n += 2
		default:
			x.mailLog.write("smtp[13]: %s: to=<%s@example.com>, relay=mx.example.com[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 1)", id, id)
			x.mailLog.write("qmgr[12]: %s: removed", id)
		}
	}
}

// traced starts the program under strace.
func (x *powercut) traced(args ...string) (d *daemon, trace string) {
	trace = filepath.Join(x.t.TempDir(), "trace")
	d = startWith(x.t.(*testing.T), trace+".said", func(cmd *exec.Cmd) {
		cmd.Args = append(append([]string{"strace"}, straceArgs(trace)...), append([]string{cmd.Path, "--db", x.db}, args...)...)
		cmd.Path = "/usr/bin/strace"
	})
	return d, trace
}

// tracee returns the process that strace runs.
func tracee(t testing.TB, d *daemon) *os.Process {
	t.Helper()
	var pid int
	list := fmt.Sprintf("/proc/%d/task/%d/children", d.cmd.Process.Pid, d.cmd.Process.Pid)
	for deadline := time.Now().Add(20 * time.Second); pid == 0; time.Sleep(5 * time.Millisecond) {
		for child := range strings.FieldsSeq(words(list)) { // strace also starts processes to test its features
			if exe, err := os.Readlink(filepath.Join("/proc", child, "exe")); err == nil && exe == program(t) {
				pid, _ = strconv.Atoi(child)
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("strace has not started the program")
		}
	}
	process, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	return process
}

// follow records a daemon that is stopped, killed, and stopped again.
func (x *powercut) follow(messages int) {
	for i := range 3 {
		d, trace := x.traced("run", x.path)
		for range 4 {
			x.write(messages)
			eventually(x.t, x.db, countBounces, strconv.Itoa(x.n))
		}
		x.rotate()
		x.write(messages)
		eventually(x.t, x.db, countBounces, strconv.Itoa(x.n))
		signal := os.Interrupt
		if i == 1 {
			signal = os.Kill
		}
		x.check(tracee(x.t, d).Signal(signal))
		<-d.done
		x.check(x.add(trace))
	}
}

// importTwice records an import into a new database, and one into it.
func (x *powercut) importTwice(messages int) {
	for range 2 {
		x.write(messages)
		d, trace := x.traced("import", x.path)
		<-d.done
		x.check(d.err)
		x.check(x.add(trace))
	}
}

var powercutTables = []string{
	"SELECT event_id, occurred_at, recipient, ifnull(sender, '?'), ifnull(message_id, '?'), queue_id, outcome, reply, rule FROM bounces ORDER BY event_id",
	"SELECT recipient, state, category, reason, first_failure_at, last_failure_at, ifnull(last_delivery_at, ''), permanent_count, retry_count FROM recipients ORDER BY recipient",
	"SELECT day, domain, sent, deferred, bounced, expired FROM daily_outcomes ORDER BY day, domain",
	"SELECT source, bytes FROM gaps",
	"SELECT queue_id FROM queue_entries ORDER BY queue_id",
}

// verify simulates power failures, starts the program with each image and the same log,
// and compares.
func (x *powercut) verify(images int, resume func(db string)) {
	x.t.Helper()
	whole := filepath.Join(x.t.TempDir(), "whole.log")
	x.check(os.WriteFile(whole, []byte(x.all.String()), 0o600))
	once := filepath.Join(x.t.TempDir(), "once.db")
	run(x.t, "import", "--db", once, whole)
	for _, sql := range powercutTables {
		x.want = append(x.want, query(x.t, once, sql))
	}
	if len(x.want[0]) != x.n || len(x.want[1]) == 0 || len(x.want[2]) == 0 {
		x.t.Fatalf("%d failures, %d recipients, %d days were imported, want %d failures", len(x.want[0]), len(x.want[1]), len(x.want[2]), x.n)
	}
	x.t.Logf("%d operations on %d files", len(x.ops), x.files)
	for i := range images {
		rng := rand.New(rand.NewPCG(uint64(i), 11))
		crash := rng.IntN(len(x.ops) + 1)
		dir := x.t.TempDir()
		for name, content := range x.image(crash, rng) {
			x.check(os.WriteFile(filepath.Join(dir, name), content, 0o600))
		}
		db := filepath.Join(dir, "b.db")
		resume(db)
		for j, sql := range powercutTables {
			if want, got := x.want[j], query(x.t, db, sql); !slices.Equal(got, want) {
				x.t.Errorf("image %d, power failed before operation %d: %s\ngot  %d rows %.300q\nwant %d rows %.300q", i, crash, sql, len(got), got, len(want), want)
			}
		}
		if got := query(x.t, db, "PRAGMA integrity_check"); !slices.Equal(got, []string{"ok"}) {
			x.t.Errorf("image %d, power failed before operation %d: integrity_check: %.500q", i, crash, got)
		}
		x.check(os.RemoveAll(dir))
		if x.t.Failed() {
			return
		}
	}
}

// complete reports whether a database equals the result of reading the log once.
func (x *powercut) complete(db string) bool {
	for i, sql := range powercutTables {
		if !slices.Equal(query(x.t, db, sql), x.want[i]) {
			return false
		}
	}
	return true
}

// images returns the number of simulated power failures. BOUNCETAIL_TEST_POWERCUTS
// overrides it.
func images(t *testing.T) int { return numberIn(t, "BOUNCETAIL_TEST_POWERCUTS", 6) }

func TestPowerFailsWhileALogIsFollowed(t *testing.T) {
	t.Parallel()
	x := newPowercut(t)
	x.follow(20)
	told := filepath.Join(t.TempDir(), "said")
	x.verify(images(t), func(db string) {
		x.check(os.RemoveAll(told))
		d := startInto(t, told, "--db", db, x.path)
		// Polls another process.
		for deadline := time.Now().Add(20 * time.Second); !strings.Contains(words(told), "msg=following") || !x.complete(db); time.Sleep(10 * time.Millisecond) {
			select {
			case <-d.done:
				t.Fatalf("the daemon ended: %v\n%s", d.err, words(told))
			default:
			}
			if time.Now().After(deadline) {
				t.Logf("the daemon has not read all within 20 s:\n%s", words(told))
				break
			}
		}
		d.stop()
	})
}

func TestPowerFailsWhileALogIsImported(t *testing.T) {
	t.Parallel()
	x := newPowercut(t)
	x.importTwice(200)
	x.verify(images(t), func(db string) { run(t, "import", "--db", db, x.path) })
}
