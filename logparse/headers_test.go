package logparse_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/volume"
	"github.com/bouncetail/bouncetail/logparse"
)

// Three lines of one message, without their headers.
var messageLines = []struct{ daemon, body string }{
	{"cleanup", "4f1XyZabcd: message-id=<m1@a.example>"},
	{"qmgr", "4f1XyZabcd: from=<news@a.example>, size=500, nrcpt=1 (queue active)"},
	{"smtp", `4f1XyZabcd: to=<gone@b.example>, relay=mx.b.example[192.0.2.1]:25, delay=0.13, delays=0.02/0.1/0/0.01, dsn=5.1.1, status=bounced (host mx.b.example[192.0.2.1] said: 550 5.1.1 <gone@b.example>: "User", unknown (in reply to RCPT TO command))`},
}

// withHeader puts a header in front of each of the three lines. In the form,
// DAEMON and BODY stand for what differs, QUOTED for the body in a table, JSON for it in
// a string, and CEFBODY for it in an event of that format.
func withHeader(form string) string {
	var log strings.Builder
	for _, l := range messageLines {
		inString := strings.ReplaceAll(l.body, `"`, `\"`)
		log.WriteString(strings.NewReplacer("DAEMON", l.daemon, "BODY", l.body, "QUOTED", strings.ReplaceAll(l.body, `"`, `""`), "JSON", inString, "CEFBODY", strings.ReplaceAll(l.body, "=", `\=`)).Replace(form) + "\n")
	}
	return log.String()
}

// row is what is kept of a message, from all of its lines.
func row(all []bounce.Event) string {
	var sender, messageID, rest string
	for i := range all {
		switch ev := all[i]; {
		case ev.MessageID != "":
			messageID = ev.MessageID
		case ev.Kind == bounce.EventMessage:
			sender = ev.Sender
		default:
			ev.Host, ev.At, ev.ID = "", time.Time{}, bounce.EventID{}
			rest += describe(&ev)
		}
	}
	return fmt.Sprintf("from=%q messageid=%q %s", sender, messageID, rest)
}

// Whatever the header, the lines say the same.
func TestHeadersOfAllForms(t *testing.T) {
	want := row(events(newParser(t, ""), withHeader("Nov 23 12:57:36 mx postfix/DAEMON[474]: BODY")))
	for _, tt := range headerTests {
		if tt.time == "" {
			continue
		}
		p := newParser(t, "")
		all := events(p, withHeader(tt.form))
		if got := row(all); got != want {
			t.Errorf("%s: %s\n got %s\nwant %s\nnot parsed: %v", tt.name, tt.form, got, want, p.TakeUnparsed())
			continue
		}
		last := all[len(all)-1]
		if got := last.At.Format(time.RFC3339Nano); got != tt.time || last.Host != tt.host {
			t.Errorf("%s: %s\n got %s of %q\nwant %s of %q", tt.name, tt.form, got, last.Host, tt.time, tt.host)
		}
	}
}

// The same line gives the same row wherever a batch begins.
func TestHeadersAreReadTheSameBehindAnyOther(t *testing.T) {
	alone := make([][]bounce.Event, len(headerTests))
	for i, tt := range headerTests {
		alone[i] = events(newParser(t, ""), withHeader(tt.form))
	}
	for k, first := range headerTests {
		if k%volume.Of(4, 1) != 0 {
			continue
		}
		for i, tt := range headerTests {
			if tt.time == "" || first.time == "" || strings.Contains(tt.form, "Nov 3 ") || strings.Contains(tt.form, "Okt") || strings.Contains(first.form, "202") && !strings.Contains(first.form, "2026") {
				continue
			}
			p := newParser(t, "")
			events(p, withHeader(first.form))
			got := events(p, withHeader(tt.form))
			if !slices.Equal(got, alone[i]) {
				t.Errorf("%s behind %s:\n got %v\nwant %v", tt.name, first.name, describeAll(got), describeAll(alone[i]))
			}
		}
	}
}

// Other mail servers are known by their own words where the tag is lost.
func TestOtherServersInUnusualHeaders(t *testing.T) {
	seen := make(map[bounce.MTA]bool)
	for _, tt := range []struct {
		line string
		mta  bounce.MTA
	}{
		{"[2026-11-23T12:57:36Z] mx 1xVTbv-00000r-1v ** a@b.example R=x T=y: Unrouteable address", bounce.Exim},
		{`{"log":"2026-11-23 12:57:36 1xVTbv-00000r-1v ** a@b.example R=x T=y: Unrouteable address\n","time":"2026-11-23T12:57:36.1Z"}`, bounce.Exim},
		{"exim-1  | 2026-11-23 12:57:36 1xVTbv-00000r-1v ** a@b.example R=x T=y: Unrouteable address", bounce.Exim},
		{"Nov 23 12:57:40 node1 docker[3]: 2026-11-23 12:57:36 1xVTbv-00000r-1v ** a@b.example R=x T=y: Unrouteable address", bounce.Exim},
		{"Nov 23 12:57:36 2026 mx exim[7]: 1xVTbv-00000r-1v ** a@b.example R=x T=y: Unrouteable address", bounce.Exim},
		{"2026-11-23T12:57:40+00:00 mx exim[7]2026-11-23 12:57:36 1xVTbv-00000r-1v ** a@b.example R=x T=y: Unrouteable address", bounce.Exim},
		{"Nov 23 12:57:36 mx sendmail[84]6AND4fXL000084: to=<a@b.example>, delay=00:00:01, xdelay=00:00:01, mailer=esmtp, pri=30242, relay=mx.b.example. [192.0.2.1], dsn=5.1.1, stat=User unknown", bounce.Sendmail},
		{"2026:11:23-12:57:36 mail exim-out[7]: 2026-11-23 12:57:36 1xVTbv-00000r-1v ** a@b.example R=x T=y: Unrouteable address", bounce.Exim},
		{"2026-11-23 12:57:36 UTC mx exim[7]: 1xVTbv-00000r-1v ** a@b.example R=x T=y: Unrouteable address", bounce.Exim},
		{"2026-11-23 12:57:36.123456789  mail.info: exim[7]: 1xVTbv-00000r-1v ** a@b.example R=x T=y: Unrouteable address", bounce.Exim},
		{"2026-11-23 12:57:36 mx sendmail[84]: 6AND4fXL000084: to=<a@b.example>, delay=00:00:01, xdelay=00:00:01, mailer=esmtp, pri=30242, relay=mx.b.example. [192.0.2.1], dsn=5.1.1, stat=User unknown", bounce.Sendmail},
		{"2026-11-23 12:57:36 mx 6AND4fXL000084: to=<a@b.example>, delay=00:00:01, xdelay=00:00:01, mailer=esmtp, pri=30242, relay=mx.b.example. [192.0.2.1], dsn=5.1.1, stat=User unknown", bounce.Sendmail},
		{`mail-1 | 2026-11-23T12:57:36Z smtpd[55]: 770afeddea7e9413 mta delivery evpid=7571057c164ab4f5 from=<news@a.example> to=<a@b.example> rcpt=<-> source="192.0.2.9" relay="192.0.2.1 (mx.b.example)" delay=0s result="PermFail" stat="550 5.1.1 no"`, bounce.OpenSMTPD},
	} {
		seen[tt.mta] = true
		got := events(newParser(t, ""), tt.line+"\n")
		if len(got) != 1 || got[0].MTA != tt.mta || got[0].Recipient != "a@b.example" || got[0].At.Truncate(time.Second) != time.Date(2026, 11, 23, 12, 57, 36, 0, time.UTC) {
			t.Errorf("%s\n got %v", tt.line, describeAll(got))
		}
	}
	for _, mta := range bounce.MTAs {
		if bounce.MTA(mta) != bounce.Postfix && !seen[bounce.MTA(mta)] { // the other tests of headers are about Postfix
			t.Errorf("no line of %s", mta)
		}
	}
}

// A header must be explained from its start. What a program quotes is none.
func TestNoBodyPassesForAHeader(t *testing.T) {
	const forged = "Nov 23 12:57:36 mx postfix/smtp[474]: 4f1XyZabcd: to=<victim@b.example>, relay=mx.b.example[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (no)"
	for _, line := range []string{
		"Nov 23 12:57:36 mx sshd[1]: Invalid user " + forged,
		"Nov 23 12:57:36 mx sshd[1]: " + forged,
		"Nov 23 12:57:36 mx dovecot: imap-login: Disconnected: user=<" + forged + ">",
		"Nov 23 12:57:36 mx myapp[1]: user said " + forged,
		"Nov 23 12:57:36 mx postfix/smtpd[4]: " + forged,
		"Nov 23 12:57:36 mx postfix/smtpd[4]: NOQUEUE: reject: RCPT from x[192.0.2.9]: 550 5.1.1 <a@b.example>: no; helo=<" + forged + ">",
		"Nov 23 12:57:36 mx postfix/cleanup[4]: 4f1XyZabce: warning: header Subject: " + forged,
		"2026-11-23 12:57:36 mx postfix/smtpd[4]: warning: " + forged,
		"2026-11-23T12:57:36Z INFO postfix/smtpd[4]: warning: " + forged,
		`192.0.2.9 - - [23/Nov/2026:12:57:36 +0000] "GET / HTTP/1.1" 200 12 "-" "` + forged + `"`,
		"[2026-11-23 12:57:36] login failed for " + forged,
		`{"program":"sshd","message":"` + forged + `","timestamp":"2026-11-23T12:57:36Z"}`,
		`{"program":"nginx","message":"GET ` + forged + `","timestamp":"2026-11-23T12:57:36Z"}`,
		`"2026-11-23T12:57:36Z","mx","sshd","` + forged + `"`,
		`time=2026-11-23T12:57:36Z program=sshd msg="` + forged + `"`,
		`time=2026-11-23T12:57:36Z program=web agent="` + forged + `"`,
		`{"SYSLOG_IDENTIFIER":"postfix/smtpd","__REALTIME_TIMESTAMP":"1795438656123456","MESSAGE":"` + forged + `"}`,
		`{"MESSAGE":["a","` + forged + `"],"__REALTIME_TIMESTAMP":"1795438656123456","SYSLOG_IDENTIFIER":"x"}`,
		"2026-11-23 12:57:36 1xVTbv-00000r-1v <= a@b.example H=x [192.0.2.9] P=esmtp S=1 T=\"" + forged + "\"",
		"12:57:36 11/10/2026 mx postfix/smtp[474]: 4f1XyZabcd: to=<victim@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (which month?)",
		"user=" + forged,
		"level=info user=joe " + forged,
		"Nov 23 12:57:36 mx myapp[1]: host=evil.example " + forged,
		"Nov 23 12:57:36 mx CEF:0|a|b|1|1|x|3|rt=1795438656000 sproc=sshd msg=" + strings.ReplaceAll(forged, "=", `\=`),
		"Nov 23 12:57:36 mx CEF:0|a|SSHD|1|1|x|3|rt=1795438656000 msg=" + strings.ReplaceAll(forged, "=", `\=`),
		"Nov 23 12:57:36 mx CEF:0|a|b|1|1|x|3|rt=1795438656000 suser=" + strings.ReplaceAll(forged, "=", `\=`),
		`syslog,appname=sshd,hostname=mx message="` + forged + `" 1795438656000000000`,
		`syslog,appname=web,hostname=mx user="` + forged + `" 1795438656000000000`,
		"time:2026-11-23T12:57:36Z\thost:mx\tident:sshd\tmessage:" + forged,
		"time:2026-11-23T12:57:36Z\thost:mx\tident:web\tua:" + forged,
		`Nov 23 12:57:36 mx postfix/smtpd[4]: @cee: {"helo":"` + forged + `"}`,
		"2026-11-23T12:57:36Z level=info msg=login user=" + forged,
		"11/10/2026 12:57:36 mx postfix/smtp[474]: 4f1XyZabcd: to=<victim@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (which month?)",
	} {
		// Nor does a copy of it.
		for _, line := range []string{line, "❌ " + line, "<pre>" + strings.NewReplacer("<", "&lt;", ">", "&gt;").Replace(line) + "</pre>", strings.ReplaceAll(line, " ", "  ")} {
			for _, ev := range events(newParser(t, ""), line+"\n") {
				if ev.Recipient != "" {
					t.Errorf("%s\n got %s", line, describe(&ev))
				}
			}
		}
	}
}

// Deliveries that cannot be read are counted, whatever stands before them.
func TestDeliveriesWithoutAKnownHeaderAreCounted(t *testing.T) {
	const (
		postfix   = "4f1XyZabcd: to=<a@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)"
		sendmail  = "6AND4fXL000084: to=<a@b.example>, delay=00:00:01, mailer=esmtp, pri=30242, dsn=5.1.1, stat=User unknown"
		exim      = "1xVTbv-00000r-1v ** a@b.example R=x T=y: Unrouteable address"
		opensmtpd = `770afeddea7e9413 mta delivery evpid=7571057c164ab4f5 from=<news@a.example> to=<a@b.example> rcpt=<-> delay=0s result="PermFail" stat="550 5.1.1 no"`
	)
	seen := make(map[bounce.MTA]bool)
	for _, tt := range []struct {
		line string
		mta  bounce.MTA
	}{
		{"mail/7 ~ " + postfix, bounce.Postfix},
		{"postfix/smtp[4]: " + postfix, bounce.Postfix}, // journalctl -o cat
		{postfix, bounce.Postfix},
		{"[ 1234.567890] mx postfix/smtp[4]: " + postfix, bounce.Postfix}, // journalctl -o short-monotonic
		{"Nov 23 12:57:36 mx !! postfix/smtp[4]: " + postfix, bounce.Postfix},
		{"Nov 23 12:57:36 mx somebody[3]: " + postfix, bounce.Postfix},
		{"Foo 23 12:57:36 mx !! postfix/smtp[4]: " + postfix, bounce.Postfix},
		{`{"text?":"` + postfix + `"}`, bounce.Postfix},
		{`{"log":"` + strings.NewReplacer("<", `\u003c`, ">", `\u003e`).Replace(postfix) + `\n"}`, bounce.Postfix},
		{"Nov 23 12:57:36 mx postfix[4]: smtp, again: " + postfix, bounce.Postfix},
		{"Nov 23 12:57:36 mx postfix/smtp[4]: " + strings.Replace(postfix, ": to=", " to=", 1), bounce.Postfix},
		{"Nov 23 12:57:36 mx postfix/smtp[4]: " + strings.Replace(postfix, "<a@b.example>", "a(b)@b.example", 1), bounce.Postfix},
		{"Nov 23 12:57:36 mx postfix/smtp[4]: " + strings.ReplaceAll(postfix, ", ", "; "), bounce.Postfix},
		{"Nov 23 12:57:36 mx CEF:0|a|b|1|1|x|3|msg=" + postfix, bounce.Postfix},                              // without its backslashes
		{"Nov 23 12:57:36 mx CEF:0|a|b|1|1|x|msg=" + strings.ReplaceAll(postfix, "=", `\=`), bounce.Postfix}, // a column is missing
		{"INFO postfix/smtp[4]: 4f1XyZabcd: to=< <a@b.example> >, relay=", bounce.Postfix},
		{"~~ " + sendmail, bounce.Sendmail},
		{"~~ " + exim, bounce.Exim},
		{"  ** a@b.example R=x T=y: Unrouteable address", bounce.Exim}, // exim -v
		{"  == a@b.example routing defer (-52): retry time not reached", bounce.Exim},
		{`{"log":"  292   ** a@b.example R=x T=y H=mx: 550 no \u003ca@b.example\u003e\n","stream":"stderr"}`, bounce.Exim},
		{`{"log":"** a@b.example: Unrouteable address\n","stream":"stderr"}`, bounce.Exim},
		{"    smtp        |   292   == a@b.example R=x T=y defer (111): Connection refused", bounce.Exim},
		{exim, bounce.Exim},
		{"~~ " + opensmtpd, bounce.OpenSMTPD},
		{"Nov 23 12:57:36 mx postfix/smtp[474]: 4f1XyZabcd: to=<a@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (" + strings.Repeat("x", 40_000) + ")", bounce.Postfix},
	} {
		seen[tt.mta] = true
		p := newParser(t, "")
		got := events(p, tt.line+"\n")
		unparsed := p.TakeUnparsed()
		if len(got) > 0 || len(unparsed) != 1 || unparsed[0].MTA != tt.mta || len(unparsed[0].Lines) != 1 || p.Counts().Unparsed != 1 {
			t.Errorf("%.200s\n got %v, counted %.300v, want one line of %s counted", tt.line, describeAll(got), unparsed, tt.mta)
		}
	}
	for _, mta := range bounce.MTAs {
		if !seen[bounce.MTA(mta)] {
			t.Errorf("no line of %s", mta)
		}
	}
}

// A shape groups lines and is logged, so it holds no address.
func TestShapesOfUnparsedLinesHoldNoAddress(t *testing.T) {
	p := newParser(t, "")
	for _, to := range []string{"jane@b.example", "joe@c.example"} {
		events(p, "~~ 6AND4fXL000084: to="+to+", delay=00:00:01, mailer=esmtp, pri=30242, dsn=5.1.1, stat=User unknown\n"+
			"~~ 1xVTbv-00000r-1v ** "+to+" R=x T=y: Unrouteable address\n")
	}
	unparsed := p.TakeUnparsed()
	if len(unparsed) != 2 {
		t.Errorf("%d shapes, want 2: %v", len(unparsed), unparsed)
	}
	for _, u := range unparsed {
		if strings.Contains(u.Shape, "example") || len(u.Lines) != 2 {
			t.Errorf("the shape %q was counted %d times, want twice and without an address", u.Shape, len(u.Lines))
		}
	}
}

func TestALogOfAnotherProgramIsForeign(t *testing.T) {
	p := newParser(t, "")
	for range 100 {
		if p.Foreign() {
			t.Fatalf("foreign after %d lines", p.Counts().Lines)
		}
		events(p, "Nov 23 12:57:36 mx dovecot: imap-login: Login: user=<a@b.example>\n")
	}
	if !p.Foreign() {
		t.Error("a log of Dovecot is not foreign after 100 lines")
	}
	events(p, "2026-11-23 12:57:36 mx postfix/smtpd[4]: connect from client.example[192.0.2.9]\n")
	if p.Foreign() {
		t.Error("still foreign behind a line of Postfix")
	}
}

// Exim's own stamp names the year and the fraction that syslog's does not.
func TestTheStampOfEximCompletesThatOfSyslog(t *testing.T) {
	for line, want := range map[string]string{
		"Feb 14 18:12:33 mx exim[47012]: 2025-02-14 18:12:33.501 [47012] ":                 "2025-02-14T18:12:33.501Z",
		"Feb 14 18:12:33 mx exim[47012]: 2025-02-14 18:12:33 +0100 ":                       "2025-02-14T17:12:33Z",
		"2025-02-14T18:12:33.7+01:00 mx exim[47012]: 2025-02-14 18:12:33 ":                 "2025-02-14T17:12:33Z",
		"2025-02-14T18:12:33.7+01:00 mx exim[47012]: ":                                     "2025-02-14T17:12:33.7Z",
		"2025-02-14T17:12:33.7Z stdout F 2025-02-14 18:12:33 ":                             "2025-02-14T17:12:33Z",
		"2025-02-14T17:12:33.7Z stdout F Feb 14 18:12:33 mx exim[1]: 2025-02-14 18:12:33 ": "2025-02-14T17:12:33Z",
	} {
		got := events(newParser(t, ""), line+"1tixMn-00000000C5j-1wRa ** a@b.example R=x T=y: Unrouteable address\n")
		if len(got) != 1 || got[0].At.Format(time.RFC3339Nano) != want {
			t.Errorf("%s: got %v, want %s", line, describeAll(got), want)
		}
	}
}

// A host may be called like a facility, also in front of the stamp of Exim itself.
func TestAHostCalledLikeAFacility(t *testing.T) {
	const line = "2026:11:23-12:57:36 mail exim-out[7]: 2026-11-23 12:57:36 1xVTbv-00000r-1v ** a@b.example R=x T=y: Unrouteable address"
	if got := events(newParser(t, ""), line+"\n"); len(got) != 1 || got[0].Host != "mail" {
		t.Errorf("got %v", describeAll(got))
	}
}

// Several objects may stand on one line.
func TestAnArrayOnOneLine(t *testing.T) {
	line := "[" + `{"program":"sshd","message":"Accepted, bye","timestamp":"2026-11-23T12:57:35Z"}`
	for _, l := range messageLines {
		line += `, {"timestamp":"2026-11-23T12:57:40Z","message":"Nov 23 12:57:36 mx postfix/` + l.daemon + `[4]: ` + strings.ReplaceAll(l.body, `"`, `\"`) + `"}`
	}
	p := newParser(t, "")
	got := events(p, line+"]\n")
	if want := row(events(newParser(t, ""), withHeader("Nov 23 12:57:36 mx postfix/DAEMON[474]: BODY"))); row(got) != want {
		t.Errorf("got %s, want %s; not parsed: %v", row(got), want, p.TakeUnparsed())
	}
}

// PowerShell writes files in UTF-16.
func TestLinesInUTF16(t *testing.T) {
	log := withHeader("Nov 23 12:57:36 mx postfix/DAEMON[474]: BODY")
	want := row(events(newParser(t, ""), log))
	wide := "\xff\xfe"
	for _, c := range []byte(strings.ReplaceAll(log, "\n", "\r\n")) {
		wide += string([]byte{c, 0})
	}
	if got := row(events(newParser(t, ""), wide)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	few := "Nov 23 12:57:36 mx postfix/smtp[4]: 4f1XyZabcd: to=<v\x00@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)"
	for _, ev := range events(newParser(t, ""), "~ "+few+"\n") {
		if ev.Recipient == "v@b.example" {
			t.Errorf("a few zero bytes: got %s", describe(&ev))
		}
	}
}

// An entry of the export form may be cut in two by a batch, and hold a value
// that is no text.
func TestExportedEntries(t *testing.T) {
	body := "4f1XyZabcd: to=<a@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (caf\xe9)"
	log := "__CURSOR=s=1\n__REALTIME_TIMESTAMP=1795438656123456\nMESSAGE\n" + string([]byte{byte(len(body)), 0, 0, 0, 0, 0, 0, 0}) + body + "\n_HOSTNAME=mx\nSYSLOG_IDENTIFIER=postfix/smtp\n\n"
	whole := events(newParser(t, ""), log)
	if len(whole) != 1 || whole[0].Recipient != "a@b.example" || whole[0].Host != "mx" {
		t.Fatalf("got %v", describeAll(whole))
	}
	//nolint:staticcheck // the numbers of the bytes are wanted, not the text
	asJSON := events(newParser(t, ""), `{"__REALTIME_TIMESTAMP":"1795438656123456","_HOSTNAME":"mx","SYSLOG_IDENTIFIER":"postfix/smtp","MESSAGE":`+strings.ReplaceAll(fmt.Sprint([]byte(body)), " ", ",")+"}\n")
	if len(asJSON) != 1 || asJSON[0] != whole[0] {
		t.Errorf("as JSON: %v, want %v", describeAll(asJSON), describeAll(whole))
	}
	for at, c := range log {
		if c != '\n' {
			continue
		}
		p := newParser(t, "")
		got := events(p, log[:at+1])
		p, err := logparse.New(logparse.Options{Zone: time.UTC, Anchor: noon, State: p.State()})
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, events(p, log[at+1:])...); len(got) != 1 || got[0] != whole[0] {
			t.Errorf("cut at %d: %v", at, describeAll(got))
		}
	}
}

// FuzzHeaders composes headers of parts. Whatever they are, a line says the same
// as with a plain header, or it is counted.
func FuzzHeaders(f *testing.F) {
	sources := []string{
		"", "mail-1  | ", "[pod/postfix-0/mail] ", "/var/log/mail.log:", "12:", "\ufeff", "\x1b[32mmail |\x1b[0m ", "  ", "<22>", "postfix-0 postfix ",
		"> ", "mail_postfix.1.abc123@node1    | ", "postfix_00 stdout | ", "0|mail  | ", "[mail-0 smtp] ", "*",
		"❌ ", "[code]", "<pre>", "- ", "1. ",
	}
	outers := []string{
		"", "2026-11-23T12:57:36.9Z ", "2026-11-23T12:57:36.9Z stdout F ", "Nov 23 12:57:37 node1 docker[3]: ", "<30>1 2026-11-23T12:57:36.9Z node1 mail 8 mail - ",
		"2026 Nov 23 12:57:38 node1->/var/log/mail.log ", "Nov 23 12:57:37 node1 7d1ad8e9c7f8[822]: ", "2026-11-23T12:57:36.9+00:00 mail/log/7d1ad8e9c7f8 ",
		"2026-11-23T12:57:36.9Z tag=mail ", "2026-11-23T12:57:36.9Z  INFO source{component_id=mail}: ",
	}
	stamps := []string{
		"Nov 23 12:57:36", "2026-11-23T12:57:36Z", "2026-11-23 12:57:36", "Nov 23 12:57:36 2026", "2026 Nov 23 12:57:36", "nov. 23 12:57:36", "Mon 2026-11-23 12:57:36 UTC", "20261123T125736Z", "1795438656", "[2026-11-23 12:57:36,000]", "23/Nov/2026:12:57:36 +0000", "Mon Nov 23 12:57:36 UTC 2026",
		"2026:11:23-12:57:36", "20261123125736", "@1795438656", "2026年11月23日 12:57:36", "Th11 23 12:57:36",
	}
	hosts := []string{"", " mx", " mx mail.info", " <mail.info> mx", " mail.info mx", " 192.0.2.7 mx", " INFO", " [info] mx", " mx mail:info", " s_net@mx/mx", " [192.0.2.5]", " mx :", " 192.0.2.7 Message forwarded from mx:", " <server>"}
	tags := []string{
		"postfix/smtp[474]: ", "postfix/smtp[474] ", "postfix/smtp: ", "postfix/smtp[474]:  ", "postfix/smtp[474]:", "postfix-out/smtp[474]: ", "postfix/submission/smtp[4]: ",
		"postfix/smtp[474]: info: ", "postfix/smtp[474] - ", "postfix/smtp[474]: [mail.info] ", "[postfix/smtp] ", "smtp[474]: ", "postfix/smtp(474): ", "postfix/smtp 474: ",
	}
	body := messageLines[2].body
	for i := range 480 {
		f.Add(uint8(i), uint8(i/3), uint8(i/2), uint8(i/5), uint8(i/7), body)
	}
	f.Fuzz(func(t *testing.T, source, outer, stamp, host, tag uint8, body string) {
		if strings.ContainsAny(body, "\n\r\x1b\ufeff") || strings.Contains(body, "#033[") || strings.TrimSpace(body) != body || !withQueueID.MatchString(body) ||
			strings.ContainsAny(body, "&`*\\") || strings.Contains(body, "  ") || mayBeMarkup.MatchString(body) || strings.HasSuffix(body, ">") {
			return
		}
		// A stamp of its own, the tag of a server, or a list's delimiter may begin a body.
		plain := events(newParser(t, ""), "Nov 23 12:57:36 mx postfix/smtp[474]: "+body+"\n")
		if len(plain) != 1 || plain[0].Kind != bounce.EventAttempt {
			return
		}
		line := pick(sources, source) + pick(outers, outer) + pick(stamps, stamp) + pick(hosts, host) + " " + pick(tags, tag) + body
		got := events(newParser(t, ""), line+"\n")
		if len(got) != 1 {
			t.Fatalf("%s\n got %v", line, describeAll(got))
		}
		// A line that is laid out as the one before is read the same.
		next := strings.NewReplacer(" 12:57:36", " 12:57:35", "T12:57:36", "T12:57:35", "[474]", "[475]", ": to=<", "0: to=<").Replace(line)
		alone, behind := events(newParser(t, ""), next+"\n"), events(newParser(t, ""), line+"\n"+next+"\n")
		if len(behind) != 2 || !slices.Equal(behind[1:], alone) {
			t.Errorf("%s\n%s\nalone  %v\nbehind %v", line, next, describeAll(alone), describeAll(behind))
		}
		if !got[0].At.Equal(plain[0].At) {
			t.Errorf("%s\n got %s, want %s", line, got[0].At, plain[0].At)
		}
		for _, ev := range []*bounce.Event{&got[0], &plain[0]} {
			ev.Host, ev.ID, ev.At = "", bounce.EventID{}, time.Time{}
		}
		if got[0] != plain[0] {
			t.Errorf("%s\n got %s\nwant %s", line, describe(&got[0]), describe(&plain[0]))
		}
	})
}

var mayBeMarkup = regexp.MustCompile(`\[/?[A-Za-z]+[]=]`)

// withQueueID matches a body that is recognised by its beginning.
var withQueueID = regexp.MustCompile(`^[0-9A-Za-z]{5,24}: to=<.*>, (?:relay=|status=)`)

func pick(parts []string, n uint8) string { return parts[int(n)%len(parts)] }
