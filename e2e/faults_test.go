package e2e

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// waitFor waits until a condition holds.
func waitFor(t testing.TB, what string, holds func() bool) {
	t.Helper()
	if !poll(holds) {
		t.Fatalf("waited %v for %s", patience, what)
	}
}

// words returns what a daemon wrote to a file so far.
func words(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(text)
}

// startInto starts a daemon that logs to a file.
func startInto(t *testing.T, path string, args ...string) *daemon {
	t.Helper()
	return startWith(t, path, func(*exec.Cmd) {}, args...)
}

// startWith is startInto with a function that changes the command.
func startWith(t *testing.T, path string, more func(*exec.Cmd), args ...string) *daemon {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d := &daemon{t: t, done: make(chan struct{})}
	d.cmd = exec.Command(program(t), append([]string{"run"}, args...)...)
	d.cmd.Stderr = f
	more(d.cmd)
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		d.err = d.cmd.Wait()
		close(d.done)
	}()
	t.Cleanup(d.kill)
	return d
}

// mounted returns the directory of a tmpfs of a size.
func mounted(t *testing.T, size string) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: only root can mount a small file system to fill, or to make read-only")
	}
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: a file system to fill, or to make read-only, cannot be mounted: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	return dir
}

// remount changes the options of a file system of mounted.
func remount(t *testing.T, dir, options string) {
	t.Helper()
	if out, err := exec.Command("mount", "-o", "remount,"+options, dir).CombinedOutput(); err != nil {
		t.Fatalf("remount: %v: %s", err, out)
	}
}

// blockedPipe returns the end of a full pipe to which programs write, and that nobody
// reads: as of a container runtime whose log driver hangs, or a journal that is stopped.
func blockedPipe(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	size, err := unix.FcntlInt(w.Fd(), unix.F_GETPIPE_SZ, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestABlockedOutputStopsNothing(t *testing.T) {
	t.Parallel()
	w := blockedPipe(t)
	log := newMailLog(t)
	db := filepath.Join(t.TempDir(), "b.db")
	d := startWith(t, filepath.Join(t.TempDir(), "said"), func(c *exec.Cmd) { c.Stderr = w }, "--db", db, log.path)
	log.messages(0, 100)
	eventually(t, db, countBounces, "100")
	d.stop()
}

// The pages say where they listen, and log a page that cannot be made.
func TestABlockedOutputStopsNoPage(t *testing.T) {
	t.Parallel()
	log := newMailLog(t)
	log.messages(0, 100)
	dir := t.TempDir()
	db, socket := filepath.Join(dir, "b.db"), filepath.Join(dir, "web")
	run(t, "import", "--db", db, log.path)
	cmd := exec.Command(program(t), "web", "--db", db, "--listen", "unix:"+socket)
	cmd.Stderr = blockedPipe(t)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(cmd.Process.Signal(syscall.SIGTERM), cmd.Wait()); err != nil {
			t.Error(err)
		}
	})
	client := http.Client{Timeout: patience, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	waitFor(t, "the socket", func() bool { _, err := os.Stat(socket); return err == nil })
	for _, want := range []int{http.StatusOK, http.StatusInternalServerError, http.StatusInternalServerError} {
		resp, err := client.Get("http://localhost/recipients")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("got %s, want %d", resp.Status, want)
		}
		log.check(os.Truncate(db, 100)) // so that no other page can be made
	}
}

// Commands that systemd's timers start end, also if they have something to log.
func TestABlockedOutputEndsCommands(t *testing.T) {
	t.Parallel()
	settings := filepath.Join(t.TempDir(), "settings.yaml")
	if err := os.WriteFile(settings, []byte("databse: /x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"notify", "publish", "metrics", "report"} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		cmd := exec.CommandContext(ctx, program(t), command, "--config", settings)
		cmd.Stderr = blockedPipe(t)
		if err := cmd.Run(); cmd.ProcessState.ExitCode() != 78 {
			t.Errorf("%s: %v, want exit code 78", command, err)
		}
		cancel()
	}
}

func TestAFullDiskIsRetried(t *testing.T) {
	t.Parallel()
	small := mounted(t, "1200k")
	log := newMailLog(t)
	db, told := filepath.Join(small, "b.db"), filepath.Join(t.TempDir(), "said")
	d := startInto(t, told, "--db", db, log.path)
	log.messages(0, 5000)
	const full = "database or disk is full"
	waitFor(t, "the disk to be full", func() bool { return strings.Contains(words(told), full) })
	d.kill()
	d = startInto(t, told, "--db", db, log.path)
	waitFor(t, "the disk to be full again", func() bool { return strings.Count(words(told), full) > 1 })
	remount(t, small, "size=100m")
	eventually(t, db, countBounces, "5000")
	waitFor(t, "it to log that it saves again", func() bool { return strings.Contains(words(told), "saving again") })
	if n := strings.Count(words(told), full); n != 2 {
		t.Errorf("it said %d times that the disk is full, want once for each daemon", n)
	}
	d.stop()
}

// Somebody waits for an import: on a full disk it ends and says what is kept. The same
// command continues, with a new and with an existing database.
func TestImportEndsOnAFullDisk(t *testing.T) {
	t.Parallel()
	small := mounted(t, "6m")
	db := filepath.Join(small, "b.db")
	for round, disk := range []struct{ enough, small string }{{"30m", "20m"}, {"100m", ""}} {
		log := newMailLog(t)
		log.messages(20000*round, 20000*(round+1))
		cmd := exec.CommandContext(t.Context(), program(t), "import", "--db", db, log.path)
		said, err := cmd.CombinedOutput()
		want := regexp.MustCompile(`^bouncetail import: the disk of .*b\.db is full\. (Nothing is|[\d,]+ of [\d,]+ lines are) stored.*; run the same command to (start again|continue)\.\n$`)
		if cmd.ProcessState.ExitCode() != 1 || !want.Match(said) {
			t.Errorf("import on a full disk: %v: %s", err, said)
		}
		remount(t, small, "size="+disk.enough)
		run(t, "import", "--db", db, log.path)
		eventually(t, db, countBounces, fmt.Sprint(20000*(round+1)))
		if disk.small != "" {
			remount(t, small, "size="+disk.small)
		}
	}
}

func TestAReadOnlyFileSystemIsRetried(t *testing.T) {
	t.Parallel()
	dir := mounted(t, "50m")
	log := newMailLog(t)
	db, told := filepath.Join(dir, "b.db"), filepath.Join(t.TempDir(), "said")
	log.messages(0, 10)
	d := startInto(t, told, "--db", db, log.path)
	eventually(t, db, countBounces, "10")
	d.kill()
	remount(t, dir, "ro")
	log.messages(10, 20)
	systemd := listen(t)
	d = startWith(t, told, systemd.watch(4*time.Second), "--db", db, log.path)
	waitFor(t, "the status to say so", func() bool { return strings.Contains(systemd.status(), "read-only file system") })
	log.rotate()
	log.messages(20, 30)
	remount(t, dir, "rw")
	eventually(t, db, countBounces, "30")
	waitFor(t, "it to log that it saves again", func() bool { return strings.Contains(words(told), "recovered") })
	if n := strings.Count(words(told), "failing, will retry"); n != 1 {
		t.Errorf("it said %d times that it waits, want once:\n%s", n, words(told))
	}
	d.stop()
}

// Another process uses all inotify instances of the user, and then releases them.
func TestMissingInotifyWatchesAreRetried(t *testing.T) {
	t.Parallel()
	const nobody = 61234 // no user of this machine
	limit, err := strconv.Atoi(strings.TrimSpace(words("/proc/sys/fs/inotify/max_user_instances")))
	if os.Getuid() != 0 || err != nil || limit > 900 {
		t.Skipf("SKIPPED, a machine without watches is not tested: it takes root, and fewer than 900 inotify instances for each user (%d)", limit)
	}
	log := newMailLog(t)
	dir, told := shared(t), filepath.Join(t.TempDir(), "said")
	log.check(log.f.Close())
	log.path = filepath.Join(dir, "mail.log")
	log.create()
	log.check(os.Chmod(log.path, 0o644))
	log.check(os.Chown(dir, nobody, -1))
	as := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}

	self := filepath.Join(dir, "greedy")
	own, err := os.ReadFile("/proc/self/exe")
	log.check(err)
	log.check(os.WriteFile(self, own, 0o755))
	greedy := exec.Command(self)
	greedy.SysProcAttr, greedy.Env = as, append(os.Environ(), takeWatches+"=yes")
	in, err := greedy.StdinPipe()
	log.check(err)
	out, err := greedy.StdoutPipe()
	log.check(err)
	log.check(greedy.Start())
	giveBack := sync.OnceFunc(func() {
		in.Close()
		greedy.Wait() //nolint:errcheck // it only used the instances
	})
	defer giveBack()
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatalf("taking all watches: %v", err)
	}

	systemd := listen(t)
	db := filepath.Join(dir, "b.db")
	log.messages(0, 10)
	d := startWith(t, told, func(cmd *exec.Cmd) {
		systemd.watch(2 * time.Second)(cmd)
		cmd.SysProcAttr = as
	}, "--db", db, log.path)
	eventually(t, db, countBounces, "10")
	waitFor(t, "the status to say so", func() bool { return strings.Contains(systemd.status(), "no inotify watches left") })
	for i := 1; i < 4; i++ {
		log.messages(10*i, 10*i+10)
		log.rotate()
		log.check(os.Chmod(log.path, 0o644))
	}
	eventually(t, db, countBounces, "40")
	giveBack()
	waitFor(t, "it to watch again", func() bool { return strings.Contains(words(told), "recovered") })
	log.messages(40, 50)
	eventually(t, db, countBounces, "50")
	if n := strings.Count(words(told), "no inotify watches left"); n != 1 {
		t.Errorf("it said %d times that it has no watches, want once:\n%s", n, words(told))
	}
	d.stop()
}

// A daemon that cannot open its database for want of descriptors waits for some.
func TestMissingDescriptorsForTheDatabaseAreRetried(t *testing.T) {
	t.Parallel()
	log := newMailLog(t)
	db, said := filepath.Join(t.TempDir(), "b.db"), filepath.Join(t.TempDir(), "said")
	d := startWith(t, said, func(cmd *exec.Cmd) {
		cmd.Args = []string{"sh", "-c", `ulimit -n 12; exec "$0" run --db "$1" "$2"`, cmd.Path, db, log.path}
		cmd.Path = "/bin/sh"
	})
	waitFor(t, "the daemon to say something", func() bool { return words(said) != "" })
	if got := words(said); !strings.Contains(got, "too many open files") || !strings.Contains(got, "will retry") {
		t.Errorf("the daemon says %q, want it to retry for want of descriptors", got)
	}
	d.stop()
}

// status returns what bouncetail status prints, and its exit code.
func status(t *testing.T, db string) (out string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program(t), "status", "--db", db)
	printed, err := cmd.Output()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(string(printed)), " "), cmd.ProcessState.ExitCode()
}

// lock takes the lock of a writer of a database, as another program does.
func lock(t *testing.T, db string) (unlock func()) {
	t.Helper()
	other, err := sql.Open("sqlite3", "file:"+db+"?_busy_timeout=10000&_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	writing, err := other.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := writing.Rollback(); err != nil {
			t.Fatal(err)
		}
	}
}

// The status, that of systemd and the command, lists an unreadable log and a database
// that cannot be written.
func TestStatusListsAllProblems(t *testing.T) {
	t.Parallel()
	log := newMailLog(t)
	db, told := filepath.Join(t.TempDir(), "b.db"), filepath.Join(t.TempDir(), "said")
	missing := filepath.Join(t.TempDir(), "no", "exim.log")
	systemd := listen(t)
	d := startWith(t, told, systemd.watch(2*time.Second), "--db", db, log.path, missing)
	log.messages(0, 5)
	eventually(t, db, countBounces, "5")
	unlock := lock(t, db)
	log.messages(5, 10)
	waitFor(t, "both to show", func() bool {
		s := systemd.status()
		return strings.Contains(s, "cannot save") && strings.Contains(s, "cannot find "+missing)
	})
	if out, code := status(t, db); code != 2 || !strings.Contains(out, "The daemon cannot save: ") || !strings.Contains(out, "cannot find "+missing) || strings.Contains(out, "Nothing to fix") {
		t.Errorf("bouncetail status exits with %d, want 2, and prints: %s", code, out)
	}
	unlock()
	eventually(t, db, countBounces, "10")
	log.check(os.Mkdir(filepath.Dir(missing), 0o755))
	log.check(os.WriteFile(missing, []byte("\n"), 0o600))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("status: %s\n%s", systemd.status(), words(told))
		}
	})
	waitFor(t, "both to be over", func() bool {
		return strings.Contains(systemd.status(), "lines read") && !strings.Contains(systemd.status(), "cannot")
	})
	for _, once := range []string{"batch not saved", "saving again", "failing, will retry", "recovered"} {
		waitFor(t, "the log to say "+once, func() bool { return strings.Contains(words(told), once) })
		if n := strings.Count(words(told), once); n != 1 {
			t.Errorf("it said %d times %q, want once:\n%s", n, once, words(told))
		}
	}
	if out, code := status(t, db); code != 0 || !strings.Contains(out, "Nothing to fix") {
		t.Errorf("bouncetail status exits with %d, want 0, and prints: %s", code, out)
	}
	log.check(d.cmd.Process.Signal(syscall.SIGSTOP))
	if out, code := status(t, db); code != 2 || !strings.Contains(out, "The daemon does not answer") {
		t.Errorf("with a daemon that hangs, bouncetail status exits with %d, want 2, and prints: %s", code, out)
	}
	log.check(d.cmd.Process.Signal(syscall.SIGCONT))
	d.stop()
}

func TestRemovedDatabaseIsNoticed(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(db string) error{
		"removed": os.Remove,
		"replaced by a copy": func(db string) error {
			copied := db + ".copy"
			return errors.Join(exec.CommandContext(t.Context(), "cp", db, copied).Run(), os.Rename(copied, db))
		},
	} {
		log := newMailLog(t)
		db, told := filepath.Join(t.TempDir(), "b.db"), filepath.Join(t.TempDir(), "said")
		log.messages(0, 10)
		d := startInto(t, told, "--db", db, log.path)
		eventually(t, db, countBounces, "10")
		log.check(change(db))
		log.messages(10, 20)
		select {
		case <-d.done:
		case <-time.After(patience):
			t.Fatalf("%s: the daemon goes on", name)
		}
		if d.err == nil || !strings.Contains(words(told), "was removed or replaced while it was in use") {
			t.Errorf("%s: it ended with %v and said %s", name, d.err, words(told))
		}
	}
}

// A daemon that is asked to stop while it cannot save says so at once: systemd waits for
// it then.
func TestADaemonThatCannotSaveSaysThatItStops(t *testing.T) {
	t.Parallel()
	log := newMailLog(t)
	db, told := filepath.Join(t.TempDir(), "b.db"), filepath.Join(t.TempDir(), "said")
	systemd := listen(t)
	d := startWith(t, told, systemd.watch(time.Minute), "--db", db, log.path)
	log.messages(0, 5)
	eventually(t, db, countBounces, "5")
	unlock := lock(t, db)
	log.messages(5, 10)
	waitFor(t, "the daemon to fail", func() bool { return strings.Contains(words(told), "batch not saved") })
	log.check(d.cmd.Process.Signal(syscall.SIGTERM))
	waitFor(t, "the daemon to say that it stops", systemd.saidStopping)
	if strings.Contains(words(told), "msg=stopped") {
		t.Error("the daemon said that it stops only when it had given up")
	}
	unlock()
	<-d.done
	run(t, "import", "--db", db, log.path)
	eventually(t, db, countBounces, "10")
}

// A stop does not wait for a program that holds the lock of the database, and loses nothing.
func TestAStopWhileTheDatabaseIsLocked(t *testing.T) {
	t.Parallel()
	log := newMailLog(t)
	db, told := filepath.Join(t.TempDir(), "b.db"), filepath.Join(t.TempDir(), "said")
	d := startInto(t, told, "--db", db, log.path)
	log.messages(0, 5)
	eventually(t, db, countBounces, "5")
	unlock := lock(t, db)
	log.messages(5, 10)
	// By then, the look for incidents waits for the lock too.
	waitFor(t, "the daemon to fail", func() bool { return strings.Contains(words(told), "batch not saved") })
	begun := time.Now()
	d.stop()
	if took := time.Since(begun); took > 20*time.Second { // 6 seconds on an idle machine
		t.Errorf("it stopped after %v", took)
	}
	if !strings.Contains(words(told), "they will be read again at the next start") {
		t.Error("it did not say what becomes of the last lines")
	}
	unlock()
	d = startInto(t, told, "--db", db, log.path)
	eventually(t, db, countBounces, "10")
	d.stop()
}

// Lines of a pipe cannot be read again.
func TestAStopThatLosesLinesOfAPipeFails(t *testing.T) {
	t.Parallel()
	log := newMailLog(t)
	db, told := filepath.Join(t.TempDir(), "b.db"), filepath.Join(t.TempDir(), "said")
	from, to, err := os.Pipe()
	log.check(err)
	defer from.Close()
	log.check(log.f.Close())
	log.f = to
	d := startWith(t, told, func(cmd *exec.Cmd) { cmd.Stdin = from }, "--db", db, "-")
	log.messages(0, 5)
	eventually(t, db, countBounces, "5")
	unlock := lock(t, db)
	defer unlock()
	log.messages(5, 10)
	waitFor(t, "the daemon to fail", func() bool { return strings.Contains(words(told), "batch not saved") })
	log.check(d.cmd.Process.Signal(syscall.SIGTERM))
	<-d.done
	if d.cmd.ProcessState.ExitCode() != 1 || !strings.Contains(words(told), "those of pipes are lost") {
		t.Errorf("it ended with %v\n%s", d.cmd.ProcessState, words(told))
	}
}

func TestDamagedDatabaseIsRefused(t *testing.T) {
	t.Parallel()
	log := newMailLog(t)
	db, told := filepath.Join(t.TempDir(), "b.db"), filepath.Join(t.TempDir(), "said")
	log.messages(0, 200)
	d := startInto(t, told, "--db", db, log.path)
	eventually(t, db, countBounces, "200")
	d.kill() // so that the next start checks
	if out, err := exec.Command("sqlite3", db, "PRAGMA wal_checkpoint(TRUNCATE)").CombinedOutput(); err != nil {
		t.Fatalf("sqlite3: %v: %s", err, out)
	}
	at, err := exec.Command("sqlite3", db, "SELECT (rootpage - 1) * page_size FROM sqlite_schema, pragma_page_size WHERE name = 'bounces'").Output()
	log.check(err)
	offset, err := strconv.ParseInt(strings.TrimSpace(string(at)), 10, 64)
	log.check(err)
	f, err := os.OpenFile(db, os.O_WRONLY, 0)
	log.check(err)
	_, err = f.WriteAt(slices.Repeat([]byte{0xff}, 3000), offset)
	log.check(err)
	log.check(f.Close())
	d = startInto(t, told, "--db", db, log.path)
	select {
	case <-d.done:
	case <-time.After(patience):
		t.Fatalf("it runs on, and says %s", words(told))
	}
	if d.err == nil || !strings.Contains(words(told), "is damaged") || !strings.Contains(words(told), ".recover") {
		t.Errorf("it ended with %v and said %s", d.err, words(told))
	}
	for _, command := range []string{"status", "report", "explain 4a000001@example.com", "backup " + db + ".copy", "doctor"} {
		cmd := exec.CommandContext(t.Context(), program(t), append(strings.Fields(command), "--db", db)...)
		out, _ := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code == 0 || !strings.Contains(string(out), "database "+db+" is damaged: ") || !strings.Contains(string(out), ".recover") {
			t.Errorf("bouncetail %s: exit code %d, %s", command, code, out)
		}
	}
}

// TestMemoryIsBounded reads a backlog that contains a line of 200 MB, and then follows
// the log. The backlog of make torture has 1 GB.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	log := newMailLog(t)
	messages := 28_000
	if os.Getenv("BOUNCETAIL_TEST_ROUNDS") != "" {
		messages = 2_000_000
	}
	w := bufio.NewWriter(log.f)
	say := func(text string) {
		_, err := w.WriteString(text)
		log.check(err)
	}
	for i := range messages {
		id := fmt.Sprintf("4A%06X", i)
		say(log.stamp() + " mx postfix/qmgr[12]: " + id + ": from=<news@shop.example>, size=1000, nrcpt=1 (queue active)\n")
		say(log.stamp() + " mx postfix/smtp[13]: " + id + ": to=<" + id + "@example.com>, relay=mx.example.com[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 4F1234)\n")
		if i%10 == 0 {
			say(log.stamp() + " mx postfix/smtp[13]: " + id + ": to=<" + id + "@example.net>, relay=mx.example.net[192.0.2.2]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (host mx.example.net[192.0.2.2] said: 550 5.1.1 no such user here, and a few words more (in reply to RCPT TO command))\n")
		}
		say(log.stamp() + " mx postfix/qmgr[12]: " + id + ": removed\n")
		log.n++
		if i == messages/2 {
			for range 200 {
				say(strings.Repeat("z", 1<<20))
			}
			say("\n")
		}
	}
	log.check(w.Flush())
	size, err := log.f.Seek(0, io.SeekCurrent)
	log.check(err)
	dir := t.TempDir()
	all := strconv.Itoa(messages / 10)

	importing := &daemon{t: t, cmd: exec.Command(program(t), "import", "--db", filepath.Join(dir, "import.db"), log.path)}
	log.check(importing.cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- importing.cmd.Wait() }()
	// Read it while the process runs. After its end, the kernel's maximum includes the
	// forked test process.
	most := 0
	for running := true; running; {
		select {
		case err := <-ended:
			log.check(err)
			running = false
		case <-time.After(20 * time.Millisecond):
			most = max(most, memoryOf(importing, "VmHWM"))
		}
	}
	if most == 0 || most > memoryFactor*256<<10 {
		t.Errorf("import of %d MB took %d KB, want at most 256 MB", size>>20, most)
	} else {
		t.Logf("import of %d MB took %d KB", size>>20, most)
	}

	db := filepath.Join(dir, "run.db")
	d := startWith(t, filepath.Join(dir, "said"), listen(t).watch(2*time.Second), "--db", db, log.path)
	for deadline := time.Now().Add(10 * time.Minute); !slices.Equal(query(t, db, countBounces), []string{all}); {
		if time.Now().After(deadline) {
			t.Fatalf("the backlog is not read: %q of %s", query(t, db, countBounces), all)
		}
		time.Sleep(200 * time.Millisecond) // polls another process
	}
	log.messages(messages+1, messages+100)
	eventually(t, db, countBounces, strconv.Itoa(messages/10+99))
	// Not VmRSS: pages of the program's file can be dropped at any time.
	waitFor(t, "it to follow in 64 MB", func() bool { kb := memoryOf(d, "RssAnon"); return 0 < kb && kb <= memoryFactor*64<<10 })
	if kb := memoryOf(d, "VmHWM"); kb > memoryFactor*256<<10 {
		t.Errorf("reading the backlog took %d KB, want at most 256 MB", kb)
	}
	t.Logf("following took %d KB, %d KB with pages of files, the backlog %d KB", memoryOf(d, "RssAnon"), memoryOf(d, "VmRSS"), memoryOf(d, "VmHWM"))
	d.stop()
}

// memoryOf returns a size in KB of a running daemon, as the kernel names it.
func memoryOf(d *daemon, name string) int {
	for line := range strings.Lines(words(fmt.Sprintf("/proc/%d/status", d.cmd.Process.Pid))) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kb, err := strconv.Atoi(strings.Fields(rest)[0])
			if err == nil {
				return kb
			}
		}
	}
	return 0 // the process is ending
}

// A file system without inodes has room for data. The daemon waits for one, as on a full
// disk: SQLite reports a file that it cannot create as one that does not exist.
func TestAFileSystemWithoutInodes(t *testing.T) {
	t.Parallel()
	x := torture(t, 1)
	disk, said := mounted(t, "8m,nr_inodes=3"), filepath.Join(t.TempDir(), "said") // its folder, the lock and the database
	x.db = filepath.Join(disk, "b.db")
	x.bounces(10)
	x.d = startInto(t, said, "--db", x.db, x.path)
	waitFor(t, "the daemon to report it", func() bool { return strings.Contains(words(said), "no space left on device") })
	remount(t, disk, "nr_inodes=100")
	x.seen()
	x.d.stop()
}
