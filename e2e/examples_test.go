package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// site is an environment for examples: a database with bad addresses, a directory for
// files, and a web server that stands for all others.
type site struct {
	t    *testing.T
	dir  string // stands for /var/lib/bouncetail
	path string // prepended to PATH
	url  string

	mu       sync.Mutex
	status   int
	handler  http.Handler // answers if status is 200
	requests []string     // path and body of each
}

// taken returns the requests so far.
func (s *site) taken() (requests []string) {
	s.locked(func() { requests = slices.Clone(s.requests) })
	return requests
}

// locked calls do while no request is answered.
func (s *site) locked(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do()
}

func newSite(t *testing.T) *site {
	for _, program := range []string{"curl", "flock"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("SKIPPED, the examples of exports are not tested: %s is missing", program)
		}
	}
	s := &site{t: t, dir: t.TempDir(), status: http.StatusOK}
	log := newMailLog(t)
	log.messages(0, 5)
	run(t, "import", "--db", s.database(), log.path)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		s.mu.Lock()
		defer s.mu.Unlock()
		user, _, _ := r.BasicAuth()
		s.requests = append(s.requests, fmt.Sprintf("%s %s as %q\n%s", r.Method, r.URL.Path, user, body))
		if s.handler != nil && s.status == http.StatusOK {
			s.handler.ServeHTTP(w, r)
			return
		}
		w.WriteHeader(s.status)
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	host, _, _ := strings.Cut(strings.TrimPrefix(s.url, "http://"), ":")
	if err := os.WriteFile(filepath.Join(s.dir, ".netrc"), fmt.Appendf(nil, "machine %s login bouncetail password token\n", host), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *site) database() string { return filepath.Join(s.dir, "bouncetail.db") }

// shell runs a command with the directories and servers of this site.
func (s *site) shell(command string, env ...string) error {
	s.t.Helper()
	command = strings.ReplaceAll(command, "/var/lib/bouncetail", s.dir)
	command = webSite.ReplaceAllString(command, s.url)
	cmd := exec.CommandContext(s.t.Context(), "sh", "-c", command)
	base := []string{"PATH=" + filepath.Dir(program(s.t)) + ":" + s.path + ":/usr/bin:/bin", "PENDING=" + filepath.Join(s.dir, "crm.pending"), "HOME=" + s.dir, "BOUNCETAIL_DATABASE=" + s.database()}
	cmd.Env = append(base, env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s\n%w\n%s", command, err, out)
	}
	return err
}

var (
	webSite  = regexp.MustCompile(`https://[a-z.]+`)
	shBlock  = regexp.MustCompile("(?s)```sh\n(.*?)```")
	cronLine = regexp.MustCompile(`(?m)^[0-9*/]+( [0-9*/,-]+){4} bouncetail (.*)$`)
	execLine = regexp.MustCompile(`(?m)^ExecStart=(.*)$`)
)

// file returns a file of the project.
func file(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// holds checks that a file of the site has the five addresses.
func (s *site) holds(name string) {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		s.t.Fatal(err)
	}
	if n := strings.Count(strings.ToLower(string(text)), "4a000004@example.com"); n == 0 {
		s.t.Errorf("%s does not hold the last address: %s", name, text)
	}
}

func TestCommandsOfThePageOfExportsRun(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	blocks := shBlock.FindAllStringSubmatch(file(t, "docs/exports.md"), -1)
	if len(blocks) != 13 {
		t.Errorf("docs/exports.md has %d blocks, want 13", len(blocks))
	}
	for _, block := range blocks {
		if strings.Contains(block[1], "cv api4") {
			continue // there is no CiviCRM here
		}
		if err := s.shell("set -e\n"+block[1], "BREVO_KEY=key"); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"changes.ndjson", "bad.csv", "listmonk.csv", "mailgun.csv", "brevo.json", "brevo.csv", "hubspot.csv", "mautic.ndjson", "civicrm.csv", "odoo.csv", "phplist.txt", "bad.map"} {
		s.holds(name)
	}
	for i, want := range []string{"POST /v3/example.com/bounces/import as \"bouncetail\"", "POST /v3/contacts/import", "POST /api/contacts/batch/new as \"bouncetail\""} {
		if got := s.taken(); len(got) <= i || !strings.HasPrefix(got[i], want) || !strings.Contains(got[i], "4a000004@example.com") {
			t.Errorf("request %d of %q, want %s", i, got, want)
		}
	}
}

func TestCronExampleExports(t *testing.T) {
	s := newSite(t)
	m := cronLine.FindStringSubmatch(file(t, "docs/examples/bouncetail-export.cron"))
	if m == nil || strings.Contains(m[2], "%") { // cron replaces % by a newline
		t.Fatalf("no line that cron would run: %q", m)
	}
	if err := s.shell(m[2]); err != nil {
		t.Fatal(err)
	}
	s.holds("bad.csv")
}

func TestTimerExampleExports(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	service := file(t, "docs/examples/bouncetail-export.service")
	m := execLine.FindStringSubmatch(service)
	if m == nil {
		t.Fatal("no ExecStart")
	}
	if err := s.shell(m[1]); err != nil {
		t.Fatal(err)
	}
	s.holds("bad.csv")

	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("SKIPPED: no systemd-analyze here, so the units are not verified")
	}
	units := t.TempDir()
	for name, text := range map[string]string{
		"bouncetail-export.service": strings.Replace(service, "ExecStart=bouncetail", "ExecStart="+program(t), 1),
		"bouncetail-export.timer":   file(t, "docs/examples/bouncetail-export.timer"),
	} {
		if err := os.WriteFile(filepath.Join(units, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", filepath.Join(units, "bouncetail-export.timer"), filepath.Join(units, "bouncetail-export.service"))
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Contains(string(out), "bouncetail-export") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

// importer is the import of a listmonk: it answers the upload immediately, and imports
// later.
type importer struct {
	uploads int
	name    string
	rows    int
	looks   int // requests for the state of this import
	// state is the answer to the nth request for the state.
	state func(i *importer, n int) (status string, imported int)
}

func (i *importer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path != "/api/import/subscribers":
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodPost:
		file, header, err := r.FormFile("file")
		if err != nil || r.FormValue("params") != `{"mode":"blocklist","delim":","}` {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		text, _ := io.ReadAll(file)
		i.uploads++
		i.name, i.rows, i.looks = header.Filename, strings.Count(string(text), "\n")-1, 0
		fmt.Fprint(w, `{"data":{"mode":"blocklist"}}`)
	default:
		i.looks++
		status, imported := i.state(i, i.looks)
		name := i.name
		if status == "none" { // after a restart
			name = ""
		}
		fmt.Fprintf(w, `{"data":{"name":"%s","total":%d,"imported":%d,"status":"%s"}}`, name, i.rows, imported, status)
	}
}

func TestListmonkExampleKeepsItsListUntilTheImportHasFinished(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	script, err := filepath.Abs("../docs/examples/listmonk-blocklist")
	if err != nil {
		t.Fatal(err)
	}
	pending := filepath.Join(s.dir, "listmonk.csv")
	env := []string{"LISTMONK_URL=" + s.url, "NETRC=" + filepath.Join(s.dir, ".netrc"), "PENDING=" + pending, "PAUSE=0"}
	l := &importer{}
	for name, c := range map[string]struct {
		status int
		state  func(*importer, int) (string, int)
		want   string
	}{
		"down":    {http.StatusInternalServerError, nil, "500"},
		"failed":  {http.StatusOK, func(*importer, int) (string, int) { return "failed", 0 }, "the import of " + pending + " is failed"},
		"stopped": {http.StatusOK, func(*importer, int) (string, int) { return "stopping", 0 }, "is stopping"},
		"restarted": {http.StatusOK, func(_ *importer, n int) (string, int) {
			if n > 2 {
				return "none", 0
			}
			return "importing", 0
		}, "was it restarted?"},
	} {
		s.locked(func() { s.status, s.handler, l.state = c.status, l, c.state })
		if err := s.shell(script, env...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("a listmonk that is %s: %v, want %q", name, err, c.want)
		}
		s.holds("listmonk.csv")
	}
	s.locked(func() {
		s.status = http.StatusOK
		l.uploads, l.state = 0, func(i *importer, n int) (string, int) {
			if n < 4 {
				s.holds("listmonk.csv")
				return "importing", 0
			}
			return "finished", i.rows
		}
	})
	for range 2 { // the second run has nothing to send
		if err := s.shell(script, env...); err != nil {
			t.Fatal(err)
		}
	}
	s.locked(func() {
		if l.uploads != 1 || l.rows != 5 || l.looks != 4 {
			t.Errorf("%d uploads, the last of %d rows, and %d looks at it; want 1, 5, 4", l.uploads, l.rows, l.looks)
		}
	})
	if _, err := os.Stat(pending); !os.IsNotExist(err) {
		t.Errorf("the list is still pending after its import: %v", err)
	}

	// Addresses that listmonk skips are reported and do not block later lists.
	run(t, "export", "cursors", "reset", "listmonk", "--to", "0", "--db", s.database())
	s.locked(func() {
		l.state = func(i *importer, _ int) (string, int) { return "finished", i.rows - 1 }
	})
	if err := s.shell(script, env...); err == nil || !strings.Contains(err.Error(), "imported 4 of 5 addresses") {
		t.Errorf("an incomplete import: %v", err)
	}
	s.holds("listmonk.csv.incomplete")
	if err := s.shell(script, env...); err != nil {
		t.Errorf("the run after an incomplete one: %v", err)
	}
}
