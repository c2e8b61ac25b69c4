package e2e

import (
	"compress/gzip"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
)

// importedTables selects everything that an import stores, but for numbers that follow
// the order of storing.
var importedTables = []string{
	`SELECT json_array(event_id, occurred_at, recipient, original_recipient, sender, message_id, queue_id, host, mta, outcome, dsn,
	  smtp_code, enhanced_code, reply, stage, relay_host, relay_ip, relay_port, category, reason, scope, disposition, suppress, rule, provider)
	FROM bounces ORDER BY event_id, recipient`,
	`SELECT json_array(recipient, state, decided_by, category, reason, first_failure_at, last_failure_at, last_delivery_at,
	  permanent_count, retry_count, bad_since) FROM recipients ORDER BY recipient`,
	"SELECT json_array(day, domain, sent, deferred, bounced, expired) FROM daily_counts ORDER BY day, domain",
	"SELECT json_array(mta, shape, count) FROM unparsed_lines ORDER BY mta, shape",
	"SELECT json_array(host, mta, queue_id, seen_at) FROM queue_entries ORDER BY host, mta, queue_id",
}

// A log that is imported up to a line, and again when it has grown, gives the rows of
// one import, wherever that line is. BOUNCETAIL_TEST_CUTS is the number of lines that
// are tried in each log, at most all.
func TestALogCutAtAnyLineGivesTheSameRows(t *testing.T) {
	cuts := numberIn(t, "BOUNCETAIL_TEST_CUTS", 2)
	logs := []string{
		"postfix/multi/mail.log.gz",
		"postfix/multi/mail.rfc3339.log.gz",
		"postfix/expire/mail.log.gz",
		"postfix/journald/journal.json.gz",
		"exim/all/mainlog.gz",
		"exim/syslog/mail.log.gz",
		"sendmail/main/mail.log.gz",
		"opensmtpd/main/mail.log.gz",
	}
	for _, mta := range bounce.MTAs {
		if !slices.ContainsFunc(logs, func(name string) bool { return strings.HasPrefix(name, mta+"/") }) {
			t.Errorf("no log of %s", mta)
		}
	}
	for _, name := range logs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := beginning(t, filepath.Join("../testdata/logs", name), 40_000)
			want := imported(t, log)
			var ends []int
			for at := range len(log) - 1 {
				if log[at] == '\n' {
					ends = append(ends, at+1)
				}
			}
			for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(len(ends))[:min(cuts, len(ends))] {
				if got := imported(t, log[:ends[i]], log); !slices.Equal(got, want) {
					t.Errorf("cut after line %d:\n%s", i+1, firstDifference(got, want))
				}
			}
		})
	}
}

// beginning returns the whole lines within the first n bytes of a compressed log.
func beginning(t *testing.T, path string, n int64) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(io.LimitReader(r, n))
	if err != nil {
		t.Fatal(err)
	}
	return string(data[:strings.LastIndexByte(string(data), '\n')+1])
}

// imported returns the rows after importing a log at each of its lengths.
func imported(t *testing.T, lengths ...string) (rows []string) {
	t.Helper()
	dir := t.TempDir()
	path, db := filepath.Join(dir, "mail.log"), filepath.Join(dir, "b.db")
	for _, data := range lengths {
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		// Stamps without a year are completed from the time of the file. The last line of
		// an old file is complete.
		written := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
		if err := os.Chtimes(path, written, written); err != nil {
			t.Fatal(err)
		}
		// It fails if the beginning of a log has no line of a mail server yet.
		if out, err := exec.Command(program(t), "import", "--db", db, path).CombinedOutput(); err != nil && !strings.Contains(string(out), "no line of a mail server") {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	for _, sql := range importedTables {
		rows = append(rows, sql)
		rows = append(rows, query(t, db, sql)...)
	}
	return rows
}

func firstDifference(got, want []string) string {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return "got  " + got[i] + "\nwant " + want[i]
		}
	}
	return "got  " + strings.Join(got[min(len(got), len(want)):], "\n") + "\nwant " + strings.Join(want[min(len(got), len(want)):], "\n")
}
