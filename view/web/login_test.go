package web_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/bouncetail/bouncetail/view/login"
	"github.com/bouncetail/bouncetail/view/web"
)

const password = "correct horse"

// withUsers lets a site ask for a login.
func withUsers(t *testing.T, s *web.Site, names ...string) *web.Site {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "users")
	var lines strings.Builder
	for _, name := range names {
		fmt.Fprintf(&lines, "%s:%s\n", name, hash)
	}
	if err := os.WriteFile(path, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if s.Users, err = login.OpenUsers(path); err != nil {
		t.Fatal(err)
	}
	return s
}

// browser is a browser with cookies that follows no redirect.
type browser struct {
	t       *testing.T
	client  *http.Client
	base    string // of the site, with a slash at the end
	header  http.Header
	handler http.Handler
}

// browse starts a server and a browser.
func browse(t *testing.T, h http.Handler, base string) *browser {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, server.URL + base, http.Header{"Sec-Fetch-Site": {"same-origin"}}, h}
}

// answer is an answer that was read.
type answer struct {
	*http.Response
	body string
}

func (b *browser) send(method, at string, form url.Values) answer {
	b.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.base+at, body)
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header = b.header.Clone()
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	read, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer{resp, string(read)}
}

func (b *browser) get(at string) answer { b.t.Helper(); return b.send(http.MethodGet, at, nil) }

var tokenField = regexp.MustCompile(`name="form" value="([^"]+)"`)

// token returns the token of the form of a page.
func (b *browser) token(at string) string {
	b.t.Helper()
	a := b.get(at)
	m := tokenField.FindStringSubmatch(a.body)
	if m == nil {
		b.t.Fatalf("%s has no form with a token: %d %s", at, a.StatusCode, a.body)
	}
	return m[1]
}

func (b *browser) logIn(name, password, next string) answer {
	b.t.Helper()
	return b.send(http.MethodPost, "login", url.Values{"form": {b.token("login")}, "name": {name}, "password": {password}, "next": {next}})
}

func TestLoginIsNeededForEveryPage(t *testing.T) {
	h := withUsers(t, site(database(t)), "ada").Handler()
	b := browse(t, http.StripPrefix("/mail/bouncetail", h), "/mail/bouncetail/")
	for _, at := range []string{"", "recipients?match=a%26b", "providers/google", "recipient?address=jane@gmail.com", "settings", "nothing", "decisions"} {
		a := b.get(at)
		to, err := a.Location()
		if a.StatusCode != http.StatusSeeOther || err != nil || to.Path != "/mail/bouncetail/login" || to.Query().Get("next") != at || strings.Contains(a.body, "@") {
			t.Errorf("%q without a login: %d, leads to %v (%v): %.200s", at, a.StatusCode, to, err, a.body)
		}
	}
	if a := b.get("metrics"); a.StatusCode != http.StatusUnauthorized || a.Header.Get("WWW-Authenticate") != "Bearer" {
		t.Errorf("metrics without a token: %d", a.StatusCode)
	}
	if a := b.get("style.css"); a.StatusCode != http.StatusOK {
		t.Errorf("the style of the login: %d", a.StatusCode)
	}
	if shown := b.get("login"); shown.StatusCode != 200 || strings.Contains(shown.body, "Providers") || !strings.Contains(shown.body, `type="password"`) {
		t.Errorf("the page of the login: %d %s", shown.StatusCode, shown.body)
	}
	a := b.logIn("ada", password, "recipients?match=a%26b")
	to, err := a.Location()
	if a.StatusCode != http.StatusSeeOther || err != nil || to.Path != "/mail/bouncetail/recipients" || to.RawQuery != "match=a%26b" {
		t.Fatalf("the login answers %d and leads to %v: %s", a.StatusCode, to, a.body)
	}
	for _, at := range []string{"", "recipients", "providers/google", "metrics"} {
		if a := b.get(at); a.StatusCode != http.StatusOK {
			t.Errorf("%q with a login: %d", at, a.StatusCode)
		}
	}
	shown := b.get("providers/google").body
	if !strings.Contains(shown, " · ada") || !strings.Contains(shown, `action="./../logout"`) || !strings.Contains(shown, `<meta name="referrer" content="same-origin">`) {
		t.Errorf("the page does not show who is logged in, or cannot log out: %s", shown)
	}
	if a := b.send(http.MethodPost, "logout", url.Values{"form": {b.token("providers/google")}}); a.StatusCode != http.StatusSeeOther {
		t.Errorf("logout: %d", a.StatusCode)
	}
	if a := b.get(""); a.StatusCode != http.StatusSeeOther {
		t.Errorf("after the logout: %d", a.StatusCode)
	}
}

func TestLoginGivesTheBrowserANewIdentifier(t *testing.T) {
	h := withUsers(t, site(database(t)), "ada").Handler()
	b := browse(t, h, "/")
	b.token("login")
	at, err := url.Parse(b.base)
	if err != nil {
		t.Fatal(err)
	}
	before := b.client.Jar.Cookies(at)
	if len(before) != 1 {
		t.Fatalf("the page of the login sets %d cookies", len(before))
	}
	a := b.logIn("ada", password, "")
	after := b.client.Jar.Cookies(at)
	if a.StatusCode != http.StatusSeeOther || len(after) != 1 || after[0].Name != before[0].Name || after[0].Value == before[0].Value {
		t.Errorf("the cookie was %v and is %v", before, after)
	}
	set := a.Cookies()[0]
	if !set.HttpOnly || set.SameSite != http.SameSiteStrictMode || set.Secure || set.Path != "" || set.Domain != "" || set.MaxAge != 0 || len(set.Value) < 20 {
		t.Errorf("the cookie is %v", set)
	}
	victim := get(h, "/", func(r *http.Request) { r.AddCookie(before[0]) })
	if victim.Code != http.StatusForbidden {
		t.Errorf("the identifier from before the login is a session: %d", victim.Code)
	}
	old := after[0]
	b.send(http.MethodPost, "logout", url.Values{"form": {b.token("")}})
	if got := get(h, "/", func(r *http.Request) { r.AddCookie(old) }).Code; got != http.StatusForbidden {
		t.Errorf("the cookie works after the logout: %d", got)
	}
}

func TestCookieBehindTLSIsForThisHostOnly(t *testing.T) {
	h := withUsers(t, site(database(t)), "ada").Handler()
	b := browse(t, h, "/")
	b.header.Set("X-Forwarded-Proto", "https")
	c := b.get("login").Cookies()
	if len(c) != 1 || !strings.HasPrefix(c[0].Name, "__Host-") || !c[0].Secure || c[0].Path != "/" || c[0].Domain != "" || !c[0].HttpOnly {
		t.Errorf("the cookie is %v", c)
	}
}

func TestWrongPasswordsAreRefusedAndSlowedDown(t *testing.T) {
	h := withUsers(t, site(database(t)), "ada").Handler()
	b := browse(t, h, "/")
	var shown []string
	for _, name := range []string{"ada", "nobody"} {
		a := b.logIn(name, "wrong", "")
		if a.StatusCode != http.StatusForbidden || !strings.Contains(a.body, "The name or the password is wrong.") || strings.Contains(a.body, "wrong\"") {
			t.Errorf("a wrong password of %s: %d %s", name, a.StatusCode, a.body)
		}
		shown = append(shown, tokenField.ReplaceAllString(a.body, ""))
	}
	if shown[0] != shown[1] {
		t.Errorf("a name that exists is answered otherwise:\n%s\n%s", shown[0], shown[1])
	}
	for range 4 {
		b.logIn("ada", "wrong", "")
	}
	a := b.logIn("ada", password, "")
	if a.StatusCode != http.StatusTooManyRequests || a.Header.Get("Retry-After") == "" || !strings.Contains(a.body, "Too many attempts") {
		t.Errorf("the sixth attempt: %d %s", a.StatusCode, a.body)
	}
}

// A login leads only to pages of this site.
func TestLoginLeadsNowhereElse(t *testing.T) {
	h := withUsers(t, site(database(t)), "ada").Handler()
	for _, next := range []string{
		"https://evil.example/", "//evil.example/", "/\\evil.example", "\\\\evil.example", "/%2fevil.example", "javascript:alert(1)", "data:text/html,x", "http:evil.example", "https:///evil.example",
		"x:y", "../../evil", "./../../evil", "..", "a/../../b", "a//evil.example", "/recipients", "\thttps://evil.example", "ht\ntps://evil.example", "recipients\r\nSet-Cookie: a=b", "recipients?a=\r\nSet-Cookie: a=b",
		"@evil.example", "%", strings.Repeat("a", 5000), "login?next=x", "logout", "?x=//evil.example", "recipients?match=https://evil.example", "recipients#x", "providers/a%2fb", "%2e%2e/x", "",
	} {
		b := browse(t, h, "/")
		a := b.logIn("ada", password, next)
		location := a.Header.Get("Location")
		to, err := a.Location()
		if a.StatusCode != http.StatusSeeOther || err != nil || !strings.HasPrefix(location, "./") || !strings.HasPrefix(to.String(), b.base) || strings.HasPrefix(to.Path, "/log") || strings.ContainsAny(location, "\r\n\t\\") || len(a.Header["Set-Cookie"]) != 1 {
			t.Errorf("next=%q leads to %q (%d)", next, location, a.StatusCode)
		}
	}
}

func TestFormsOfOtherSitesAndBrowsersAreRefused(t *testing.T) {
	h := withUsers(t, site(database(t)), "ada").Handler()
	b, other := browse(t, h, "/"), browse(t, h, "/")
	token := b.token("login")
	form := url.Values{"form": {token}, "name": {"ada"}, "password": {password}}
	for name, header := range map[string][2]string{"another site": {"Sec-Fetch-Site", "cross-site"}, "a subdomain": {"Sec-Fetch-Site", "same-site"}, "an old browser": {"Origin", "https://evil.example"}, "a sandbox": {"Origin", "null"}} {
		b.header = http.Header{header[0]: {header[1]}}
		if a := b.send(http.MethodPost, "login", form); a.StatusCode != http.StatusForbidden || len(a.Cookies()) > 0 {
			t.Errorf("a form of %s: %d", name, a.StatusCode)
		}
	}
	b.header = http.Header{"Origin": {strings.TrimSuffix(b.base, "/")}}
	for name, change := range map[string]url.Values{"no token": {"form": nil}, "a wrong token": {"form": {"x"}}, "a token of another browser": {"form": {other.token("login")}}} {
		bad := url.Values{"name": {"ada"}, "password": {password}, "form": change["form"]}
		if a := b.send(http.MethodPost, "login", bad); a.StatusCode != http.StatusForbidden || len(a.Cookies()) > 0 {
			t.Errorf("a form with %s: %d", name, a.StatusCode)
		}
	}
	if a := b.send(http.MethodPost, "login?"+form.Encode(), url.Values{}); a.StatusCode != http.StatusForbidden {
		t.Errorf("a form in the address: %d", a.StatusCode)
	}
	if a := b.send(http.MethodPost, "login", url.Values{"form": {token}, "x": {strings.Repeat("x", 70_000)}}); a.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a form of 70 KB: %d", a.StatusCode)
	}
	if a := b.send(http.MethodPost, "login", form); a.StatusCode != http.StatusSeeOther {
		t.Errorf("a form of an old browser: %d %s", a.StatusCode, a.body)
	}
}

// A link in a webmail leads to the page for whoever is logged in, though the browser leaves
// the cookie out of the first request, also if it does not say where a request comes from.
func TestLinksOfOtherSitesWork(t *testing.T) {
	h := withUsers(t, site(database(t)), "ada").Handler()
	for _, from := range []string{"cross-site", "none", ""} {
		b := browse(t, http.StripPrefix("/x", h), "/x/")
		b.header.Set("Sec-Fetch-Site", from)
		a := b.get("incidents/1?a=%22%3E%3Cscript%3E&b='x'")
		if a.StatusCode != http.StatusForbidden || !strings.Contains(a.body, `content="0; url=./../login?next=incidents%2F1%3Fa%3D%2522%253E%253Cscript%253E%26b%3D%27x%27"`) || strings.Contains(a.body, "zen.spamhaus.org") {
			t.Errorf("%q: %d %s", from, a.StatusCode, a.body)
		}
		b.header.Set("Sec-Fetch-Site", "same-origin")
		if a := b.get("login?next=incidents%2F1"); a.StatusCode != http.StatusOK {
			t.Errorf("%q: the login that follows: %d", from, a.StatusCode)
		}
		b.logIn("ada", password, "")
		if a := b.get("login?next=incidents%2F1"); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "./incidents/1" {
			t.Errorf("%q: the login of whoever is logged in: %d %v", from, a.StatusCode, a.Header)
		}
	}
}

func TestTokensOpenWhatTheyAreFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens")
	scraper, err := login.AddToken(path, "prometheus", login.ScopeMetrics, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	script, err := login.AddToken(path, "script", login.ScopeRead, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s := withUsers(t, site(database(t)), "ada")
	if s.Tokens, err = login.OpenTokens(path); err != nil {
		t.Fatal(err)
	}
	h := s.Handler()
	for _, c := range []struct {
		token, method, at string
		want              int
	}{
		{scraper, "GET", "/metrics", 200},
		{scraper, "GET", "/recipients", 403},
		{scraper, "GET", "/", 403},
		{script, "GET", "/metrics", 200},
		{script, "GET", "/recipients", 200},
		{script, "POST", "/logout", 403},
		{"wrong", "GET", "/metrics", 401},
		{"", "GET", "/metrics", 401},
	} {
		got := get(h, c.at, func(r *http.Request) {
			r.Method = c.method
			r.Header.Set("Authorization", "Bearer "+c.token)
		})
		if got.Code != c.want {
			t.Errorf("%s %s: %d, want %d: %s", c.method, c.at, got.Code, c.want, got.Body)
		}
	}
	if got := get(h, "/metrics", func(r *http.Request) { r.Header.Set("Authorization", "Basic YWRhOng=") }).Code; got != 401 {
		t.Errorf("the login of a proxy opens the metrics: %d", got)
	}
	if err := login.RemoveToken(path, "prometheus"); err != nil {
		t.Fatal(err)
	}
	if got := get(h, "/metrics", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+scraper) }).Code; got != 401 {
		t.Errorf("a token that was removed: %d", got)
	}
}

// serve serves a site on a listener until the test ends.
func serve(t *testing.T, s *web.Site, l net.Listener) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l, 0) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestHeaderOfAProxyCountsOnAUnixSocketOnly(t *testing.T) {
	db := database(t)
	ask := func(network, address string, names ...string) (int, string) {
		t.Helper()
		client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		}}}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost/", nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			r.Header.Add("X-Remote-User", name)
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	path := filepath.Join(t.TempDir(), "s")
	l, err := web.Listen("unix:"+path, false)
	if err != nil {
		t.Fatal(err)
	}
	s := site(db)
	s.UserHeader = "X-Remote-User"
	serve(t, s, l)
	if code, shown := ask("unix", path, "Ada <b>\u202e"); code != 200 || !strings.Contains(shown, ` · Ada &lt;b&gt;\u202e`) {
		t.Errorf("a user of the proxy: %d %s", code, shown)
	}
	for _, names := range [][]string{{}, {""}, {"ada", "eve"}} {
		if code, _ := ask("unix", path, names...); code != 403 {
			t.Errorf("the users %q of the proxy: %d", names, code)
		}
	}
	tcp, err := web.Listen("127.0.0.1:0", true)
	if err != nil {
		t.Fatal(err)
	}
	s = withUsers(t, site(db), "ada")
	s.UserHeader = "X-Remote-User"
	serve(t, s, tcp)
	if code, _ := ask("tcp", tcp.Addr().String(), "ada"); code == 200 {
		t.Error("everyone may say by TCP who he is")
	}
}

func TestPathsOutsideOfTheSiteAreNotFound(t *testing.T) {
	h := http.StripPrefix("/mail", site(database(t)).Handler())
	for _, at := range []string{"/mail//evil.example/", "/mail/../settings", "/mail/providers/../settings", "/mail/./settings", "/mail/%2e%2e/settings", "/mail/providers/%2e%2e%2fsettings", "/mail//", "/mail/settings/../../x", "/mail/..%2f..%2fetc/passwd"} {
		w := get(h, at)
		if w.Code != http.StatusNotFound || w.Header().Get("Location") != "" {
			t.Errorf("%s: %d, leads to %q", at, w.Code, w.Header().Get("Location"))
		}
	}
}
