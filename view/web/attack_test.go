package web_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/internal/volume"
	"github.com/bouncetail/bouncetail/view/login"
	"github.com/bouncetail/bouncetail/view/web"
)

// listen serves a site on a port.
func listen(t *testing.T, s *web.Site) string {
	t.Helper()
	l, err := web.Listen("127.0.0.1:0", s.Users != nil)
	if err != nil {
		t.Fatal(err)
	}
	serve(t, s, l)
	return l.Addr().String()
}

// Clients that send or read slowly hold no page up, and lose their connection.
func TestSlowClientsHoldNobodyUp(t *testing.T) {
	t.Parallel() // it waits
	address := listen(t, withUsers(t, site(database(t)), "ada"))
	begun := time.Now()
	var slow []net.Conn
	for i := range 100 {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprint(c, []string{"", "GET / HTTP/1.1\r\nHost: localhost\r\nX: ", "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\nform="}[i%3])
		slow = append(slow, c)
	}
	asked := time.Now()
	resp, err := http.Get("http://" + address + "/login")
	if err != nil || resp.StatusCode != http.StatusOK || time.Since(asked) > 4*time.Second {
		t.Fatalf("while others are slow: %v after %v", err, time.Since(asked))
	}
	resp.Body.Close()
	for i, c := range slow {
		if err := c.SetReadDeadline(begun.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, c); err != nil {
			t.Errorf("a slow client of kind %d keeps its connection: %v", i%3, err)
		}
	}
}

// raw sends a request as it is and returns the answer.
func raw(t *testing.T, address, request string) string {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, request); err != nil {
		return "" // refused before it was read
	}
	line, _ := bufio.NewReader(c).ReadString('\n')
	return strings.TrimSpace(line)
}

func TestMalformedAndHugeRequestsAreRefused(t *testing.T) {
	address := listen(t, withUsers(t, site(database(t)), "ada"))
	for name, c := range map[string]struct{ request, want string }{
		"a huge header":       {"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("x", 30_000) + "\r\n\r\n", "431"},
		"a huge address":      {"GET /?x=" + strings.Repeat("x", 60_000) + " HTTP/1.1\r\nHost: localhost\r\n\r\n", "431"},
		"no host":             {"GET / HTTP/1.1\r\n\r\n", "400"},
		"two hosts":           {"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", "400"},
		"another host":        {"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n", "421"},
		"two lengths":         {"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", "400"},
		"a path with NUL":     {"GET /%00 HTTP/1.1\r\nHost: localhost\r\n\r\n", "403"},
		"a path to elsewhere": {"GET //evil.example/%2e%2e HTTP/1.1\r\nHost: localhost\r\n\r\n", "404"},
		"no path":             {"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", "405"},
		"a proxy request":     {"CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost\r\n\r\n", "421"},
	} {
		if got := raw(t, address, c.request); !strings.HasPrefix(got, "HTTP/1.1 "+c.want+" ") {
			t.Errorf("%s: %q, want %s", name, got, c.want)
		}
	}
}

// What a visitor sends comes back in no header, and on a page only as text.
func TestWhatVisitorsSendIsNoHeaderAndNoMarkup(t *testing.T) {
	open := site(database(t)).Handler()
	w := &writer{db: database(t)}
	s := withUsers(t, site(w.db), "ada")
	s.Writer = w
	asked := s.Handler()
	b := browse(t, asked, "/")
	b.logIn("ada", password, "")
	at, err := url.Parse(b.base)
	if err != nil {
		t.Fatal(err)
	}
	session := b.client.Jar.Cookies(at)[0]
	forwards := known // a stranger is forwarded to the login
	forwards.Attributes = append(slices.Clone(known.Attributes), "http-equiv")
	values := append(slices.Clone(hostile), "[", "%", strings.Repeat("*a", 2000)+"z", "\x00", "\r\n\r\n<script>alert(1)</script>", "x\r\nSet-Cookie: a=b")
	for k, value := range values {
		if k%volume.Of(3, 1) != 0 && k < len(values)-2 {
			continue
		}
		if len(value) > 5000 {
			value = value[:5000]
		}
		v := url.QueryEscape(value)
		for _, target := range []string{
			"/recipients?match=" + v, "/recipients?domain=" + v, "/recipients?state=" + v, "/recipients?reason=" + v, "/recipients?after=" + v, "/recipient?address=" + v, "/providers/" + url.PathEscape(value),
			"/incidents/" + url.PathEscape(value), "/report?since=" + v, "/report?until=" + v, "/decide?address=" + v + "&decision=block", "/decide?address=a@example.com&decision=" + v,
			"/mark?kind=release&since=" + v + "&until=" + v + "&domain=" + v + "&reason=" + v + "&category=" + v, "/mark?kind=" + v, "/mark?kind=release&undo=" + v, "/login?next=" + v, "/" + url.PathEscape(value),
		} {
			for name, h := range map[string]http.Handler{"open": open, "with a login": asked, "as a stranger": asked, "as a stranger by a link": asked} {
				got := get(h, target, func(r *http.Request) {
					switch name {
					case "with a login":
						r.AddCookie(session)
					case "as a stranger":
						r.Header.Set("Sec-Fetch-Site", "same-origin")
					}
				})
				if got.Code >= 500 {
					t.Errorf("%s %.80s: %d", name, target, got.Code)
				}
				if got.Header().Get("Content-Security-Policy") == "" || got.Header().Get("X-Content-Type-Options") != "nosniff" || got.Header().Get("Access-Control-Allow-Origin") != "" {
					t.Errorf("%s %.80s: the headers are %v", name, target, got.Header())
				}
				for _, values := range got.Header() {
					if strings.ContainsAny(strings.Join(values, ""), "\r\n") {
						t.Errorf("%s %.80s: a header has a line end: %q", name, target, values)
					}
				}
				if location := got.Header().Get("Location"); location != "" && !strings.HasPrefix(location, "./") {
					t.Errorf("%s %.80s leads to %q", name, target, location)
				}
				if strings.HasPrefix(got.Header().Get("Content-Type"), "text/html") {
					forwards.Parse(t, target[:min(len(target), 80)], got.Body)
				}
			}
		}
	}
	if len(w.decisions)+len(w.marks) > 0 {
		t.Errorf("a GET has decided: %v %v", w.decisions, w.marks)
	}
}

// A stranger learns nothing from the time that an answer takes: neither whether a name
// exists, nor how much of a token is right. login/login_test.go compares the costs; here
// it is only that the same work is done.
func TestStrangersCannotTellUsersApart(t *testing.T) {
	s := withUsers(t, site(database(t)), "ada", "eve")
	took := func(name string) (best time.Duration) {
		best = time.Hour
		for range 5 {
			begun := time.Now()
			if err := s.Users.Check(t.Context(), name, "wrong"); err == nil {
				t.Fatal("a wrong password is right")
			}
			best = min(best, time.Since(begun)) // the others may have waited for a processor
		}
		return best
	}
	known, unknown := took("ada"), took("mallory")
	if known > 20*unknown || unknown > 20*known {
		t.Errorf("a known name takes %v, an unknown one %v", known, unknown)
	}
	if _, is := any(s.Users.Check(t.Context(), "mallory", "wrong")).(login.TooMany); !is {
		t.Error("guessing at an unknown name has no limit")
	}
}
