package cli

import (
	"bytes"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/internal/volume"
)

// Logs may be read in any order and cut into any pieces: the tables come out
// the same.
func TestOrderOfImportsDoesNotMatter(t *testing.T) {
	samples, err := filepath.Glob("../testdata/logs/*/[mes]*/m*log.gz")
	if err != nil || len(samples) < 5 {
		t.Fatalf("sample logs: %q, %v", samples, err)
	}
	settings := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(settings, []byte("rules: none\nlog: {level: warn}\npolicy: {failures: 3, days: 2, window: 20, bad_days: 0, categories: {mailbox-full: {failures: 3, days: 3, bad_days: 36500}}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var first string
	for round := range volume.Of(2, 3) {
		rng := rand.New(rand.NewPCG(uint64(round), 3))
		folder := t.TempDir()
		files := append(slices.Clone(samples), pieces(t, folder, rng)...)
		rng.Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
		db := filepath.Join(folder, "b.db")
		for len(files) > 0 {
			n := min(1+rng.IntN(12), len(files))
			var errs bytes.Buffer
			args := append([]string{"import", "--config", settings, "--db", db, "--timezone", "UTC"}, files[:n]...)
			if code := Run(t.Context(), args, strings.NewReader(""), new(bytes.Buffer), &errs); code != 0 {
				t.Fatalf("bouncetail %q: %s", args, &errs)
			}
			files = files[n:]
		}
		got := tables(t, db)
		if round == 0 {
			first = got
			if n := strings.Count(got, "|bad|policy|"); n < 3 {
				t.Errorf("the policy has made %d addresses bad, of which the test should have some", n)
			}
			continue
		}
		if got != first {
			a, b := strings.Split(first, "\n"), strings.Split(got, "\n")
			for i := range min(len(a), len(b)) {
				if a[i] != b[i] {
					t.Fatalf("round %d: row %d of %d is\n%s\nwant\n%s", round, i, len(b), b[i], a[i])
				}
			}
			t.Fatalf("round %d: %d rows, want %d", round, len(b), len(a))
		}
	}
}

// pieces writes a log of thirty days whose lines stand for themselves, cut into
// files at random.
func pieces(t *testing.T, folder string, rng *rand.Rand) []string {
	t.Helper()
	log := rand.New(rand.NewPCG(9, 9)) // the same each time
	ends := []string{
		"dsn=2.0.0, status=sent (250 OK)",
		"dsn=5.2.2, status=bounced (host mx.example.org[192.0.2.2] said: 552 5.2.2 Mailbox full (in reply to RCPT TO command))",
		"dsn=4.2.2, status=deferred (host mx.example.org[192.0.2.2] said: 452 4.2.2 Mailbox full (in reply to RCPT TO command))",
		"dsn=5.1.1, status=bounced (host mx.example.org[192.0.2.2] said: 550 5.1.1 User unknown (in reply to RCPT TO command))",
		"dsn=4.4.1, status=deferred (connect to mx.example.org[192.0.2.2]:25: Connection timed out)",
	}
	weights := []int{0, 1, 1, 1, 1, 2, 2, 2, 4, 4, 1, 2, 4, 3}
	var paths []string
	var text strings.Builder
	cut := func() {
		path := filepath.Join(folder, fmt.Sprintf("piece%d.log", len(paths)))
		if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		text.Reset()
		paths = append(paths, path)
	}
	for i := range 1500 {
		at := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(i) * 29 * time.Minute)
		fmt.Fprintf(&text, "%s mx postfix/smtp[1]: 4A%06X: to=<user%d@example.org>, relay=mx.example.org[192.0.2.2]:25, delay=1, delays=0/0/0/1, %s\n",
			at.Format("2006-01-02T15:04:05+00:00"), i, log.IntN(60), ends[weights[log.IntN(len(weights))]])
		if rng.IntN(150) == 0 {
			cut()
		}
	}
	cut()
	return paths
}

// tables returns what does not depend on when it was read.
func tables(t *testing.T, path string) string {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+path+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var all strings.Builder
	for _, query := range []string{
		`SELECT concat_ws('|', r.recipient, r.state, r.decided_by, r.category, r.reason, r.first_failure_at, r.last_failure_at, coalesce(r.last_delivery_at, '-'),
			r.permanent_count, r.retry_count, coalesce(r.bad_since, '-'), coalesce(r.bad_until, '-'), coalesce(r.memory, '-'),
			l.occurred_at, l.queue_id, l.reply, d.occurred_at, d.queue_id, d.reply)
			FROM recipients r JOIN bounces l ON l.id = r.last_bounce_id JOIN bounces d ON d.id = r.deciding_bounce_id ORDER BY r.recipient`,
		"SELECT concat_ws('|', event_id, recipient, occurred_at, outcome, category, reason, rule) FROM bounces ORDER BY event_id",
		"SELECT concat_ws('|', day, domain, sent, deferred, bounced, expired) FROM daily_counts ORDER BY day, domain",
	} {
		if err := writeRows(t, &all, db, query); err != nil {
			t.Fatal(err)
		}
	}
	return all.String()
}

// writeRows writes what a query of one column answers, a row a line.
func writeRows(t *testing.T, all *strings.Builder, db *sql.DB, query string) error {
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var row string
		if err := rows.Scan(&row); err != nil {
			return err
		}
		all.WriteString(row + "\n")
	}
	return rows.Err()
}
