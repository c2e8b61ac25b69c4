package e2e

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// outageLines returns deliveries to 12 addresses, and on a later day an outage: 6 of them
// are refused while the others accept mail. If these deliveries counted twice, it would be
// no crowd.
func outageLines(host string) (lines string) {
	day := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -4)
	for n := range 24 {
		at := day.Add(time.Duration(n) * time.Second)
		said := "dsn=2.0.0, status=sent (250 2.0.0 Ok)"
		if n >= 12 {
			at = at.Add(2*24*time.Hour + 9*time.Hour)
			if n%2 == 0 {
				said = "dsn=5.1.1, status=bounced (host mx.outage.example[192.0.2.9] said: 550 5.1.1 User unknown (in reply to RCPT TO command))"
			}
		}
		lines += fmt.Sprintf("%s %s postfix/smtp[7]: 5F%04X: to=<user%d@outage.example>, relay=mx.outage.example[192.0.2.9]:25, delay=1, delays=0/0/0/1, %s\n",
			at.Format("2006-01-02T15:04:05.000000-07:00"), host, n, n%12, said)
	}
	return lines
}

// mx1 and mx2 follow the same log, and mx3 another one. The fleet answers as one database
// with both logs, whichever of the hosts sends first.
func TestALogThatTwoHostsFollowCountsOnce(t *testing.T) {
	onlyInTorture(t)
	t.Parallel()
	server, database, hosts := newFleet(t, "mx1", "mx2", "mx3")
	server.SQL(t, database, "GRANT bouncetail_reader TO mx3")
	lines := reportLines("a", "b")
	one := filepath.Join(t.TempDir(), "one.db")
	for i, h := range hosts {
		text := lines["a"] + outageLines("a")
		if i == 2 {
			text = lines["b"]
		}
		write(t, h.log, text)
		run(t, "import", "--config", h.settings, h.log)
	}
	run(t, "import", "--db", one, hosts[0].log, hosts[2].log)
	for _, i := range []int{1, 2, 0, 2, 1} { // again, because deliveries are looked for that concern what the others have sent
		run(t, "fleet", "send", "--once", "--config", hosts[i].settings)
	}
	rows := func(args ...string) (rows []map[string]any) {
		t.Helper()
		out := run(t, args...)
		for d := json.NewDecoder(strings.NewReader(out)); d.More(); {
			var row map[string]any
			if err := d.Decode(&row); err != nil {
				t.Fatalf("%v: %v\n%s", args, err, out)
			}
			for _, name := range []string{"id", "seq", "last_bounce_id", "since", "until"} {
				delete(row, name)
			}
			rows = append(rows, row)
		}
		return rows
	}
	since := time.Now().UTC().AddDate(0, 0, -20).Format(time.DateOnly)
	for _, args := range [][]string{
		{"recipients", "crowds", "--json"},
		{"recipients", "--json", "--domain", "outage.example"},
		{"top", "domains", "--json", "--since", since},
		{"top", "reasons", "--json", "--since", since},
		{"top", "providers", "--json", "--since", since},
	} {
		got, want := rows(append(args, "--fleet", "--config", hosts[2].settings)...), rows(append(args, "--db", one)...)
		if !reflect.DeepEqual(got, want) || len(want) == 0 {
			a, _ := json.MarshalIndent(got, "", " ")
			b, _ := json.MarshalIndent(want, "", " ")
			t.Errorf("%v: %d rows in the fleet, %d in one database:\n%s", args, len(got), len(want), differingLines(string(a), string(b)))
		}
	}
	if crowds := rows("recipients", "crowds", "--json", "--db", one); !strings.Contains(fmt.Sprint(crowds), "outage.example") {
		t.Errorf("the outage is no crowd: %v", crowds)
	}
	got, want := rows("report", "--json", "--since", "14d", "--fleet", "--config", hosts[2].settings)[0], rows("report", "--json", "--since", "14d", "--db", one)[0]
	for _, key := range []string{"numbers", "days", "counted_since", "providers", "reasons", "newly_bad", "senders", "replies"} {
		if !reflect.DeepEqual(got[key], want[key]) {
			a, _ := json.MarshalIndent(got[key], "", " ")
			b, _ := json.MarshalIndent(want[key], "", " ")
			t.Errorf("the reports have other %s:\n%s", key, differingLines(string(a), string(b)))
		}
	}
	if status := run(t, "fleet", "status", "--config", hosts[2].settings); strings.Count(status, "counts the same logs") != 1 || strings.Contains(status, "twice") {
		t.Errorf("status:\n%s", status)
	}
}
