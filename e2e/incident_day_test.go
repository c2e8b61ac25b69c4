package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"mime/quotedprintable"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/classify"
	"github.com/bouncetail/bouncetail/incident"
	"github.com/bouncetail/bouncetail/logparse"
	"github.com/bouncetail/bouncetail/pipeline"
	"github.com/bouncetail/bouncetail/queue"
	"github.com/bouncetail/bouncetail/sqlite"
	"github.com/bouncetail/bouncetail/sqlite/incidents"
)

// replay is the daemon at another time: it reads the lines of a log when they were
// written, and looks for incidents at that time. Everything else of the test uses the
// real program and the real clock.
type replay struct {
	t          *testing.T
	now        time.Time
	store      *sqlite.Store
	queue      *queue.Queue
	classifier *classify.Classifier
	watcher    *incidents.Watcher
	offset     int64
	messages   int
	lines      strings.Builder
}

func newReplay(t *testing.T, db string, from time.Time, channels ...incidents.Channel) *replay {
	t.Helper()
	r := &replay{t: t, now: from, queue: queue.New()}
	var err error
	if r.classifier, err = classify.New(""); err != nil {
		t.Fatal(err)
	}
	if r.store, err = sqlite.Open(t.Context(), db, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.store.Close() })
	r.store.Now = func() time.Time { return r.now }
	if r.watcher, err = incidents.Open(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.watcher.Close() })
	r.watcher.Settings = incident.Settings{Sensitivity: incident.Sensitivities["normal"], Addresses: 10, Gap: 6 * time.Hour}
	r.watcher.Channels, r.watcher.Shape = channels, classify.Shape
	return r
}

// message writes the lines of Postfix about a message. It is refused if there is a
// reply.
func (r *replay) message(to, relay, reply string) {
	r.messages++
	r.now = r.now.Add(time.Second)
	stamp, id := r.now.Format("2006-01-02T15:04:05.000000-07:00"), fmt.Sprintf("4C%06X", r.messages)
	dsn, status := "2.0.0", "sent (250 2.0.0 OK)"
	if reply != "" {
		dsn, status = "5.7.26", "bounced (host "+relay+"[192.0.2.7] said: "+reply+" (in reply to end of DATA command))"
	}
	fmt.Fprintf(&r.lines, "%[1]s mx postfix/qmgr[2]: %[2]s: from=<news@shop.example>, size=900, nrcpt=1 (queue active)\n"+
		"%[1]s mx postfix/smtp[3]: %[2]s: to=<u%[3]d@%[4]s>, relay=%[5]s[192.0.2.7]:25, delay=0.5, delays=0/0/0.2/0.3, dsn=%[6]s, status=%[7]s\n"+
		"%[1]s mx postfix/qmgr[2]: %[2]s: removed\n", stamp, id, r.messages, to, relay, dsn, status)
}

// pass lets time pass in steps of five minutes, with mail in each, and stores it as it
// comes.
func (r *replay) pass(d time.Duration, mail func()) {
	r.t.Helper()
	for end := r.now.Add(d); r.now.Before(end); {
		next := r.now.Add(5 * time.Minute)
		mail()
		r.now = next
		r.read()
		if _, err := r.watcher.Look(r.t.Context(), r.now, true, nil); err != nil {
			r.t.Fatal(err)
		}
	}
}

// read lets the stages of the daemon read the lines.
func (r *replay) read() {
	r.t.Helper()
	text := r.lines.String()
	r.lines.Reset()
	r.offset += int64(len(text))
	p := pipeline.Pipeline{
		Source: func(_ context.Context, out chan<- bounce.Chunk) error {
			out <- bounce.Chunk{Data: text, Position: bounce.Position{Stream: 1, Source: "mail.log", Path: "mail.log", Offset: r.offset}}
			return nil
		},
		NewParser: func(*bounce.Chunk, bounce.ParserState) (pipeline.Parser, error) {
			return logparse.New(logparse.Options{Anchor: r.now})
		},
		Queue: r.queue, Classifier: func() pipeline.Classifier { return r.classifier },
		Begin: func(ctx context.Context) (pipeline.Tx, error) { return r.store.Begin(ctx) },
		Log:   slog.New(slog.DiscardHandler),
	}
	if err := p.Run(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

// body returns the text of a mail without its encoding.
func body(t *testing.T, mail string) string {
	t.Helper()
	text, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(mail)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func wantAll(t *testing.T, what, text string, all ...string) {
	t.Helper()
	for _, want := range all {
		if !strings.Contains(text, want) {
			t.Errorf("%s lacks %q:\n%s", what, want, text)
		}
	}
}

// alert is what Alertmanager's API returns, and what it sends to a receiver.
type alert struct {
	Labels      map[string]string
	Annotations map[string]string
	StartsAt    time.Time
	Status      any
}

// startAlertmanager starts Debian's Alertmanager, and returns its URL and what it sends.
func startAlertmanager(t *testing.T) (url string, sent <-chan alert) {
	t.Helper()
	told := make(chan alert, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var message struct{ Alerts []alert }
		if err := json.NewDecoder(r.Body).Decode(&message); err != nil {
			t.Errorf("Alertmanager sent what is no JSON: %v", err)
		}
		for _, a := range message.Alerts {
			told <- a
		}
	}))
	t.Cleanup(receiver.Close)
	dir, address := t.TempDir(), freeAddress(t)
	at := func(name string) string { return filepath.Join(dir, name) }
	write(t, at("alertmanager.yml"), fmt.Sprintf("route: {receiver: me, group_wait: 0s, group_interval: 1s}\nreceivers: [{name: me, webhook_configs: [{url: '%s'}]}]\n", receiver.URL))
	background(t, "prometheus-alertmanager", "--config.file="+at("alertmanager.yml"), "--storage.path="+at("data"), "--web.listen-address="+address, "--cluster.listen-address=")
	waitFor(t, "Alertmanager", func() bool { _, err := get(t, "http://"+address+"/-/ready"); return err == nil })
	return "http://" + address, told
}

// next returns the next of what comes within 20 seconds.
func next[T any](t *testing.T, what string, from <-chan T) (value T) {
	t.Helper()
	select {
	case value = <-from:
	case <-time.After(20 * time.Second):
		t.Fatalf("waited 20 seconds for %s", what)
	}
	return value
}

// TestADayOnWhichGmailRefuses replays a day on which Gmail refuses all mail for DMARC
// from 10:00 to 13:00. The notices go through Debian's Postfix and Alertmanager.
func TestADayOnWhichGmailRefuses(t *testing.T) {
	t.Parallel()
	mails := make(chan string, 10)
	p := startPostfix(t, serveSMTP(t, answers{taken: func(message string) { mails <- message }}))
	alertmanager, told := startAlertmanager(t)
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	config := at("config.yaml")
	write(t, config, fmt.Sprintf("database: %s\nreport: {sendmail: %s}\nincidents:\n  channels:\n    - {name: me, kind: mail, to: [postmaster@example.com]}\n    - {name: am, kind: alertmanager, url: '%s'}\n",
		at("b.db"), p.sendmailProgram(at("sendmail")), alertmanager))
	bouncetail := func(args ...string) string { return run(t, append(args, "--config", config, "--utc")...) }

	day := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -1)
	r := newReplay(t, at("b.db"), day.AddDate(0, 0, -1), incidents.Channel{Name: "me"}, incidents.Channel{Name: "am"})
	reply := ""
	mail := func() {
		for range 6 {
			r.message("gmail.com", "gmail-smtp-in.l.google.com", reply)
			r.message("hotmail.example", "mx.hotmail.example", "")
		}
	}
	r.pass(34*time.Hour, mail)
	if got := bouncetail("notify", "--json"); !strings.Contains(got, `"sent":0`) {
		t.Errorf("notify before 10:00: %s", got)
	}
	reply = "550-5.7.26 Unauthenticated email from shop.example is not accepted due to the 550-5.7.26 domain's DMARC policy. gsmtp"
	r.pass(time.Hour, mail)

	if got := bouncetail("notify", "--json"); !strings.Contains(got, `"sent":2`) {
		t.Errorf("notify at 11:00: %s", got)
	}
	message := body(t, next(t, "the mail", mails))
	wantAll(t, "the mail", message, "To: <postmaster@example.com>", "Auto-Submitted: auto-generated", "#1 google refuses your mail", "72 addresses", "100 % of 18",
		"Said: 550-5.7.26 Unauthenticated email from shop.example", "Do:   Sign", "More: bouncetail incidents 1")
	wantAll(t, "incidents 1", bouncetail("incidents", "1"), "#1 google refuses your mail", day.Format("2006-01-02")+" 10:00", "still open", "72 addresses",
		"news@shop.example 72", "DMARC policy", "failing 72", "bouncetail recipients --incident 1")
	var alerts []struct {
		alert
		Status struct{ State string }
	}
	answer, err := get(t, alertmanager+"/api/v2/alerts")
	if err == nil {
		err = json.Unmarshal([]byte(answer), &alerts)
	}
	if err != nil || len(alerts) != 1 {
		t.Fatalf("Alertmanager has %v %s", err, answer)
	}
	a := alerts[0]
	for name, want := range map[string]string{"alertname": "BouncetailIncident", "kind": "provider-refuses", "subject": "google", "reason": "dmarc", "incident": "1"} {
		if a.Labels[name] != want {
			t.Errorf("the label %s of the alert is %q, want %q", name, a.Labels[name], want)
		}
	}
	if a.Status.State != "active" || !a.StartsAt.Equal(day.Add(10*time.Hour+time.Second)) || !strings.Contains(a.Annotations["summary"], "google refuses your mail") {
		t.Errorf("the alert is %s since %s: %v", a.Status.State, a.StartsAt, a.Annotations)
	}
	if a := next(t, "Alertmanager's message", told); a.Status != "firing" || a.Labels["subject"] != "google" {
		t.Errorf("Alertmanager sent %+v", a)
	}

	r.pass(2*time.Hour, mail)
	reply = ""
	r.pass(2*time.Hour, mail)
	if got := bouncetail("notify", "--json"); !strings.Contains(got, `"sent":2`) {
		t.Errorf("notify at 15:00: %s", got)
	}
	wantAll(t, "the mail of the end", body(t, next(t, "the mail of the end", mails)), "#1 over: google refuses your mail", "216 addresses")
	wantAll(t, "incidents 1", bouncetail("incidents", "1"), "over at "+day.Format("2006-01-02")+" 14:00: mail is accepted again", "216 addresses")
	if a := next(t, "Alertmanager's message of the end", told); a.Status != "resolved" || a.Labels["subject"] != "google" {
		t.Errorf("Alertmanager sent %+v", a)
	}
	if answer, err := get(t, alertmanager+"/api/v2/alerts"); err != nil || strings.TrimSpace(answer) != "[]" {
		t.Errorf("Alertmanager has %v %s at the end", err, answer)
	}
	if got := query(t, at("b.db"), "SELECT count(*), count(sent_at), sum(tries) FROM incident_notices"); got[0] != "4|4|4" {
		t.Errorf("notices, sent ones and tries: %s, want 4|4|4", got)
	}
}
