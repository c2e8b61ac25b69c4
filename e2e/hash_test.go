package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// The queue memory is hashed too, and joins with lines that are read after a crash.
// Another key is refused, at a reload and at a start.
func TestDaemonHashesAddressesWithOneKey(t *testing.T) {
	t.Parallel()
	log := newMailLog(t)
	dir := t.TempDir()
	db, told, key, settings := filepath.Join(dir, "b.db"), filepath.Join(dir, "told"), filepath.Join(dir, "key"), filepath.Join(dir, "c.yaml")
	put := func(path, text string) { log.check(os.WriteFile(path, []byte(text), 0o600)) }
	put(key, "an example of a key\n")
	put(settings, "rules: none\nprivacy: {hash_addresses: true, key_file: "+key+"}\n")
	hash := func(address string) string {
		return strings.TrimSpace(run(t, "hash", "--config", settings, address))
	}
	deferred := func(id, to string) {
		log.write("smtp[13]: %s: to=<%s>, relay=mx.example.com[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=4.2.2, status=deferred (host mx.example.com[192.0.2.1] said: 452 4.2.2 <%s> is full (in reply to RCPT TO command))", id, to, to)
	}

	d := startInto(t, told, "--config", settings, "--db", db, log.path)
	log.accept("4A000001")
	deferred("4A000001", "Jane.Queued@example.com")
	eventually(t, db, countBounces, "1")
	d.kill()
	log.write("qmgr[12]: 4A000001: from=<news@shop.example>, status=expired, returned to sender")
	d = startInto(t, told, "--config", settings, "--db", db, log.path)
	jane, news := hash("jane.queued@example.com"), hash("news@shop.example")
	eventually(t, db, "SELECT outcome, recipient, sender, reply FROM bounces WHERE outcome = 'expired'",
		"expired|"+jane+"|"+news+"|452 4.2.2 <"+jane+"> is full")

	put(key, "an example of another key\n")
	log.check(d.cmd.Process.Signal(syscall.SIGHUP))
	waitFor(t, "the other key to be refused", func() bool {
		return strings.Contains(words(told), "keeping the old ones") && strings.Contains(words(told), "another key made")
	})
	log.accept("4A000002")
	deferred("4A000002", "joe@example.com")
	put(key, "an example of a key\n")
	eventually(t, db, "SELECT recipient FROM bounces ORDER BY id DESC LIMIT 1", hash("joe@example.com"))
	d.stop()
	for _, path := range []string{db, db + "-wal"} {
		text, err := os.ReadFile(path)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if strings.Contains(strings.ToLower(string(text)), "jane.queued") {
			t.Errorf("%s holds an address", path)
		}
	}

	put(key, "an example of another key\n")
	d = start(t, log.path, "--config", settings, "--db", db)
	<-d.done
	if d.err == nil || !strings.Contains(d.said.String(), "another key made") {
		t.Errorf("with another key the daemon said %q, %v", d.said, d.err)
	}
	if got := query(t, db, countBounces); !slices.Equal(got, []string{"3"}) {
		t.Errorf("%s: %q, want 3", countBounces, got)
	}
}
