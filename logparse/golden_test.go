package logparse_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bouncetail/bouncetail/bounce"
)

// samples are the folders of real logs, and in each the log whose events are
// kept as a golden file, as they are named without .gz. The others hold the same messages in other headers.
var samples = map[string][]string{
	"exim/all":           {"mainlog"},
	"exim/datestamp":     {"mainlog-20261123"},
	"exim/expire":        {"mainlog"},
	"exim/main":          {"mainlog"},
	"postfix/expire":     {"mail.log"},
	"postfix/extra":      {"mail.log"},
	"postfix/greet5xx":   {"mail.log"},
	"postfix/main":       {"mail.log"},
	"postfix/multi":      {"mail.log", "mail.rfc3339.log", "mail.rfc5424.log"},
	"postfix/rsyslog-1k": {"mail.log", "mail.rfc3339.log", "mail.rfc5424.log"},
	"postfix/soft":       {"mail.log"},
	"postfix/journald":   {"journal.json", "journal.short-iso"},
	"exim/syslog":        {"mail.log", "mail.rfc3339.log", "mail.rfc5424.log"},
	"sendmail/main":      {"mail.log", "mail.rfc3339.log", "mail.rfc5424.log"},
	"opensmtpd/main":     {"mail.log", "mail.rfc3339.log", "mail.rfc5424.log"},
}

func TestRealLogsGiveTheGoldenEvents(t *testing.T) {
	for folder, logs := range samples {
		for i, log := range logs {
			t.Run(folder+"/"+log, func(t *testing.T) {
				var got strings.Builder
				for _, ev := range failures(t, sample(t, folder, log)) {
					got.WriteString(inOneLine(&ev) + "\n")
				}
				path := filepath.Join("testdata", "golden", strings.ReplaceAll(folder, "/", "-")+".txt")
				if *update && i == 0 {
					if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(path)
				if err != nil {
					t.Fatalf("%v; make it with go test ./logparse -update", err)
				}
				sameLines(t, got.String(), string(want))
			})
		}
	}
}

// sample returns a log of the samples, unpacked.
func sample(t testing.TB, folder, log string) []byte {
	t.Helper()
	packed, err := os.ReadFile(filepath.Join("..", "testdata", "logs", filepath.FromSlash(folder), log+".gz"))
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// failures returns the attempts in a log that failed, and fails on lines that
// are not parsed.
func failures(t testing.TB, text []byte) []bounce.Event {
	t.Helper()
	p := newParser(t, "")
	var all []bounce.Event
	p.Parse(string(text), func(ev *bounce.Event) {
		if ev.Kind == bounce.EventGaveUp || ev.Kind == bounce.EventAttempt && ev.Outcome != bounce.Sent {
			all = append(all, *ev)
		}
	})
	for _, u := range p.TakeUnparsed() {
		t.Errorf("not parsed, %d times: %s", len(u.Lines), u.Example)
	}
	return all
}

// inOneLine tells an event in one line, without what differs between the
// headers of one line.
func inOneLine(ev *bounce.Event) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", ev.At.Format("15:04:05"), ev.QueueID)
	if ev.Kind == bounce.EventGaveUp {
		b.WriteString(" gave up")
	}
	if ev.HasSender {
		fmt.Fprintf(&b, " from=<%s>", ev.Sender)
	}
	if ev.MessageID != "" {
		fmt.Fprintf(&b, " message-id=<%s>", ev.MessageID)
	}
	if ev.Kind != bounce.EventAttempt {
		return b.String()
	}
	fmt.Fprintf(&b, " %s to=<%s>", ev.Outcome, ev.Recipient)
	if ev.OriginalRecipient != "" {
		fmt.Fprintf(&b, " orig=<%s>", ev.OriginalRecipient)
	}
	r := &ev.Reply
	if ev.DSN != "" {
		fmt.Fprintf(&b, " dsn=%s", ev.DSN)
	}
	fmt.Fprintf(&b, " code=%d/%s stage=%q relay=%s[%s]:%d", r.SMTPCode, r.EnhancedCode, r.Stage, r.RelayHost, r.RelayIP, r.RelayPort)
	if text := r.Text; len(text) > 300 {
		fmt.Fprintf(&b, " %q… of %d bytes", text[:300], len(text))
	} else {
		fmt.Fprintf(&b, " %q", text)
	}
	return b.String()
}

// sameLines shows the first lines that differ.
func sameLines(t *testing.T, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	shown := 0
	for i := range max(len(g), len(w)) {
		var a, b string
		if i < len(g) {
			a = g[i]
		}
		if i < len(w) {
			b = w[i]
		}
		if a != b {
			t.Errorf("line %d:\n got %s\nwant %s", i+1, a, b)
			if shown++; shown == 5 {
				t.Fatalf("and more: %d lines, want %d", len(g)-1, len(w)-1)
			}
		}
	}
}
