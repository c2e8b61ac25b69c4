package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// storedTables are the tables that a command must leave equal, whether a daemon ran
// it or not, in an order that does not depend on when a row was written.
var storedTables = []string{
	"SELECT event_id, occurred_at, recipient, coalesce(sender, ''), coalesce(message_id, ''), queue_id, outcome, category, reason, rule, suppress FROM bounces ORDER BY event_id",
	"SELECT recipient, state, coalesce(category, ''), coalesce(reason, ''), coalesce(first_failure_at, ''), coalesce(last_failure_at, ''), coalesce(last_delivery_at, ''), permanent_count, retry_count FROM recipients ORDER BY recipient",
	"SELECT day, domain, sent, deferred, bounced, expired FROM daily_outcomes ORDER BY day, domain",
	// Older ones are forgotten at the next line of a message.
	"SELECT host, mta, queue_id, data FROM queue_entries WHERE queue_id <> ' recent' AND seen_at > strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-100 hours') ORDER BY host, mta, queue_id",
	"SELECT mta, shape, count FROM unparsed_lines ORDER BY mta, shape",
	"SELECT recipient_key FROM forgotten ORDER BY recipient_key",
	"SELECT kind FROM horizons ORDER BY kind",
}

// stored returns what a database holds of the followed and imported logs.
func stored(t *testing.T, db string) string {
	t.Helper()
	var all []string
	for _, q := range storedTables {
		all = append(all, q)
		all = append(all, query(t, db, q)...)
	}
	return strings.Join(all, "\n")
}

// mailLogOf returns a log of n messages from a day on. Some bounce, some are deferred
// and stay in the queue. Every 500th has a line that cannot be parsed, which is counted
// once however often it is read: without a daemon the followed log is read many times.
func mailLogOf(day time.Time, prefix string, n int) string {
	var b strings.Builder
	for i := range n {
		at := day.Add(time.Duration(i) * time.Second).Format("2006-01-02T15:04:05+00:00")
		id, to := fmt.Sprintf("%s%08X", prefix, i), fmt.Sprintf("user%d@d%d.example", i%977, i%53)
		line := func(program, text string) { fmt.Fprintf(&b, "%s mx postfix/%s[7]: %s: %s\n", at, program, id, text) }
		line("cleanup", "message-id=<"+id+"@shop.example>")
		line("qmgr", "from=<news@shop.example>, size=1, nrcpt=1 (queue active)")
		attempt := "to=<" + to + ">, relay=mx.example[192.0.2.1]:25, delay=1, delays=0/0/0/1, "
		switch {
		case i%500 == 499:
			line("smtp", "to=<"+to+">, relay=unfinished")
		case i%10 == 0:
			line("smtp", attempt+"dsn=5.1.1, status=bounced (host mx.example[192.0.2.1] said: 550 5.1.1 User unknown (in reply to RCPT TO command))")
		case i%10 == 1:
			line("smtp", attempt+"dsn=4.0.0, status=deferred (host mx.example[192.0.2.1] said: 451 4.0.0 Quartz gate closed (in reply to RCPT TO command))")
			if i%100 == 1 {
				continue // still in the queue
			}
		default:
			line("smtp", attempt+"dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as X)")
		}
		line("qmgr", "removed")
	}
	return b.String()
}

// took matches how long a command took.
var took = regexp.MustCompile(`in +[\d.]+(µs|ms|s)|"seconds":[\d.e-]+`)

func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// comparison holds two databases, one of them with a daemon, to run commands on.
type comparison struct {
	t                    *testing.T
	dir, settings, rules string
	followed             string // the log that the daemon follows
	alone, withDaemon    string // the databases
	yesterday            time.Time
}

// compared is a command, with what comes before it.
type compared struct {
	args  []string
	stdin string
	setup func()
}

// commands returns what is compared.
func (c *comparison) commands() []compared {
	write := func(path, content string) func() {
		return func() {
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				c.t.Fatal(err)
			}
		}
	}
	old := writeFile(c.t, "old.log", mailLogOf(c.yesterday.Add(-240*time.Hour), "A", 5_000))
	if out, err := exec.CommandContext(c.t.Context(), "gzip", "-k", old).CombinedOutput(); err != nil {
		c.t.Fatalf("gzip: %v\n%s", err, out)
	}
	fifo := filepath.Join(c.dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		c.t.Fatal(err)
	}
	rule := "- id: mine/quartz\n  why: A test.\n  match: {any: ['quartz gate']}\n  verdict: {category: invalid-address, reason: account-disabled, scope: recipient, disposition: permanent}\n  decides: ['550 Quartz gate closed']\n  leaves: ['550 5.1.1 No such user']\n"
	return []compared{
		{args: []string{"import", "--timezone", "UTC", old + ".gz"}},
		{args: []string{"import", "--timezone", "UTC", "--json", old}},
		{args: []string{"import", "--timezone", "UTC", "-"}, stdin: mailLogOf(c.yesterday.Add(-200*time.Hour), "B", 500)},
		{args: []string{"import", "--timezone", "UTC", fifo}, setup: func() {
			go os.WriteFile(fifo, []byte(mailLogOf(c.yesterday.Add(-40*time.Hour), "C", 500)), 0) //nolint:errcheck // the command fails without it
		}},
		{args: []string{"import", "--timezone", "UTC", c.followed}},
		{args: []string{"import", "/nowhere.log"}},
		{args: []string{"import", "/etc"}},
		{args: []string{"import", c.settings}},
		{args: []string{"forget", "user0@d0.example", "user10@d10.example"}},
		{args: []string{"forget", "user0@d0.example"}},
		{args: []string{"forget", "--json", "--dry-run", "--from-file", "-"}, stdin: "user20@d20.example\nuser30@d30.example\n"},
		{args: []string{"forget", "--leave-nothing", "user69@d32.example"}},
		{args: []string{"forget", "no address"}},
		{args: []string{"recipients", "block", "user5@d5.example"}},
		{args: []string{"recipients", "rebuild"}},
		{args: []string{"reclassify"}},
		{args: []string{"reclassify", "--json"}, setup: write(filepath.Join(c.rules, "own.yaml"), rule)},
		{args: []string{"prune"}},
		// The daemon reads the settings again.
		{args: []string{"prune"}, setup: write(c.settings, "rules: "+c.rules+"\nretention:\n  bounces: 7\n  successes: 7\n")},
		{args: []string{"prune", "--json"}},
	}
}

// output runs a command on a database and returns its exit code and what it says.
func (c *comparison) output(db string, one *compared) string {
	c.t.Helper()
	if one.setup != nil {
		one.setup()
	}
	cmd := exec.CommandContext(c.t.Context(), program(c.t), append(one.args, "--db", db, "--config", c.settings)...)
	cmd.Stdin = strings.NewReader(one.stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		if _, is := errors.AsType[*exec.ExitError](err); !is {
			c.t.Fatal(err)
		}
	}
	text := strings.ReplaceAll(out.String()+errs.String(), db, "DATABASE")
	return fmt.Sprintf("exit %d\n%s", cmd.ProcessState.ExitCode(), took.ReplaceAllString(text, "TIME"))
}

// follow logs a failure, which the daemon stores, and imports it without the daemon.
func (c *comparison) follow(to, reply, reason string) {
	c.t.Helper()
	f, err := os.OpenFile(c.followed, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		c.t.Fatal(err)
	}
	defer f.Close()
	if _, err := fmt.Fprintf(f, "%s mx postfix/smtp[7]: L%s: to=<%s@live.example>, relay=mx.example[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.0.0, status=bounced (host mx.example[192.0.2.1] said: %s (in reply to RCPT TO command))\n",
		time.Now().UTC().Format("2006-01-02T15:04:05+00:00"), strings.ToUpper(to), to, reply); err != nil {
		c.t.Fatal(err)
	}
	eventually(c.t, c.withDaemon, "SELECT reason FROM bounces WHERE recipient = '"+to+"@live.example'", reason)
	run(c.t, "import", "--db", c.alone, "--config", c.settings, "--timezone", "UTC", c.followed)
}

// takesCommands waits until the daemon of a database takes commands. One that was killed
// has left its socket, but does not listen.
func takesCommands(t *testing.T, db string) {
	t.Helper()
	waitFor(t, "the daemon to take commands", func() bool {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "unix", db+".sock")
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// A daemon that follows a log runs each command with the result, the output and the
// exit code that it has without a daemon.
func TestCommandsRunInTheDaemon(t *testing.T) {
	t.Parallel()
	c := &comparison{t: t, dir: t.TempDir(), rules: t.TempDir(), yesterday: time.Now().UTC().Truncate(24 * time.Hour).Add(-24 * time.Hour)}
	c.followed = writeFile(t, "followed.log", mailLogOf(c.yesterday.Add(12*time.Hour), "F", 2000))
	c.settings = writeFile(t, "config.yaml", "rules: "+c.rules+"\n")
	c.alone, c.withDaemon = filepath.Join(c.dir, "alone.db"), filepath.Join(c.dir, "daemon.db")
	for _, db := range []string{c.alone, c.withDaemon} {
		run(t, "import", "--db", db, "--timezone", "UTC", c.followed)
	}
	d := start(t, "--db", c.withDaemon, "--config", c.settings, c.followed)
	takesCommands(t, c.withDaemon)
	for i, one := range c.commands() {
		if want, got := c.output(c.alone, &one), c.output(c.withDaemon, &one); got != want {
			t.Errorf("bouncetail %q\nwithout a daemon: %s\nin the daemon: %s", one.args, want, got)
		}
		c.follow(fmt.Sprint("live", i), "550 5.1.1 User unknown", "no-such-user")
	}
	// The daemon judges by the rules that reclassify has read.
	c.follow("quartz", "550 Quartz gate closed", "account-disabled")
	d.stop()
	if _, err := os.Stat(c.withDaemon + ".sock"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left after an orderly stop: %v", err)
	}
	if want, got := stored(t, c.alone), stored(t, c.withDaemon); got != want {
		t.Errorf("the tables differ:\n%s", unlike(want, got))
	}
	for _, db := range []string{c.alone, c.withDaemon} {
		if left, err := os.ReadFile(db); err != nil || bytes.Contains(left, []byte("user0@d0.example")) {
			t.Errorf("%s holds an address that was forgotten (%v)", db, err)
		}
	}
	if check := query(t, c.withDaemon, "PRAGMA integrity_check"); !slices.Equal(check, []string{"ok"}) {
		t.Errorf("integrity_check: %q", check)
	}
}

// unlike returns the first line in which two texts differ.
func unlike(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("without a daemon %q\nin the daemon    %q", a[i], b[i])
		}
	}
	return fmt.Sprintf("%d and %d lines", len(a), len(b))
}

// A client that is interrupted says what is kept and exits with 130, one that is
// killed leaves the daemon alone, and a daemon that is killed leaves a database that
// the same command completes.
func TestCommandsInTheDaemonCanBeInterrupted(t *testing.T) {
	t.Parallel()
	live := newMailLog(t)
	// From the day before: messages of the live log that are much older than those of the
	// import would be taken for gone from the queue.
	old := writeFile(t, "old.log", mailLogOf(live.now().Add(-24*time.Hour), "A", 60_000))
	live.messages(0, 100)
	db := filepath.Join(t.TempDir(), "b.db")
	d := start(t, "--db", db, live.path)
	takesCommands(t, db)
	imported := "SELECT count(*) > 500 FROM bounces WHERE queue_id LIKE 'A%'"
	client := func() (*exec.Cmd, *bytes.Buffer) {
		cmd := exec.CommandContext(t.Context(), program(t), "import", "--db", db, "--timezone", "UTC", old)
		var said bytes.Buffer
		cmd.Stderr = &said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd, &said
	}

	cmd, said := client()
	eventually(t, db, imported, "1")
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // the exit code is looked at
	if cmd.ProcessState.ExitCode() != 130 || !strings.Contains(said.String(), "stored; run the same command to continue") && !strings.Contains(said.String(), "Interrupted") {
		t.Errorf("after SIGINT the client exits with %d and says %q", cmd.ProcessState.ExitCode(), said)
	}
	t.Logf("the client said: %s", said)

	cmd, _ = client()
	time.Sleep(200 * time.Millisecond) // it may be anywhere
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // it was killed
	live.messages(100, 200)
	eventually(t, db, "SELECT count(*) >= 0 FROM bounces", "1")

	cmd, said = client()
	time.Sleep(500 * time.Millisecond) // likewise
	d.kill()
	_ = cmd.Wait() // it may have been done
	if code := cmd.ProcessState.ExitCode(); code == 1 && !strings.Contains(said.String(), "has ended before the command was done") || code > 1 {
		t.Errorf("when the daemon is killed the client exits with %d and says %q", code, said)
	}
	if _, err := os.Stat(db + ".sock"); err != nil {
		t.Fatal(err)
	}
	// Without a daemon, the socket that is left is no obstacle, nor for the next daemon.
	run(t, "forget", "--db", db, "nobody@example.com")
	d = start(t, "--db", db, live.path)
	eventually(t, db, "SELECT value FROM meta WHERE name = 'clean'", "0")
	takesCommands(t, db)
	run(t, "import", "--db", db, "--timezone", "UTC", old)
	d.stop()
	want := filepath.Join(t.TempDir(), "w.db")
	run(t, "import", "--db", want, "--timezone", "UTC", old, live.path)
	for _, q := range storedTables[:3] {
		if a, b := query(t, want, q), query(t, db, q); !slices.Equal(a, b) {
			t.Errorf("%s: %d rows, and %d after the interruptions:\n%s", q, len(a), len(b), unlike(strings.Join(a, "\n"), strings.Join(b, "\n")))
		}
	}
}

// The records of a followed log are stored while an import runs.
func TestTheDaemonFollowsDuringAnImport(t *testing.T) {
	t.Parallel()
	live := newMailLog(t)
	live.messages(0, 100)
	dir := t.TempDir()
	db, want, fifo := filepath.Join(dir, "b.db"), filepath.Join(dir, "want.db"), filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	old := mailLogOf(time.Now().UTC().Add(-200*time.Hour), "A", 20_000)
	d := start(t, "--db", db, live.path)
	takesCommands(t, db)
	client := exec.CommandContext(t.Context(), program(t), "import", "--db", db, "--timezone", "UTC", fifo)
	var said bytes.Buffer
	client.Stdout, client.Stderr = &said, &said
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(fifo, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(f, old[:len(old)/2]); err != nil {
		t.Fatal(err)
	}
	eventually(t, db, "SELECT count(*) > 0 FROM bounces WHERE queue_id LIKE 'A%'", "1")
	var slowest time.Duration
	for i := range 20 {
		id := fmt.Sprintf("L%07d", i)
		live.accept(id)
		live.bounce(id)
		begun := time.Now()
		eventually(t, db, "SELECT count(*) FROM bounces WHERE queue_id = '"+id+"'", "1")
		slowest = max(slowest, time.Since(begun))
	}
	t.Logf("the slowest record was stored after %v", slowest)
	if _, err := io.WriteString(f, old[len(old)/2:]); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if err := client.Wait(); err != nil {
		t.Fatalf("import: %v\n%s", err, &said)
	}
	d.stop()
	run(t, "import", "--db", want, "--timezone", "UTC", live.path, writeFile(t, "old.log", old))
	for _, q := range storedTables[:4] {
		if a, b := query(t, want, q), query(t, db, q); !slices.Equal(a, b) {
			t.Errorf("%s\n%s", q, unlike(strings.Join(a, "\n"), strings.Join(b, "\n")))
		}
	}
}

// What the daemon remembers of a message that is still in the queue is cleared too.
func TestForgetClearsTheMemoryOfTheDaemon(t *testing.T) {
	t.Parallel()
	live := writeFile(t, "mail.log", "")
	write := func(format string, args ...any) {
		f, err := os.OpenFile(live, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		stamp := time.Now().UTC().Format("2006-01-02T15:04:05.000000+00:00")
		if _, err := fmt.Fprintf(f, stamp+" mx postfix/"+format+"\n", args...); err != nil {
			t.Fatal(err)
		}
	}
	db := filepath.Join(t.TempDir(), "b.db")
	write("qmgr[12]: 4F00000001: from=<news@shop.example>, size=1000, nrcpt=2 (queue active)")
	for _, to := range []string{"jane", "joe"} {
		write("smtp[13]: 4F00000001: to=<%s@example.com>, relay=mx.example.com[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=4.2.0, status=deferred (host mx.example.com[192.0.2.1] said: 450 4.2.0 Greylisted (in reply to RCPT TO command))", to)
	}
	d := start(t, "--db", db, live)
	takesCommands(t, db)
	eventually(t, db, "SELECT recipient FROM bounces ORDER BY 1", "jane@example.com", "joe@example.com")
	run(t, "forget", "--db", db, "jane@example.com")
	write("qmgr[12]: 4F00000001: from=<news@shop.example>, status=expired, returned to sender")
	eventually(t, db, "SELECT count(*) > 0 FROM bounces WHERE outcome = 'expired'", "1")
	if expired := query(t, db, "SELECT recipient, sender FROM bounces WHERE outcome = 'expired'"); !slices.Equal(expired, []string{"joe@example.com|news@shop.example"}) {
		t.Errorf("after forget the log says that the message expired: %q", expired)
	}
	d.stop()
	for _, path := range []string{db, db + "-wal"} {
		if content, err := os.ReadFile(path); err == nil && bytes.Contains(content, []byte("jane@")) {
			t.Errorf("%s holds the address", path)
		}
	}
}
