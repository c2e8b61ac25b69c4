package e2e

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/internal/text"
)

// machine is a Debian in a directory. Its commands run without a network and in a PID
// namespace that ends with them.
type machine struct {
	t    *testing.T
	root string
}

// newMachine copies the Debian in .cache, which debootstrap has made.
func newMachine(t *testing.T) *machine {
	t.Helper()
	if os.Getenv("BOUNCETAIL_TEST_PACKAGE") == "" {
		t.Skip("SKIPPED: make test-package installs the package in a separate Debian")
	}
	if os.Getuid() != 0 {
		t.Fatal("installing in a separate Debian requires root")
	}
	base, err := filepath.Abs("../.cache/debian")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(base, "usr/sbin/postconf")); err != nil {
		shell(t, nil, ".", "debootstrap", "--variant=minbase", "--include=init,systemd,postfix,rsyslog,logrotate,man-db", "bookworm", base)
	}
	// Not t.TempDir, which other users of the machine cannot access.
	root, err := os.MkdirTemp("", "bouncetail-debian-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	shell(t, nil, ".", "cp", "-a", base+"/.", root)
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	return &machine{t, root}
}

// sh runs a script in the machine and returns its output.
func (m *machine) sh(script string) string {
	m.t.Helper()
	out, err := m.try(script)
	if err != nil {
		m.t.Fatalf("%s\n%v\n%s", script, err, out)
	}
	return out
}

func (m *machine) try(script string) (string, error) {
	cmd := exec.CommandContext(m.t.Context(), "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc="+m.root+"/proc",
		"chroot", m.root, "/bin/sh", "-euxc", script)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8", "TZ=UTC", "DEBIAN_FRONTEND=noninteractive"}
	var traced bytes.Buffer // separate, because the trace of -x and a pipe have no order
	cmd.Stderr = &traced
	out, err := cmd.Output()
	m.t.Logf("# %s\n%s%s", strings.ReplaceAll(strings.TrimSpace(script), "\n", "\n# "), out, &traced)
	return string(out), err
}

// put copies a file into the machine.
func (m *machine) put(from, to string) {
	m.t.Helper()
	shell(m.t, nil, ".", "cp", from, m.root+to)
}

// TestPackageLifecycle installs an earlier version of the package with apt-get, upgrades,
// removes and purges it.
func TestPackageLifecycle(t *testing.T) {
	m := newMachine(t)
	static, err := filepath.Abs("../.cache/static/amd64/bouncetail")
	if err != nil {
		t.Fatal(err)
	}
	m.put(packed(t, "deb", "0.0.0~before", static), "/root/before.deb")
	deb := os.Getenv("BOUNCETAIL_TEST_PACKAGE")
	m.put(deb, "/root/now.deb")
	m.put("../testdata/logs/postfix/main/mail.log.gz", "/var/log/mail.log.1.gz")

	m.sh("apt-get install -y /root/before.deb")
	m.sh(`
		test "$(stat -c '%U:%G %a' /var/lib/bouncetail)" = 'bouncetail:bouncetail 751'
		id bouncetail | grep -q '(adm)'
		id bouncetail | grep -q '(systemd-journal)'
		test -L /etc/systemd/system/multi-user.target.wants/bouncetail.service
		dpkg --verify bouncetail
		man -w bouncetail-import
		bouncetail version`)

	// Data, changed settings and a rule must survive.
	m.sh(`
		chown root:adm /var/log/mail.log.1.gz
		chmod 0640 /var/log/mail.log.1.gz
		su -s /bin/sh bouncetail -c 'bouncetail import --timezone UTC /var/log/mail.log.1.gz' >/dev/null
		echo '# changed by the admin' >>/etc/bouncetail/config.yaml
		printf -- "- id: mine/x\n  why: Ours.\n  match: {any: ['tarpit nr']}\n  verdict: {category: rate-limit, reason: rate-limited, scope: sender, disposition: retry}\n  decides: ['450 Tarpit nr 17']\n  leaves: ['550 5.1.1 No such user']\n" >/etc/bouncetail/rules.d/mine.yaml`)
	const state = "bouncetail recipients --json | md5sum; bouncetail rules check; tail -1 /etc/bouncetail/config.yaml"
	before := m.sh(state)
	m.sh("apt-get install -y -o Dpkg::Options::=--force-confold /root/now.deb")
	if after := m.sh(state); after != before {
		t.Errorf("after the upgrade\n%s\nand before it\n%s", after, before)
	}
	version := strings.TrimSpace(shell(t, nil, ".", "dpkg-deb", "--field", deb, "Version"))
	if got := m.sh("bouncetail version"); !strings.Contains(got, version) {
		t.Errorf("bouncetail version prints %q, and the package has %q", got, version)
	}

	m.sh(`
		apt-get remove -y bouncetail
		test ! -e /usr/bin/bouncetail
		test ! -e /usr/lib/systemd/system/bouncetail.service
		test -s /var/lib/bouncetail/bouncetail.db
		grep -q 'changed by the admin' /etc/bouncetail/config.yaml
		test -s /etc/bouncetail/rules.d/mine.yaml`)
	m.sh("apt-get install -y -o Dpkg::Options::=--force-confold /root/now.deb; test -L /etc/systemd/system/multi-user.target.wants/bouncetail.service")
	if again := m.sh(state); again != before {
		t.Errorf("after removal and installation\n%s\nand before\n%s", again, before)
	}
	m.sh(`
		apt-get purge -y bouncetail
		test ! -e /var/lib/bouncetail
		test ! -e /etc/bouncetail
		test ! -e /etc/systemd/system/multi-user.target.wants/bouncetail.service
		test ! -L /etc/systemd/system/bouncetail.service
		id bouncetail`)
}

// TestPackageOfRPMLifecycle installs, upgrades and erases the .rpm with Debian's rpm.
// Dependencies are not checked, because Debian has no RPM packages. systemd does not run.
func TestPackageOfRPMLifecycle(t *testing.T) {
	m := newMachine(t)
	if _, err := exec.LookPath("rpm"); err != nil {
		t.Skip("SKIPPED: no rpm here; run: apt-get install rpm")
	}
	static, err := filepath.Abs("../.cache/static/amd64/bouncetail")
	if err != nil {
		t.Fatal(err)
	}
	rpm := func(args ...string) string {
		t.Helper()
		in := []string{"unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc=" + m.root + "/proc", "rpm", "--root", m.root, "--dbpath", "/var/lib/rpm"}
		out := shell(t, nil, ".", append(in, args...)...)
		t.Logf("# rpm %s\n%s", strings.Join(args, " "), out)
		if strings.Contains(out, "scriptlet failed") {
			t.Errorf("rpm %s: a script of the package fails", strings.Join(args, " "))
		}
		return out
	}
	m.put("../testdata/logs/postfix/main/mail.log.gz", "/var/log/mail.log.1.gz")
	rpm("--initdb")
	rpm("-i", "--nodeps", packed(t, "rpm", "0.0.0~before", static))
	m.sh(`
		test "$(stat -c '%U:%G %a' /var/lib/bouncetail)" = 'bouncetail:bouncetail 751'
		id bouncetail | grep -q '(adm)'
		id bouncetail | grep -q '(systemd-journal)'
		test -L /etc/systemd/system/multi-user.target.wants/bouncetail.service
		man -w bouncetail-import
		bouncetail version`)
	if changed := rpm("-V", "--nodeps", "bouncetail"); changed != "" {
		t.Errorf("rpm -V after the installation prints\n%s", changed)
	}

	m.sh(`
		chown root:adm /var/log/mail.log.1.gz
		chmod 0640 /var/log/mail.log.1.gz
		su -s /bin/sh bouncetail -c 'bouncetail import --timezone UTC /var/log/mail.log.1.gz' >/dev/null
		echo '# changed by the admin' >>/etc/bouncetail/config.yaml
		echo '[]' >/etc/bouncetail/rules.d/mine.yaml`)
	const state = "bouncetail recipients --json | md5sum; bouncetail rules check; tail -1 /etc/bouncetail/config.yaml; cat /etc/bouncetail/rules.d/mine.yaml"
	before := m.sh(state)
	rpm("-U", "--nodeps", packed(t, "rpm", "1.2.3", static))
	if after := m.sh(state); after != before {
		t.Errorf("after the upgrade\n%s\nand before it\n%s", after, before)
	}
	if got := rpm("-q", "bouncetail"); got != "bouncetail-1.2.3-1.x86_64\n" {
		t.Errorf("rpm -q prints %q, want only the new version", got)
	}
	m.sh(`
		test -x /usr/bin/bouncetail
		test -L /etc/systemd/system/multi-user.target.wants/bouncetail.service`)

	rpm("-e", "--nodeps", "bouncetail")
	m.sh(`
		test ! -e /usr/bin/bouncetail
		test ! -e /usr/lib/systemd/system/bouncetail.service
		test ! -L /etc/systemd/system/multi-user.target.wants/bouncetail.service
		test ! -e /usr/share/doc/bouncetail
		test -s /var/lib/bouncetail/bouncetail.db
		test -s /etc/bouncetail/rules.d/mine.yaml
		grep -q 'changed by the admin' /etc/bouncetail/config.yaml.rpmsave
		id bouncetail`)
}

// TestPackageRuns boots a Debian with a real Postfix, installs the package and runs the
// first commands of a new user.
func TestPackageRuns(t *testing.T) {
	m := newMachine(t)
	log := m.boot("testdata/machine/session.sh")
	for _, want := range []string{
		`(?m)^gone@example.com +bad +invalid-address +no-such-user +\d{4}-\d\d-\d\d \d\d:\d\d +.*No such user`,
		`ok +logs +/var/log/mail.log may be read by bouncetail: .* lines of postfix`,
		`ok +mail server +Postfix \d`,
		`ok +daemon +process \d+ writes the database`,
		`warn +found +failed attempts to fix on your side: .*dmarc / dmarc at`,
		`StatusText=\d+ lines read, \d+ new failures kept`,
		`ActiveState=active`,
		`UnitFileState=enabled`,
		`(?m)^reloaded$`,
		`second@localhost +bad`,
		`full@example.com +failing +mailbox-full`,
		`the logs have been read.*bad_addresses=1 `,
		`(?m)-p warning -o cat\nroot@`, // no warnings
		`Overall exposure level for bouncetail.service: 0\.\d`,
		`(?m)^inactive$`,
		`cannot access '/var/lib/bouncetail'`,
		`(?m)^the end$`,
	} {
		if !regexp.MustCompile(want).MatchString(log) {
			t.Errorf("the session does not show %s", want)
		}
	}
}

// TestPackageUnits boots a Debian and uses the units that are off after the installation:
// the pages, notices, metrics, the report and the sender of a fleet.
func TestPackageUnits(t *testing.T) {
	m := newMachine(t)
	log := m.boot("testdata/machine/units.sh")
	for _, unit := range []string{"bouncetail-web.socket", "bouncetail-report.timer", "bouncetail-metrics.timer", "bouncetail-notify.path", "bouncetail-notify.timer", "bouncetail-fleet.service", "bouncetail-fleet-maintain.timer"} {
		if want := "after the installation: " + unit + " disabled, inactive\n"; !strings.Contains(log, want) {
			t.Errorf("the session does not show %q", want)
		}
	}
	for _, want := range []string{
		`(?m)^verify: <>$`,
		`Overall exposure level for bouncetail.service: 0\.\d`,
		`Overall exposure level for bouncetail-web.service: 0\.\d`,
		`(?m)^reloaded$`,
		`(?m)^the socket: root:adm 660, the process: inactive$`,
		`(?m)^HTTP/1.. 200 OK\ngone@example.com</a>$`,
		`(?m)^bouncetail_build_info\{.*\} 1\nthe process: active, its user: 6[1-5]\d{3}$`, // of DynamicUser
		`(?m)^bouncetail has a network of lo\nbouncetail-web has a network of lo$`,
		`(?m)^after a kill: HTTP/1.. 200 OK`,
		`(?m)^reads SQLite format 3$`,
		`"recipient":"gone@example.com"`,
		`cannot create /var/lib/bouncetail/bouncetail.db: (Permission denied|Read-only file system)`,
		`cannot create /var/lib/bouncetail/bouncetail.db-wal: (Permission denied|Read-only file system)`,
		`cannot touch '/var/lib/bouncetail/probe': Read-only file system`,
		`bouncetail recipients block: .*attempt to write a readonly database`,
		`bouncetail forget: .* only root and its own user may send it commands`,
		`(?m)^no socket: Address family not supported by protocol$`,
		`(?m)^end of the probe$`,
		`(?m)^blocked by the probe: <>$`,
		`(?m)^after an upgrade: HTTP/1.. 200 OK`,
		`(?m)^the pages run the new program$`,
		`(?m)^-- metrics --\n.*\n(.*\n)*?bouncetail_build_info\{.*\} 1\nsuccess$`,
		`(?m)^the next report: Mon .* 07:0\d:\d\d UTC$`,
		`(?m)^Result=success$`,
		`(?m)^without a setting: failed, status 78, restarts 0$`,
		`(?m)^.*fleet\.dsn`,
		`(?m)^Subject: \[bouncetail mx\] .* newly bad address`,
		`(?m)^Subject: \[mx\] #\d+ .*zen\.spamhaus\.org`,
		`(?m)^left: <>$`,
		`(?m)^the end$`,
	} {
		if !regexp.MustCompile(want).MatchString(log) {
			t.Errorf("the session does not show %s", want)
		}
	}
	for _, no := range []string{"WRITES", "OPENS", "waited in vain"} {
		if i := strings.Index(log, no+" "); i >= 0 {
			line, _, _ := strings.Cut(log[i:], "\n")
			t.Errorf("the session shows %q", line)
		}
	}
}

// boot boots the machine, runs a script in it as a unit, and returns the content of
// /root/session.log.
func (m *machine) boot(script string) string {
	m.t.Helper()
	if _, err := exec.LookPath("systemd-nspawn"); err != nil {
		m.t.Skip("SKIPPED: systemd-nspawn is missing; run: apt-get install systemd-container")
	}
	m.put(os.Getenv("BOUNCETAIL_TEST_PACKAGE"), "/root/bouncetail.deb")
	m.put(script, "/root/session.sh")
	unit := "[Unit]\nAfter=multi-user.target\n[Service]\nType=simple\nExecStart=/bin/bash /root/session.sh\n"
	wants := filepath.Join(m.root, "etc/systemd/system/default.target.wants")
	err := errors.Join(
		os.WriteFile(filepath.Join(m.root, "etc/systemd/system/session.service"), []byte(unit), 0o644),
		os.WriteFile(filepath.Join(m.root, "etc/hostname"), []byte("mx\n"), 0o644),
		os.MkdirAll(wants, 0o755),
		os.Symlink("../session.service", filepath.Join(wants, "session.service")),
	)
	if err != nil {
		m.t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(m.t.Context(), 6*time.Minute)
	defer stop()
	// Without a network, and not registered with the host's systemd.
	boot := exec.CommandContext(ctx, "systemd-nspawn", "--quiet", "--directory="+m.root, "--boot", "--private-network", "--register=no", "--keep-unit", "--machine="+filepath.Base(m.root))
	boot.Cancel = func() error { return boot.Process.Signal(syscall.SIGTERM) }
	boot.WaitDelay = 10 * time.Second
	console, bootErr := boot.CombinedOutput()
	log, err := os.ReadFile(filepath.Join(m.root, "root/session.log"))
	if err != nil {
		m.t.Skipf("SKIPPED: this machine cannot boot another: %v\n%s", bootErr, console)
	}
	m.t.Logf("%s", log)
	return string(log)
}

// TestPackageFollowsTheJournal installs the package on a Debian without rsyslog,
// as Debian 12 is by default: the sandboxed unit must read the journal.
func TestPackageFollowsTheJournal(t *testing.T) {
	m := newMachine(t)
	m.sh("dpkg --purge rsyslog; rm -f /var/log/mail.log; mkdir -p /var/log/journal")
	log := m.boot("testdata/machine/journal.sh")
	for _, want := range []string{
		`(?m)^gone@example.com +bad`,
		`(?m)^later@example.com +bad`, // logged while the journal was followed
		`(?m)^mx \(postfix\): last line \d+ s ago$`,
		`Addresses: 2 bad \(2 new today\)`,
		`ok +journal +it may be read by bouncetail, and holds lines of a mail server`,
		`(?m)^restarts of the daemon: 0$`,
		`(?m)^lines about the journal: [0-3]$`,
		`reload: [1-9]`,           // fails with broken settings
		`still following: active`, // and the daemon continues
		`after a restart with broken settings: failed, status 78`,
		`(?m)^the end$`,
	} {
		if !regexp.MustCompile(want).MatchString(log) {
			t.Errorf("the session does not show %s", want)
		}
	}
	if regexp.MustCompile(`journalctl: exit status`).MatchString(log) {
		t.Error("journalctl fails in the sandbox of the unit")
	}
	checkFirstDay(t, log)
}

// firstDay is the page with the commands of a first day. BOUNCETAIL_TEST_UPDATE writes it.
const firstDay = "../docs/examples/first-day.txt"

// checkFirstDay compares the transcript of a session with the page, without numbers and
// spaces, which differ each time. No line is longer than 80 columns.
func checkFirstDay(t *testing.T, log string) {
	t.Helper()
	_, shown, begins := strings.Cut(log, "-- transcript --\n")
	shown, _, ends := strings.Cut(shown, "-- end of the transcript --\n")
	if !begins || !ends {
		t.Fatal("the session has no transcript")
	}
	for line := range strings.Lines(shown) {
		if n := text.Columns(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("a line of %d columns: %s", n, line)
		}
	}
	const heading = "A first day with bouncetail on a Debian 12 without rsyslog, whose Postfix logs\nto the journal. make test-package makes this page.\n\n"
	if os.Getenv("BOUNCETAIL_TEST_UPDATE") != "" {
		if err := os.WriteFile(firstDay, []byte(heading+shown), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	page, err := os.ReadFile(firstDay)
	if err != nil {
		t.Fatal(err)
	}
	words := func(s string) string {
		return strings.Join(strings.Fields(regexp.MustCompile(`[\dA-F,]{2,}|\d`).ReplaceAllString(s, "0")), " ")
	}
	if got, want := words(shown), words(strings.TrimPrefix(string(page), heading)); got != want {
		t.Errorf("%s is not current, set BOUNCETAIL_TEST_UPDATE to write it; it has\n%s\nand the session has\n%s", firstDay, want, got)
	}
}
