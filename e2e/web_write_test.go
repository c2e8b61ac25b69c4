package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// webUser is a browser that is logged in.
type webUser struct {
	t      *testing.T
	site   string
	client http.Client
}

// addUser adds the user ada to the pages of the settings.
func addUser(t *testing.T, config string) {
	t.Helper()
	passwd := exec.CommandContext(t.Context(), program(t), "web", "passwd", "ada", "--config", config)
	passwd.Stdin = strings.NewReader("correct horse\n")
	if out, err := passwd.CombinedOutput(); err != nil {
		t.Fatalf("passwd: %v\n%s", err, out)
	}
}

// logIn logs in with a browser.
func logIn(t *testing.T, site, name, password string) *webUser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	u := &webUser{t, site, http.Client{Jar: jar}}
	if code, shown := u.send("login", url.Values{"name": {name}, "password": {password}}); code != http.StatusOK || !strings.Contains(shown, " · "+name) {
		t.Fatalf("the login answers %d: %s", code, shown)
	}
	return u
}

var formOf = regexp.MustCompile(`name="form" value="([^"]+)"`)

// send sends a form with the token of the page at the same path.
func (u *webUser) send(at string, form url.Values) (code int, shown string) {
	u.t.Helper()
	path, _, _ := strings.Cut(at, "?")
	return u.sendFrom(at, path, form)
}

// sendFrom sends a form with the token of a page.
func (u *webUser) sendFrom(at, path string, form url.Values) (code int, shown string) {
	u.t.Helper()
	_, asked := u.read(u.client.Get(u.site + "/" + at))
	m := formOf.FindStringSubmatch(asked)
	if m == nil {
		u.t.Fatalf("%s has no form: %s", at, asked)
	}
	form.Set("form", m[1])
	return u.read(u.client.PostForm(u.site+"/"+path, form))
}

func (u *webUser) read(resp *http.Response, err error) (int, string) {
	u.t.Helper()
	if err != nil {
		u.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		u.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// The daemon writes what users of the pages decide, if its own settings allow it. The
// process of the pages can write nothing.
func TestDaemonWritesTheDecisionsOfThePages(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log, db, users := filepath.Join(dir, "mail.log"), filepath.Join(dir, "b.db"), filepath.Join(dir, "users")
	settings := func(name string, write bool) string {
		t.Helper()
		path := filepath.Join(dir, name)
		content := fmt.Sprintf("sources: [{path: %s}]\ndatabase: %s\nweb: {users_file: %s, write: %v}\n", log, db, users, write)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	config := settings("config.yaml", true)
	if err := os.WriteFile(log, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	addUser(t, config)
	d := start(t, "--config", config)
	eventually(t, db, "SELECT count(*) FROM recipients", "0")
	site := startWebWith(t, readOnly(t), "--config", config)
	u := logIn(t, site, "ada", "correct horse")
	block := func() (int, string) {
		t.Helper()
		return u.send("decide?decision=block&address=jane%40example.com", url.Values{"decision": {"block"}, "address": {"jane@example.com"}, "note": {"asked us to"}})
	}
	if code, shown := block(); code != http.StatusOK || !strings.Contains(shown, "jane@example.com is blocked. 1 becomes bad.") {
		t.Fatalf("%d %s\n%s", code, shown, d.said)
	}
	if got := query(t, db, "SELECT decision || ', ' || note FROM decisions WHERE ended_at IS NULL"); len(got) != 1 || got[0] != "block, asked us to (ada, on the pages)" {
		t.Errorf("decided: %q", got)
	}
	if code, shown := u.send("decide?decision=unset&address=joe%40example.com", url.Values{"decision": {"unset"}, "address": {"joe@example.com"}}); code != http.StatusConflict || !strings.Contains(shown, "There is no decision on joe@example.com") {
		t.Errorf("no decision to take back: %d %s", code, shown)
	}
	if code, shown := u.send("mark?kind=release", url.Values{"kind": {"release"}, "since": {"6h"}}); code != http.StatusOK || !strings.Contains(shown, "0 failures of 0 addresses would no longer count") {
		t.Errorf("counting a release: %d %s", code, shown)
	}
	// The settings of the daemon decide, not those of the process of the pages.
	settings("config.yaml", false)
	if code, shown := block(); code != http.StatusConflict || !strings.Contains(shown, "web.write is false in the settings of the daemon.") {
		t.Errorf("a daemon that does not allow it: %d %s", code, shown)
	}
	d.stop()
	// A daemon answers before its log is written, but it writes all of it before it ends.
	if said := d.said.String(); !strings.Contains(said, "user=ada decision=block") || strings.Contains(said, "jane") {
		t.Errorf("the daemon said %s", said)
	}
	if code, shown := block(); code != http.StatusServiceUnavailable || !strings.Contains(shown, "systemctl start bouncetail") {
		t.Errorf("without a daemon: %d %s", code, shown)
	}
	if got := query(t, db, "SELECT count(*) FROM decisions"); got[0] != "1" {
		t.Errorf("%s decisions", got)
	}
}

// systemd gives a socket up if its process ends again and again.
func TestWebOfASocketShowsThatThereIsNoDatabase(t *testing.T) {
	t.Parallel()
	activate, err := exec.LookPath("systemd-socket-activate")
	if err != nil {
		t.Skip("SKIPPED: no systemd-socket-activate here")
	}
	dir := t.TempDir()
	socket, db := filepath.Join(dir, "web.sock"), filepath.Join(dir, "b.db")
	serving(t, activate, "-l", socket, program(t), "web", "--db", db)
	reachable(t, "unix", socket)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	u := &webUser{t: t}
	if code, shown := u.read(client.Get("http://localhost/recipients")); code != http.StatusInternalServerError || !strings.Contains(shown, "b.db does not exist; bouncetail run or bouncetail import makes it") {
		t.Errorf("without a database: %d %s", code, shown)
	}
	run(t, "import", "--db", db, "../testdata/logs/postfix/main/mail.log.gz")
	if code, shown := u.read(client.Get("http://localhost/recipients")); code != http.StatusOK || strings.Contains(shown, "No address.") {
		t.Errorf("with a database: %d %s", code, shown)
	}
}

// readOnly returns a command that runs another one without write permission on any file
// system, as the unit does, or none if this machine has no such thing.
func readOnly(t *testing.T) []string {
	t.Helper()
	if os.Getuid() == 0 {
		command := []string{"unshare", "--mount", "sh", "-c", `mount --bind / / && mount -o remount,ro,bind / && exec "$@"`, "sh"}
		out, err := exec.CommandContext(t.Context(), command[0], append(command[1:], "sh", "-c", "! touch "+t.TempDir()+"/x")...).CombinedOutput()
		if err == nil {
			return command
		}
		t.Logf("file systems cannot be made read-only here: %v %s", err, out)
	}
	t.Log("NOT TESTED HERE: that the process of the pages writes nothing; it needs root and mount namespaces")
	return nil
}

func TestDropInForWritingKeepsTheUnitHardened(t *testing.T) {
	unit := filepath.Join(t.TempDir(), "bouncetail-web.service")
	if err := os.WriteFile(unit, []byte(file(t, "systemd/bouncetail-web.service")+file(t, "systemd/web-write.conf")), 0o644); err != nil {
		t.Fatal(err)
	}
	littleExposed(t, unit, 1.0)
}
