package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// logged is a line of Postfix about a failed delivery.
func logged(local string, second int) string {
	return fmt.Sprintf("2026-11-20T09:00:%02d+00:00 mx postfix/smtp[1]: 4A1B2C%02d: to=<%s@example.com>, relay=mx.example.com[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (host mx.example.com[192.0.2.1] said: 550 5.1.1 User unknown (in reply to RCPT TO command))\n", second, second, local)
}

func TestDaemonTellsWebhooksAndNeverWaitsForThem(t *testing.T) {
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

	folder := t.TempDir()
	at := func(name string) string { return filepath.Join(folder, name) }
	write(t, at("mail.log"), logged("gone", 1))
	write(t, at("secret"), "hunter2\n")
	write(t, at("config.yaml"), fmt.Sprintf(`
database: %[1]s/b.db
sources: [{path: %[1]s/mail.log}]
webhooks:
  - {name: crm, url: "%[2]s/?token=hunter2", secret_file: %[1]s/secret, start: beginning}
  - {name: hangs, url: "%[3]s", start: beginning, timeout: 1h, username: u, password: hunter2}
`, folder, taking.URL, hanging.URL))
	told := func(local string) {
		t.Helper()
		select {
		case body := <-requests:
			if !strings.Contains(body, `"recipient":"`+local+`@example.com"`) {
				t.Fatalf("told %s, want %s", body, local)
			}
		case <-time.After(60 * time.Second):
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
	// An answer that has come is not yet the place that is saved.
	const taken, behind = `(?m)^crm +127\.0\.0\.1:\d+ +0 +0 +none`, `(?m)^hangs +127\.0\.0\.1:\d+ +3 +0 `
	shows := func(line string) bool {
		return regexp.MustCompile(line).MatchString(run(t, "webhooks", "--config", at("config.yaml")))
	}
	waitFor(t, "the place of crm to be saved", func() bool { return shows(taken) })
	// The one that hangs keeps neither the log nor a stop waiting.
	asked := time.Now()
	d.stop()
	if took := time.Since(asked); took > 10*time.Second {
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
