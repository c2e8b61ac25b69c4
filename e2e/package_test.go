package e2e

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
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

// packed makes a .deb or .rpm of a program that is built already, as make does.
func packed(t *testing.T, format, version, bouncetail string) string {
	t.Helper()
	nfpm, err := filepath.Abs("../.cache/nfpm")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(nfpm); err != nil {
		t.Skipf("SKIPPED: no nfpm to make packages with; run: make .cache/nfpm")
	}
	stage := filepath.Join(t.TempDir(), "stage")
	shell(t, nil, "..", "./scripts/package-stage", bouncetail, bouncetail, stage)
	to := t.TempDir()
	env := []string{"VERSION=" + version, "ARCH=amd64", "STAGE=" + stage, "MAINTAINER=Nobody <nobody@example.com>", "SOURCE_DATE_EPOCH=1795000000"}
	shell(t, env, "..", nfpm, "package", "--config", "packaging/nfpm.yaml", "--packager", format, "--target", to)
	made, err := filepath.Glob(filepath.Join(to, "*."+format))
	if err != nil || len(made) != 1 {
		t.Fatalf("nfpm made %q, want one .%s (%v)", made, format, err)
	}
	return made[0]
}

// shell runs a program in a folder and returns what it wrote.
func shell(t *testing.T, env []string, folder string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Dir, cmd.Env = folder, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// inPackage is what an admin expects to be there, in either format.
var inPackage = []string{
	"/usr/bin/bouncetail",
	"/usr/lib/systemd/system/bouncetail.service",
	"/usr/lib/sysusers.d/bouncetail.conf",
	"/usr/lib/tmpfiles.d/bouncetail.conf",
	"/etc/bouncetail/config.yaml",
	"/etc/bouncetail/rules.d",
	"/usr/share/man/man1/bouncetail.1.gz",
	"/usr/share/man/man1/bouncetail-import.1.gz",
	"/usr/share/bash-completion/completions/bouncetail",
	"/usr/share/fish/vendor_completions.d/bouncetail.fish",
	"/usr/share/doc/bouncetail/README.md",
	"/usr/share/doc/bouncetail/docs/database.md",
	"/usr/share/doc/bouncetail/examples/bouncetail-export.cron",
	"/usr/share/doc/bouncetail/examples/bouncetail-export.timer",
	"/usr/share/doc/bouncetail/examples/webhooks.conf",
	"/usr/share/doc/bouncetail/changelog.gz",
	"/usr/share/doc/bouncetail/copyright",
	"/usr/share/doc/bouncetail/third-party-licenses.gz",
}

func TestDebHoldsWhatAnAdminExpects(t *testing.T) {
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Skip("SKIPPED: no dpkg-deb here")
	}
	deb := packed(t, "deb", "1.2.3", program(t))
	cmd := exec.CommandContext(t.Context(), "dpkg-deb", "--fsys-tarfile", deb)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	modes := make(map[string]int64)
	for r := tar.NewReader(bytes.NewReader(out)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		modes["/"+strings.Trim(strings.TrimPrefix(h.Name, "."), "/")] = h.Mode
		if h.Mode&0o022 != 0 || h.Uid != 0 {
			t.Errorf("%s: mode %o, owner %d; only root may write what a package brings", h.Name, h.Mode, h.Uid)
		}
	}
	for _, path := range append(inPackage, "/usr/share/zsh/vendor-completions/_bouncetail") {
		if _, ok := modes[path]; !ok {
			t.Errorf("the package lacks %s", path)
		}
	}
	if modes["/usr/bin/bouncetail"]&0o777 != 0o755 {
		t.Errorf("/usr/bin/bouncetail has mode %o", modes["/usr/bin/bouncetail"])
	}
	if got := shell(t, nil, ".", "dpkg-deb", "--info", deb, "conffiles"); got != "/etc/bouncetail/config.yaml\n" {
		t.Errorf("conffiles are %q, want the settings alone", got)
	}
	if got := shell(t, nil, ".", "dpkg-deb", "--field", deb, "Version"); got != "1.2.3\n" {
		t.Errorf("the version is %q, want 1.2.3", got)
	}
}

func TestRPMHoldsWhatAnAdminExpects(t *testing.T) {
	if _, err := exec.LookPath("rpm"); err != nil {
		t.Skip("SKIPPED: no rpm here to list a package with")
	}
	rpm := packed(t, "rpm", "1.2.3", program(t))
	listed := strings.Split(shell(t, nil, ".", "rpm", "-qlp", rpm), "\n")
	for _, path := range append(inPackage, "/usr/share/zsh/site-functions/_bouncetail") {
		if !slices.Contains(listed, path) {
			t.Errorf("the package lacks %s", path)
		}
	}
	// c: settings; n: those that an admin has changed are not replaced.
	of := strings.Split(shell(t, nil, ".", "rpm", "-qp", "--qf", "[%{FILEFLAGS:fflags} %{FILEMODES:perms} %{FILEUSERNAME}:%{FILEGROUPNAME} %{FILENAMES}\\n]", rpm), "\n")
	if want := "cn -rw-r--r-- root:root /etc/bouncetail/config.yaml"; !slices.Contains(of, want) {
		t.Errorf("the package does not say %q of its settings", want)
	}
	for _, line := range of {
		if line != "" && (!strings.Contains(line, " root:root ") || strings.HasPrefix(line, "c") && !strings.Contains(line, "config.yaml")) {
			t.Errorf("%s; all is root's, and the settings alone are settings", line)
		}
	}
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Skip("SKIPPED: no dpkg-deb here to compare with a .deb")
	}
	inDeb := filesIn(shell(t, nil, ".", "dpkg-deb", "--contents", packed(t, "deb", "1.2.3", program(t))), 5)
	inRPM := filesIn(shell(t, nil, ".", "rpm", "-qp", "--qf", "[%{FILEMODES:perms} %{FILENAMES}\\n]", rpm), 1)
	if !slices.Equal(inDeb, inRPM) || len(inDeb) < len(inPackage) {
		t.Errorf("the .deb holds\n%s\nand the .rpm\n%s", strings.Join(inDeb, "\n"), strings.Join(inRPM, "\n"))
	}
}

// ofOneFormat is what the formats have of their own.
var ofOneFormat = []string{
	"/usr/share/zsh/vendor-completions/_bouncetail", "/usr/share/zsh/site-functions/_bouncetail", "/usr/share/lintian/overrides/bouncetail",
}

// filesIn returns the files of a listing, with their modes, that both formats
// have. A line begins with the mode, and has the path in a field.
func filesIn(listing string, field int) []string {
	var all []string
	for line := range strings.Lines(listing) {
		f := strings.Fields(line)
		path := strings.TrimPrefix(f[field], ".")
		if line[0] != 'd' && !slices.Contains(ofOneFormat, path) {
			all = append(all, path+" "+f[0])
		}
	}
	slices.Sort(all)
	return all
}

func TestScriptsOfPackagesAreShell(t *testing.T) {
	scripts, err := filepath.Glob("../packaging/*/p*")
	if err != nil || len(scripts) < 6 {
		t.Fatalf("packaging has %d scripts, want three for each format (%v)", len(scripts), err)
	}
	for _, script := range scripts {
		shell(t, nil, ".", "sh", "-n", script)
	}
}

func TestCompletionsAreOfTheirShells(t *testing.T) {
	for _, name := range []string{"bash", "zsh", "fish"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Logf("SKIPPED: no %s here", name)
			continue
		}
		path := filepath.Join(t.TempDir(), "completion")
		if err := os.WriteFile(path, []byte(run(t, "completion", name)), 0o644); err != nil {
			t.Fatal(err)
		}
		shell(t, nil, ".", name, "-n", path)
	}
}

// machine is a Debian in a folder. What runs in it has no network and a process
// id space of its own, which ends with it.
type machine struct {
	t    *testing.T
	root string
}

// newMachine copies the Debian that debootstrap has put into .cache.
func newMachine(t *testing.T) *machine {
	t.Helper()
	if os.Getenv("BOUNCETAIL_TEST_PACKAGE") == "" {
		t.Skip("SKIPPED: make test-package installs the package in a Debian of its own")
	}
	if os.Getuid() != 0 {
		t.Fatal("a Debian of one's own takes root")
	}
	base, err := filepath.Abs("../.cache/debian")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(base, "usr/sbin/postconf")); err != nil {
		shell(t, nil, ".", "debootstrap", "--variant=minbase", "--include=init,systemd,postfix,rsyslog,logrotate,man-db", "bookworm", base)
	}
	// Not t.TempDir: users of the machine have to reach its root.
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

// sh runs a script in the machine and returns what it printed.
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
	var traced bytes.Buffer // what -x shows, in no order of its own beside a pipe
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

// TestPackageLives installs the package, upgrades it from one of an earlier
// version, removes and purges it, as apt-get does for an admin.
func TestPackageLives(t *testing.T) {
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

	// What an admin has after a while: data, changed settings, a rule.
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
		t.Errorf("bouncetail version says %q, and the package %q", got, version)
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

// TestPackageOfRPMLives installs, upgrades and erases the .rpm. Debian has the
// rpm of Fedora, but no packages of it, so that dependencies are not looked at;
// systemd does not run.
func TestPackageOfRPMLives(t *testing.T) {
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
		t.Errorf("rpm -V of what was just installed says\n%s", changed)
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
		t.Errorf("rpm -q says %q, want the new version alone", got)
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

// TestPackageRuns boots a Debian with a real Postfix, and lets a new user
// install the package and type the first commands.
func TestPackageRuns(t *testing.T) {
	m := newMachine(t)
	log := m.boot("testdata/machine/session.sh")
	for _, want := range []string{
		`(?m)^gone@example.com +invalid-address +no-such-user +\d{4}-\d\d-\d\d \d\d:\d\d +.*No such user`,
		`ok +logs +/var/log/mail.log may be read by bouncetail: .* lines of postfix`,
		`ok +mail server +Postfix \d`,
		`ok +daemon +process \d+ writes the database`,
		`warn +found +failed attempts that are your own problem, .*dmarc / dmarc at`,
		`StatusText=\d+ lines read, \d+ new failures kept`,
		`ActiveState=active`,
		`UnitFileState=enabled`,
		`(?m)^reloaded$`,
		`second@localhost +bad`,
		`full@example.com +failing +mailbox-full`,
		`the logs have been read.*bad_addresses=1 `,
		`(?m)-p warning -o cat\nroot@`, // nothing to warn of
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

// boot runs a script as a unit of the machine after it has booted, and returns
// what the script wrote to /root/session.log.
func (m *machine) boot(script string) string {
	m.t.Helper()
	if _, err := exec.LookPath("systemd-nspawn"); err != nil {
		m.t.Skip("SKIPPED: no systemd-nspawn here to boot a machine; run: apt-get install systemd-container")
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
	ctx, stop := context.WithTimeout(m.t.Context(), 3*time.Minute)
	defer stop()
	// Without a network, and not registered with this machine's systemd.
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
// as Debian 12 is by default: the unit has to read the journal in its sandbox.
func TestPackageFollowsTheJournal(t *testing.T) {
	m := newMachine(t)
	m.sh("dpkg --purge rsyslog; rm -f /var/log/mail.log; mkdir -p /var/log/journal")
	log := m.boot("testdata/machine/journal.sh")
	for _, want := range []string{
		`(?m)^gone@example.com\tbad`,
		`(?m)^later@example.com\tbad`, // came while the journal was followed
		`(?m)^mx \(postfix\): last line \d+ s ago$`,
		`Addresses: 2 bad \(2 new today\)`,
		`ok +journal +it may be read by bouncetail, and holds lines of a mail server`,
		`(?m)^restarts of the daemon: 0$`,
		`(?m)^lines about the journal: [0-3]$`,
		`reload: [1-9]`,           // with broken settings it fails
		`still following: active`, // and the daemon goes on
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
}
