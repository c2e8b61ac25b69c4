package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"mime/quotedprintable"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/classify"
	"github.com/bouncetail/bouncetail/config"
	bouncetail "github.com/bouncetail/bouncetail/daemon"
	"github.com/bouncetail/bouncetail/incident"
	"github.com/bouncetail/bouncetail/logparse"
	"github.com/bouncetail/bouncetail/pipeline"
	"github.com/bouncetail/bouncetail/queue"
	"github.com/bouncetail/bouncetail/sqlite"
	"github.com/bouncetail/bouncetail/sqlite/incidents"
)

// lines are those of a log that is written at another time.
type lines struct {
	now      time.Time
	messages int
	text     strings.Builder
}

// replay is the daemon at another time: it reads the lines of a log when they were
// written, and looks for incidents at that time. Everything else of the test uses the
// real program and the real clock.
type replay struct {
	lines
	t          *testing.T
	store      *sqlite.Store
	queue      *queue.Queue
	classifier *classify.Classifier
	watcher    *incidents.Watcher
	offset     int64
}

func newReplay(t *testing.T, db string, from time.Time, channels ...incidents.Channel) *replay {
	t.Helper()
	r := &replay{lines: lines{now: from}, t: t, queue: queue.New()}
	var err error
	if r.classifier, err = classify.New(""); err != nil {
		t.Fatal(err)
	}
	if r.store, err = sqlite.Open(t.Context(), db, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.store.Close() })
	settings := config.Default()
	if err := bouncetail.UsePolicy(t.Context(), r.store, &settings, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	r.store.Now = func() time.Time { return r.now }
	if r.watcher, err = incidents.Open(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.watcher.Close() })
	r.watcher.Settings = incident.Settings{Sensitivity: incident.Sensitivities["normal"], Addresses: 10, Gap: 6 * time.Hour}
	r.watcher.Channels, r.watcher.Shape = channels, classify.Shape
	return r
}

// message writes the lines of Postfix about a message to an address, a second later. An
// empty reply is that it was sent. A reply that begins with 4 or has no code is a deferral.
func (l *lines) message(from, to, relay, reply string) {
	l.messages++
	l.now = l.now.Add(time.Second)
	stamp, id := l.now.Format("2006-01-02T15:04:05.000000-07:00"), fmt.Sprintf("4C%06X", l.messages)
	server, dsn, status := relay+"[192.0.2.7]:25", "2.0.0", "sent (250 2.0.0 OK)"
	switch {
	case reply == "":
	case reply[0] == '4':
		dsn, status = "4.0.0", "deferred (host "+relay+"[192.0.2.7] said: "+reply+" (in reply to RCPT TO command))"
	case reply[0] == '5':
		dsn, status = "5.0.0", "bounced (host "+relay+"[192.0.2.7] said: "+reply+" (in reply to RCPT TO command))"
	default:
		server, dsn, status = "none", "4.4.1", "deferred ("+reply+")"
	}
	fmt.Fprintf(&l.text, "%[1]s mx postfix/qmgr[2]: %[2]s: from=<%[3]s>, size=900, nrcpt=1 (queue active)\n"+
		"%[1]s mx postfix/smtp[3]: %[2]s: to=<%[4]s>, relay=%[5]s, delay=0.5, delays=0/0/0.2/0.3, dsn=%[6]s, status=%[7]s\n"+
		"%[1]s mx postfix/qmgr[2]: %[2]s: removed\n", stamp, id, from, to, server, dsn, status)
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
		r.look()
	}
}

// look looks for incidents as the daemon does, and returns the number of notices that
// are due from now on.
func (r *replay) look() int {
	r.t.Helper()
	due, err := r.watcher.Look(r.t.Context(), r.now, true, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return due
}

// read lets the stages of the daemon read the lines.
func (r *replay) read() {
	r.t.Helper()
	text := r.text.String()
	r.text.Reset()
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
			t.Errorf("Alertmanager sent no JSON: %v", err)
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

// next returns the next of what comes.
func next[T any](t *testing.T, what string, from <-chan T) (value T) {
	t.Helper()
	select {
	case value = <-from:
	case <-time.After(patience):
		t.Fatalf("waited %v for %s", patience, what)
	}
	return value
}

const (
	news  = "news@shop.example"
	gmail = "gmail-smtp-in.l.google.com"
)

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
			r.message(news, fmt.Sprintf("u%d@gmail.com", r.messages), gmail, reply)
			r.message(news, "a@shop.example", "mx.shop.example", "")
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

// aYear writes a year of mail to several providers that ends a day before now, with a
// problem of each kind in it.
func aYear(now time.Time) *lines {
	const days = 365
	day := now.UTC().Truncate(24*time.Hour).AddDate(0, 0, -days)
	l := &lines{now: day}
	relays := map[string]string{
		"gmail.com": gmail, "outlook.com": "outlook-com.olc.protection.outlook.com", "yahoo.com": "mta5.am0.yahoodns.net", "t-online.de": "mx00.t-online.de", "small.example": "mx.small.example",
	}
	domains := slices.Sorted(maps.Keys(relays))
	for n := range days {
		at := day.AddDate(0, 0, n)
		for hour := range 24 {
			l.now = at.Add(time.Duration(hour) * time.Hour)
			for i := range 10 {
				domain := domains[(n+i)%len(domains)]
				to, reply := fmt.Sprintf("u%d@%s", (n*7+hour*10+i)%2000, domain), ""
				switch {
				case (n+hour+i)%97 == 0:
					reply = "450 4.2.0 Greylisted, try again in 300 seconds"
				case n == 40 && hour >= 10 && domain == "gmail.com":
					reply = "550-5.7.26 Unauthenticated email from shop.example is not accepted due to domain's DMARC policy"
				case n == 100 && hour < 12:
					reply = "554 5.7.1 Service unavailable; Client host [192.0.2.25] blocked using zen.spamhaus.org"
				case n == 150 && hour == 9:
					reply = "connect to " + relays[domain] + "[192.0.2.7]:25: Connection timed out"
				}
				l.now = l.now.Add(5 * time.Minute)
				l.message(news, to, relays[domain], reply)
			}
			switch {
			case n == 150 && hour == 9: // our network
				for i := range 60 {
					l.message(news, fmt.Sprintf("a%d@d%d.example", i, i%15), "", fmt.Sprintf("connect to mx.d%d.example[192.0.2.9]:25: Connection timed out", i%15))
				}
			case n == 200 && hour == 12: // a bought list
				for i := range 120 {
					to := fmt.Sprintf("dead%d@small.example", i)
					l.message("sales@shop.example", to, "mx.small.example", "550 5.1.1 <"+to+"> User unknown")
				}
			case n == 250 && hour == 12: // an outage that is reported as unknown users
				for i := range 40 {
					to := fmt.Sprintf("u%d@t-online.de", 4+5*i)
					l.message(news, to, relays["t-online.de"], "550 5.1.1 <"+to+"> User unknown")
				}
			case n == 300 && hour == 15: // a new wording
				for i := range 30 {
					l.message(news, fmt.Sprintf("b%d@small.example", i), "mx.small.example", "554 Zyx qwo flurb")
				}
			}
		}
	}
	return l
}

// TestAYearOfLogsRingsNothing imports a year of logs, and lets a daemon read it at its
// first start.
func TestAYearOfLogsRingsNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	year := aYear(time.Now())
	write(t, at("mail.log"), year.text.String())
	write(t, at("config.yaml"), fmt.Sprintf("database: %[1]s/b.db\nincidents:\n  channels:\n    - {name: me, kind: command, command: [/usr/bin/touch, %[1]s/told]}\n", dir))
	run(t, "import", "--config", at("config.yaml"), at("mail.log"))
	if got := run(t, "notify", "--config", at("config.yaml"), "--json"); !strings.Contains(got, `"sent":0`) {
		t.Errorf("notify: %s", got)
	}

	r := newReplay(t, at("daemon.db"), time.Now(), incidents.Channel{Name: "me"})
	r.text.WriteString(year.text.String())
	r.read()
	due := 0
	for range 3 {
		due += r.look()
		r.now = r.now.Add(time.Minute)
	}
	if due != 0 {
		t.Errorf("%d notices are due after a first start, want none", due)
	}
	for _, name := range []string{"told", "notices.due"} {
		if _, err := os.Stat(at(name)); err == nil {
			t.Errorf("%s exists after an import", name)
		}
	}
	for _, db := range []string{"b.db", "daemon.db"} {
		if got := query(t, at(db), "SELECT id, kind, subject, started_at FROM incidents WHERE over_at IS NULL OR rang_at IS NOT NULL"); len(got) > 0 {
			t.Errorf("%s: open or rang: %q", db, got)
		}
		if got := query(t, at(db), "SELECT count(*) FROM incident_notices"); got[0] != "0" {
			t.Errorf("%s: %s notices, want none", db, got[0])
		}
		// What is counted as live would be a peak of the last minutes.
		if got := query(t, at(db), "SELECT name, labels, value FROM metric_totals WHERE name IN ('attempts', 'failures', 'provider_failures', 'incidents') AND value > 0"); len(got) > 0 {
			t.Errorf("%s: counted as live: %q", db, got)
		}
		kinds := query(t, at(db), "SELECT DISTINCT kind FROM incidents ORDER BY 1")
		for _, want := range []string{"bad-list", "bad-surge", "blocklist", "own-network", "provider-refuses"} {
			if !slices.Contains(kinds, want) {
				t.Errorf("%s: no incident of kind %s: %q", db, want, kinds)
			}
		}
	}
}
