package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// reportLines returns the lines of a week of mail and of the week before, by host.
func reportLines(hosts ...string) map[string]string {
	r := rand.New(rand.NewPCG(1, 2))
	lines := make(map[string]string)
	relays := map[string]string{"example.com": "mx.example.com[192.0.2.1]:25", "gmail.com": "gmail-smtp-in.l.google.com[192.0.2.2]:25", "example.net": "mx.example.net[192.0.2.3]:25"}
	domains := []string{"example.com", "gmail.com", "example.net"}
	for n := range 1500 {
		host, domain := hosts[r.IntN(len(hosts))], domains[r.IntN(len(domains))]
		at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(n) * 13 * time.Minute).Format("2006-01-02T15:04:05.000000-07:00")
		said := []string{
			"dsn=5.1.1, status=bounced (host %s said: 550 5.1.1 No such user (in reply to RCPT TO command))",
			"dsn=4.2.2, status=deferred (host %s said: 452 4.2.2 Mailbox full (in reply to RCPT TO command))",
			"dsn=5.7.1, status=bounced (host %s said: 550 5.7.1 Blocked by zen.spamhaus.org (in reply to MAIL FROM command))",
			"dsn=5.0.0, status=bounced (host %s said: 550 The frobnicator declines this quux (in reply to end of DATA command))",
			"dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 4F1A2B3C)",
			"dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 4F1A2B3D)",
		}[r.IntN(6)]
		if strings.Contains(said, "%s") {
			said = fmt.Sprintf(said, strings.TrimSuffix(relays[domain], ":25"))
		}
		id := fmt.Sprintf("4F%06X", n)
		lines[host] += fmt.Sprintf("%s %s postfix/qmgr[5]: %s: from=<s%d@shop.example>, size=900, nrcpt=1 (queue active)\n", at, host, id, r.IntN(4))
		lines[host] += fmt.Sprintf("%s %s postfix/smtp[7]: %s: to=<user%d@%s>, relay=%s, delay=1, delays=0/0/0/1, %s\n", at, host, id, r.IntN(400), domain, relays[domain], said)
	}
	return lines
}

// differingLines returns the lines at which two texts differ.
func differingLines(a, b string) string {
	var out strings.Builder
	as, bs := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range max(len(as), len(bs)) {
		at := func(lines []string) string {
			if i < len(lines) {
				return strings.TrimSpace(lines[i])
			}
			return ""
		}
		if at(as) != at(bs) {
			fmt.Fprintf(&out, "%s | %s\n", at(as), at(bs))
		}
	}
	return out.String()
}

// The report of a fleet has the numbers of one of a database with all logs.
func TestReportOfAFleetIsThatOfAllLogs(t *testing.T) {
	server, database, hosts := newFleet(t, "mx1", "mx2")
	server.SQL(t, database, "GRANT bouncetail_reader TO mx1")
	lines := reportLines("mx1", "mx2")
	one := filepath.Join(t.TempDir(), "one.db")
	for _, h := range hosts {
		write(t, h.log, lines[h.name])
		run(t, "import", "--config", h.settings, h.log)
		run(t, "import", "--db", one, h.log)
		run(t, "fleet", "send", "--once", "--config", h.settings)
	}
	// mx1 looks for deliveries to addresses that failed at mx2 only.
	run(t, "fleet", "send", "--once", "--config", hosts[0].settings)
	report := func(args ...string) map[string]any {
		t.Helper()
		var d map[string]any
		out := run(t, append([]string{"report", "--json", "--since", "2026-11-08", "--until", "2026-11-15"}, args...)...)
		if err := json.Unmarshal([]byte(out), &d); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return d
	}
	for _, provider := range []string{"", "google", "other"} {
		got, want := report("--fleet", "--config", hosts[0].settings, "--provider", provider), report("--db", one, "--provider", provider)
		if provider == "" && len(got["senders"].([]any)) != 4 {
			t.Errorf("senders are %v", got["senders"])
		}
		for _, key := range []string{"numbers", "days", "counted_since", "providers", "reasons", "newly_bad", "senders", "replies", "unknown_replies"} {
			if !reflect.DeepEqual(got[key], want[key]) {
				a, _ := json.MarshalIndent(got[key], "", " ")
				b, _ := json.MarshalIndent(want[key], "", " ")
				t.Errorf("provider %q: %s differ in the fleet and in one database:\n%s", provider, key, differingLines(string(a), string(b)))
			}
		}
	}
	text := run(t, "report", "--fleet", "--config", hosts[0].settings, "--since", "2026-11-08", "--until", "2026-11-15")
	if !strings.Contains(text, "Fleet of 2 hosts, 8 to 14 November 2026") || !strings.Contains(text, "bouncetail recipients --state bad --fleet") {
		t.Errorf("the report is\n%s", text)
	}
	server.SQL(t, database, "UPDATE bouncetail.fleet_instances SET last_seen = now() - interval '3 days' WHERE instance = 'mx2'")
	if text := run(t, "report", "--fleet", "--config", hosts[0].settings); !strings.Contains(text, "mx2 was not seen for 3 d") {
		t.Errorf("with a silent host, the report is\n%s", text)
	}
}
