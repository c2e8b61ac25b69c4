package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// refusedNow is a line of Postfix about a mail that Google refused just now.
func refusedNow(n int) string {
	return fmt.Sprintf("%s mx postfix/smtp[1]: 4A1B%05d: to=<u%d@gmail.com>, relay=gmail-smtp-in.l.google.com[192.0.2.2]:25, delay=1, delays=0/0/0/1, dsn=5.7.1, status=bounced (host gmail-smtp-in.l.google.com[192.0.2.2] said: 550-5.7.1 Service unavailable; client host [192.0.2.25] blocked using zen.spamhaus.org (in reply to RCPT TO command))\n",
		time.Now().UTC().Format("2006-01-02T15:04:05.000000+00:00"), n, n)
}

// answerOf asks the database.
func answerOf(t *testing.T, config, query string) string {
	t.Helper()
	return strings.TrimSpace(run(t, "sql", "--config", config, "--format", "tsv", query))
}

// inMinutes is waitFor for what takes minutes on an idle machine.
func inMinutes(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(3*time.Minute + patience); !holds(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s", 3*time.Minute+patience, what)
		}
		time.Sleep(2 * time.Second) // polls another process
	}
}

// runFails runs a command that must fail, and returns what it said.
func runFails(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), program(t), args...).CombinedOutput()
	if err == nil {
		t.Errorf("bouncetail %s did not fail: %s", strings.Join(args, " "), out)
	}
	return string(out)
}

// TestAnIncidentIsToldOnceAndSurvivesAKill lets the daemon find that a blocklist names
// us, kills it before a notice is sent, kills the sender while it sends, and lets two
// senders run at once.
func TestAnIncidentIsToldOnceAndSurvivesAKill(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var keys []string
	hanging := make(chan struct{}, 1)
	hang, fail := true, true
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		mu.Lock()
		defer mu.Unlock()
		keys = append(keys, r.Header.Get("Idempotency-Key"))
		if hang {
			hanging <- struct{}{}
			mu.Unlock()
			<-r.Context().Done() // until the sender is killed
			mu.Lock()
			hang = false
			return
		}
		if fail {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write(t, at("mail.log"), "")
	write(t, at("config.yaml"), fmt.Sprintf("database: %[1]s/b.db\nsources: [{path: %[1]s/mail.log}]\nincidents:\n  channels:\n    - {name: me, kind: json, url: '%[2]s', secret: hunter2}\n", dir, server.URL))
	d := start(t, "--config", at("config.yaml"))
	log, err := os.OpenFile(at("mail.log"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	for n := range 6 {
		fmt.Fprint(log, refusedNow(n))
	}
	const rang = "SELECT count(*) FROM incidents WHERE rang_at IS NOT NULL"
	waitFor(t, "the schema", func() bool { return len(query(t, at("b.db"), rang)) == 1 })
	inMinutes(t, "an incident", func() bool { return strings.HasSuffix(answerOf(t, at("config.yaml"), rang), "1") })
	waitFor(t, "the file that starts bouncetail notify", func() bool { return exists(at("notices.due")) })
	d.kill()
	start(t, "--config", at("config.yaml"))

	// The sender is killed while the receiver takes the notice: it is not noted as sent.
	sender := exec.CommandContext(t.Context(), program(t), "notify", "--config", at("config.yaml"))
	if err := sender.Start(); err != nil {
		t.Fatal(err)
	}
	<-hanging
	if err := sender.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = sender.Wait()
	waitFor(t, "the receiver to notice", func() bool { mu.Lock(); defer mu.Unlock(); return !hang })

	// The receiver is down: the notice stays due, with a pause.
	if out := runFails(t, "notify", "--config", at("config.yaml")); !strings.Contains(out, "1 notice could not be sent") {
		t.Errorf("notify said %s", out)
	}
	if got := answerOf(t, at("config.yaml"), "SELECT tries, sent_at IS NULL, due_at > strftime('%Y-%m-%dT%H:%M:%fZ', 'now') FROM incident_notices"); !strings.HasSuffix(got, "1\t1\t1") {
		t.Errorf("the notice after a failed try: %s", got)
	}
	mu.Lock()
	fail = false
	mu.Unlock()
	inMinutes(t, "the pause to end and two processes to tell at once", func() bool {
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() { run(t, "notify", "--config", at("config.yaml")) })
		}
		both.Wait()
		mu.Lock()
		defer mu.Unlock()
		return len(keys) > 2
	})
	mu.Lock()
	defer mu.Unlock()
	if len(keys) != 3 || keys[0] != keys[1] || keys[1] != keys[2] || !regexp.MustCompile(`-1-opened$`).MatchString(keys[0]) {
		t.Errorf("told with the keys %q, want one key three times", keys)
	}
	if got := answerOf(t, at("config.yaml"), "SELECT count(*), count(sent_at) FROM incident_notices"); !strings.HasSuffix(got, "1\t1") {
		t.Errorf("notices and sent ones: %s", got)
	}
	if got := answerOf(t, at("config.yaml"), "SELECT count(*) FROM incidents"); !strings.HasSuffix(got, "1") {
		t.Errorf("incidents: %s, want 1", got)
	}
}

// TestAlertmanagerTakesAnIncident posts to Debian's Alertmanager.
func TestAlertmanagerTakesAnIncident(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	alertmanager, _ := startAlertmanager(t)
	write(t, at("config.yaml"), fmt.Sprintf("database: %s/b.db\nincidents:\n  channels:\n    - {name: am, kind: alertmanager, url: '%s'}\n", dir, alertmanager))
	run(t, "notify", "test", "am", "--config", at("config.yaml"))
	body, err := get(t, alertmanager+"/api/v2/alerts")
	if err != nil || !strings.Contains(body, `"alertname":"BouncetailIncident"`) || !strings.Contains(body, "Test of the channel am") {
		t.Errorf("Alertmanager has %v %s", err, body)
	}
}

// TestRealPostfixDeliversANotice sends a test notice through Debian's Postfix.
func TestRealPostfixDeliversANotice(t *testing.T) {
	t.Parallel()
	delivered := make(chan string, 1)
	p := startPostfix(t, serveSMTP(t, answers{taken: func(message string) { delivered <- message }}))
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write(t, at("config.yaml"), fmt.Sprintf("database: %s/b.db\nreport: {sendmail: %s}\nincidents:\n  channels:\n    - {name: me, kind: mail, to: [postmaster@example.com]}\n", dir, p.sendmailProgram(at("sendmail"))))
	run(t, "notify", "test", "me", "--config", at("config.yaml"))
	wantAll(t, "the mail", next(t, "the notice", delivered),
		"To: <postmaster@example.com>", "Auto-Submitted: auto-generated", "Test of the channel me", "More: bouncetail incidents")
}
