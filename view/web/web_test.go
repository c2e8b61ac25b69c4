package web_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/cli"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/page/pagetest"
	"github.com/bouncetail/bouncetail/view/table"
	"github.com/bouncetail/bouncetail/view/web"
)

// hostile are texts that a mail server may write into the log because a stranger has
// chosen them.
var hostile = inOneLine(pagetest.Hostile())

// inOneLine returns texts as a line of a log can hold them.
func inOneLine(texts []string) []string {
	for i, foreign := range texts {
		texts[i] = strings.NewReplacer("\r", " ", "\n", " ").Replace(foreign[:min(len(foreign), 50_000)])
	}
	return texts
}

// database returns a database of a log with hostile replies, senders, domains and
// addresses.
func database(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	var log bytes.Buffer
	at := time.Now().UTC().Add(-2 * time.Hour)
	for i, foreign := range hostile {
		stamp := at.Add(time.Duration(i) * time.Second).Format("2006-01-02T15:04:05.000000+00:00")
		short := strings.NewReplacer(" ", "", "<", "", ">", "").Replace(foreign[:min(len(foreign), 60)])
		fmt.Fprintf(&log, "%s mx postfix/qmgr[9]: 4F%06X: from=<%s@shop.example>, size=1, nrcpt=1 (queue active)\n", stamp, i, short)
		fmt.Fprintf(&log, "%s mx postfix/smtp[7]: 4F%06X: to=<%s@example.com>, relay=mx.example.com[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (host mx.example.com[192.0.2.1] said: 550 5.1.1 User unknown %s (in reply to RCPT TO command))\n", stamp, i, short, foreign)
		fmt.Fprintf(&log, "%s mx postfix/smtp[7]: 4E%06X: to=<user%d@%s.example>, relay=mx.example.com[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.0.0, status=bounced (host mx.example.com[192.0.2.1] said: 550 zzqx %s (in reply to RCPT TO command))\n", stamp, i, i, short, foreign)
	}
	fmt.Fprintf(&log, "%s mx postfix/smtp[7]: 4D000001: to=<jane@gmail.com>, relay=gmail-smtp-in.l.google.com[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (host gmail-smtp-in.l.google.com[192.0.2.1] said: 550 5.1.1 User unknown (in reply to RCPT TO command))\n", at.Format("2006-01-02T15:04:05.000000+00:00"))
	for i := range 12 { // an incident
		fmt.Fprintf(&log, "%s mx postfix/smtp[7]: 4C%06X: to=<user%d@outlook.com>, relay=outlook-com.olc.protection.outlook.com[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.7.1, status=bounced (host outlook-com.olc.protection.outlook.com[192.0.2.1] said: 550 5.7.1 Service unavailable; Client host [192.0.2.9] blocked using zen.spamhaus.org <b>now</b> (in reply to RCPT TO command))\n", at.Add(time.Duration(i)*10*time.Minute).Format("2006-01-02T15:04:05.000000+00:00"), i, i)
	}
	file, db := filepath.Join(dir, "mail.log"), filepath.Join(dir, "b.db")
	if err := os.WriteFile(file, log.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	if code := cli.Run(t.Context(), []string{"import", "--db", db, file}, strings.NewReader(""), &said, &said); code != 0 {
		t.Fatalf("import exits with %d: %s", code, &said)
	}
	return db
}

// site returns a site of a database.
func site(db string) *web.Site {
	return &web.Site{
		Open:     func(ctx context.Context) (*query.Reader, error) { return query.OpenReader(ctx, db) },
		Stored:   func(_ context.Context, _ *query.Reader, to bounce.Address) (bounce.Address, error) { return to, nil },
		Settings: []web.Setting{{Key: "database", Value: db}, {Key: "x", Value: "<script>alert(1)</script>"}},
		Hosts:    []string{"localhost", "127.0.0.1", "[::1]"}, Zone: table.Zone{Location: time.UTC}, Log: slog.New(slog.DiscardHandler),
	}
}

// get asks a handler.
func get(h http.Handler, target string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.Host = "localhost"
	for _, c := range change {
		c(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// The elements and attributes that the templates and charts write.
var known = pagetest.Known{
	Elements: strings.Fields("html head meta title link body main section header footer nav h1 h2 p ul li a div table thead tbody tr th td caption pre form label input select option button " +
		"figure figcaption strong details summary svg desc defs pattern rect path line circle text"),
	Attributes: strings.Fields("lang charset data-head name content rel href type aria-label aria-current id class scope action method value selected autocomplete " +
		"xmlns viewBox role aria-labelledby aria-hidden preserveAspectRatio width height d x y x1 x2 y1 y2 r cx cy fill patternUnits text-anchor"),
}

// crawl follows every link, up to a number of pages, and returns the text of each.
func crawl(t *testing.T, h http.Handler, base string, most int, change ...func(*http.Request)) map[string]string {
	t.Helper()
	pages := make(map[string]string)
	todo := []string{base}
	for len(todo) > 0 && len(pages) < most {
		at := todo[0]
		todo = todo[1:]
		if _, done := pages[at]; done {
			continue
		}
		w := get(h, at, change...)
		if w.Code != http.StatusOK {
			t.Errorf("%s: %d", at, w.Code)
		}
		if strings.HasPrefix(w.Header().Get("Content-Type"), "text/csv") {
			pages[at] = w.Body.String()
			continue
		}
		from, err := url.Parse(at)
		if err != nil {
			t.Fatal(err)
		}
		shown, links := known.Parse(t, at, w.Body)
		pages[at] = shown
		for _, link := range links {
			to, err := from.Parse(link)
			if err != nil || to.Host != from.Host || to.Scheme != from.Scheme || !strings.HasPrefix(to.Path, base) {
				t.Errorf("%s: the link %.60q leads away: %v", at, link, err)
				continue
			}
			to.Fragment = ""
			todo = append(todo, to.String())
		}
	}
	return pages
}

func TestHostileTextsAreOnlyTextOnEveryPage(t *testing.T) {
	db := database(t)
	pages := crawl(t, csvSite(t, db).Handler(), "/", 5000)
	for _, want := range []string{"/providers", "/providers/google", "/recipients", "/incidents", "/incidents/1", "/reasons", "/senders", "/unclassified", "/decisions", "/report", "/health", "/settings"} {
		if pages[want] == "" {
			t.Errorf("no link leads to %s", want)
		}
	}
	var all strings.Builder
	details := 0
	for at, shown := range pages {
		all.WriteString(shown)
		if strings.HasPrefix(at, "/recipient?") {
			details++
		}
	}
	if details < len(hostile) {
		t.Errorf("%d pages of recipients, want at least %d", details, len(hostile))
	}
	// What the parser stores of a text, control characters are not part of.
	r, err := query.OpenReader(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	stored := 0
	err = r.Query(t.Context(), "SELECT reply FROM bounces UNION SELECT recipient FROM bounces UNION SELECT sender FROM bounces WHERE sender IS NOT NULL",
		func([]string) error { return nil }, func(values []any) error {
			stored++
			foreign, _ := values[0].(string)
			if want := text.Printable(strings.ToValidUTF8(foreign[:min(len(foreign), 999)], "")); !strings.Contains(all.String(), strings.TrimSpace(want)) {
				t.Errorf("no page shows %.80q", want)
			}
			return nil
		})
	if err != nil || stored < 3*len(hostile) {
		t.Errorf("%d texts are stored: %v", stored, err)
	}
}

func TestPagesWorkBelowAPathOfAProxy(t *testing.T) {
	h := http.StripPrefix("/mail/bouncetail", site(database(t)).Handler())
	if pages := crawl(t, h, "/mail/bouncetail/", 100); len(pages) < 30 {
		t.Errorf("%d pages below the path of a proxy, want at least 30", len(pages))
	}
}

func TestEveryAnswerHasTheHeadersOfSecurity(t *testing.T) {
	h := site(database(t)).Handler()
	for _, at := range []string{"/", "/recipients?match=x", "/recipient", "/nothing", "/style.css", "/providers/nobody"} {
		header := get(h, at).Result().Header
		if csp := header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'; ") || strings.Contains(csp, "unsafe") || strings.Contains(csp, "script-src") {
			t.Errorf("%s: Content-Security-Policy: %q", at, csp)
		}
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin", "Cache-Control": "no-store", "Access-Control-Allow-Origin": ""} {
			if got := header.Get(name); got != want {
				t.Errorf("%s: %s: %q, want %q", at, name, got, want)
			}
		}
	}
}

func TestOtherNamesAndMethodsAreRefused(t *testing.T) {
	h := site(database(t)).Handler()
	for host, want := range map[string]int{
		"localhost": 200, "LOCALHOST:8025": 200, "127.0.0.1:1": 200, "[::1]:8025": 200, "[::1]": 200,
		"evil.example": 421, "localhost.evil.example": 421, "127.0.0.1.evil.example:80": 421, "": 421, "0.0.0.0": 421, "[::ffff:127.0.0.1]": 421,
	} {
		if got := get(h, "/", func(r *http.Request) { r.Host = host }).Code; got != want {
			t.Errorf("Host %q: %d, want %d", host, got, want)
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"} {
		if got := get(h, "/", func(r *http.Request) { r.Method = method }).Code; got != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d, want 405", method, got)
		}
	}
	for at, want := range map[string]int{"/recipient": 400, "/recipient?address=nobody@example.com": 404, "/providers/nobody": 404, "/report?since=soon": 400, "/report?since=today": 400, "/nothing": 404, "/recipients/x": 404} {
		if got := get(h, at).Code; got != want {
			t.Errorf("%s: %d, want %d", at, got, want)
		}
	}
}

func TestLinkOfATokenWorksOnce(t *testing.T) {
	s := site(database(t))
	s.Token = web.NewToken()
	h := s.Handler()
	for _, at := range []string{"/", "/?once=", "/?once=wrong", "/style.css"} {
		if got := get(h, at).Code; got != http.StatusForbidden {
			t.Errorf("%s without a session: %d, want 403", at, got)
		}
	}
	first := get(h, "/?once="+s.Token).Result()
	if len(first.Cookies()) != 1 {
		t.Fatalf("the link sets %d cookies", len(first.Cookies()))
	}
	c := first.Cookies()[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Value == s.Token {
		t.Errorf("the cookie is %v", c)
	}
	if got := get(h, "/?once="+s.Token).Code; got != http.StatusForbidden {
		t.Errorf("the link works a second time: %d", got)
	}
	if got := get(h, "/", func(r *http.Request) { r.AddCookie(c) }).Code; got != http.StatusOK {
		t.Errorf("the session is refused: %d", got)
	}
	if got := get(h, "/", func(r *http.Request) { r.AddCookie(&http.Cookie{Name: c.Name, Value: "wrong"}) }).Code; got != http.StatusForbidden {
		t.Errorf("a wrong cookie: %d", got)
	}
}

func TestSlowDatabaseIsGivenUp(t *testing.T) {
	s := site("")
	s.Open = func(ctx context.Context) (*query.Reader, error) {
		<-ctx.Done() // as a query that takes too long
		return nil, ctx.Err()
	}
	w := get(s.Handler(), "/")
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "took longer than 2s") {
		t.Errorf("%d %q", w.Code, w.Body)
	}

	// In a fleet, PostgreSQL may be away.
	s.Fleet = func(context.Context) (web.FleetReader, error) { return nil, nil }
	s.CSV = func(io.Writer) web.RecipientWriter { return nil }
	s.Server = "db.example.com:5432"
	for _, path := range []string{"/", "/recipients.csv"} {
		w := get(s.Handler(), path)
		if text := w.Body.String(); w.Code != http.StatusServiceUnavailable || !strings.Contains(text, "PostgreSQL at db.example.com:5432 did not answer within 2s") || !strings.Contains(text, "bouncetail fleet status") {
			t.Errorf("%s of a fleet: %d %q", path, w.Code, text)
		}
	}
}

func TestMistakeInAPageIsLogged(t *testing.T) {
	s := site("")
	var log bytes.Buffer
	s.Log = slog.New(slog.NewTextHandler(&log, nil))
	s.Open = func(context.Context) (*query.Reader, error) { panic("a mistake") }
	w := get(s.Handler(), "/")
	if w.Code != http.StatusInternalServerError || !strings.Contains(log.String(), "a mistake") || strings.Contains(w.Body.String(), "a mistake") {
		t.Errorf("%d %q, log %s", w.Code, w.Body, &log)
	}
}

func TestPageOfAnIncidentAndMetrics(t *testing.T) {
	h := site(database(t)).Handler()
	shown, _ := known.Parse(t, "incident", get(h, "/incidents/1").Body)
	for _, want := range []string{"zen.spamhaus.org", "12", "<b>now</b>", "Failures by hour."} {
		if !strings.Contains(shown, want) {
			t.Errorf("the page of the incident lacks %q: %s", want, shown)
		}
	}
	for at, want := range map[string]int{"/incidents/99": 404, "/incidents/x": 404, "/incidents/-1": 404} {
		if got := get(h, at).Code; got != want {
			t.Errorf("%s: %d, want %d", at, got, want)
		}
	}
	w := get(h, "/metrics")
	if w.Code != 200 || !strings.Contains(w.Body.String(), "bouncetail_recipients{") || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
		t.Errorf("/metrics: %d %.300s", w.Code, w.Body)
	}
}

func TestSearchFindsAndPages(t *testing.T) {
	h := site(database(t)).Handler()
	shown, links := known.Parse(t, "search", get(h, "/recipients?match=jane&state=bad").Body)
	if !strings.Contains(shown, "jane@gmail.com") || !slices.ContainsFunc(links, func(l string) bool { return strings.HasSuffix(l, "recipient?address=jane%40gmail.com") }) {
		t.Errorf("jane is not found: %q %q", shown, links)
	}
	if shown, _ := known.Parse(t, "search", get(h, "/recipients?match=jane&state=ok").Body); strings.Contains(shown, "jane@") {
		t.Error("jane is found in another state")
	}
	shown, _ = known.Parse(t, "detail", get(h, "/recipient?address=Jane@GMAIL.com").Body)
	for _, want := range []string{"bad: invalid-address / no-such-user", "User unknown", "What would clear it", "bouncetail explain jane@gmail.com"} {
		if !strings.Contains(shown, want) {
			t.Errorf("the page of jane lacks %q", want)
		}
	}
}

// Who follows a wrong link gets a page with the navigation.
func TestAnUnknownPathIsAnsweredWithAPage(t *testing.T) {
	h := site(database(t)).Handler()
	for _, at := range []string{"/nothing", "/recipients/x", "/settings/a/b", "/recipients.csv", "/%3Cb%3E"} {
		w := get(h, at)
		body := w.Body.String()
		if w.Code != http.StatusNotFound || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") || !strings.Contains(body, "There is no page ") || !strings.Contains(body, "recipients\">Recipients</a>") || strings.Contains(body, "<b>") {
			t.Errorf("%s: %d, %s\n%s", at, w.Code, w.Header().Get("Content-Type"), body)
		}
	}
}
