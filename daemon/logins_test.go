package daemon

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/bouncetail/bouncetail/config"
	"github.com/bouncetail/bouncetail/view/login"
)

func TestSettingsOfThePagesAreChecked(t *testing.T) {
	users, none := filepath.Join(t.TempDir(), "users"), filepath.Join(t.TempDir(), "none")
	if err := login.SetPassword(users, "ada", "correct horse"); err != nil {
		t.Fatal(err)
	}
	hosts := []string{"localhost", "[::1]", "mail.example.com"}
	for name, c := range map[string]struct {
		web  config.Web
		want string
	}{
		"the defaults":        {config.Default().Web, ""},
		"all that is needed":  {config.Web{Hosts: hosts, UsersFile: users, Write: true, URL: "https://MAIL.example.com/x/"}, ""},
		"a port of loopback":  {config.Web{Hosts: hosts, URL: "http://[::1]:8025/"}, ""},
		"no user yet":         {config.Web{Hosts: hosts, UsersFile: none}, "web.users_file: " + none + " does not exist; bouncetail web passwd NAME makes it"},
		"no token yet":        {config.Web{Hosts: hosts, TokensFile: none}, "bouncetail web token NAME makes it"},
		"writers with names":  {config.Web{Hosts: hosts, Write: true, UserHeader: "X-Remote-User"}, ""},
		"writers without one": {config.Web{Hosts: hosts, Write: true}, "web.write: nobody can decide"},
		"another name":        {config.Web{Hosts: hosts, URL: "https://www.example.com/"}, "requests for www.example.com are refused"},
	} {
		got := strings.Join(webWarnings(c.web), "\n")
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
