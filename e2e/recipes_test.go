package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// recipes lists the pages of docs/recipes with commands, and the answers of their
// programs. want is a part of a request; %s is the address.
var recipes = map[string]struct {
	answer func(w http.ResponseWriter, r *http.Request)
	want   string
}{
	"mautic.md": {func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, `{"contacts":[],"statusCodes":[201]}`)
	}, `"email":"%s"`},
	"keila.md": {func(w http.ResponseWriter, r *http.Request) {
		var body struct{ Data struct{ Status string } }
		switch {
		case r.Header.Get("Authorization") != "Bearer hunter2":
			w.WriteHeader(http.StatusForbidden)
		case json.NewDecoder(r.Body).Decode(&body) != nil || body.Data.Status != "unreachable" || r.FormValue("id_type") != "email":
			w.WriteHeader(http.StatusBadRequest)
		case strings.HasSuffix(r.URL.Path, "/4a000001@example.com"):
			w.WriteHeader(http.StatusNotFound) // not an error for the recipe
		}
	}, "PATCH /api/v1/contacts/%s as"},
	"mailtrain.md": {func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/blacklist/add" || r.FormValue("access_token") != "hunter2" || r.PostFormValue("EMAIL") == "" {
			w.WriteHeader(http.StatusForbidden)
		}
	}, "EMAIL=%s"},
	"mailman.md": {func(w http.ResponseWriter, r *http.Request) {
		user, _, _ := r.BasicAuth()
		switch {
		case user != "restadmin":
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == "/3.1/members/find":
			fmt.Fprintf(w, `{"start": 0, "total_size": 1, "entries": [{"address": "http://%[1]s/3.1/addresses/x", "self_link": "http://%[1]s/3.1/members/%[2]s"}]}`, r.Host, r.PostFormValue("subscriber"))
		case r.Method != http.MethodPatch || r.PostFormValue("delivery_status") != "by_bounces":
			w.WriteHeader(http.StatusBadRequest)
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	}, "PATCH /3.1/members/%s/preferences"},
	"erpnext.md": {func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != "token hunter2":
			w.WriteHeader(http.StatusForbidden)
		case r.URL.Path != "/api/resource/Email Unsubscribe" || r.PostFormValue("global_unsubscribe") != "1":
			w.WriteHeader(http.StatusExpectationFailed)
		case r.PostFormValue("email") == "4a000001@example.com":
			w.WriteHeader(http.StatusConflict) // it already exists
		}
	}, "email=%s"},
	"phplist.md": {nil, ""},
	"odoo.md":    {nil, ""},
	"mailcow.md": {nil, ""},
}

var recipeBlock = regexp.MustCompile("(?sm)^( *)```sh\n(.*?)^ *```$")

// recipeSite returns a site with the files of secrets that the recipes name.
func recipeSite(t *testing.T) *site {
	s := newSite(t)
	examples, err := filepath.Abs("../docs/examples")
	if err != nil {
		t.Fatal(err)
	}
	s.path = examples
	host := strings.TrimPrefix(s.url, "http://")
	ip, _, _ := strings.Cut(host, ":")
	for name, text := range map[string]string{
		"keila.header":   "Authorization: Bearer hunter2\n",
		"erpnext.header": "Authorization: token hunter2\n",
		"mailtrain.curl": fmt.Sprintf("url = \"%s/api/blacklist/add?access_token=hunter2\"\n", s.url),
		"mailman.netrc":  "machine " + ip + " login restadmin password hunter2\n",
	} {
		write(t, filepath.Join(s.dir, name), text)
	}
	return s
}

// recipe returns the commands of a page, adapted to the site.
func (s *site) recipe(page string) []string {
	s.t.Helper()
	var all []string
	for _, m := range recipeBlock.FindAllStringSubmatch(file(s.t, "docs/recipes/"+page), -1) {
		text := strings.TrimPrefix(strings.ReplaceAll("\n"+m[2], "\n"+m[1], "\n"), "\n")
		text = strings.NewReplacer("/etc/bouncetail", s.dir, "http://127.0.0.1:8001", s.url,
			"/opt/mailcow-dockerized/data/conf/rspamd/custom", s.dir).Replace(text)
		all = append(all, text)
	}
	return all
}

func TestRecipesRun(t *testing.T) {
	t.Parallel()
	for page, c := range recipes {
		t.Run(page, func(t *testing.T) {
			s := recipeSite(t)
			if c.answer != nil {
				s.locked(func() { s.handler = http.HandlerFunc(c.answer) })
			}
			commands := s.recipe(page)
			if len(commands) == 0 {
				t.Fatal("no commands")
			}
			for range 2 { // the second run has nothing to do
				for _, command := range commands {
					if err := s.shell("set -e\n" + command); err != nil {
						t.Fatal(err)
					}
				}
			}
			if c.want == "" {
				return
			}
			for n := range 5 {
				want := fmt.Sprintf(c.want, fmt.Sprintf("4a%06d@example.com", n))
				sent := func(request string) bool { return strings.Contains(strings.ReplaceAll(request, "%40", "@"), want) }
				if got := len(slices.DeleteFunc(s.taken(), func(r string) bool { return !sent(r) })); got != 1 {
					t.Errorf("%d requests with %q, want 1:\n%s", got, want, strings.Join(s.taken(), "\n"))
				}
			}
		})
	}
}

// Each page names the tested version, and its settings load.
func TestRecipesNameTheTestedVersion(t *testing.T) {
	pages, err := filepath.Glob("../docs/recipes/*.md")
	if err != nil || len(pages) != 14 {
		t.Fatalf("%d pages, %v; want 13 and their README.md", len(pages), err)
	}
	index := file(t, "docs/recipes/README.md")
	for _, path := range pages {
		page := filepath.Base(path)
		if page == "README.md" {
			continue
		}
		text := file(t, "docs/recipes/"+page)
		if !strings.Contains(index, "("+page+")") {
			t.Errorf("README.md does not name %s", page)
		}
		if lines := strings.SplitN(text, "\n", 4); len(lines) < 4 || !regexp.MustCompile(`[Tt]ried with|(was|were) read`).MatchString(lines[2]) {
			t.Errorf("%s does not begin with what it was tried on", page)
		}
		if n := strings.Count(text, "\n"); n > 45 {
			t.Errorf("%s has %d lines, which is more than a page", page, n)
		}
		for _, m := range regexp.MustCompile("(?sm)^( *)```yaml\n(.*?)^ *```$").FindAllStringSubmatch(text, -1) {
			settings := filepath.Join(t.TempDir(), "config.yaml")
			secret := filepath.Join(t.TempDir(), "secret")
			write(t, secret, "hunter2")
			yaml := regexp.MustCompile(`/etc/bouncetail/[a-z.]+`).ReplaceAllString(m[2], secret)
			write(t, settings, strings.TrimPrefix(strings.ReplaceAll("\n"+yaml, "\n"+m[1], "\n"), "\n"))
			run(t, "check-config", "--quiet", "--config", settings)
		}
	}
}

func TestEachAddressRepeatsWhatFailed(t *testing.T) {
	t.Parallel()
	s := recipeSite(t)
	out := filepath.Join(s.dir, "out")
	// The third address fails once.
	command := `each-address crm sh -c 'case $1 in 4a000002*) test -e ` + out + `.mended || exit 1 ;; esac; echo "$1" >>` + out + `' sh`
	if err := s.shell(command); err == nil || !strings.Contains(err.Error(), "failed for 1 addresses") {
		t.Errorf("a run with a failure: %v", err)
	}
	if err := s.shell(command); err == nil {
		t.Error("a second run with the same failure ends with 0")
	}
	write(t, out+".mended", "")
	if err := s.shell(command); err != nil {
		t.Error(err)
	}
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Fields(string(text))
	slices.Sort(got)
	if want := []string{"4a000000@example.com", "4a000001@example.com", "4a000002@example.com", "4a000003@example.com", "4a000004@example.com"}; !slices.Equal(got, want) {
		t.Errorf("the command ran for %q, want each once: %q", got, want)
	}
	if left, _ := filepath.Glob(filepath.Join(s.dir, "crm.pending*")); len(left) != 1 { // the lock
		t.Errorf("left behind: %q", left)
	}
}
