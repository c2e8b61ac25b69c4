package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/internal/pgtest"
)

// reportLines returns the lines of the last week of mail and of the week before, by host.
func reportLines(hosts ...string) map[string]string {
	r := rand.New(rand.NewPCG(1, 2))
	lines := make(map[string]string)
	relays := map[string]string{"example.com": "mx.example.com[192.0.2.1]:25", "gmail.com": "gmail-smtp-in.l.google.com[192.0.2.2]:25", "example.net": "mx.example.net[192.0.2.3]:25"}
	domains := []string{"example.com", "gmail.com", "example.net"}
	for n := range 1500 {
		host, domain := hosts[r.IntN(len(hosts))], domains[r.IntN(len(domains))]
		at := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -14).Add(time.Duration(n) * 13 * time.Minute).Format("2006-01-02T15:04:05.000000-07:00")
		said := []string{
			"dsn=5.1.1, status=bounced (host %s said: 550 5.1.1 No such user (in reply to RCPT TO command))",
			"dsn=4.2.2, status=deferred (host %s said: 452 4.2.2 Mailbox full (in reply to RCPT TO command))",
			"dsn=5.7.1, status=bounced (host %s said: 550 5.7.1 Blocked by zen.spamhaus.org (in reply to MAIL FROM command))",
			"dsn=5.0.0, status=bounced (host %s said: 550 Zzyx quuxly 17 (in reply to end of DATA command))",
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

// fleetAndOne returns a fleet of two hosts, the first of which may read all, and a database
// with all of their logs.
func fleetAndOne(t *testing.T) (server *pgtest.Server, database string, hosts []*mailServer, one string) {
	server, database, hosts = newFleet(t, "mx1", "mx2")
	server.SQL(t, database, "GRANT bouncetail_reader TO mx1")
	lines := reportLines("mx1", "mx2")
	one = filepath.Join(t.TempDir(), "one.db")
	for _, h := range hosts {
		write(t, h.log, lines[h.name])
		run(t, "import", "--config", h.settings, h.log)
		run(t, "import", "--db", one, h.log)
		run(t, "fleet", "send", "--once", "--config", h.settings)
	}
	// mx1 looks for deliveries to addresses that failed at mx2 only.
	run(t, "fleet", "send", "--once", "--config", hosts[0].settings)
	return server, database, hosts, one
}

// No host knows a crowd of which each has three addresses. The command that the report
// names as the next step lists it.
func TestACrowdOfAFleetIsListed(t *testing.T) {
	t.Parallel()
	_, _, hosts := newFleet(t, "mx1", "mx2")
	for n, h := range hosts {
		for i := range 2 { // one fewer than a crowd has
			to, queue := fmt.Sprintf("user%d.%d@example.com", n, i), fmt.Sprintf("4F%04X", 16*n+i)
			line := "2026-11-%02dT09:%02d:%02d.000000+00:00 %s postfix/smtp[7]: %s: to=<%s>, relay=mx.example.com[192.0.2.1]:25, delay=1, delays=0/0/0/1, "
			h.write(fmt.Sprintf(line+"dsn=2.0.0, status=sent (250 2.0.0 Ok)\n", 10, i, n, h.name, queue, to))
			h.write(fmt.Sprintf(line+"dsn=5.1.1, status=bounced (host mx.example.com[192.0.2.1] said: 550 5.1.1 User unknown (in reply to RCPT TO command))\n", 20, i, n, h.name, queue+"A", to))
		}
		run(t, "import", "--config", h.settings, h.log)
		run(t, "fleet", "send", "--once", "--config", h.settings)
	}
	run(t, "fleet", "send", "--once", "--config", hosts[0].settings)
	if own := run(t, "recipients", "crowds", "--json", "--config", hosts[1].settings); own != "" {
		t.Errorf("the host knows the crowds %s", own)
	}
	all := run(t, "recipients", "crowds", "--json", "--fleet", "--config", hosts[1].settings)
	if strings.Count(all, "\n") != 1 || !strings.Contains(all, `"unit":"example.com"`) || !strings.Contains(all, `"addresses":4,`) {
		t.Errorf("the crowds of the fleet are %s", all)
	}
}

// The report of a fleet has the numbers of one of a database with all logs.
func TestReportOfAFleetIsThatOfAllLogs(t *testing.T) {
	onlyInTorture(t)
	t.Parallel()
	server, database, hosts, one := fleetAndOne(t)
	report := func(args ...string) map[string]any {
		t.Helper()
		var d map[string]any
		out := run(t, append([]string{"report", "--json"}, args...)...)
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
	text := run(t, "report", "--fleet", "--config", hosts[0].settings)
	if !strings.Contains(text, "Fleet of 2 hosts, ") || !strings.Contains(text, "bouncetail recipients --state bad --fleet") || !strings.Contains(text, "A log of the hosts last grew at ") {
		t.Errorf("the report is\n%s", text)
	}
	server.SQL(t, database, "UPDATE bouncetail.fleet_instances SET last_seen = now() - interval '3 days' WHERE instance = 'mx2'")
	if text := run(t, "report", "--fleet", "--config", hosts[0].settings); !strings.Contains(text, "mx2 was not seen for 3 d") {
		t.Errorf("with a silent host, the report is\n%s", text)
	}
	cmd := exec.CommandContext(t.Context(), program(t), "report", "--fleet", "--config", hosts[1].settings)
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "bouncetail_reader if it shows") {
		t.Errorf("the report for a host that may only send: %v\n%s", err, out)
	}
}

// The pages of a fleet are those of a database with all logs.
func TestPagesOfAFleetAreThoseOfAllLogs(t *testing.T) {
	onlyInTorture(t)
	t.Parallel()
	server, database, hosts, one := fleetAndOne(t)
	server.SQL(t, database, "UPDATE bouncetail.fleet_instances SET last_seen = now() - interval '3 days' WHERE instance = 'mx2'")
	run(t, "recipients", "block", "user1@example.com", "--config", hosts[0].settings)
	run(t, "recipients", "block", "user1@example.com", "--db", one)
	run(t, "fleet", "send", "--once", "--config", hosts[0].settings)
	server.SQL(t, database, `INSERT INTO bouncetail.incidents (instance, id, kind, scope, category, reason, enhanced_code, subject, started_at, last_at, opened_at, backlog, attempts, addresses, domains, digest)
		SELECT number, CASE instance WHEN 'mx2' THEN 1234 ELSE 77 END, 'provider-refuses', 'sender', 'blocked', 'policy', '', 'google', s, s, s, 0, 100, 50, 3, '' FROM bouncetail.fleet_instances, (SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.000Z') AS s) x`)
	mx1 := strings.TrimSpace(server.SQL(t, database, "SELECT number FROM bouncetail.fleet_instances WHERE instance = 'mx1'"))
	mx2 := strings.TrimSpace(server.SQL(t, database, "SELECT number FROM bouncetail.fleet_instances WHERE instance = 'mx2'"))
	fleet, host := startWebWith(t, nil, "--fleet", "--config", hosts[0].settings), startWebWith(t, nil, "--db", one)
	// The usual rate follows from the order of attempts, which differs between hosts. A fleet
	// has other numbers of failures and changes.
	differs := regexp.MustCompile(`(?s)<footer.*</footer>|data-head="usual">[^<]*|,\d*,\d+,\d{3} `)
	for _, path := range []string{
		"providers", "recipients", "recipients?state=bad", "recipients?match=user1%2A&domain=gmail.com", "recipients?reason=no-such-user",
		"recipients?match=a_b", "recipients.csv?state=failing", "reasons", "senders",
	} {
		got, want := differs.ReplaceAllString(pageOf(t, fleet+"/"+path), ""), differs.ReplaceAllString(pageOf(t, host+"/"+path), "")
		if got != want {
			t.Errorf("%s differs in the fleet and in one database:\n%s", path, differingLines(strings.ReplaceAll(got, "><", ">\n<"), strings.ReplaceAll(want, "><", ">\n<")))
		}
	}
	for path, texts := range map[string][]string{
		"":                                    {"Fleet of 2 hosts", "all hosts of a fleet", "recipients?state=bad", "mx2/1234: "},
		"providers/google":                    {"Reasons by day", "Failed attempts by day and hour", "550 5.1.1 No such user"}, // read as long as there is time
		"unclassified":                        {"quuxly"},
		"health":                              {"mx2", "silent: is bouncetail-fleet.service running there?"},
		"report?provider=google":              {"Fleet of 2 hosts, google"},
		"recipient?address=user1@example.com": {"blocked", "bouncetail explain user1@example.com --fleet"},
		"decisions":                           {"user1@example.com"},
		"incidents":                           {"mx2/1234", "google, also mx1/77", "google, also mx2/1234", "incidents/1234000" + mx2 + `"`},
		"incidents/1234000" + mx2:             {"mx2/1234 google refuses your mail", "Replies", "at another host", "incidents/77000" + mx1 + `"`},
		"settings":                            {"fleet.instance"},
	} {
		page := pageOf(t, fleet+"/"+path)
		for _, text := range texts {
			if !strings.Contains(page, text) {
				t.Errorf("%s has no %q:\n%s", path, text, page)
			}
		}
		if strings.Contains(page, `method="post"`) || strings.Contains(page, `href="decide`) {
			t.Errorf("%s offers to write:\n%s", path, page)
		}
	}
	if got := pageOf(t, fleet+"/recipients"); strings.Count(got, "recipient?address=") < 100 {
		t.Errorf("the list of recipients is\n%s", got)
	}
}

func TestDropInForTheNetworkOfAFleetKeepsThePagesHardened(t *testing.T) {
	_, dropIn, found := strings.Cut(file(t, "docs/web.md"), "[Service]\nExecStart=\n")
	if dropIn, _, _ = strings.Cut(dropIn, "```"); !found || !strings.Contains(dropIn, "IPAddressAllow=") {
		t.Fatalf("docs/web.md has no drop-in for a fleet: %s", dropIn)
	}
	unit := filepath.Join(t.TempDir(), "bouncetail-web.service")
	write(t, unit, file(t, "systemd/bouncetail-web.service")+"[Service]\nExecStart=\n"+strings.Replace(dropIn, "=bouncetail web", "="+program(t)+" web", 1))
	littleExposed(t, unit, 1.2) // it has the network
}
