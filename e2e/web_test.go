package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
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
)

// startWeb starts bouncetail web with an inherited socket, as systemd does, and returns
// its address.
func startWeb(t *testing.T, bouncetail string, as *syscall.Credential, db string) string {
	t.Helper()
	return startWebAs(t, as, []string{bouncetail, "web", "--db", db})
}

// startWebWith is startWeb with a command that starts the program, and other flags.
func startWebWith(t *testing.T, starter []string, flags ...string) string {
	t.Helper()
	return startWebAs(t, nil, slices.Concat(starter, []string{program(t), "web", "--log-level", "error"}, flags))
}

func startWebAs(t *testing.T, as *syscall.Credential, command []string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close() // the copy listens
	cmd := exec.Command("sh", append([]string{"-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"`, "sh"}, command...)...)
	cmd.ExtraFiles = []*os.File{socket}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	socket.Close()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		if err := cmd.Wait(); err != nil || said.Len() > 0 {
			t.Errorf("bouncetail web ended with %v and said %s", err, &said)
		}
	})
	return "http://" + address
}

// pageOf asks for a page, again if a busy machine did not show it in time.
func pageOf(t *testing.T, at string) string {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		resp, err := http.Get(at)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") != "" && time.Now().Before(deadline) {
			continue
		}
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s, %v\n%s", at, resp.Status, err, body)
		}
		return string(body)
	}
}

// The process of the pages has a user that may read the database, and write neither the
// file nor its directory.
func TestWebReadsWithoutWritePermission(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: only root can be somebody else")
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Skipf("SKIPPED: %v", err)
	}
	uid, err := strconv.Atoi(nobody.Uid)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "bouncetail-web-") // not t.TempDir, which only root can access
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o751); err != nil {
		t.Fatal(err)
	}
	log, db := filepath.Join(dir, "mail.log"), filepath.Join(dir, "b.db")
	line := func(name string) {
		t.Helper()
		f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		fmt.Fprintf(f, "%s mx postfix/smtp[7]: 4D000001: to=<%s@example.com>, relay=mx.example.com[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (host mx.example.com[192.0.2.1] said: 550 5.1.1 User unknown (in reply to RCPT TO command))\n",
			time.Now().UTC().Format("2006-01-02T15:04:05.000000+00:00"), name)
	}
	count := "SELECT count(*) FROM bounces"
	line("first")
	d := start(t, log, "--db", db)
	eventually(t, db, count, "1")
	root := os.Getgid()
	bouncetail := filepath.Join(dir, "bouncetail") // only root can access the built one
	shell(t, nil, ".", "cp", program(t), bouncetail)
	site := startWeb(t, bouncetail, &syscall.Credential{Uid: uint32(uid), Gid: uint32(root)}, db)
	shows := func(when, name string) {
		t.Helper()
		if !strings.Contains(pageOf(t, site+"/recipients"), name+"@example.com") {
			t.Errorf("%s: the page does not show %s", when, name)
		}
	}
	shows("while the daemon runs", "first")
	line("second")
	eventually(t, db, count, "2")
	shows("after another failure", "second")
	write := exec.CommandContext(t.Context(), bouncetail, "recipients", "block", "x@example.com", "--db", db)
	write.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(root)}}
	if out, err := write.CombinedOutput(); err == nil || len(query(t, db, "SELECT 1 FROM decisions")) > 0 {
		t.Errorf("the user of the pages writes to the database: %s", out)
	}
	d.stop()
	shows("after the daemon has stopped", "second")
	line("third")
	d = start(t, log, "--db", db)
	eventually(t, db, count, "3")
	d.kill()
	shows("after the daemon was killed", "third")
}

func TestUnitOfTheWebIsHardened(t *testing.T) {
	littleExposed(t, "../systemd/bouncetail-web.service", 1.0)
	units := t.TempDir()
	for _, name := range []string{"bouncetail-web.service", "bouncetail-web.socket"} {
		text := strings.Replace(file(t, "systemd/"+name), "ExecStart=bouncetail", "ExecStart="+program(t), 1)
		if err := os.WriteFile(filepath.Join(units, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	verified, err := exec.CommandContext(t.Context(), "systemd-analyze", "verify", "--man=no", filepath.Join(units, "bouncetail-web.socket"), filepath.Join(units, "bouncetail-web.service")).CombinedOutput()
	if err != nil || strings.Contains(string(verified), "bouncetail-web") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, verified)
	}
}

func TestWebByHandPrintsALinkThatWorksOnce(t *testing.T) {
	t.Parallel()
	db := filepath.Join(t.TempDir(), "b.db")
	run(t, "import", "--db", db, "../testdata/logs/postfix/main/mail.log.gz")
	cmd := exec.Command(program(t), "web", "--db", db)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	link := make([]byte, 200)
	n, err := out.Read(link)
	if err != nil {
		t.Fatal(err)
	}
	at := strings.TrimSpace(string(link[:n]))
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := http.Client{Jar: jar}
	root, _, _ := strings.Cut(at, "?")
	for _, ask := range []struct {
		by   *http.Client
		at   string
		want int
	}{{http.DefaultClient, root, 403}, {&browser, at, 200}, {&browser, root, 200}, {http.DefaultClient, at, 403}, {http.DefaultClient, root + "recipients", 403}} {
		resp, err := ask.by.Get(ask.at)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != ask.want {
			t.Errorf("%s: %d, want %d", ask.at, resp.StatusCode, ask.want)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("bouncetail web ended with %v", err)
	}
}
