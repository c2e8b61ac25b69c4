package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// logged returns a line of Postfix about a failed delivery.
func logged(local string, second int) string {
	return fmt.Sprintf("2026-11-20T09:00:%02d+00:00 mx postfix/smtp[1]: 4A1B2C%02d: to=<%s@example.com>, relay=mx.example.com[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (host mx.example.com[192.0.2.1] said: 550 5.1.1 User unknown (in reply to RCPT TO command))\n", second, second, local)
}

func TestWebhooksDoNotBlockTheDaemon(t *testing.T) {
	t.Parallel()
	requests := make(chan string, 100)
	taking := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		requests <- string(body)
	}))
	defer taking.Close()
	ended := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-r.Context().Done():
		case <-ended:
		}
	}))
	defer hanging.Close()
	defer close(ended)

	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write(t, at("mail.log"), logged("gone", 1))
	write(t, at("secret"), "hunter2\n")
	write(t, at("config.yaml"), fmt.Sprintf(`
database: %[1]s/b.db
sources: [{path: %[1]s/mail.log}]
webhooks:
  - {name: crm, url: "%[2]s/?token=hunter2", secret_file: %[1]s/secret, start: beginning}
  - {name: hangs, url: "%[3]s", start: beginning, timeout: 1h, username: u, password: hunter2}
`, dir, taking.URL, hanging.URL))
	told := func(local string) {
		t.Helper()
		select {
		case body := <-requests:
			if !strings.Contains(body, `"recipient":"`+local+`@example.com"`) {
				t.Fatalf("told %s, want %s", body, local)
			}
		case <-time.After(patience):
			t.Fatalf("not told of %s", local)
		}
	}
	d := start(t, "--config", at("config.yaml"))
	told("gone")
	log, err := os.OpenFile(at("mail.log"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	fmt.Fprint(log, logged("later", 2))
	told("later")
	// The cursor is saved after the answer.
	const taken, behind = `(?m)^crm\t127\.0\.0\.1:\d+\t0\t0\tnone`, `(?m)^hangs\t127\.0\.0\.1:\d+\t3\t0\t`
	shows := func(line string) bool {
		return regexp.MustCompile(line).MatchString(run(t, "webhooks", "--config", at("config.yaml")))
	}
	waitFor(t, "the place of crm to be saved", func() bool { return shows(taken) })
	// The hook that hangs delays neither reading nor a stop.
	asked := time.Now()
	d.stop()
	if took := time.Since(asked); took > 30*time.Second { // milliseconds on an idle machine
		t.Errorf("the stop took %v", took)
	}
	fmt.Fprint(log, logged("third", 3))
	d = start(t, "--config", at("config.yaml"))
	told("third")
	waitFor(t, "the place of crm to be saved", func() bool { return shows(taken) })
	d.stop()
	if strings.Contains(d.said.String(), "hunter2") {
		t.Errorf("the log tells a secret: %s", d.said)
	}
	if !shows(taken) || !shows(behind) {
		t.Errorf("bouncetail webhooks says\n%s", run(t, "webhooks", "--config", at("config.yaml")))
	}
	if out := run(t, "check-config", "--config", at("config.yaml")); !strings.Contains(out, "webhook:  crm at 127.0.0.1:") || !strings.Contains(out, "(json, signed)") || strings.Contains(out, "hunter2") {
		t.Errorf("bouncetail check-config says\n%s", out)
	}
}

// With a wrong password, changes wait until it is corrected, and the status shows it.
// Changes that a program refuses do not block later ones.
func TestChangesWaitUntilAWebhookIsCorrected(t *testing.T) {
	t.Parallel()
	bounces := make(chan string, 100)
	list := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, password, _ := r.BasicAuth()
		switch {
		case password != "hunter2":
			w.WriteHeader(http.StatusForbidden)
		case strings.Contains(string(body), "refused@"):
			w.WriteHeader(http.StatusBadRequest)
		case !strings.Contains(string(body), "bouncetail-test@"):
			bounces <- string(body)
		}
	}))
	defer list.Close()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	settings := []string{"--config", at("config.yaml")}
	write(t, at("mail.log"), logged("refused", 1)+strings.Replace(logged("cron", 2), "cron@example.com", "root", 1)+logged("gone", 3))
	write(t, at("password"), "wrong\n")
	write(t, at("config.yaml"), fmt.Sprintf(`
database: %[1]s/b.db
sources: [{path: %[1]s/mail.log}]
webhooks: [{name: list, kind: listmonk, url: "%[2]s", username: api, password_file: %[1]s/password, start: beginning}]
`, dir, list.URL))
	refused := func(args ...string) string {
		t.Helper()
		out, err := exec.Command(program(t), append(args, settings...)...).CombinedOutput()
		if err == nil {
			t.Errorf("bouncetail %q ends with 0: %s", args, out)
		}
		return string(out)
	}
	for _, args := range [][]string{{"webhooks", "test", "list"}, {"check-config", "--online"}} {
		if out := refused(args...); !strings.Contains(out, "webhook list: the answer is 403 Forbidden; check username and password") {
			t.Errorf("bouncetail %q says\n%s", args, out)
		}
	}
	d := start(t, settings...)
	shows := func(line string) func() bool {
		return func() bool {
			return regexp.MustCompile(line).MatchString(run(t, append([]string{"webhooks"}, settings...)...))
		}
	}
	eventually(t, at("b.db"), "SELECT count(*) FROM recipients", "3")
	waitFor(t, "the trouble to be shown", shows(`(?m)^list\t127\.0\.0\.1:\d+\t3\t0\tthe answer is 403`))
	write(t, at("password"), "hunter2\n")
	if out := run(t, append([]string{"webhooks", "test", "list"}, settings...)...); !strings.Contains(out, "accepts requests") {
		t.Errorf("webhooks test says %s", out)
	}
	if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the changes to be delivered", shows(`(?m)^list\t127\.0\.0\.1:\d+\t0\t1\trefused: the answer is 400`))
	if got := <-bounces; !strings.Contains(got, `"email":"gone@example.com"`) || len(bounces) > 0 {
		t.Errorf("listmonk got %s and %d more", got, len(bounces))
	}
	d.stop()
	for _, c := range []struct{ args, want string }{
		{"replay list", "0 recipients delivered"},
		{"dead-letters list", "refused@example.com"},
		{"drop list Refused@example.com", "1 dead letter dropped"},
	} {
		if out := run(t, append(append([]string{"webhooks"}, strings.Fields(c.args)...), settings...)...); !strings.Contains(out, c.want) {
			t.Errorf("bouncetail webhooks %s says\n%s\nwant %s", c.args, out, c.want)
		}
	}
	if said := d.said.String(); strings.Contains(said, "hunter2") || strings.Contains(said, "refused@") {
		t.Errorf("the log says %s", said)
	}
}

// What a server sends behind its answer is nothing for the log.
func TestAServerDoesNotWriteToTheLog(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() { // ends with the listener
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if r, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				_, _ = io.Copy(io.Discard, r.Body)
			}
			fmt.Fprint(conn, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\nforged line")
			conn.Close()
		}
	}()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	lines := ""
	for i := range 10 {
		lines += logged(fmt.Sprint("gone", i), i)
	}
	write(t, at("mail.log"), lines)
	write(t, at("config.yaml"), fmt.Sprintf(`
database: %[1]s/b.db
sources: [{path: %[1]s/mail.log}]
webhooks: [{name: list, url: "http://%[2]s", kind: listmonk, username: u, password: p, start: beginning}]
`, dir, listener.Addr()))
	d := start(t, "--config", at("config.yaml"))
	eventually(t, at("b.db"), "SELECT count(*) FROM recipients", "10")
	waitFor(t, "all to be refused", func() bool {
		return strings.Contains(run(t, "webhooks", "--config", at("config.yaml")), "\t0\t10\trefused")
	})
	d.stop()
	if strings.Contains(d.said.String(), "forged line") {
		t.Errorf("the log has the text of the server: %s", d.said)
	}
}
