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

// journal is a directory with real journal files. A wrapper in PATH makes journalctl read
// it.
type journal struct {
	t   *testing.T
	dir string
	bin string
	log *mailLog
	n   int // entries
	seq int // files
}

func newJournal(t *testing.T) *journal {
	t.Helper()
	const remote = "/lib/systemd/systemd-journal-remote"
	for _, program := range []string{remote, "/usr/bin/journalctl"} {
		if !exists(program) {
			t.Skipf("SKIPPED, the journal is not tested: %s is missing (package systemd-journal-remote)", program)
		}
	}
	j := &journal{t: t, dir: t.TempDir(), bin: t.TempDir(), log: newMailLog(t)}
	script := fmt.Sprintf("#!/bin/sh\nexec /usr/bin/journalctl --directory=%s \"$@\"\n", j.dir)
	j.log.check(os.WriteFile(filepath.Join(j.bin, "journalctl"), []byte(script), 0o755))
	t.Setenv("PATH", j.bin+":"+os.Getenv("PATH"))
	return j
}

// write adds bounces to the journal, as journald stores those of Postfix. Each call
// creates a new file, as a rotation of the journal does.
func (j *journal) write(n int) {
	j.t.Helper()
	var export strings.Builder
	for range n {
		j.n++
		id := fmt.Sprintf("4J%06X", j.n)
		fmt.Fprintf(&export, "__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=0123456789abcdef0123456789abcdef\n_MACHINE_ID=fedcba9876543210fedcba9876543210\n_HOSTNAME=mx\n_TRANSPORT=syslog\nSYSLOG_FACILITY=2\nSYSLOG_IDENTIFIER=postfix/smtp\n_PID=13\n"+
			"MESSAGE=%s: to=<%s@example.com>, relay=mx.example.com[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (host mx.example.com[192.0.2.1] said: 550 5.1.1 no (in reply to RCPT TO command))\n\n",
			1795438932759177+int64(j.n)*1000, 1000+j.n, id, id)
	}
	j.seq++
	out := filepath.Join(j.dir, fmt.Sprintf("part%04d.journal", j.seq))
	cmd := exec.CommandContext(j.t.Context(), "/lib/systemd/systemd-journal-remote", "--output="+out, "-")
	cmd.Stdin = strings.NewReader(export.String())
	if said, err := cmd.CombinedOutput(); err != nil {
		j.t.Fatalf("systemd-journal-remote: %v\n%s", err, said)
	}
}

func TestDaemonFollowsTheJournalThroughKillsAndRotation(t *testing.T) {
	j := newJournal(t)
	db := filepath.Join(t.TempDir(), "b.db")
	j.write(50)
	d := start(t, "--db", db, "journal")
	eventually(t, db, countBounces, "50")
	j.write(30)
	eventually(t, db, countBounces, "80")
	d.kill()
	j.write(20)
	d = start(t, "--db", db, "journal")
	eventually(t, db, countBounces, "100")
	for i := range 3 {
		d.kill()
		j.write(10)
		d = start(t, "--db", db, "journal")
		eventually(t, db, countBounces, strconv.Itoa(110+10*i))
	}
	if got := query(t, db, "SELECT count(DISTINCT queue_id), min(recipient), min(host), min(occurred_at) FROM bounces"); !slices.Equal(got, []string{"130|4j000001@example.com|mx|2026-11-23T13:02:12.760Z"}) {
		t.Errorf("got %q", got)
	}
	if got := query(t, db, "SELECT count(*) FROM positions WHERE cursor <> ''"); !slices.Equal(got, []string{"1"}) {
		t.Errorf("%q positions with a cursor, want 1", got)
	}
	d.stop()
}

func TestDaemonReadsANamedPipeAndStandardInput(t *testing.T) {
	t.Parallel()
	log := newMailLog(t)
	db, pipe := filepath.Join(t.TempDir(), "b.db"), filepath.Join(t.TempDir(), "pipe")
	log.check(syscall.Mkfifo(pipe, 0o600))
	d := start(t, "--db", db, pipe, log.path)
	log.messages(0, 5)
	eventually(t, db, countBounces, "5")
	for round := range 2 { // a writer that exits does not end it
		w, err := os.OpenFile(pipe, os.O_WRONLY, 0)
		log.check(err)
		file := log.f
		log.f = w
		log.messages(100*round+100, 100*round+130)
		log.f = file
		log.check(w.Close())
		eventually(t, db, countBounces, strconv.Itoa(35+30*round))
	}
	d.stop()

	once := filepath.Join(t.TempDir(), "stdin.db")
	cmd := exec.CommandContext(t.Context(), program(t), "run", "--db", once, "-")
	cmd.Stdin = strings.NewReader(log.all.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("bouncetail run -: %v\n%s", err, out)
	}
	eventually(t, once, countBounces, "65")
}
