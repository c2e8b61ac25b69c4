package maps

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestMissingReportsConfiguredMaps(t *testing.T) {
	root := t.TempDir()
	write := func(path, text string) {
		t.Helper()
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("etc/postfix/main.cf", `# check_recipient_access texthash:/var/lib/bouncetail/maps/commented
#transport_maps = texthash:/var/lib/bouncetail/maps/transport
smtpd_recipient_restrictions =
    check_recipient_access texthash:/srv/lists/access,
    check_recipient_access hash:/etc/postfix/access
    permit_mynetworks
`)
	write("etc/postfix/bouncetail.cf", "dbpath = /var/lib/bouncetail/maps/suppressed.db\nquery = SELECT action\n")
	write("etc/exim4/conf.d/acl/30_exim4-config_check_rcpt", "set acl_m_bounces = ${lookup{$local_part@$domain}lsearch{/var/lib/bouncetail/maps/exim}}\n")
	write("etc/exim4/exim4.conf.template", "${lookup sqlite,file=/var/lib/bouncetail/maps/suppressed.db {SELECT text}}\n")
	write("var/lib/bouncetail/maps/exim", "")
	for _, c := range []struct {
		dir  string
		want []Reference
	}{
		{"/var/lib/bouncetail/maps", []Reference{{"/var/lib/bouncetail/maps/suppressed.db", "/etc/postfix/bouncetail.cf"}}},
		// The directory was changed in the settings, and not in Postfix.
		{"/srv/lists/", []Reference{{"/var/lib/bouncetail/maps/suppressed.db", "/etc/postfix/bouncetail.cf"}, {"/srv/lists/access", "/etc/postfix/main.cf"}}},
		{"", []Reference{{"/var/lib/bouncetail/maps/suppressed.db", "/etc/postfix/bouncetail.cf"}}},
	} {
		got, err := Missing(root, c.dir)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("Missing(%q) = %v, %v; want %v", c.dir, got, err, c.want)
		}
	}
	write("var/lib/bouncetail/maps/suppressed.db", "")
	if got, err := Missing(root, "/var/lib/bouncetail/maps"); err != nil || len(got) != 0 {
		t.Errorf("Missing() = %v, %v with all maps", got, err)
	}
	if got, err := Missing(t.TempDir(), ""); err != nil || len(got) != 0 {
		t.Errorf("Missing() = %v, %v without a mail server", got, err)
	}
}
