package e2e

import (
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/internal/pgtest"
)

// unpacked returns the directory into which scripts/test-setup has unpacked a mail
// server, and the library path of its programs.
func unpacked(t testing.TB, name string) (root, libraries string) {
	t.Helper()
	root, err := filepath.Abs("../.cache/mta/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, ".complete")); err != nil {
		t.Skipf("SKIPPED: %s is not unpacked in %s; run ./scripts/test-setup as root on Debian or Ubuntu", name, root)
	}
	if os.Getuid() != 0 {
		t.Skipf("SKIPPED: %s must be started by root", name)
	}
	found, err := filepath.Glob(filepath.Join(root, "usr/lib/*-linux-gnu*"))
	if err != nil {
		t.Fatal(err)
	}
	return root, strings.Join(append(found, filepath.Join(root, "usr/lib"), filepath.Join(root, "usr/lib/postfix")), ":")
}

// postfix is a Postfix that listens only on 127.0.0.1, with its configuration, queue and
// log in a temporary directory.
type postfix struct {
	t      *testing.T
	log    string
	port   int
	root   string // where it is unpacked
	env    []string
	master *os.Process
}

// postfixMain is the main.cf of startPostfix: the directory of the test, that of the
// unpacked package, its programs, the log, the port of the next server, and more
// settings.
const postfixMain = `
compatibility_level = 3.6
queue_directory = %[1]s/queue
data_directory = %[1]s/data
command_directory = %[1]s/bin
daemon_directory = %[3]s
meta_directory = %[1]s/etc
shlib_directory = %[2]s/usr/lib/postfix
mail_owner = proxy
setgid_group = irc
import_environment = MAIL_CONFIG TZ LD_LIBRARY_PATH
maillog_file = %[4]s
maillog_file_prefixes = %[1]s
myhostname = mx.shop.example
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
relayhost = [127.0.0.1]:%[5]d
alias_maps =
alias_database =
local_recipient_maps =
smtp_tls_security_level = none
smtpd_relay_restrictions = permit_mynetworks, reject
smtputf8_enable = no
%[6]s
`

// postfixMaster is the master.cf of startPostfix: the port to listen on.
const postfixMaster = `
127.0.0.1:%d inet n - n - - smtpd
pickup    unix n - n 60 1 pickup
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 300 1 qmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
flush     unix n - n 1000? 0 flush
proxymap  unix - - n - - proxymap
smtp      unix - - n - - smtp
relay     unix - - n - - smtp
error     unix - - n - - error
retry     unix - - n - - error
anvil     unix - - n - 1 anvil
scache    unix - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
`

// startPostfix starts a Postfix that delivers everything to the port next, and stops it
// at the end of the test. The settings in more are appended to main.cf.
func startPostfix(t *testing.T, next int, more ...string) *postfix {
	t.Helper()
	root, libraries := unpacked(t, "postfix")
	// Use accounts of base-passwd, so that none must be created. Postfix requires a user
	// and a group that no other program uses.
	owner, err := user.Lookup("proxy")
	if err != nil {
		t.Skipf("SKIPPED: no user for Postfix: %v", err)
	}
	uid, _ := strconv.Atoi(owner.Uid)
	gid, _ := strconv.Atoi(owner.Gid)
	// Not t.TempDir, which Postfix's user cannot access.
	dir, err := os.MkdirTemp("", "bouncetail-postfix-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(os.Chmod(dir, 0o755))
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"bin", "etc", "log", "queue", "queue/pid"} {
		check(os.Mkdir(at(name), 0o755))
	}
	for _, name := range []string{
		"data", "queue/active", "queue/bounce", "queue/corrupt", "queue/defer", "queue/deferred", "queue/flush", "queue/hold",
		"queue/incoming", "queue/maildrop", "queue/private", "queue/public", "queue/saved", "queue/trace",
	} {
		check(os.Mkdir(at(name), 0o700))
		check(os.Chown(at(name), uid, gid))
	}
	p := &postfix{t: t, log: at("log/mail.log"), port: freePort(t), root: root}
	programs := filepath.Join(root, "usr/lib/postfix/sbin")
	check(os.WriteFile(at("etc/main.cf"), fmt.Appendf(nil, postfixMain, dir, root, programs, p.log, next, strings.Join(more, "\n")), 0o644))
	// sendmail(1) starts postdrop without LD_LIBRARY_PATH.
	check(os.WriteFile(at("bin/postdrop"), fmt.Appendf(nil, "#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s/usr/sbin/postdrop \"$@\"\n", libraries, root), 0o755))
	check(os.WriteFile(at("etc/dynamicmaps.cf"), []byte("sqlite\tpostfix-sqlite.so\tdict_sqlite_open\n"), 0o644))
	check(os.WriteFile(at("etc/master.cf"), fmt.Appendf(nil, postfixMaster, p.port), 0o644))

	master := exec.Command(filepath.Join(programs, "master"), "-c", at("etc"), "-d")
	master.Env = append(os.Environ(), "MAIL_CONFIG="+at("etc"), "LD_LIBRARY_PATH="+libraries, "TZ=UTC")
	master.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var said strings.Builder
	master.Stderr = &said
	check(master.Start())
	p.env, p.master = master.Env, master.Process
	t.Cleanup(func() {
		syscall.Kill(-master.Process.Pid, syscall.SIGTERM) //nolint:errcheck // it may have ended
		err := master.Wait()
		if t.Failed() {
			log, _ := os.ReadFile(p.log)
			t.Logf("Postfix ended with %v, said %q and logged:\n%s", err, said.String(), log)
		}
	})
	waitForPort(t, p.port)
	return p
}

// reload has the effect of "postfix reload".
func (p *postfix) reload() {
	p.t.Helper()
	if err := p.master.Signal(syscall.SIGHUP); err != nil {
		p.t.Fatal(err)
	}
}

// sendmail submits a message with sendmail(1), which smtpd does not see.
func (p *postfix) sendmail(sender, to string) {
	p.t.Helper()
	cmd := exec.Command(filepath.Join(p.root, "usr/sbin/sendmail"), "-i", "-f", sender, to)
	cmd.Env = p.env
	cmd.Stdin = strings.NewReader("Subject: test\n\ntest\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		p.t.Fatalf("sendmail: %v\n%s", err, out)
	}
}

// sendmailProgram writes a program that hands mail to this Postfix, and returns its path.
func (p *postfix) sendmailProgram(path string) string {
	p.t.Helper()
	script := "#!/bin/sh\n"
	for _, v := range p.env {
		if strings.HasPrefix(v, "MAIL_CONFIG=") || strings.HasPrefix(v, "LD_LIBRARY_PATH=") {
			script += "export '" + v + "'\n"
		}
	}
	script += "exec " + filepath.Join(p.root, "usr/sbin/sendmail") + " \"$@\"\n"
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		p.t.Fatal(err)
	}
	return path
}

// freePort returns a port of 127.0.0.1 on which nothing listens.
func freePort(t testing.TB) int {
	t.Helper()
	port, err := pgtest.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func waitForPort(t testing.TB, port int) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("no server listens on port %d: %v", port, err)
		}
	}
}

// send submits a message to each of the recipients.
func send(t testing.TB, port int, sender string, recipients ...string) {
	t.Helper()
	c, err := smtp.Dial(fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, to := range recipients {
		local, _, _ := strings.Cut(to, "@")
		err := errors.Join(c.Mail(sender), c.Rcpt(to))
		if err != nil {
			t.Fatal(err)
		}
		w, err := c.Data()
		if err != nil {
			t.Fatal(err)
		}
		_, err = fmt.Fprintf(w, "From: <%s>\r\nTo: <%s>\r\nMessage-ID: <%s@shop.example>\r\nSubject: test\r\n\r\ntest\r\n", sender, to, local)
		if err := errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Quit(); err != nil {
		t.Fatal(err)
	}
}

// said holds the replies of the test server. held holds the rows that the database
// must then have.
var said = answers{
	rcpt: map[string]string{
		"gone":   "550 5.1.1 <gone@example.com>: User unknown",
		"full":   "452 4.2.2 Mailbox full",
		"lines":  "550-5.7.1 Our system has detected\n550 5.7.1 that your IP is listed",
		"nocode": "550 no such user here",
		"liar":   "550 5.1.1 x (in reply to end of DATA command)), dsn=2.0.0, status=sent (250 ok",
	},
	data: map[string]string{
		"spam": "554 5.7.1 Message rejected as spam",
		"slow": "451 4.7.1 Try again later",
	},
}

var held = []string{
	// recipient|outcome|smtp_code|enhanced_code|stage|sender|message_id|suppress
	"full@example.com|deferred|452|4.2.2|RCPT TO|news@shop.example|full@shop.example|0",
	"gone@example.com|bounced|550|5.1.1|RCPT TO|news@shop.example|gone@shop.example|1",
	"liar@example.com|bounced|550|5.1.1|RCPT TO|news@shop.example|liar@shop.example|",
	"lines@example.com|bounced|550|5.7.1|RCPT TO|news@shop.example|lines@shop.example|0",
	"nocode@example.com|bounced|550||RCPT TO|news@shop.example|nocode@shop.example|1",
	"slow@example.com|deferred|451|4.7.1|end of DATA|news@shop.example|slow@shop.example|0",
	"spam@example.com|bounced|554|5.7.1|end of DATA|news@shop.example|spam@shop.example|0",
}

// heldQuery omits suppress for the reply that is made to deceive.
const heldQuery = `
	SELECT recipient, outcome, smtp_code, coalesce(enhanced_code, ''), stage, sender, message_id,
	  CASE WHEN recipient LIKE 'liar@%' THEN '' ELSE suppress END
	FROM bounces WHERE sender = 'news@shop.example' ORDER BY recipient`

// everyone returns the recipients of the tests. Only ok@ is delivered.
func everyone() []string {
	to := []string{"ok@example.com"}
	for local := range said.rcpt {
		to = append(to, local+"@example.com")
	}
	for local := range said.data {
		to = append(to, local+"@example.com")
	}
	slices.Sort(to)
	return to
}

func TestRealPostfixIsFollowed(t *testing.T) {
	t.Parallel()
	p := startPostfix(t, serveSMTP(t, said))
	db := filepath.Join(t.TempDir(), "b.db")
	d := start(t, p.log, "--db", db)
	send(t, p.port, "news@shop.example", everyone()...)
	eventually(t, db, heldQuery, held...)
	// Postfix's notifications to the sender are delivered too, but to another domain.
	eventually(t, db, "SELECT sum(sent) FROM daily_outcomes WHERE domain = 'example.com'", "1")
	d.stop()
}
