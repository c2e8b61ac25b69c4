package pipeline_test

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/logparse"
	"github.com/bouncetail/bouncetail/queue"
)

// provenLogs are logs in a folder with a truth.tsv.gz.
var provenLogs = []string{
	"postfix/main/mail.log.gz",
	"postfix/soft/mail.log.gz",
	"postfix/greet5xx/mail.log.gz",
	"postfix/expire/mail.log.gz",
	"postfix/extra/mail.log.gz",
	"postfix/multi/mail.log.gz",
	"postfix/multi/mail.rfc3339.log.gz",
	"postfix/multi/mail.rfc5424.log.gz",
	"exim/main/mainlog.gz",
	"exim/all/mainlog.gz",
	"exim/expire/mainlog.gz",
	"exim/datestamp/mainlog-20261123.gz",
	"exim/syslog/mail.log.gz",
	"exim/syslog/mail.rfc3339.log.gz",
	"exim/syslog/mail.rfc5424.log.gz",
	"postfix/rsyslog-1k/mail.log.gz",
	"postfix/rsyslog-1k/mail.rfc3339.log.gz",
	"postfix/rsyslog-1k/mail.rfc5424.log.gz",
	"postfix/journald/journal.json.gz",
	"postfix/journald/journal.short-iso.gz",
	"sendmail/main/mail.log.gz",
	"sendmail/main/mail.rfc3339.log.gz",
	"sendmail/main/mail.rfc5424.log.gz",
	"opensmtpd/main/mail.log.gz",
	"opensmtpd/main/mail.rfc3339.log.gz",
	"opensmtpd/main/mail.rfc5424.log.gz",
}

// TestRealLogsAgreeWithTheTruth compares what the parsers and the queue read from
// logs of real servers with what was recorded on the wire.
func TestRealLogsAgreeWithTheTruth(t *testing.T) {
	folders, err := filepath.Glob("../testdata/logs/*/*/truth.tsv.gz")
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range folders {
		folder := strings.TrimPrefix(filepath.ToSlash(filepath.Dir(found)), "../testdata/logs/")
		if !slices.ContainsFunc(provenLogs, func(log string) bool { return path.Dir(log) == folder }) {
			t.Errorf("%s has a truth, and provenLogs no log of it", folder)
		}
	}
	for _, log := range provenLogs {
		t.Run(log, func(t *testing.T) {
			file := filepath.Join("..", "testdata", "logs", filepath.FromSlash(log))
			got := deliveries(t, file)
			mta, _, _ := strings.Cut(log, "/")
			// The logs of these two end before many messages were tried.
			proven := mta == "sendmail" || mta == "opensmtpd"
			s := compare(t, got, truth(t, filepath.Join(filepath.Dir(file), "truth.tsv.gz")), proven)
			t.Logf("%d failed, %d found, of these outcome %d, sender %d, message-id %d right; of %d codes %d, enhanced %d, replies %d right; %d sent parsed as failed",
				s.failed, s.found, s.outcome, s.sender, s.messageID, s.coded, s.code, s.enhanced, s.reply, s.invented)
			atLeast := 0.995
			if proven {
				atLeast = 0.98
			}
			if mta == "opensmtpd" {
				s.messageID = s.found // OpenSMTPD logs none
			}
			for _, share := range []struct {
				what  string
				n, of int
			}{
				{"failed deliveries found", s.found, s.failed},
				{"outcomes", s.outcome, s.found},
				{"SMTP codes", s.code, s.coded},
				{"enhanced codes", s.enhanced, s.coded},
				{"replies", s.reply, s.coded},
				{"senders", s.sender, s.found},
				{"message-ids", s.messageID, s.found},
			} {
				if got := float64(share.n) / float64(share.of); got < atLeast {
					t.Errorf("%s: %d of %d are right (%.1f %%), want %.1f %%", share.what, share.n, share.of, 100*got, 100*atLeast)
				}
			}
			if s.invented > 0 {
				t.Errorf("%d successful deliveries are parsed as failed, want none", s.invented)
			}
		})
	}
}

// truthRow is what happened to one recipient of one message, recorded by the test
// servers and not by the log.
type truthRow map[string]string

func (r truthRow) outcome() string {
	if o := r["mta_outcome"]; o != "" {
		return o
	}
	return r["expected"]
}

func (r truthRow) key() string { return r["queue_id"] + " " + strings.ToLower(r["rcpt"]) }

func (r truthRow) String() string {
	return fmt.Sprintf("%s %s %s %s %s stage=%s %.200q note=%q", r["scenario"], r["case"], r["queue_id"], r["rcpt"], r.outcome(), r["wire_stage"], r["wire_reply"], r["case_note"])
}

// comparable reports whether delivery lines show what happened to a recipient.
// Nothing proves the end of a notification, which has no sender. Exim does not read
// the reply of 12 KB of case c0311, so its log has no code for it.
func (r truthRow) comparable() bool {
	if unexplained[r["scenario"]] || r["case"] == "c0311" && r["wire_stage"] == "rcpt" && isExim(r["queue_id"]) {
		return false
	}
	return r["queue_id"] != "" && (r["sender"] != "" || r["mta_outcome"] != "")
}

func truth(t *testing.T, path string) []truthRow {
	t.Helper()
	lines := bufio.NewScanner(open(t, path))
	lines.Buffer(nil, 1<<20)
	var names []string
	var rows []truthRow
	unescape := strings.NewReplacer(`\\`, `\`, `\t`, "\t", `\r`, "\r", `\n`, "\n", `\0`, "\x00")
	for lines.Scan() {
		values := strings.Split(lines.Text(), "\t")
		if names == nil {
			names = values
			continue
		}
		row := make(truthRow)
		for i, name := range names {
			row[name] = unescape.Replace(values[i])
		}
		rows = append(rows, row)
	}
	if err := lines.Err(); err != nil || len(rows) == 0 {
		t.Fatalf("%s: %d rows, %v", path, len(rows), err)
	}
	return rows
}

func open(t *testing.T, path string) io.Reader {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return z
}

// deliveries returns all attempts in a log, by queue ID and recipient.
func deliveries(t *testing.T, path string) map[string][]bounce.Delivery {
	t.Helper()
	text, err := io.ReadAll(open(t, path))
	if err != nil {
		t.Fatal(err)
	}
	parser, err := logparse.New(logparse.Options{Zone: time.UTC, Anchor: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string][]bounce.Delivery)
	q := queue.New()
	keep := func(d *bounce.Delivery) {
		for _, to := range []string{d.Recipient, d.OriginalRecipient} {
			if to != "" {
				key := d.QueueID + " " + strings.ToLower(to)
				all[key] = append(all[key], *d)
			}
		}
	}
	parser.Parse(string(text), func(ev *bounce.Event) { q.Apply(ev, keep) })
	q.Release(time.Time{}, keep)
	for _, u := range parser.TakeUnparsed() {
		t.Errorf("not parsed, %d times: %s", len(u.Lines), u.Example)
	}
	return all
}

// unexplained are the scenarios whose outcome is in no delivery line: aliases, held
// mail and refusals at submission.
var unexplained = map[string]bool{
	"local-appendfail": true, // delivery to the file of an alias fails, and the alias does not
	"local-loop1":      true, // the alias is sent, and its address fails under another queue ID
	"header-checks":    true, // held, then deleted by hand
	"null-sender":      true, // a failed notification stays frozen in Exim's queue
	"callout":          true, // the reply on the wire was to a callout, which Exim does not log
}

// isExim reports whether a queue ID is one of Exim's.
func isExim(queueID string) bool { return strings.Count(queueID, "-") == 2 }

type score struct{ failed, found, outcome, coded, code, enhanced, reply, sender, messageID, invented int }

// compare scores the last attempt of each recipient whose outcome the truth proves.
// If proven is set, rows with an inferred outcome are skipped.
func compare(t *testing.T, got map[string][]bounce.Delivery, rows []truthRow, proven bool) score {
	t.Helper()
	var s score
	seen := make(map[string]bool)
	for _, row := range rows {
		if !row.comparable() || seen[row.key()] || proven && row["mta_outcome"] == "" {
			continue
		}
		seen[row.key()] = true
		attempts := got[row.key()]
		switch row.outcome() {
		case "sent":
			if strings.Contains(row["case_note"], "no SMTPUTF8") {
				continue // Postfix bounced what the script expected to pass
			}
			if n := len(attempts); n > 0 && attempts[n-1].Outcome != bounce.Sent {
				s.invented++
				t.Logf("sent, but parsed as %s: %v", attempts[n-1].Outcome, row)
			}
		case "bounced", "deferred", "expired":
			s.failed++
			if len(attempts) == 0 {
				t.Logf("not found: %s", row)
				continue
			}
			s.found++
			s.compareMessage(t, attempts, row)
			s.compareReply(t, attempts, row)
		}
	}
	return s
}

// compareMessage scores the outcome, the sender and the message-id.
func (s *score) compareMessage(t *testing.T, attempts []bounce.Delivery, row truthRow) {
	t.Helper()
	last := attempts[len(attempts)-1]
	outcome := row.outcome()
	same := func(d bounce.Delivery) bool {
		return string(d.Outcome) == outcome || outcome == "bounced" && d.Outcome == bounce.Expired
	}
	// An alias has an attempt for each address that it expands to. An expected
	// outcome without an observed one proves nothing against the log.
	cancelled := isExim(row["queue_id"]) && last.Outcome == bounce.Deferred && row["dsn_status"] == "5.0.0" // by hand
	if row["mta_outcome"] == "" || cancelled || same(last) || row["wire_stage"] == "" && slices.ContainsFunc(attempts, same) {
		s.outcome++
	} else {
		t.Logf("outcome %s: %s", last.Outcome, row)
	}
	if last.Sender == row["sender"] && last.HasSender {
		s.sender++
	} else {
		t.Logf("sender %q: %s", last.Sender, row)
	}
	if last.MessageID == row["message_id"] {
		s.messageID++
	} else {
		t.Logf("message-id %q: %s", last.MessageID, row)
	}
}

// compareReply scores the reply and its codes.
func (s *score) compareReply(t *testing.T, attempts []bounce.Delivery, row truthRow) {
	t.Helper()
	code, _ := strconv.Atoi(row["wire_code"])
	if code < 400 || strings.Contains(row["case_note"], "no valid code") || strings.Contains(row["case_note"], "inconsistent codes") {
		// No reply, the reply to a pipelined RCPT after a refused MAIL, or no
		// valid code: the reply on the wire did not decide.
		return
	}
	s.coded++
	last := attempts[len(attempts)-1]
	if slices.ContainsFunc(attempts, func(a bounce.Delivery) bool {
		return a.Reply.EnhancedCode == row["wire_enh"] || row["wire_enh"] == "" && strings.Contains(row["wire_reply"], a.Reply.EnhancedCode)
	}) {
		s.enhanced++
	} else {
		t.Logf("enhanced code %q, want %q: %s", last.Reply.EnhancedCode, row["wire_enh"], row)
	}
	if slices.ContainsFunc(attempts, func(a bounce.Delivery) bool { return sameWords(a.Reply.Text, row["wire_reply"]) }) {
		s.reply++
	} else {
		t.Logf("reply %q, want %q: %s", last.Reply.Text, row["wire_reply"], row["case_note"])
	}
	codes := make(map[int]bool)
	for _, a := range attempts {
		codes[a.Reply.SMTPCode] = true
	}
	if codes[code] {
		s.code++
	} else {
		t.Logf("code %v, want %d: %s\n\tlogged: %s", slices.Sorted(maps.Keys(codes)), code, row, last.Reply.Text)
	}
}

// lineCodes matches the codes at the start of a reply line, which some servers do
// not log, and \b, which stands for a backspace.
var lineCodes = regexp.MustCompile(`(?:^|\s|\b)[245]\d\d[- ]\s*|[245]\.\d\.\d{1,2}|\\b`)

// sameWords compares a logged reply with the one on the wire. It compares letters
// and digits, because servers escape other characters differently, and stops where
// the log is truncated.
func sameWords(logged, wire string) bool {
	words := func(s string) string {
		s = lineCodes.ReplaceAllString(s, " ")
		return strings.Map(func(r rune) rune {
			if r < 0x80 && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
				return r
			}
			return -1
		}, s)
	}
	logged, _, _ = strings.Cut(logged, "...") // Sendmail leaves out the middle
	a, b := words(logged), words(wire)
	return logged != "" && (strings.HasPrefix(b, a) || strings.HasPrefix(a, b))
}
