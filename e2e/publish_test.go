package e2e

import (
	"errors"
	"fmt"
	"net/smtp"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// recipientAnswer returns the error of a mail server for RCPT TO an address.
func recipientAnswer(t testing.TB, port int, to string) error {
	t.Helper()
	c, err := smtp.Dial(fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Mail("news@shop.example"); err != nil {
		t.Fatal(err)
	}
	return c.Rcpt(to)
}

// refuses waits until a mail server refuses an address with the text of the maps. Its
// processes must first open the new maps.
func refuses(t testing.TB, port int, to string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		err := recipientAnswer(t, port, to)
		if err != nil && strings.Contains(err.Error(), "This address bounces: no-such-user since 20") && strings.Contains(err.Error(), "[bouncetail]") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the reply for %s is %v, want a refusal with the reason", to, err)
		}
	}
}

// takes checks that a mail server accepts mail to an address.
func takes(t testing.TB, port int, to string) {
	t.Helper()
	if err := recipientAnswer(t, port, to); err != nil {
		t.Fatalf("mail to %s is refused: %v", to, err)
	}
}

// takesAgain waits until a mail server no longer refuses an address.
func takesAgain(t testing.TB, port int, to string) {
	t.Helper()
	waitFor(t, "mail to "+to+" to be accepted", func() bool { return recipientAnswer(t, port, to) == nil })
}

// published returns a database and maps in a directory that mail servers can read.
func published(t *testing.T) (db, maps string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "bouncetail-maps-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	first := filepath.Join(dir, "first.log")
	write(t, first, "2026-11-20T09:00:00+00:00 mx postfix/smtp[1]: 4A1B2C3D: to=<ok@example.com>, relay=mx.example.com[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 OK)\n")
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	db, maps = filepath.Join(dir, "b.db"), filepath.Join(dir, "maps")
	run(t, "import", "--db", db, first)
	run(t, "publish", "--db", db, "-o", maps)
	return db, maps
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func appendTo(t testing.TB, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// publishing starts a daemon that follows a log and publishes maps.
func publishing(t *testing.T, log, db, maps string) *daemon {
	t.Helper()
	settings := filepath.Join(t.TempDir(), "config.yaml")
	write(t, settings, fmt.Sprintf("database: %s\nsources: [{path: %s}]\npublish: {directory: %s, every: 1s}\n", db, log, maps))
	d := start(t, "--config", settings)
	// From then on the daemon handles SIGTERM.
	waitFor(t, "the daemon to open its database", func() bool {
		pid, _ := os.ReadFile(db + ".lock")
		return strings.TrimSpace(string(pid)) == strconv.Itoa(d.cmd.Process.Pid)
	})
	return d
}

// page returns the block of docs/mta.md that contains a text, with the directories of
// the test.
func page(t testing.TB, holds, maps string) string {
	t.Helper()
	text, err := os.ReadFile("../docs/mta.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?sm)^( *)```[a-z-]+\n(.*?)^ *```$").FindAllStringSubmatch(string(text), -1) {
		if strings.Contains(m[2], holds) {
			block := strings.TrimPrefix(strings.ReplaceAll("\n"+m[2], "\n"+m[1], "\n"), "\n")
			return strings.NewReplacer("/var/lib/bouncetail/maps", maps, "/etc/postfix", filepath.Dir(maps)).Replace(block)
		}
	}
	t.Fatalf("docs/mta.md has no block with %q", holds)
	return ""
}

// recipientRows selects what a failure would change.
const recipientRows = "SELECT recipient, state, first_failure_at, last_failure_at, permanent_count, bad_since, last_bounce_id, seq FROM recipients ORDER BY 1"

const addresses = "SELECT count(*) FROM suppressed"

func TestRealPostfixRefusesWhatIsBad(t *testing.T) {
	t.Parallel() // it mostly waits
	root, _ := unpacked(t, "postfix")
	if _, err := os.Stat(filepath.Join(root, "usr/lib/postfix/postfix-sqlite.so")); err != nil {
		t.Skipf("SKIPPED: Postfix cannot read SQLite: %v; run ./scripts/test-setup as root on Debian or Ubuntu", err)
	}
	db, maps := published(t)
	table := filepath.Join(maps, "suppressed.db")
	write(t, filepath.Join(filepath.Dir(maps), "bouncetail.cf"), page(t, "dbpath =", maps))
	other := answers{rcpt: map[string]string{
		"gone":     "550 5.1.1 <gone@example.com>: User unknown",
		"o'gone":   "550 5.1.1 User unknown",
		"later":    "550 5.1.1 User unknown",
		"thenlost": "550 5.1.1 User unknown",
	}}
	p := startPostfix(t, serveSMTP(t, other),
		page(t, "smtpd_recipient_restrictions", maps), page(t, "transport_maps =", maps))
	d := publishing(t, p.log, db, maps)
	send(t, p.port, "news@shop.example", "gone@example.com", "o'gone@example.com", "ok@example.com")
	eventually(t, table, addresses, "2")
	p.reload()
	refuses(t, p.port, "gone@example.com")
	refuses(t, p.port, "Gone@Example.COM")
	refuses(t, p.port, "o'gone@example.com")
	takes(t, p.port, "ok@example.com")
	takes(t, p.port, "other@example.com")

	// The maps work without the daemon, however it ends.
	d.kill()
	refuses(t, p.port, "gone@example.com")
	takes(t, p.port, "ok@example.com")
	d = publishing(t, p.log, db, maps)
	send(t, p.port, "news@shop.example", "later@example.com")
	eventually(t, table, addresses, "3")
	p.reload()
	refuses(t, p.port, "later@example.com")
	d.stop()
	refuses(t, p.port, "later@example.com")
	takes(t, p.port, "ok@example.com")
	d = publishing(t, p.log, db, maps)

	// Mail of sendmail(1) does not pass smtpd. The transport map bounces it.
	before := query(t, db, recipientRows)
	p.sendmail("news@shop.example", "gone@example.com")
	eventually(t, db, "SELECT recipient, outcome, category, reason, scope, suppress, rule FROM bounces WHERE reply LIKE '%[bouncetail]%'",
		"gone@example.com|bounced|blocked|suppressed|local|0|bouncetail/refused")
	// Neither this failure nor the refusals of smtpd change the state.
	eventually(t, db, recipientRows, before...)

	// A delivery clears an address, and the next maps omit it.
	send(t, p.port, "news@shop.example", "thenlost@example.com")
	eventually(t, table, addresses, "4")
	d.stop()
	appendTo(t, p.log, fmt.Sprintf("%s mx postfix/smtp[1]: 4A1B2C3F: to=<gone@example.com>, relay=mx.example.com[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 OK)\n",
		time.Now().UTC().Add(time.Second).Format("Jan _2 15:04:05")))
	d = publishing(t, p.log, db, maps)
	eventually(t, table, "SELECT address FROM suppressed ORDER BY 1", "later@example.com", "o'gone@example.com", "thenlost@example.com")
	p.reload()
	takesAgain(t, p.port, "gone@example.com")
	d.stop()

	// With --warn, Postfix accepts the mail and logs a warning.
	run(t, "publish", "--db", db, "-o", maps, "--warn")
	p.reload()
	takesAgain(t, p.port, "later@example.com")
	text, err := os.ReadFile(p.log)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "fatal:") || strings.Contains(string(text), "Server configuration") {
		t.Error("Postfix reports an error of the maps")
	}
	if !regexp.MustCompile(`NOQUEUE: warn: .*This address bounces.*to=<later@example\.com>`).Match(text) {
		t.Error("Postfix did not warn of later@example.com")
	}
}

func TestRealEximRefusesWhatIsBad(t *testing.T) {
	for _, name := range []string{"exim4", "exim4-heavy"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, maps := published(t)
			acl := page(t, "  deny\n", maps)
			if name == "exim4-heavy" {
				lines := strings.SplitAfter(acl, "\n")
				lines[1] = page(t, "lookup sqlite", maps)
				acl = strings.Join(lines, "")
			}
			table := filepath.Join(maps, "suppressed.db")
			gone := "550 5.1.1 User unknown"
			other := answers{rcpt: map[string]string{"gone": gone, "o'gone": gone, "#gone": gone}}
			log, port := startExim(t, name, serveSMTP(t, other), acl)
			d := publishing(t, log, db, maps)
			bad := []string{"gone@example.com", "o'gone@example.com", "#gone@example.com"}
			send(t, port, "news@shop.example", append(bad, "ok@example.com")...)
			eventually(t, table, addresses, "3")
			for _, to := range bad {
				refuses(t, port, to)
			}
			refuses(t, port, "Gone@Example.COM")
			takes(t, port, "ok@example.com")
			takes(t, port, "a@example.com")
			d.kill()
			refuses(t, port, "gone@example.com")
			takes(t, port, "ok@example.com")
			d = publishing(t, log, db, maps)
			waitFor(t, "the daemon to release the maps", func() bool {
				return exec.CommandContext(t.Context(), program(t), "publish", "--db", db, "-o", maps).Run() == nil
			})
			refuses(t, port, "gone@example.com")
			d.stop()
			refuses(t, port, "gone@example.com")
			if got := query(t, db, "SELECT count(*) FROM bounces"); got[0] != "3" {
				t.Errorf("%s failures are stored, want 3: refusals by Exim are not deliveries", got[0])
			}
			// Without the map Exim accepts mail and does not defer it.
			if err := os.RemoveAll(maps); err != nil {
				t.Fatal(err)
			}
			takes(t, port, "gone@example.com")
			takes(t, port, "ok@example.com")
		})
	}
}
