package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// postmap returns what Postfix finds in a map, and an empty text if there is nothing.
func postmap(t *testing.T, config, table, key string) string {
	t.Helper()
	root, libraries := unpacked(t, "postfix")
	cmd := exec.CommandContext(t.Context(), filepath.Join(root, "usr/sbin/postmap"), "-c", config, "-q", key, table)
	cmd.Env = append(os.Environ(), "MAIL_CONFIG="+config, "LD_LIBRARY_PATH="+libraries)
	out, err := cmd.CombinedOutput()
	if err != nil && len(out) > 0 {
		t.Fatalf("postmap -q %s %s: %v\n%s", key, table, err, out)
	}
	return strings.TrimSpace(string(out))
}

// An address that failed at one server is refused at another one, whose daemon writes no
// maps. They keep their state while PostgreSQL is away.
func TestMapsOfAFleetHoldWhatIsBadAnywhere(t *testing.T) {
	t.Parallel()
	root, _ := unpacked(t, "postfix")
	server, database, hosts := newFleet(t, "mx1", "mx2")
	mx1, mx2 := hosts[0], hosts[1]
	maps, config := filepath.Join(t.TempDir(), "maps"), t.TempDir()
	write(t, filepath.Join(config, "main.cf"), fmt.Sprintf("compatibility_level = 3.6\nmail_owner = proxy\nsetgid_group = irc\nmeta_directory = %s\nshlib_directory = %s/usr/lib/postfix\n", config, root))
	write(t, filepath.Join(config, "dynamicmaps.cf"), "sqlite\tpostfix-sqlite.so\tdict_sqlite_open\n")
	write(t, filepath.Join(config, "bouncetail.cf"), page(t, "dbpath =", maps))
	tables := []string{"texthash:" + filepath.Join(maps, "access")}
	if _, err := os.Stat(filepath.Join(root, "usr/lib/postfix/postfix-sqlite.so")); err == nil {
		tables = append(tables, "sqlite:"+filepath.Join(config, "bouncetail.cf"))
	}
	appendTo(t, mx2.settings, fmt.Sprintf("publish: {from: fleet, directory: %s, every: 1s}\n", maps))
	if out := run(t, "check-config", "--config", mx2.settings); !strings.Contains(out, "reject, from the fleet; bouncetail-fleet.service writes them") {
		t.Errorf("check-config says\n%s", out)
	}
	minute := 0
	failure := func(h *mailServer, to, status string) {
		minute++
		h.write(fmt.Sprintf("2026-11-01T00:%02d:00+00:00 %s postfix/smtp[7]: 4F%06X: to=<%s>, relay=mx.example.com[192.0.2.1]:25, delay=1, delays=0/0/0/1, %s\n", minute, h.name, minute, to, status))
	}
	const refused = "dsn=5.1.1, status=bounced (host mx.example.com[192.0.2.1] said: 550 5.1.1 No such user (in reply to RCPT TO command))"
	holds := func(to string, want bool) {
		t.Helper()
		for _, table := range tables {
			waitFor(t, fmt.Sprintf("%s with %s: %v", table, to, want), func() bool {
				if _, err := os.Stat(filepath.Join(maps, "access")); err != nil {
					return false
				}
				found := postmap(t, config, table, to)
				return want && strings.HasPrefix(found, "REJECT 5.1.1 This address bounces: no-such-user since 2026-11-01") || !want && found == ""
			})
		}
	}
	failure(mx1, "gone@example.com", refused)
	failure(mx2, "other@example.com", refused)
	for _, h := range hosts {
		start(t, "--config", h.settings)
	}
	mx1.send()
	eventually(t, mx2.db, "SELECT count(*) FROM recipients", "1")
	if _, err := os.Stat(maps); err == nil {
		t.Error("the daemon writes the maps of the fleet")
	}
	mx2.send()
	holds("gone@example.com", true)
	holds("other@example.com", true)
	holds("ok@example.com", false)
	eventually(t, mx2.db, "SELECT name, value FROM meta WHERE name LIKE 'map_entries_%' ORDER BY name",
		"map_entries_access|2", "map_entries_exim|2", "map_entries_sqlite|2", "map_entries_transport|2")

	server.Kill()
	time.Sleep(6 * time.Second) // the maps are looked at each 5 s
	holds("gone@example.com", true)
	failure(mx1, "later@example.com", refused)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	holds("later@example.com", true)

	// A delivery at one server clears an address that failed at the other one.
	failure(mx2, "gone@example.com", "dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 4F1A2B3C)")
	holds("gone@example.com", false)
	holds("later@example.com", true)
	mx2.sender.stop()

	// The command writes the same.
	if out := run(t, "publish", "--config", mx2.settings, "-o", maps); !strings.Contains(out, "2 addresses published") {
		t.Errorf("publish says\n%s", out)
	}
	server.SQL(t, database, "UPDATE bouncetail.recipients SET state = 'ok', left_bad_seq = seq WHERE recipient = 'later@example.com'")
	run(t, "fleet", "send", "--once", "--config", mx2.settings)
	holds("later@example.com", false)
	holds("other@example.com", true)
}
