package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// exposure matches the last line of systemd-analyze security.
var exposure = regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`)

// littleExposed checks that systemd-analyze rates the exposure of a unit at most so high.
func littleExposed(t *testing.T, unit string, most float64) {
	t.Helper()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("SKIPPED: no systemd-analyze here to judge the unit")
	}
	out := shell(t, nil, ".", "systemd-analyze", "security", "--offline=true", "--no-pager", unit)
	m := exposure.FindStringSubmatch(out)
	if m == nil {
		t.Skipf("SKIPPED: this systemd-analyze judges no unit that is not loaded: %s", out)
	}
	if level, err := strconv.ParseFloat(m[1], 64); err != nil || level > most {
		t.Errorf("the exposure level is %s, want at most %.1f\n%s", m[1], most, out)
	}
}

func TestUnitIsHardened(t *testing.T) { littleExposed(t, "../systemd/bouncetail.service", 1.0) }

func TestUnitsOfTheDaemonAndThePagesHaveNoNetwork(t *testing.T) {
	for _, unit := range []string{"bouncetail.service", "bouncetail-web.service"} {
		lines := strings.Split(file(t, "systemd/"+unit), "\n")
		for _, want := range []string{"PrivateNetwork=yes", "IPAddressDeny=any", "RestrictAddressFamilies=AF_UNIX"} {
			if !slices.Contains(lines, want) {
				t.Errorf("%s lacks %s", unit, want)
			}
		}
	}
}

// The unit's user is in the group adm, and logrotate creates logs with
// "create 0640 root adm".
func TestUserOfTheUnitReadsLogsOfAdm(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: only root can be somebody else")
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Skipf("SKIPPED: %v", err)
	}
	adm, err := user.LookupGroup("adm")
	if err != nil {
		t.Skipf("SKIPPED: %v", err)
	}
	number := func(s string) int {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	uid, gid, admID := number(nobody.Uid), number(nobody.Gid), number(adm.Gid)
	// Not t.TempDir, which only root can access.
	dir, err := os.MkdirTemp("", "bouncetail-adm-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	state := filepath.Join(dir, "state")
	log, db := filepath.Join(dir, "mail.log"), filepath.Join(state, "b.db")
	bouncetail := filepath.Join(dir, "bouncetail") // so is the directory of the built one
	shell(t, nil, ".", "cp", program(t), bouncetail)
	for _, err := range []error{os.Chmod(dir, 0o755), os.Mkdir(state, 0o750), os.Chown(state, uid, gid)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	write := func(n int) {
		line := fmt.Sprintf("2026-11-01T10:00:%02d.000000+00:00 mx postfix/smtp[7]: 4F1A2B3C%02d: to=<gone%d@example.com>, relay=mx.example.com[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (host mx.example.com[192.0.2.1] said: 550 5.1.1 No such user (in reply to RCPT TO command))\n", n, n, n)
		if err := os.WriteFile(log, []byte(line), 0o640); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(log, 0, admID); err != nil {
			t.Fatal(err)
		}
	}
	write(1)
	d := &daemon{t: t, said: &output{}, done: make(chan struct{})}
	d.cmd = exec.Command(bouncetail, "run", "--db", db, log)
	d.cmd.Stderr = d.said
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), Groups: []uint32{uint32(admID)}}}
	d.run()
	eventually(t, db, "SELECT recipient FROM bounces ORDER BY 1", "gone1@example.com")
	if err := os.Rename(log, log+".1"); err != nil {
		t.Fatal(err)
	}
	write(2)
	eventually(t, db, "SELECT recipient FROM bounces ORDER BY 1", "gone1@example.com", "gone2@example.com")
	d.stop()
	info, err := os.Stat(db)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o640 {
		t.Errorf("the database has mode %o, want 640", info.Mode().Perm())
	}
	if strings.Contains(d.said.String(), "level=ERROR") {
		t.Errorf("the daemon complained:\n%s", d.said)
	}
}
