package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/output/webhook"
)

var now = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// hostile is a notice that quotes what a stranger wrote.
func hostile() Notice {
	return Notice{
		Key: "mx1-17-opened", What: "opened", Host: "mx1", Number: 17, Kind: "provider-refuses", Subject: "google", Reason: "dmarc",
		Title: "google refuses your mail: \r\nBcc: victim@example.com <!channel> \x1b[31m", State: "open", StartedAt: "2026-11-26T10:02:00.000Z", LastAt: "2026-11-26T10:40:00.000Z",
		Attempts: 640, Addresses: 630, Domains: 3,
		Reply: "550 5.7.26 \r\n.\r\nMAIL FROM:<x> <!channel> <@U123> <https://evil.example|click> \x1b]0;owned\x07 \u202e" + strings.Repeat("A", 1<<20), Advice: "Sign with DKIM.", Next: "bouncetail incidents 17",
	}
}

// receiver takes a request and answers with a code.
func receiver(t *testing.T, code int) (url string, got func() (*http.Request, string)) {
	t.Helper()
	var request *http.Request
	var body string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		request, body = r, string(text)
		w.WriteHeader(code)
		fmt.Fprint(w, "said\x1b[31m")
	}))
	t.Cleanup(s.Close)
	return s.URL, func() (*http.Request, string) { return request, body }
}

// program writes a program that keeps its input and its arguments.
func program(t *testing.T, exit int) (path string, input func() string) {
	t.Helper()
	dir := t.TempDir()
	path = filepath.Join(dir, "program")
	script := fmt.Sprintf("#!/bin/sh\necho \"$@\" >%[1]s/args\ncat >%[1]s/in\necho trouble\nexit %[2]d\n", dir, exit)
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path, func() string {
		text, err := os.ReadFile(filepath.Join(dir, "in"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
}

// harmless checks what no receiver must get.
func harmless(t *testing.T, what, text string) {
	t.Helper()
	for _, bad := range []string{"\x1b", "\x07", "\u202e", "\r"} {
		if strings.Contains(text, bad) {
			t.Errorf("%s holds %q:\n%.2000q", what, bad, text)
		}
	}
	if len(text) > 10_000 {
		t.Errorf("%s has %d bytes", what, len(text))
	}
}

func TestEveryKindSendsWhatAStrangerWroteHarmlessly(t *testing.T) {
	tested := make(map[string]bool)
	send := func(c Channel) {
		t.Helper()
		tested[c.Kind] = true
		c.Now = func() time.Time { return now }
		if err := c.Send(t.Context(), hostile()); err != nil {
			t.Errorf("%s: %v", c.Kind, err)
		}
	}

	path, input := program(t, 0)
	send(Channel{Kind: "mail", To: []string{"postmaster@example.com"}, Sendmail: path})
	mail := input()
	harmless(t, "the mail", mail)
	head, _, _ := strings.Cut(mail, "\n\n")
	if strings.Contains(head, "\nBcc:") || !strings.Contains(head, "To: <postmaster@example.com>") || !strings.Contains(head, "Auto-Submitted: auto-generated") || !strings.Contains(head, "google") {
		t.Errorf("the head of the mail:\n%s", head)
	}

	path, input = program(t, 0)
	send(Channel{Kind: "command", Command: []string{path, "fixed"}})
	var n Notice
	if err := json.Unmarshal([]byte(input()), &n); err != nil || n.Key != "mx1-17-opened" || n.Number != 17 {
		t.Errorf("the input of the command: %v, %+v", err, n)
	}
	harmless(t, "the input of the command", input())

	url, got := receiver(t, 200)
	send(Channel{Kind: "json", URL: url, Secret: "hunter2"})
	r, body := got()
	harmless(t, "json", body)
	if want := webhook.Sign("hunter2", now, []byte(body)); r.Header.Get(webhook.SignatureHeader) != want || r.Header.Get("Idempotency-Key") != "mx1-17-opened" {
		t.Errorf("json has the headers %v, want the signature %s and the key", r.Header, want)
	}

	url, got = receiver(t, 200)
	send(Channel{Kind: "alertmanager", URL: url + "/"})
	r, body = got()
	harmless(t, "alertmanager", body)
	if r.URL.Path != "/api/v2/alerts" || !strings.Contains(body, `"endsAt":"2026-11-26T12:15:00Z"`) || !strings.Contains(body, `"alertname":"BouncetailIncident"`) {
		t.Errorf("alertmanager: %s %s", r.URL.Path, body)
	}

	url, got = receiver(t, 200)
	send(Channel{Kind: "ntfy", URL: url + "/topic", Token: "tk"})
	r, body = got()
	harmless(t, "ntfy", body)
	if r.URL.Path != "/topic" || r.Header.Get("Priority") != "high" || r.Header.Get("Authorization") != "Bearer tk" || !strings.Contains(body, "630 addresses") {
		t.Errorf("ntfy: %s %v %s", r.URL.Path, r.Header, body)
	}

	url, got = receiver(t, 200)
	send(Channel{Kind: "gotify", URL: url, Token: "tk"})
	r, body = got()
	harmless(t, "gotify", body)
	if r.URL.Path != "/message" || r.Header.Get("X-Gotify-Key") != "tk" {
		t.Errorf("gotify: %s %v", r.URL.Path, r.Header)
	}

	url, got = receiver(t, 200)
	send(Channel{Kind: "slack", URL: url})
	_, body = got()
	harmless(t, "slack", body)
	var message struct{ Text string }
	if err := json.Unmarshal([]byte(body), &message); err != nil || strings.Contains(message.Text, "<") || !strings.Contains(message.Text, "&lt;!channel&gt;") {
		t.Errorf("slack: %v %s", err, message.Text)
	}
	for kind := range kinds {
		if !tested[kind] {
			t.Errorf("the kind %s is not tested", kind)
		}
	}
}

func TestErrorsSayWhetherTryingAgainHelps(t *testing.T) {
	for code, wantFinal := range map[int]bool{400: true, 401: true, 404: true, 302: true, 408: false, 429: false, 500: false, 503: false} {
		url, _ := receiver(t, code)
		err := (&Channel{Kind: "slack", URL: url + "/?token=hunter2"}).Send(t.Context(), hostile())
		var final Final
		if err == nil || errors.As(err, &final) != wantFinal || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("after %d: %v, want final %v", code, err, wantFinal)
		}
	}
	err := (&Channel{Kind: "slack", URL: "http://127.0.0.1:1/?token=hunter2"}).Send(t.Context(), hostile())
	var final Final
	if err == nil || errors.As(err, &final) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("of a server that does not answer: %v", err)
	}
	path, _ := program(t, 1)
	if err := (&Channel{Kind: "command", Command: []string{path}}).Send(t.Context(), hostile()); err == nil || !strings.Contains(err.Error(), "trouble") {
		t.Errorf("of a program that fails: %v", err)
	}
	if err := (&Channel{Kind: "mail", To: []string{"a@example.com"}, Sendmail: path}).Send(t.Context(), hostile()); err == nil {
		t.Error("a sendmail that fails is no error")
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := (&Channel{Kind: "slack", URL: "http://127.0.0.1:1/"}).Send(ctx, hostile()); err == nil {
		t.Error("a canceled context is no error")
	}
}

func TestErrorsOfProgramsNameTheSettingAndThePathOnce(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	for _, tt := range []struct {
		c    Channel
		want string
	}{
		{Channel{Kind: "mail", To: []string{"a@example.com"}, Sendmail: none}, "report.sendmail: " + none + ": no such file or directory"},
		{Channel{Kind: "command", Command: []string{none}}, "command: " + none + ": no such file or directory"},
		{Channel{Kind: "command", Command: []string{"/bin/sh", "-c", "exit 3"}}, "command: /bin/sh: exit status 3"},
	} {
		if err := tt.c.Send(t.Context(), hostile()); err == nil || err.Error() != tt.want {
			t.Errorf("%s %s: got %v, want %s", tt.c.Kind, tt.c.Command, err, tt.want)
		}
	}
}

func TestTestNoticeHasNoNumber(t *testing.T) {
	n := Notice{Host: "mx1", What: "test", State: "open", Title: "Test of the channel me", StartedAt: "2026-11-26T10:02:00Z"}
	if got := n.Headline(); got != "[mx1] Test of the channel me" {
		t.Errorf("Headline: %s", got)
	}
	if got := strings.Join(n.Lines(), "\n"); !strings.HasPrefix(got, "A test at ") || !strings.HasSuffix(got, ": nothing has happened.") {
		t.Errorf("Lines: %s", got)
	}
}

func TestTheEndIsTold(t *testing.T) {
	n := Notice{Host: "mx1", Number: 3, Title: "google refuses your mail", State: "over", What: "over", StartedAt: "a", OverAt: "b", Advice: "Sign.", EndedBy: "quiet"}
	if got := n.Headline(); got != "[mx1] #3 over: google refuses your mail" {
		t.Errorf("Headline: %s", got)
	}
	text := strings.Join(n.Lines(), "\n")
	if !strings.Contains(text, "does not show that it is fixed") || strings.Contains(text, "Sign.") {
		t.Errorf("Lines: %s", text)
	}
	n.What, n.State, n.Attempts, n.Harmless, n.Decide = "again-2026-11-27", "open", 7, true, []string{"bouncetail recipients confirm --domain a.example"}
	n.StartedAt = "2026-11-26T10:02:00.000Z"
	text = strings.Join(n.Lines(), "\n")
	for _, want := range []string{"2026-11-2", ":02 ", "still going on", "No address becomes bad because of it.", "Then: bouncetail recipients confirm --domain a.example"} {
		if !strings.Contains(text, want) {
			t.Errorf("Lines lacks %q: %s", want, text)
		}
	}
	if got := n.Headline(); got != "[mx1] #3 still open: google refuses your mail" {
		t.Errorf("Headline: %s", got)
	}
}

func TestNoticesLinkThePageOfTheIncident(t *testing.T) {
	n := hostile()
	n.URL = "https://mail.example.com/bouncetail/incidents/17"
	path, input := program(t, 0)
	mailed := Channel{Kind: "mail", To: []string{"ops@example.com"}, Sendmail: path, Now: func() time.Time { return now }}
	if err := mailed.Send(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(input(), "Page: https://mail.example.com/bouncetail/incidents/17\n") {
		t.Errorf("the mail has no link:\n%s", input())
	}
	for kind, want := range map[string]string{"ntfy": "", "alertmanager": `"generatorURL":"https://mail.example.com/bouncetail/incidents/17"`, "json": `"url":"https://mail.example.com/bouncetail/incidents/17"`} {
		at, got := receiver(t, 200)
		c := Channel{Kind: kind, URL: at, Now: func() time.Time { return now }}
		if err := c.Send(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		r, body := got()
		if !strings.Contains(body, want) || kind == "ntfy" && r.Header.Get("Click") != n.URL {
			t.Errorf("%s has no link: %v %s", kind, r.Header, body)
		}
	}
}

func TestPausesGrow(t *testing.T) {
	for tries, want := range map[int]time.Duration{0: time.Minute, 1: time.Minute, 2: 2 * time.Minute, 5: 16 * time.Minute, 9: time.Hour, 1000: time.Hour} {
		if got := Pause(tries); got != want {
			t.Errorf("Pause(%d) = %v, want %v", tries, got, want)
		}
	}
}
