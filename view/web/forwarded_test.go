package web_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/bouncetail/bouncetail/view/web"
)

func TestAddressThatAProxyNamesCountsOnAUnixSocketOnly(t *testing.T) {
	db := database(t)
	for _, c := range []struct{ network, address, want string }{
		{"unix", "unix:" + filepath.Join(t.TempDir(), "s"), "from=192.0.2.7"},
		{"tcp", "127.0.0.1:0", "from=127.0.0.1:"},
	} {
		l, err := web.Listen(c.address, true)
		if err != nil {
			t.Fatal(err)
		}
		var log lockedBuffer
		s := withUsers(t, site(db), "ada")
		s.Log = slog.New(slog.NewTextHandler(&log, nil))
		serve(t, s, l)
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		b := &browser{t: t, base: "http://localhost/", header: http.Header{"Sec-Fetch-Site": {"same-origin"}, "X-Forwarded-For": {"192.0.2.7"}}}
		b.client = &http.Client{Jar: jar, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, c.network, l.Addr().String())
		}}}
		if a := b.logIn("ada", "wrong", ""); a.StatusCode != http.StatusForbidden {
			t.Fatalf("%s: a wrong password: %d", c.network, a.StatusCode)
		}
		if got := log.String(); !strings.Contains(got, "login refused") || !strings.Contains(got, c.want) {
			t.Errorf("%s: want %q in the log: %s", c.network, c.want, got)
		}
	}
}

// lockedBuffer is a log that handlers write while a test reads it.
type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
