package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// A glob matches files that are created later, as by servers that put the date into the
// name of the log, and the rotated files of each.
func TestDaemonFollowsNewFilesOfAGlob(t *testing.T) {
	t.Parallel()
	log := newMailLog(t)
	dir, db := t.TempDir(), filepath.Join(t.TempDir(), "b.db")
	sub := filepath.Join(dir, "a")
	log.check(os.Mkdir(sub, 0o755))
	args := []string{"--db", db, filepath.Join(dir, "*", "main-*")}
	n := 0
	file := func(path string) {
		log.check(log.f.Close())
		log.path = path
		log.create()
	}
	more := func() {
		log.messages(n, n+10)
		n += 10
	}
	file(filepath.Join(sub, "main-20261121"))
	more()
	d := start(t, args...)
	eventually(t, db, countBounces, "10")
	file(filepath.Join(sub, "main-20261122"))
	more()
	eventually(t, db, countBounces, "20")
	more()
	d.kill()
	more()
	log.pack(log.path)
	other := filepath.Join(dir, "b") // a matching directory that is created later
	log.check(os.Mkdir(other, 0o755))
	file(filepath.Join(other, "main-20261123"))
	more()
	d = start(t, args...)
	eventually(t, db, countBounces, "50")
	third := filepath.Join(dir, "c")
	log.check(os.Mkdir(third, 0o755))
	file(filepath.Join(third, "main-20261124"))
	more()
	eventually(t, db, countBounces, "60")
	more()
	eventually(t, db, countBounces, "70")
	d.stop()
}

// The target of a symbolic link is rotated in its own directory, and a link to the file
// of the day is switched while the daemon is down.
func TestDaemonFollowsASymbolicLink(t *testing.T) {
	t.Parallel()
	log := newMailLog(t)
	data, links, db := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "b.db")
	link := filepath.Join(links, "mail.log")
	to := func(name string) {
		log.check(log.f.Close())
		log.path = filepath.Join(data, name)
		log.create()
		log.check(os.Symlink(log.path, link+".new"))
		log.check(os.Rename(link+".new", link))
	}
	to("mail")
	d := start(t, "--db", db, link)
	log.messages(0, 10)
	eventually(t, db, countBounces, "10")
	d.kill()
	log.messages(10, 20)
	log.rotate()
	log.messages(20, 30)
	log.rotate()
	log.pack(log.path + ".2")
	log.messages(30, 40)
	d = start(t, "--db", db, link)
	eventually(t, db, countBounces, "40")
	log.rotate()
	log.messages(40, 50)
	eventually(t, db, countBounces, "50")
	d.kill()
	log.messages(50, 60) // in the previous target
	to("mail20261123")
	log.messages(60, 70)
	d = start(t, "--db", db, link)
	eventually(t, db, countBounces, "70")
	d.stop()
}

func TestAVacuumedJournalIsAGap(t *testing.T) {
	j := newJournal(t)
	db, told := filepath.Join(t.TempDir(), "b.db"), filepath.Join(t.TempDir(), "said")
	j.write(10)
	d := startInto(t, told, "--db", db, "journal")
	eventually(t, db, countBounces, "10")
	d.kill()
	j.write(10)
	d = startInto(t, told, "--db", db, "journal")
	eventually(t, db, countBounces, "20")
	if got := query(t, db, "SELECT * FROM gaps"); len(got) > 0 {
		t.Errorf("gaps where nothing is missing: %q", got)
	}
	d.kill()
	j.write(10)
	for part := 1; part <= 2; part++ { // as journalctl --vacuum-files=1 does
		j.log.check(os.Remove(filepath.Join(j.dir, fmt.Sprintf("part%04d.journal", part))))
	}
	for range 2 {
		d = startInto(t, told, "--db", db, "journal")
		eventually(t, db, countBounces, "30")
		eventually(t, db, "SELECT value FROM meta WHERE name = 'clean'", "0") // it is running
		eventually(t, db, "SELECT source, bytes, count(*) FROM gaps GROUP BY 1", "journal|-1|1")
		d.stop()
	}
	if n := strings.Count(words(told), "may have been destroyed"); n != 1 {
		t.Errorf("it said so %d times, want once:\n%s", n, words(told))
	}
}

// A log in a directory that cannot be listed was reported as missing, and a pipe that
// cannot be opened without a way out.
func TestWhatMayNotBeReadIsExplained(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: root is needed to run a command as another user")
	}
	dir := shared(t)
	logs, db := filepath.Join(dir, "logs"), filepath.Join(dir, "db")
	shell(t, nil, dir, "install", "-d", "-m", "0711", logs)
	shell(t, nil, dir, "install", "-d", "-o", "65534", db)
	log := newMailLog(t)
	log.messages(0, 10)
	write(t, filepath.Join(logs, "mail.log"), log.all.String())
	d := startAs(t, &syscall.Credential{Uid: 65534, Gid: 65534}, "--db", filepath.Join(db, "b.db"), filepath.Join(logs, "mail.log"))
	waitFor(t, "the daemon to report it", func() bool {
		return strings.Contains(d.said.String(), "permission denied; the user of the daemon must be able to list the directory")
	})
	shell(t, nil, dir, "chmod", "0755", logs)
	eventually(t, filepath.Join(db, "b.db"), countBounces, "10")
	d.stop()
	pipe := filepath.Join(logs, "pipe")
	shell(t, nil, dir, "mkfifo", "-m", "0600", pipe)
	d = startAs(t, &syscall.Credential{Uid: 65534, Gid: 65534}, "--db", filepath.Join(db, "b.db"), pipe)
	<-d.done
	if d.err == nil || !strings.Contains(d.said.String(), "chown bouncetail "+pipe) {
		t.Errorf("of a pipe that it may not open, it said:\n%s", d.said)
	}
}

// A reload loses no line of a pipe: neither those that could not be saved before it, nor
// those that come meanwhile.
func TestAReloadLosesNoLineOfAPipe(t *testing.T) {
	t.Parallel()
	for name, named := range map[string]bool{"standard input": false, "named pipe": true} {
		t.Run(name, func(t *testing.T) { reloadsWithPipe(t, named) })
	}
}

func reloadsWithPipe(t *testing.T, named bool) {
	t.Parallel()
	log := newMailLog(t)
	dir := t.TempDir()
	db, path, settings := filepath.Join(dir, "b.db"), "-", filepath.Join(dir, "config.yaml")
	from, to, err := os.Pipe()
	log.check(err)
	defer from.Close()
	defer to.Close()
	if named {
		path = filepath.Join(dir, "pipe")
		log.check(syscall.Mkfifo(path, 0o600))
		to, err = os.OpenFile(path, os.O_RDWR, 0)
		log.check(err)
	}
	log.check(os.WriteFile(settings, fmt.Appendf(nil, "database: %s\nsources:\n  - path: %q\n", db, path), 0o600))
	said := filepath.Join(dir, "said")
	d := startWith(t, said, func(cmd *exec.Cmd) { cmd.Stdin = from }, "--config", settings)
	log.f = to
	reload := func(times int) {
		log.check(d.cmd.Process.Signal(syscall.SIGHUP))
		waitFor(t, "the daemon to follow again", func() bool { return strings.Count(words(said), "msg=following") > times })
	}
	for n := range 3 {
		log.messages(10*n, 10*n+10)
		eventually(t, db, countBounces, strconv.Itoa(10*n+10))
		reload(n + 1)
	}
	unlock := lock(t, db)
	log.messages(30, 40)
	waitFor(t, "the daemon to fail", func() bool { return strings.Contains(words(said), "batch not saved, will retry") })
	log.check(d.cmd.Process.Signal(syscall.SIGHUP))
	waitFor(t, "the daemon to give up", func() bool { return strings.Contains(words(said), "will follow again") })
	log.messages(40, 50)
	unlock()
	log.messages(50, 60)
	eventually(t, db, countBounces, "60")
	if got := query(t, db, "SELECT * FROM gaps"); len(got) > 0 {
		t.Errorf("gaps %q, but nothing is lost", got)
	}
	d.stop()
}

// Lines that were read from a pipe and not saved before a kill are lost. Their number is
// unknown.
func TestPipeIsAGapAfterAKill(t *testing.T) {
	t.Parallel()
	log := newMailLog(t)
	db, pipe := filepath.Join(t.TempDir(), "b.db"), filepath.Join(t.TempDir(), "pipe")
	log.check(syscall.Mkfifo(pipe, 0o600))
	n := 0
	round := func() *daemon {
		d := start(t, "--db", db, pipe)
		w, err := os.OpenFile(pipe, os.O_WRONLY, 0)
		log.check(err)
		log.check(log.f.Close())
		log.f = w
		log.messages(n, n+10)
		n += 10
		eventually(t, db, countBounces, strconv.Itoa(n))
		return d
	}
	const gaps = "SELECT bytes FROM gaps"
	round().stop()
	round().kill()
	if got := query(t, db, gaps); len(got) > 0 {
		t.Errorf("gaps %q after an orderly stop", got)
	}
	round().stop()
	if got := query(t, db, gaps); !slices.Equal(got, []string{"-1"}) {
		t.Errorf("gaps %q after a kill, want one of which nobody knows how much it was", got)
	}
	round().stop()
	if got := query(t, db, gaps); len(got) != 1 {
		t.Errorf("gaps %q, want no further one", got)
	}
}
