package cli

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"database/sql"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bouncetail/bouncetail/classify"
	"github.com/bouncetail/bouncetail/privacy"
)

// sampleLogs are the logs of real servers, beside the truth of who was written
// to.
func sampleLogs(t *testing.T) (logs, truths []string) {
	t.Helper()
	all, err := filepath.Glob("../testdata/logs/*/*/*.gz")
	if err != nil || len(all) == 0 {
		t.Fatalf("sample logs: %v, %v", all, err)
	}
	for _, path := range all {
		if strings.HasSuffix(path, "truth.tsv.gz") {
			truths = append(truths, path)
		} else {
			logs = append(logs, path)
		}
	}
	return logs, truths
}

// unusual tells the local parts that are no word and so stand nowhere by chance;
// the scripts that made the logs numbered most.
var unusual = regexp.MustCompile(`c\d{4}`)

// names reads the unusual local parts of the recipients in a truth, in lower
// case.
func names(t *testing.T, path string, into map[string]bool) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<20)
	var columns []string
	for lines.Scan() {
		values := strings.Split(lines.Text(), "\t")
		if columns == nil {
			columns = values
			continue
		}
		address := strings.ToLower(values[slices.Index(columns, "rcpt")])
		if at := strings.LastIndexByte(address, '@'); at > 0 && unusual.MatchString(address[:at]) {
			into[strings.Trim(address[:at], `"`)] = true
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}

// called runs a command, which has to succeed.
func called(t *testing.T, args ...string) {
	t.Helper()
	var stderr bytes.Buffer
	if code := Run(t.Context(), args, strings.NewReader(""), io.Discard, &stderr); code != 0 {
		t.Fatalf("bouncetail %s: %s", strings.Join(args, " "), &stderr)
	}
}

// rows returns what a query finds, a text a row.
func rows(t *testing.T, database, query string) []string {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+database+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	found, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer found.Close()
	columns, err := found.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for found.Next() {
		values := make([]any, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := found.Scan(into...); err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprint(values...))
	}
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// What stands in brackets or around an @ is the same to the rules, whatever it is.
func TestHashingChangesNoVerdictOnTheExamplesOfTheRules(t *testing.T) {
	c, err := classify.New("")
	if err != nil {
		t.Fatal(err)
	}
	h, err := privacy.NewHasher([]byte("an example of a key"))
	if err != nil {
		t.Fatal(err)
	}
	changed := 0
	for _, rule := range c.Rules() {
		for _, reply := range append(slices.Clone(rule.Decides), rule.Leaves...) {
			d := classify.Delivery(reply)
			want := c.Verdict(&d)
			text := h.Text(d.Reply.Text)
			if text != d.Reply.Text {
				changed++
			}
			d.Reply.Text = text
			got := c.Verdict(&d)
			if got.URL, want.URL = "", ""; got != want {
				t.Errorf("%q: %+v, want %+v as of %q", text, got, want, reply)
			}
		}
	}
	if changed < 30 {
		t.Errorf("only %d replies have an address in them", changed)
	}
}

func TestHashingHidesAllNamesAndChangesNoVerdict(t *testing.T) {
	logs, truths := sampleLogs(t)
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	settings := file("hash.yaml", "rules: none\nprivacy: {hash_addresses: true, key_file: "+file("key", "an example of a key")+"}\n")
	plain, hashed := filepath.Join(dir, "plain.db"), filepath.Join(dir, "hashed.db")
	called(t, append([]string{"import", "--config", file("plain.yaml", "rules: none\n"), "--db", plain, "--timezone", "UTC"}, logs...)...)
	called(t, append([]string{"import", "--config", settings, "--db", hashed, "--timezone", "UTC"}, logs...)...)

	same := []string{
		"SELECT occurred_at, queue_id, domain, host, mta, outcome, dsn, smtp_code, enhanced_code, stage, relay_host, category, reason, scope, disposition, suppress, rule, provider, blocklist, retry_after, message_id FROM bounces",
		"SELECT domain, state, decided_by, category, reason, first_failure_at, last_failure_at, last_delivery_at, permanent_count, retry_count FROM recipients",
		"SELECT * FROM daily_counts",
		"SELECT host, mta, queue_id, seen_at FROM queue_entries",
	}
	for _, query := range same {
		want, got := rows(t, plain, query), rows(t, hashed, query)
		slices.Sort(want)
		slices.Sort(got)
		if len(want) == 0 || !slices.Equal(got, want) {
			t.Errorf("%s\n%d rows where addresses are hashed, %d where not", query, len(got), len(want))
			for i := range min(len(got), len(want)) {
				if got[i] != want[i] {
					t.Errorf("the first that differs:\n got %s\nwant %s", got[i], want[i])
					break
				}
			}
		}
	}
	// What is judged again says the same.
	called(t, "reclassify", "--config", settings, "--db", hashed)
	if got, want := rows(t, hashed, "SELECT count(*), sum(suppress) FROM bounces"), rows(t, plain, "SELECT count(*), sum(suppress) FROM bounces"); !slices.Equal(got, want) {
		t.Errorf("judged again: %s, want %s", got, want)
	}

	wanted := make(map[string]bool)
	for _, path := range truths {
		names(t, path, wanted)
	}
	in := func(database string) (found []string) {
		var text []byte
		for _, end := range []string{"", "-wal"} {
			more, err := os.ReadFile(database + end)
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			text = append(text, bytes.ToLower(more)...)
		}
		for name := range wanted {
			if bytes.Contains(text, []byte(name)) {
				found = append(found, name)
			}
		}
		slices.Sort(found)
		return found
	}
	if found := in(plain); len(found) < 1000 {
		t.Fatalf("only %d of %d names are found where nothing is hashed", len(found), len(wanted))
	}
	if found := in(hashed); len(found) > 0 {
		t.Errorf("of %d names, %d are in the database: %q", len(wanted), len(found), found)
	}
}
