package metrics

import (
	"bytes"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/sqlite"
	"github.com/bouncetail/bouncetail/sqlite/query"
)

var update = flag.Bool("update", false, "write docs/metrics.md")

// newStore opens a database to write, and as a source of metrics.
func newStore(t *testing.T) (*sqlite.Store, Source) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "b.db")
	s, err := sqlite.Open(t.Context(), path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	r, err := query.OpenReader(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return s, Source{DB: r.Querier(), Path: path, Version: "v1.2.3", Revision: "abc"}
}

// written returns what is exposed of a source.
func written(t *testing.T, source Source, format string) string {
	t.Helper()
	var out bytes.Buffer
	if err := Write(t.Context(), source, &out, format); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// exposed saves batches now and returns what is exposed.
func exposed(t *testing.T, format string, batches ...*bounce.Batch) string {
	t.Helper()
	s, source := newStore(t)
	for _, b := range batches {
		if _, err := s.Save(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	format, compat := strings.CutSuffix(format, "+compat")
	if compat {
		source.Compat = []string{bounce.PostfixExporter}
	}
	return written(t, source, format)
}

// wantLines checks that a text has some lines.
func wantLines(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, want := range lines {
		if !strings.Contains(text, want+"\n") {
			name, _, _ := strings.Cut(want, "{")
			t.Errorf("%s is missing in:\n%s", want, regexp.MustCompile(`(?m)^`+name+`.* [1-9].*$`).FindAllString(text, 9))
		}
	}
}

// refused is a batch with a failure of a provider and a success, both of now.
func refused(provider, blocklist, source string) *bounce.Batch {
	r := bounce.Record{
		Delivery: bounce.Delivery{ID: bounce.NewEventID(1, provider+blocklist), At: time.Now(), MTA: bounce.Postfix, Outcome: bounce.Bounced, First: true},
		Verdict: bounce.Verdict{
			Category: bounce.SenderReputation, Reason: bounce.IPBlocklisted, Scope: bounce.ScopeSender, Disposition: bounce.Permanent,
			Rule: "test", Provider: provider, Blocklist: blocklist,
		},
		To: bounce.Address{Normal: "a@example.com", Domain: "example.com"},
	}
	return &bounce.Batch{
		Records: bounce.NewRecords(r), Domains: []string{"example.com"},
		Successes: []bounce.Success{{ID: bounce.NewSuccessID(1, 7), At: time.Now().UnixMilli(), Key: 7, First: true}},
		Read:      []bounce.Reading{{Source: source, Lines: 2, Bytes: 300}},
		Gaps:      []bounce.Gap{{At: time.Now(), Source: source, Path: source, Bytes: 5, Why: "test"}},
		Unparsed:  []bounce.Unparsed{{MTA: bounce.Exim, Shape: "x", Lines: []bounce.EventID{{1}, {2}, {3}}, Example: "x"}},
	}
}

func TestEverySeriesOfATableIsThereFromTheStart(t *testing.T) {
	text := exposed(t, "text")
	wantLines(t, text,
		`bouncetail_attempts_total{outcome="sent",provider="google"} 0`,
		`bouncetail_attempts_total{outcome="expired",provider="other"} 0`,
		`bouncetail_provider_failures_total{category="dmarc",provider="microsoft"} 0`,
		`bouncetail_failures_total{category="invalid-address",disposition="permanent",reason="no-such-user",scope="recipient"} 0`,
		`bouncetail_blocklist_failures_total{blocklist="spamhaus"} 0`,
		`bouncetail_recipients{state="bad"} 0`,
		`bouncetail_incidents_open{kind="blocklist"} 0`,
		`bouncetail_incidents_total{kind="provider-refuses"} 0`,
		`bouncetail_event_delay_seconds_count 0`,
	)
	for _, mta := range bounce.MTAs {
		wantLines(t, text, fmt.Sprintf("bouncetail_unparsed_lines_total{mta=%q} 0", mta))
	}
	if n := series(text); n > 3000 || n < 1000 {
		t.Errorf("%d series, want at most 3000", n)
	} else {
		t.Logf("%d series", n)
	}
}

func series(text string) int {
	n := 0
	for line := range strings.Lines(text) {
		if line[0] != '#' {
			n++
		}
	}
	return n
}

func TestWhatIsSavedIsCounted(t *testing.T) {
	text := exposed(t, "text", refused("google", "zen.spamhaus.org", "/var/log/mail.log"))
	wantLines(t, text,
		`bouncetail_attempts_total{outcome="bounced",provider="google"} 1`,
		`bouncetail_attempts_total{outcome="sent",provider="other"} 1`,
		`bouncetail_failures_total{category="sender-reputation",disposition="permanent",reason="ip-blocklisted",scope="sender"} 1`,
		`bouncetail_provider_failures_total{category="sender-reputation",provider="google"} 1`,
		`bouncetail_blocklist_failures_total{blocklist="spamhaus"} 1`,
		`bouncetail_recipients{state="failing"} 1`,
		`bouncetail_read_lines_total{source="/var/log/mail.log"} 2`,
		`bouncetail_read_bytes_total{source="/var/log/mail.log"} 300`,
		`bouncetail_gaps_total{source="/var/log/mail.log"} 1`,
		`bouncetail_gap_bytes_total{source="/var/log/mail.log"} 5`,
		`bouncetail_unparsed_lines_total{mta="exim"} 3`,
		`bouncetail_event_delay_seconds_count 2`,
		`bouncetail_event_delay_seconds_bucket{le="60"} 2`,
		`bouncetail_build_info{goversion="`+goVersion()+`",revision="abc",version="v1.2.3"} 1`,
	)
	if open := exposed(t, "openmetrics"); !strings.HasSuffix(open, "# EOF\n") || !strings.Contains(open, "bouncetail_attempts_total{") {
		t.Error("openmetrics has no # EOF at its end")
	}
}

// A daemon notes when it has read its settings and written the maps.
func TestNotesOfADaemonAreExposed(t *testing.T) {
	s, source := newStore(t)
	for name, value := range map[string]int64{
		query.MapEntries + "exim": 3, query.MapPublished + "exim": 1_795_000_000, query.ReloadSuccessful: 0, query.ReloadSucceeded: 1_795_000_001,
	} {
		for _, v := range []int64{9, value} { // the last one counts
			if err := s.Note(t.Context(), name, v); err != nil {
				t.Fatal(err)
			}
		}
	}
	wantLines(t, written(t, source, "text"),
		`bouncetail_map_entries{map="exim"} 3`,
		`bouncetail_map_published_timestamp_seconds{map="exim"} 1.795e+09`,
		`bouncetail_config_last_reload_successful 0`,
		`bouncetail_config_last_reload_success_timestamp_seconds 1.795000001e+09`,
	)
}

// Boards that were made for another exporter find its names, if the settings say so.
func TestNamesOfOtherExportersAreExposedIfAskedFor(t *testing.T) {
	batch := func(n int, outcome bounce.Outcome, mta bounce.MTA, dsn string) *bounce.Batch {
		b := refused("google", "", "mail.log")
		var r bounce.Record
		b.Records.Read(0, &r)
		r.ID, r.Outcome, r.MTA, r.DSN = bounce.NewEventID(uint32(n), dsn), outcome, mta, dsn
		return &bounce.Batch{Records: bounce.NewRecords(r)}
	}
	batches := []*bounce.Batch{
		refused("google", "", "mail.log"), batch(2, bounce.Deferred, bounce.Postfix, "4.4.1"), batch(3, bounce.Deferred, bounce.Postfix, "4.4.1"), batch(4, bounce.Bounced, bounce.Postfix, "5.1.1"),
		batch(5, bounce.Bounced, bounce.Postfix, "5.66.6"), batch(6, bounce.Bounced, bounce.Exim, "5.7.1"), batch(7, bounce.Expired, bounce.Postfix, "4.4.7"),
	}
	text := exposed(t, "text+compat", batches...)
	wantLines(t, text,
		`postfix_smtp_messages_processed_total{status="sent"} 1`,
		`postfix_smtp_messages_processed_total{status="deferred"} 2`,
		`postfix_smtp_messages_processed_total{status="bounced"} 4`,
		`postfix_smtp_deferred_messages_by_dsn_total{dsn="4.4.1"} 2`,
		`postfix_smtp_deferred_messages_by_dsn_total{dsn="4.2.2"} 0`,
		`postfix_smtp_bounced_messages_by_dsn_total{dsn="5.1.1"} 1`,
		`postfix_smtp_bounced_messages_by_dsn_total{dsn="5.7.1"} 0`,
		`postfix_smtp_bounced_messages_by_dsn_total{dsn="other"} 2`,
		`bouncetail_database_rows{table="bounces"} 7`,
		`bouncetail_database_rows{table="recipients"} 1`,
	)
	if n := series(text); n > 3000 {
		t.Errorf("%d series, want at most 3000", n)
	}
	if text := exposed(t, "text", batches...); strings.Contains(text, "\npostfix_") {
		t.Error("names of another exporter are exposed although nobody asked for them")
	}
}

func TestStrangersCannotMakeLabels(t *testing.T) {
	before := series(exposed(t, "text+compat"))
	b := &bounce.Batch{}
	for n := range 2000 {
		one := refused("", fmt.Sprintf("x%d.dnsbl.\"\n\\evil.example", n), "")
		var r bounce.Record
		one.Records.Read(0, &r)
		r.To = bounce.Address{Normal: fmt.Sprintf("a@d%d.example", n), Domain: fmt.Sprintf("d%d.example", n)}
		r.Host, r.Sender, r.Reply.RelayHost, r.Reply.Text = r.To.Domain, r.To.Normal, "mx."+r.To.Domain, "550 \"}\n"+r.To.Domain
		r.DSN = fmt.Sprintf("5.7.%d\"}", 1000+n)
		b.Records.Add(&r)
	}
	text := exposed(t, "text+compat", b)
	if n := series(text); n != before {
		t.Errorf("%d series, want %d as before", n, before)
	}
	if strings.Contains(text, "evil") || strings.Contains(text, "d1.example") {
		t.Error("a label has a value of a stranger")
	}
}

func TestNamesAreSound(t *testing.T) {
	text := exposed(t, "text+compat", refused("google", "zen.spamhaus.org", `a "path" with \ and {}`))
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("SKIPPED: no promtool here; run: apt-get install prometheus")
	}
	cmd := exec.CommandContext(t.Context(), promtool, "check", "metrics")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

func FuzzLabels(f *testing.F) {
	f.Add("google")
	f.Add("a\\\"\n}")
	f.Add("\xff")
	f.Fuzz(func(t *testing.T, value string) {
		m := bounce.FindMetric(bounce.MetricReadLines)
		got := pairs(m.LabelsOf(value))
		if want := strings.ToValidUTF8(value, "\uFFFD"); len(got) != 1 || got[0].GetName() != "source" || got[0].GetValue() != want {
			t.Errorf("pairs of %q: %v", value, got)
		}
		pairs(value) // of a row that another program wrote
	})
}

// The table of docs/metrics.md is made from the code.
func TestPageOfMetricsIsCurrent(t *testing.T) {
	const path, begin, end = "../../docs/metrics.md", "<!-- names: made from the code by go test ./view/metrics -update -->\n", "<!-- end of names -->\n"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(page), begin)
	_, after, foundEnd := strings.Cut(rest, end)
	if !found || !foundEnd {
		t.Fatalf("%s has no %q and %q", path, begin, end)
	}
	var b strings.Builder
	b.WriteString("| metric | type | labels | what |\n| --- | --- | --- | --- |\n")
	exporter := ""
	for i := range bounce.Metrics {
		m := &bounce.Metrics[i]
		if m.Exporter != exporter {
			exporter = m.Exporter
			fmt.Fprintf(&b, "\nWith `metrics.compat: [%s]`, these names of another exporter are exposed too:\n\n| metric | type | labels | what |\n| --- | --- | --- | --- |\n", exporter)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", fullName(m), m.Type, strings.Join(m.Labels, ", "), m.Help)
	}
	want := before + begin + b.String() + end + after
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(page) != want {
		t.Errorf("%s is not what the code says; run go test ./view/metrics -update and read the diff", path)
	}
}
