package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A manual decision while the daemon runs holds for lines read later. A reload applies a
// changed policy to the stored records.
func TestDecisionsAndPolicyWhileTheDaemonRuns(t *testing.T) {
	t.Parallel()
	log := newMailLog(t)
	dir := t.TempDir()
	settings, db := filepath.Join(dir, "c.yaml"), filepath.Join(dir, "b.db")
	configure := func(policy string) {
		text := fmt.Sprintf("database: %s\nrules: %s/none\nsources: [{path: %s}]\npolicy: %s\n", db, dir, log.path, policy)
		if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	configure("{failures: 10}")
	full := func(n int) {
		for i := range n {
			log.write("smtp[13]: 4B%06X: to=<full@example.com>, relay=mx.example.com[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.2.2, status=bounced (host mx.example.com[192.0.2.1] said: 552 5.2.2 Mailbox full (in reply to RCPT TO command))", i)
		}
	}
	const states = "SELECT recipient, state, decided_by FROM recipients ORDER BY recipient"
	d := start(t, "--config", settings)
	log.bounce("4A00001")
	full(3)
	eventually(t, db, states, "4a00001@example.com|bad|failure", "full@example.com|failing|failure")

	run(t, "recipients", "allow", "--config", settings, "4a00001@example.com")
	run(t, "recipients", "block", "--config", settings, "never@example.com")
	log.bounce("4A00001")
	full(1)
	eventually(t, db, "SELECT count(*) FROM bounces", "6")
	eventually(t, db, states, "4a00001@example.com|ok|manual", "full@example.com|failing|failure", "never@example.com|bad|manual")

	configure("{categories: {mailbox-full: {failures: 4, days: 0, bad_days: 0}}}")
	if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, db, states, "4a00001@example.com|ok|manual", "full@example.com|bad|policy", "never@example.com|bad|manual")
	run(t, "recipients", "unset", "--config", settings, "4a00001@example.com", "never@example.com")
	eventually(t, db, states, "4a00001@example.com|bad|failure", "full@example.com|bad|policy")
	d.stop()
	if got := run(t, "recipients", "rebuild", "--config", settings); !strings.HasPrefix(got, "0 rows") {
		t.Errorf("rebuild after that: %s", got)
	}
}
