package e2e

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// proxyBlocks returns the blocks of docs/web.md for a proxy, with paths of the test.
func proxyBlocks(t *testing.T, language string, paths *strings.Replacer) []string {
	t.Helper()
	var all []string
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(file(t, "docs/web.md"), -1) {
		all = append(all, paths.Replace(m[1]))
	}
	if len(all) == 0 {
		t.Fatalf("docs/web.md has no block for %s", language)
	}
	return all
}

// serving starts a program, and ends it in order with the test, with its processes.
func serving(t *testing.T, command ...string) {
	t.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s said:\n%s", command[0], &said)
		}
	})
}

// reachable waits until something listens.
func reachable(t *testing.T, network, address string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		c, err := net.Dial(network, address)
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond) // polls another process
	}
}

// startUnixWeb serves the pages of a shop's log on a unix socket, with a user ada.
func startUnixWeb(t *testing.T, dir, web string) (socket string) {
	t.Helper()
	db, socket, users := filepath.Join(dir, "b.db"), filepath.Join(dir, "web.sock"), filepath.Join(dir, "users")
	run(t, "import", "--db", db, writeFile(t, "mail.log", shopLog(time.Now(), nil)))
	config := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(config, []byte("database: "+db+"\nweb: {"+strings.ReplaceAll(web, "USERS", users)+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(web, "USERS") {
		addUser(t, config)
	}
	serving(t, program(t), "web", "--config", config, "--listen", "unix:"+socket)
	reachable(t, "unix", socket)
	return socket
}

// nginxWith starts nginx with a location and returns the address of the site.
func nginxWith(t *testing.T, nginx, dir, location string) string {
	t.Helper()
	port := strconv.Itoa(freePort(t))
	user := ""
	if os.Getuid() == 0 {
		user = "user root;" // who may open the socket
	}
	config := fmt.Sprintf(`daemon off; pid %[1]s/nginx.pid; error_log stderr; %[2]s
events {}
http {
  access_log off;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi; uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
  server { listen 127.0.0.1:%[3]s; %[4]s }
}
`, dir, user, port, location)
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	serving(t, nginx, "-p", dir, "-c", path)
	reachable(t, "tcp", "127.0.0.1:"+port)
	return "http://127.0.0.1:" + port + "/bouncetail"
}

// usesThePages logs in below the path of a proxy, and looks at pages.
func usesThePages(t *testing.T, site string) {
	t.Helper()
	stranger := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, site+"/providers/google?x=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	resp, err := stranger.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if to, err := resp.Location(); err != nil || to.String() != site+"/login?next=providers%2Fgoogle%3Fx%3D1" {
		t.Errorf("a stranger is led to %v: %v", to, err)
	}
	u := logIn(t, site, "ada", "correct horse")
	for _, at := range []string{"/", "/style.css", "/providers/google", "/recipients.csv?state=bad", "/metrics"} {
		if code, shown := u.read(u.client.Get(site + at)); code != http.StatusOK || len(shown) < 200 {
			t.Errorf("%s: %d %.200s", at, code, shown)
		}
	}
	at, err := url.Parse(site + "/x")
	if err != nil {
		t.Fatal(err)
	}
	above, err := url.Parse(strings.TrimSuffix(site, "bouncetail") + "other")
	if err != nil {
		t.Fatal(err)
	}
	if n, outside := len(u.client.Jar.Cookies(at)), len(u.client.Jar.Cookies(above)); n != 1 || outside != 0 {
		t.Errorf("%d cookies for the pages, %d for others of the proxy", n, outside)
	}
	if code, shown := u.sendFrom("", "logout", url.Values{}); code != http.StatusOK || !strings.Contains(shown, "Log in") {
		t.Errorf("after the logout: %d %s", code, shown)
	}
}

func TestPagesBehindNginxAsDocumented(t *testing.T) {
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		t.Skip("SKIPPED: no nginx here; apt-get install nginx-light")
	}
	dir := t.TempDir()
	socket := startUnixWeb(t, dir, "users_file: USERS")
	blocks := proxyBlocks(t, "nginx", strings.NewReplacer("/run/bouncetail-web.sock", socket))
	usesThePages(t, nginxWith(t, nginx, dir, blocks[0]))
}

func TestLoginOfNginxAsDocumented(t *testing.T) {
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		t.Skip("SKIPPED: no nginx here; apt-get install nginx-light")
	}
	dir := t.TempDir()
	socket := startUnixWeb(t, dir, "user_header: X-Remote-User")
	passwords := filepath.Join(dir, "htpasswd")
	if err := os.WriteFile(passwords, []byte("ada:{PLAIN}correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	blocks := proxyBlocks(t, "nginx", strings.NewReplacer("/run/bouncetail-web.sock", socket, "/etc/nginx/bouncetail.htpasswd", passwords))
	site := nginxWith(t, nginx, dir, blocks[1])
	for password, want := range map[string]int{"wrong": http.StatusUnauthorized, "correct horse": http.StatusOK} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, site+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("ada", password)
		r.Header.Set("X-Remote-User", "root") // nginx replaces it
		u := &webUser{t: t}
		code, shown := u.read(http.DefaultClient.Do(r))
		if code != want || code == http.StatusOK && !strings.Contains(shown, " · ada") {
			t.Errorf("with the password %q: %d %s", password, code, shown)
		}
	}
}

func TestPagesBehindCaddyAsDocumented(t *testing.T) {
	caddy, err := exec.LookPath("caddy")
	if err != nil {
		t.Skip("SKIPPED: no caddy here; apt-get install caddy")
	}
	dir, port := t.TempDir(), strconv.Itoa(freePort(t))
	socket := startUnixWeb(t, dir, "users_file: USERS")
	block := proxyBlocks(t, "caddy", strings.NewReplacer("/run/bouncetail-web.sock", socket))[0]
	path := filepath.Join(dir, "Caddyfile")
	if err := os.WriteFile(path, []byte("{\n admin off\n auto_https off\n}\nhttp://127.0.0.1:"+port+" {\n"+block+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	serving(t, "env", "HOME="+dir, caddy, "run", "--adapter", "caddyfile", "--config", path)
	reachable(t, "tcp", "127.0.0.1:"+port)
	usesThePages(t, "http://127.0.0.1:"+port+"/bouncetail")
}
