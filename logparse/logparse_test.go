package logparse_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	innertext "github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/logparse"
)

var update = flag.Bool("update", false, "write the golden files again")

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func newParser(t testing.TB, mta bounce.MTA) *logparse.Parser {
	t.Helper()
	p, err := logparse.New(logparse.Options{MTA: mta, Zone: time.UTC, Anchor: noon})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// events returns copies of the events of a text. Whoever takes an event may change it,
// and whoever reads lines may overwrite them afterwards.
func events(p *logparse.Parser, text string) []bounce.Event {
	var all []bounce.Event
	for line := range strings.Lines(text) {
		memory := []byte(line)
		p.Parse(innertext.Own(memory), func(ev *bounce.Event) {
			all = append(all, *ev)
			cloneTexts(reflect.ValueOf(&all[len(all)-1]).Elem())
			*ev = bounce.Event{}
		})
		for i := range memory {
			memory[i] = '#'
		}
	}
	return all
}

// cloneTexts replaces the strings in a struct by copies.
func cloneTexts(v reflect.Value) {
	for _, f := range v.Fields() {
		if f.Kind() == reflect.String {
			f.SetString(strings.Clone(f.String()))
		} else if f.Kind() == reflect.Struct && f.Type() != reflect.TypeFor[time.Time]() {
			cloneTexts(f)
		}
	}
}

// describe writes an event as one line of a golden file, what is empty left
// out.
func describe(ev *bounce.Event) string {
	var b strings.Builder
	put := func(name string, value any) {
		if s := fmt.Sprint(value); s != "" && s != "0" {
			fmt.Fprintf(&b, " %s=%q", name, s)
		}
	}
	fmt.Fprintf(&b, "%s %s %s", ev.At.Format(time.RFC3339Nano), ev.MTA, [...]string{"", "message", "attempt", "gave up", "removed"}[ev.Kind])
	put("host", ev.Host)
	put("id", ev.QueueID)
	put("to", ev.Recipient)
	put("orig", ev.OriginalRecipient)
	if ev.HasSender {
		fmt.Fprintf(&b, " from=%q", ev.Sender)
	}
	put("messageid", ev.MessageID)
	put("outcome", ev.Outcome)
	put("transport", ev.Transport)
	put("router", ev.Router)
	put("dsn", ev.DSN)
	put("code", ev.Reply.SMTPCode)
	put("enhanced", ev.Reply.EnhancedCode)
	put("stage", ev.Reply.Stage)
	put("relay", ev.Reply.RelayHost)
	if ev.Echo {
		put("echo", "yes")
	}
	if ev.Discarded {
		put("discarded", "yes")
	}
	put("ip", ev.Reply.RelayIP)
	put("port", ev.Reply.RelayPort)
	put("text", ev.Reply.Text)
	return b.String()
}

// The logs are lines of real servers, chosen for their forms.
func TestLinesOfRealServers(t *testing.T) {
	logs, err := filepath.Glob("testdata/*.log")
	if err != nil || len(logs) < 5 {
		t.Fatalf("%q, %v", logs, err)
	}
	for _, log := range logs {
		t.Run(filepath.Base(log), func(t *testing.T) {
			text, err := os.ReadFile(log)
			if err != nil {
				t.Fatal(err)
			}
			p := newParser(t, "")
			var got strings.Builder
			for line := range strings.Lines(string(text)) {
				fmt.Fprintf(&got, "%.160s\n", strings.ToValidUTF8(strings.TrimSuffix(line, "\n"), "?"))
				for _, ev := range events(p, line) {
					fmt.Fprintf(&got, "\t%s\n", describe(&ev))
				}
			}
			for _, u := range p.TakeUnparsed() {
				t.Errorf("not parsed: %s", u.Example)
			}
			golden := strings.TrimSuffix(log, ".log") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != string(want) {
				t.Errorf("%s differs; run with -update and read the diff\n%s", golden, firstDifference(got.String(), string(want)))
			}
		})
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d\n got %s\nwant %s", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}

const (
	postfix   = "Nov 23 12:57:36 mx postfix/smtp[474]: 4XabcZ1y2z: "
	delivery  = "relay=mx.b.example[192.0.2.1]:25, delay=1, delays=0/0/0/1, "
	exim      = "2026-11-23 12:57:36 1xVTbv-00000r-1v "
	sendmail  = "Nov 23 12:57:36 mx sendmail[84]: 6AND4fXL000084: "
	opensmtpd = "Nov 23 12:57:36 mx smtpd[55]: 770afeddea7e9413 mta delivery evpid=7571057c164ab4f5 "
)

// What others write into a line must change neither outcome, recipient nor
// sender.
func TestNobodyElseDecides(t *testing.T) {
	for _, tt := range []struct {
		name, line, to string
		outcome        bounce.Outcome
		code           int
	}{
		{"a reply with a whole tail of Postfix", postfix + "to=<a@b.example>, " + delivery + "dsn=5.1.1, status=bounced (host mx.b.example[192.0.2.1] said: 550 5.1.1 x (in reply to end of DATA command)), dsn=2.0.0, status=sent (250 ok (in reply to RCPT TO command))", "a@b.example", bounce.Bounced, 550},
		{"a reply that names another recipient", postfix + "to=<a@b.example>, " + delivery + "dsn=5.1.1, status=bounced (host mx.b.example[192.0.2.1] said: 550 5.1.1 to=<victim@c.example>, dsn=5.1.1 (in reply to RCPT TO command))", "a@b.example", bounce.Bounced, 550},
		{"a quoted recipient with the fields of a line", postfix + `to=<"to=<x>, status=sent (c0017"@b.example>, ` + delivery + "dsn=5.1.1, status=bounced (host mx.b.example[192.0.2.1] said: 550 5.1.1 no (in reply to RCPT TO command))", `"to=<x>, status=sent (c0017"@b.example`, bounce.Bounced, 550},
		{"a quoted recipient with a relay", postfix + `to=<"a, b>, relay=x (c0017)"@b.example>, ` + delivery + "dsn=4.2.0, status=deferred (host mx.b.example[192.0.2.1] said: 450 4.2.0 later (in reply to RCPT TO command))", `"a, b>, relay=x (c0017)"@b.example`, bounce.Deferred, 450},
		{"a program's output with a status", postfix + "to=<a@b.example>, relay=local, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (user unknown. Command output: status=sent (250 ok) )", "a@b.example", bounce.Bounced, 0},
		{"a program's output with a reply", postfix + "to=<a@b.example>, relay=local, delay=1, delays=0/0/0/1, dsn=4.3.0, status=deferred (temporary failure. Command output: host mx.evil.example[192.0.2.66] said: 550 5.1.1 gone (in reply to RCPT TO command) )", "a@b.example", bounce.Deferred, 0},
		{"an Exim reply with Exim's marks", exim + "** a@b.example R=dnslookup T=remote_smtp H=mx.b.example [192.0.2.1]: SMTP error from remote mail server after RCPT TO:<a@b.example>: 550 1xVTbv-00000r-1v => victim@c.example R=x T=y", "a@b.example", bounce.Bounced, 550},
		{"an Exim reply with a deferral", exim + "** a@b.example R=dnslookup T=remote_smtp H=mx.b.example [192.0.2.1]: SMTP error from remote mail server after RCPT TO:<a@b.example>: 550 5.1.1 == x defer (-44): 450 later", "a@b.example", bounce.Bounced, 550},
		{"an Exim recipient with the fields of a line", exim + `** x r=dnslookup t=remote_smtp: no@b.example <"x R=dnslookup T=remote_smtp: no"@b.example> R=dnslookup T=remote_smtp H=mx.b.example [192.0.2.1]: SMTP error from remote mail server after RCPT TO:<"x R=dnslookup T=remote_smtp: no"@b.example>: 550 no`, `"x R=dnslookup T=remote_smtp: no"@b.example`, bounce.Bounced, 550},
		{"an Exim recipient like a file, and a reply with an address behind it", exim + "** /o=x/s=y@b.example R=dnslookup T=remote_smtp H=mx.b.example [192.0.2.1]: SMTP error from remote mail server after RCPT TO:</o=x/s=y@b.example>: 550 no <victim@c.example>: SMTP error from remote mail server after DATA: 550 x", "/o=x/s=y@b.example", bounce.Bounced, 550},
		{"an Exim deferral likewise", exim + "== |x@b.example R=dnslookup T=remote_smtp defer (-44) H=mx.b.example [192.0.2.1]: SMTP error from remote mail server after RCPT TO:<|x@b.example>: 450 no <victim@c.example> R=x T=y defer (-44): x", "|x@b.example", bounce.Deferred, 450},
		{"an Exim reply instead of a spaced address", exim + "** a@b.example R=dnslookup T=remote_smtp H=mx.b.example [192.0.2.1]: SMTP error from remote mail server after RCPT TO:<a@b.example>: 550 x victim@c.example R=x T=y: z", "a@b.example", bounce.Bounced, 550},
		{"a Sendmail reply with a stat", sendmail + "to=<a@b.example>, delay=00:00:00, xdelay=00:00:00, mailer=esmtp, pri=30242, relay=mx.b.example. [192.0.2.1], dsn=5.1.1, reply=550 5.1.1 x, stat=Sent (ok), stat=User unknown", "a@b.example", bounce.Bounced, 550},
		{"a Sendmail reply with a deferral", sendmail + "to=<a@b.example>, delay=00:00:00, xdelay=00:00:00, mailer=esmtp, pri=30242, relay=mx.b.example. [192.0.2.1], dsn=5.1.1, reply=550 5.1.1 x, stat=Deferred: 450 x, stat=User unknown", "a@b.example", bounce.Bounced, 550},
		{"an OpenSMTPD reply with a result", opensmtpd + `from=<news@a.example> to=<a@b.example> rcpt=<-> source="192.0.2.9" relay="192.0.2.1 (mx.b.example)" delay=0s result="PermFail" stat="550 5.1.1 x" result="Ok" stat="250 ok"`, "a@b.example", bounce.Bounced, 550},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newParser(t, "")
			got := events(p, tt.line+"\n")
			if len(got) != 1 {
				t.Fatalf("%d events, want 1; not parsed: %v", len(got), p.TakeUnparsed())
			}
			ev := got[0]
			if ev.Outcome != tt.outcome || tt.to != "" && ev.Recipient != tt.to || ev.Reply.SMTPCode != tt.code || strings.Contains(ev.Recipient, "victim") {
				t.Errorf("%s\n got %s\nwant to=%q outcome=%s code=%d", tt.line, describe(&ev), tt.to, tt.outcome, tt.code)
			}
		})
	}
}

func TestForeignWordsDoNotNameTheSender(t *testing.T) {
	p := newParser(t, "")
	for _, tt := range []struct{ line, from, messageID string }{
		{postfix[:len(postfix)-len("4XabcZ1y2z: ")] + "4XabcZ1y2z: message-id=<x>, from=<victim@c.example>, size=1, nrcpt=1 (queue active)>", "", "x>, from=<victim@c.example>, size=1, nrcpt=1 (queue active)"},
		{exim + "<= news@a.example H=(P=esmtp id=victim@c.example) [192.0.2.9] P=esmtp S=494 id=1@a.example", "news@a.example", "1@a.example"},
		{exim + `<= news@a.example H=mx.a.example [192.0.2.9] P=esmtp S=494 id=1@a.example T="S=1 id=victim@c.example"`, "news@a.example", "1@a.example"},
		{exim + `<= news@a.example U=root P=local S=267 M8S=0 RT=0.001s id*=E1@a.example T="x id=victim@c.example"`, "news@a.example", "E1@a.example"},
		{exim + `<= news@a.example U=root P=local S=267 T="x id=victim@c.example" from <news@a.example>`, "news@a.example", ""},
		{sendmail + "from=<news@a.example>, size=242, class=0, nrcpts=1, msgid=<x, from=<victim@c.example>>, proto=ESMTP, daemon=MTA, relay=localhost [127.0.0.1]", "news@a.example", "x, from=<victim@c.example>"},
	} {
		got := events(p, tt.line+"\n")
		if len(got) != 1 || got[0].Kind != bounce.EventMessage || got[0].Sender != tt.from || got[0].MessageID != tt.messageID {
			t.Errorf("%s\n got %v\nwant from=%q messageid=%q", tt.line, describeAll(got), tt.from, tt.messageID)
		}
	}
}

func describeAll(all []bounce.Event) (list []string) {
	for i := range all {
		list = append(list, describe(&all[i]))
	}
	return list
}

// Lines that quote a delivery, or speak of one that was no customer's.
func TestLinesThatAreNoAttempt(t *testing.T) {
	p := newParser(t, "")
	for _, line := range []string{
		"Nov 23 12:57:36 mx postfix/smtpd[4]: NOQUEUE: reject: RCPT from x[192.0.2.9]: 550 5.1.1 <a@b.example>: Recipient address rejected: undeliverable address: host mx.b.example[192.0.2.1] said: 550 no (in reply to RCPT TO command); from=<x@a.example> to=<a@b.example> proto=ESMTP helo=<x>",
		"Nov 23 12:57:36 mx postfix/smtp[4]: 4XabcZ1y2z: host mx.b.example[192.0.2.1] said: 450 4.2.0 later (in reply to RCPT TO command)",
		"Nov 23 12:57:36 mx postfix/smtp[4]: connect to mx.b.example[192.0.2.1]:25: Connection refused",
		postfix + "to=<a@b.example>, " + delivery + "dsn=5.1.1, status=undeliverable-but-not-cached (host mx.b.example[192.0.2.1] said: 550 no (in reply to RCPT TO command))",
		postfix + "to=<a@b.example>, " + delivery + "dsn=5.1.1, status=undeliverable (host mx.b.example[192.0.2.1] said: 550 no (in reply to RCPT TO command))",
		exim + "H=mx.b.example [192.0.2.1]: SMTP error from remote mail server after RCPT TO:<a@b.example>: 450 later",
		exim + "Frozen (delivery error message)",
		exim + "=> discarded (system filter)",
		exim + "=> blackhole (DATA ACL discarded recipients): spam",
		"2026-11-23 12:57:36 Start queue run: pid=53",
		"Nov 23 12:57:36 mx sshd[1]: 4XabcZ1y2z: to=<a@b.example>, relay=x, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (x)",
		sendmail + "to=<a@b.example>, delay=00:00:00, mailer=esmtp, pri=30242, stat=queued",
		sendmail + "to=<a@b.example>, delay=00:00:00, mailer=esmtp, pri=30242, quarantine=spam, stat=quarantined",
		"Nov 23 12:57:36 mx smtpd[55]: relay: Remove for 7571057c164ab4f5: from=<news@a.example>, to=<a@b.example>, rcpt=<->, delay=1d, stat=Removed by administrator",
		"not a log at all", "", "{", `{"MESSAGE":null}`, "{\"log\":1}",
	} {
		if got := events(p, line+"\n"); len(got) > 0 {
			t.Errorf("%s\n got %v, want nothing", line, describeAll(got))
		}
	}
	if unparsed := p.TakeUnparsed(); len(unparsed) > 0 {
		t.Errorf("counted as not parsed: %v", unparsed)
	}
}

func TestFormsThatAreNotKnownAreCounted(t *testing.T) {
	p := newParser(t, "")
	events(p, postfix+"to=<a@b.example>, "+delivery+"dsn=5.1.1, status=vanished (new in 4.0)\n"+
		postfix+"to=<c@b.example>, "+delivery+"dsn=5.1.1, status=vanished (new in 4.0)\n")
	unparsed := p.TakeUnparsed()
	if len(unparsed) != 1 || len(unparsed[0].Lines) != 2 || unparsed[0].MTA != bounce.Postfix || !strings.Contains(unparsed[0].Example, "vanished") {
		t.Errorf("got %+v, want one shape, twice", unparsed)
	}
	if again := p.TakeUnparsed(); len(again) > 0 {
		t.Errorf("reported twice: %+v", again)
	}
}

// The store counts a line once by its id, wherever the line is read. A later version may
// parse the line as a success and must then count it.
func TestIDsOfUnparsedLinesFollowFromTheLine(t *testing.T) {
	idsOf := func(log string) (ids []bounce.EventID) {
		p := newParser(t, "")
		events(p, log)
		for _, u := range p.TakeUnparsed() {
			ids = append(ids, u.Lines...)
		}
		return ids
	}
	parsed := postfix + "to=<a@b.example>, " + delivery + "dsn=2.0.0, status=sent (250 ok)"
	success := events(newParser(t, ""), parsed+"\n")[0].ID
	seen := map[bounce.EventID]string{success: parsed}
	later := strings.Replace(postfix, ":", "1:", 1)
	for _, line := range []string{
		postfix + "to=<a@b.example>, " + delivery + "dsn=5.1.1, status=vanished (new in 4.0)",
		postfix + "to=<c@b.example>, " + delivery + "dsn=5.1.1, status=vanished (new in 4.0)",
		later + "to=<a@b.example>, " + delivery + "dsn=5.1.1, status=vanished (new in 4.0)",
		postfix + "to=<>, " + delivery + "dsn=5.1.1, status=bounced (no)",
		"?? 4f1XyZ: to=<a@b.example>, " + delivery + "dsn=5.1.1, status=bounced (no)",
		"?? 4f1XyZ: to=<c@b.example>, " + delivery + "dsn=5.1.1, status=bounced (no)",
	} {
		ids := idsOf(line + "\n")
		if len(ids) != 1 || seen[ids[0]] != "" {
			t.Errorf("%s\nhas the ids %v, want one that no other line has", line, ids)
			continue
		}
		seen[ids[0]] = line
		if again := idsOf(parsed + "\n" + line + "\n" + line + "\n"); !slices.Equal(again, []bounce.EventID{ids[0], ids[0]}) {
			t.Errorf("%s\nhas the ids %v when it is read again, want %v", line, again, ids)
		}
	}
	// Of which neither the next line nor what a collector puts around them changes the id.
	line := postfix + "to=<a@b.example>, " + delivery + "dsn=5.1.1, status=vanished (new in 4.0)"
	if alone, around := idsOf(line+"\n"), idsOf("postfix-1  | "+line+"\n"); !slices.Equal(alone, around) {
		t.Errorf("the id is %v, and %v in the output of docker compose", alone, around)
	}
}

// With log_selector +sender_on_delivery, Exim names the sender with each attempt, as in the
// line about the arrival.
func TestTheSenderOfAnEximFailure(t *testing.T) {
	const rest = " R=dnslookup T=remote_smtp H=mx.b.example [192.0.2.1]: SMTP error from remote mail server after RCPT TO:<a@b.example>: 450 4.2.2 full"
	for from, want := range map[string]string{"news@a.example": "news@a.example", "": "", `"x> R=y"@a.example`: `"x> R=y"@a.example`, `j\303\266rg@a.example`: "jörg@a.example"} {
		for _, line := range []string{"** a@b.example F=<" + from + ">" + rest, "** a@b.example F=<" + from + "> P=<x@a.example>" + rest, "== a@b.example F=<" + from + ">" + strings.Replace(rest, " H=", " defer (-44) H=", 1)} {
			got := events(newParser(t, ""), exim+line+"\n")
			if len(got) != 1 || !got[0].HasSender || got[0].Sender != want || got[0].Router != "dnslookup" {
				t.Errorf("%s\n got %v", line, describeAll(got))
			}
		}
	}
	if got := events(newParser(t, ""), exim+"** a@b.example"+rest+"\n"); len(got) != 1 || got[0].HasSender {
		t.Errorf("without F=: got %v", describeAll(got))
	}
}

// A later version may put new fields into a known line.
func TestNewFieldsDoNotLoseALine(t *testing.T) {
	for _, line := range []string{
		postfix + "to=<a@b.example>, orig_to=<info>, relay=mx.b.example[192.0.2.1]:25, conn_use=3, delay=1, delays=0/0/0/1, tls=secure, quantum=yes, dsn=5.1.1, status=bounced (host mx.b.example[192.0.2.1] said: 550 5.1.1 no (in reply to RCPT TO command))",
		exim + "** a@b.example F=<news@a.example> P=<news@a.example> R=dnslookup T=remote_smtp H=mx.b.example [192.0.2.1]:25 I=[192.0.2.9]:4 X=TLS1.3:x:256 CV=yes DN=\"CN=mx\" : SMTP error from remote mail server after RCPT TO:<a@b.example>: 550 5.1.1 no DT=0.1s",
		sendmail + "to=<a@b.example>, delay=00:00:00, xdelay=00:00:00, mailer=esmtp, pri=30242, relay=mx.b.example. [192.0.2.1], dsn=5.1.1, ntries=2, reply=550 5.1.1 no, stat=User unknown",
		sendmail + "to=<a@b.example>, delay=00:00:00, xdelay=00:00:00, mailer=esmtp, tls_verify=OK, pri=30242, relay=mx.b.example. [192.0.2.1], dsn=5.1.1, reply=550 5.1.1 no, stat=User unknown",
		opensmtpd + `from=<news@a.example> to=<a@b.example> rcpt=<-> source="192.0.2.9" relay="192.0.2.1 (mx.b.example)" flavour="new" delay=0s result="PermFail" stat="550 5.1.1 no"`,
	} {
		got := events(newParser(t, ""), line+"\n")
		if len(got) != 1 || got[0].Recipient != "a@b.example" || got[0].Reply.SMTPCode != 550 || got[0].Reply.EnhancedCode != "5.1.1" || got[0].Reply.RelayIP != "192.0.2.1" {
			t.Errorf("%s\n got %v", line, describeAll(got))
		}
	}
}

// The router ipliteral calls the host as the domain is written.
func TestEximHostsThatAreAddressLiterals(t *testing.T) {
	for _, ip := range []string{"192.0.2.1", "IPv6:2001:db8::1"} {
		line := exim + "** a@[" + ip + "] R=ipliteral T=remote_smtp H=[" + ip + "] [" + strings.TrimPrefix(ip, "IPv6:") + "]:25: SMTP error from remote mail server after RCPT TO:<a@[" + ip + "]>: 550 5.1.1 no"
		got := events(newParser(t, ""), line+"\n")
		if len(got) != 1 || got[0].Recipient != "a@["+ip+"]" || got[0].Reply.SMTPCode != 550 || got[0].Reply.RelayIP != strings.TrimPrefix(ip, "IPv6:") || got[0].Reply.RelayHost != "" {
			t.Errorf("%s\n got %v", line, describeAll(got))
		}
	}
}

// Lines of Exim's with settings and addresses that few have. Their forms stand in
// string_log_address, d_hostlog, deferral_log and failure_log (src/deliver.c) and
// in retry_update (src/retry.c).
func TestEximLinesThatFewServersWrite(t *testing.T) {
	const (
		failed   = ": SMTP error from remote mail server after RCPT TO:<a@b.example>: 550 5.1.1 no"
		route    = "R=dnslookup T=remote_smtp "
		deferred = "defer (-44) H=mx.b.example [192.0.2.1]: SMTP error from remote mail server after RCPT TO:<a@b.example>: 450 4.2.2 full"
	)
	for _, tt := range []struct {
		line, to, orig string
		outcome        bounce.Outcome
		text           string
	}{
		{"** a@b.example " + route + "H=mx.b.example DS [192.0.2.1]" + failed, "a@b.example", "", bounce.Bounced, "550 5.1.1 no"},
		{"** a@b.example " + route + "H=mx.b.example [192.0.2.1]:25* PRX=[192.0.2.8]:1080 I=[192.0.2.9]:4 TFO* A=plain:me L* PRDR K X=TLS1.3:x:256* CV=dane DN=\"O=\"B, Inc.\",CN=mx\"" + failed, "a@b.example", "", bounce.Bounced, "550 5.1.1 no"},
		{"** a@b.example F=<n@a.example> Q=slow P=<n@a.example> " + route + "H=mx.b.example [192.0.2.1] TFO" + failed, "a@b.example", "", bounce.Bounced, "550 5.1.1 no"},
		{"== a@b.example Q=slow " + route + strings.Replace(deferred, "example [", "example DS [", 1), "a@b.example", "", bounce.Deferred, "450 4.2.2 full"},
		{"** a@b.example R=x T=y", "a@b.example", "", bounce.Bounced, ""},
		{"** a@b.example R=x T=y DT=0.1s", "a@b.example", "", bounce.Bounced, ""},
		{"== k@b.example R=localuser T=local defer (122): Disk quota exceeded DT=0.1s: error while writing to /var/mail/k", "k@b.example", "", bounce.Deferred, "Disk quota exceeded: error while writing to /var/mail/k"},
		{"== a@b.example " + route + "defer (32): Broken pipe H=mx.b.example [192.0.2.1]: mx.b.example [192.0.2.1]", "a@b.example", "", bounce.Deferred, "Broken pipe: mx.b.example [192.0.2.1]"},
		{"== a@b.example " + route + "defer (110): Connection timed out H=mx.b.example [192.0.2.1]: SMTP timeout after RCPT TO:<a@b.example>", "a@b.example", "", bounce.Deferred, "SMTP timeout after RCPT TO:<a@b.example>"},
		{`** "john doe"@b.example: retry timeout exceeded`, `"john doe"@b.example`, "", bounce.Expired, "retry timeout exceeded"},
		{"** john doe@b.example <list@b.example> " + route + "H=mx.b.example [192.0.2.1]" + failed, `"john doe"@b.example`, "list@b.example", bounce.Bounced, "550 5.1.1 no"},
		{"** |/bin/false --a <in>: x out (p@b.example) <pipe@b.example> R=aliases T=address_pipe: Child process of address_pipe transport returned 1", "pipe@b.example", "pipe@b.example", bounce.Bounced, "|/bin/false --a <in>: x out: Child process of address_pipe transport returned 1"},
		{"** >news@a.example <vac@b.example> R=vacation T=autoreply: Failed to send message from autoreply transport", "vac@b.example", "vac@b.example", bounce.Bounced, ">news@a.example: Failed to send message from autoreply transport"},
		{"== save my mail <a@b.example> R=userforward T=address_file defer (-21): not absolute", "a@b.example", "a@b.example", bounce.Deferred, "save my mail: not absolute"},
		{"=> luser (list@b.example) <LUser@b.example> F=<n@a.example> R=localuser T=local S=310", "LUser@b.example", "LUser@b.example", bounce.Sent, ""},
		{"=> a b@remote.example (list@b.example) <deep@b.example> F=<n@a.example> " + route + "H=mx.b.example [192.0.2.1] L C=\"250 ok\" QT=0.1s", `"a b"@remote.example`, "deep@b.example", bounce.Sent, ""},
		{"=> /home/a/in box <a@b.example> R=userforward T=address_file", "a@b.example", "a@b.example", bounce.Sent, ""},
		{"=> >news@a.example <vac@b.example> R=vacation T=autoreply", "vac@b.example", "vac@b.example", bounce.Sent, ""},
		{"** a@b.example " + route + "H=mx.b.example [192.0.2.1]: SMTP error from remote mail server after RCPT TO:: 550 5.1.1 no", "a@b.example", "", bounce.Bounced, "550 5.1.1 no"},
		{"** a@b.example R=x T=y: SMTP error from remote mail server after RCPT TO: : host mx.b.example [192.0.2.1]: 550 5.1.1 no", "a@b.example", "", bounce.Bounced, "550 5.1.1 no"},
		{"** a@b.example " + route + "H=mx.b.example [192.0.2.1] PS=ea NEW1=x" + failed, "a@b.example", "", bounce.Bounced, "550 5.1.1 no"},
		{"** a@b.example " + route + "H=mx.b.example [192.0.2.1] : Connection timed out : SMTP timeout after RCPT TO:<a@b.example>", "a@b.example", "", bounce.Bounced, "SMTP timeout after RCPT TO:<a@b.example>"},
		{"== a@b.example " + route + "defer (110) H=mx.b.example [192.0.2.1]: Connection timed out: SMTP timeout after RCPT TO:<a@b.example>", "a@b.example", "", bounce.Deferred, "SMTP timeout after RCPT TO:<a@b.example>"},
		{"** a@b.example " + route + "H=mx.b.example [192.0.2.1] : PRDR error after DATA: 550 5.7.1 not this one", "a@b.example", "", bounce.Bounced, "550 5.7.1 not this one"},
		{"** a@b.example " + strings.TrimSpace(route) + ": SMTP error from remote mailer after RCPT TO:<a@b.example>: host mx.b.example [192.0.2.1]: 550 5.1.1 no", "a@b.example", "", bounce.Bounced, "550 5.1.1 no"},
		{"** a@b.example " + strings.TrimSpace(route) + ": all hosts for 'b.example' have been failing for a long time and were last tried after this message arrived", "a@b.example", "", bounce.Expired, "all hosts for 'b.example' have been failing for a long time and were last tried after this message arrived"},
		{"== a@b.example " + route + "defer (-54): retry time not reached for any host for 'b.example'", "a@b.example", "", bounce.Deferred, "retry time not reached for any host for 'b.example'"},
		{"** a@b.example mua_wrapper forced failure for deferred delivery", "a@b.example", "", bounce.Bounced, "mua_wrapper forced failure for deferred delivery"},
		{"** a@b.example routing yielded a failed delivery", "a@b.example", "", bounce.Bounced, "routing yielded a failed delivery"},
		{`** joe@b.example <"jane doe"@a.example> : Unrouteable address`, "joe@b.example", `"jane doe"@a.example`, bounce.Bounced, "Unrouteable address"},
		{`->  joe@b.example <" joe.x"@a.example> ` + strings.TrimSpace(route), `" joe"@b.example`, `" joe.x"@a.example`, bounce.Sent, ""},
		{`=> jane <"jane doe"@a.example> R=localuser T=local_delivery`, `"jane doe"@a.example`, `"jane doe"@a.example`, bounce.Sent, ""},
		{"== a@b.example R=x T=y defer (dd): Connection refused", "a@b.example", "", bounce.Deferred, "Connection refused"}, // as Exim's test suite masks numbers
		{"** a@b.example R=x T=y H=mx.b.example [192.0.2.1]:PORT_S" + failed, "a@b.example", "", bounce.Bounced, "550 5.1.1 no"},
		{"** a@b.example R=x T=y: SMTP error from remote mail server after RCPT TO: 550 5.1.1 no", "a@b.example", "", bounce.Bounced, "550 5.1.1 no"},
		{"** info+spam |/home/x/script.php (info@a.example) <info@a.example> R=aliases T=virtual_address_pipe: Child process returned 127", "info@a.example", "info@a.example", bounce.Bounced, "info+spam |/home/x/script.php: Child process returned 127"},
		{"** a@b.example " + route + "H=mx.b.example [192.0.2.1]: SMTP error from remote mail server after RCPT TO:<a@b.example>: 550 5.1.1 no\\v", "a@b.example", "", bounce.Bounced, "550 5.1.1 no?"},
	} {
		p := newParser(t, "")
		got := events(p, exim+tt.line+"\n")
		p.End(true, func(ev *bounce.Event) { got = append(got, *ev) })
		if len(got) != 1 {
			t.Errorf("%s\n%d events, want 1; not parsed: %v", tt.line, len(got), p.TakeUnparsed())
			continue
		}
		ev := got[0]
		if ev.Recipient != tt.to || ev.OriginalRecipient != tt.orig || ev.Outcome != tt.outcome || ev.Reply.Text != tt.text {
			t.Errorf("%s\n got %s\nwant to=%q orig=%q outcome=%s text=%q", tt.line, describe(&ev), tt.to, tt.orig, tt.outcome, tt.text)
		}
		if strings.Contains(tt.line, "192.0.2.1]") && ev.Outcome != bounce.Sent && (ev.Reply.RelayHost != "mx.b.example" || ev.Reply.RelayIP != "192.0.2.1") {
			t.Errorf("%s\n got %s\nwant mx.b.example and 192.0.2.1 as the relay", tt.line, describe(&ev))
		}
	}
}

// Sendmail logs addresses as the submitter wrote them.
func TestSendmailAddressesWithNamesAndCommas(t *testing.T) {
	const tail = ", delay=00:00:01, xdelay=00:00:01, mailer=relay, pri=30300, relay=[192.0.2.1] [192.0.2.1], dsn=5.1.1, stat=User unknown"
	const head = "Nov 23 12:57:36 mx sendmail[84]: "
	for to, want := range map[string]string{
		"6AND4fXL000084: to=Vera <vera@b.example>":                              "vera@b.example",
		"6AND4fXL000084: to=[M1]<j@b.example>, ctladdr=[M1]<x@a.example> (5/5)": "j@b.example",
		`6AND4fXL000084: to="Doe, John" <jd@b.example>, "Roe" <jr@b.example>`:   "jd@b.example jr@b.example",
		"6AND4fXL000084: to=a@b.example (A, b), <c@b.example>, [more]":          "a@b.example c@b.example",
		`6AND4fXL000084: to=<"x, delay=00:00:01, stat=Sent (ok)"@b.example>`:    `"x, delay=00:00:01, stat=Sent (ok)"@b.example`,
		`6AND4fXL000084: to=<a\,\ delay@b.example>`:                             `a\,\ delay@b.example`,
		"NOQUEUE: to=<a@b.example>":                                             "a@b.example",
		": to=<a@b.example>":                                                    "a@b.example",
		`6AND4fXL000084: to=<a@b.example>,<"cut within a quotation, [more]`:     "",
		"6AND4fXL000084: to=<a@b.example>, to=<c@d.example>":                    "",
		"6AND4fXL000084: to=<a@b.example>,<c@b.example>, 00:00:01":              "",
		"6AND4fXL000084: to=John (no) Doe <a@b.example> (x) (y)":                "a@b.example",
		// These are addresses at evil.example, or none.
		"6AND4fXL000084: to=a@b.example(c)@evil.example":      "",
		"6AND4fXL000084: to=a@b.example (c) @evil.example":    "",
		"6AND4fXL000084: to=<a@b.example>@evil.example":       "",
		`6AND4fXL000084: to=<a@b.example>"x"@evil.example`:    "",
		"6AND4fXL000084: to=<u@evil.example> <a@b.example>":   "",
		"6AND4fXL000084: to=<u@evil.example>a@b.example":      "",
		"6AND4fXL000084: to=(c)a@b.example, <u@evil.example>": "",
		"6AND4fXL000084: to=<a@b.example>,c=d@e.example":      "a@b.example c=d@e.example",
	} {
		p := newParser(t, "")
		var got []string
		for _, ev := range events(p, head+to+tail+"\n") {
			got = append(got, ev.Recipient)
			if ev.Transport != "relay" {
				t.Errorf("%s: transport %q, want relay", to, ev.Transport)
			}
		}
		if strings.Join(got, " ") != want || (len(got) == 0) != (len(p.TakeUnparsed()) == 1) {
			t.Errorf("%s\n got %q\nwant %s", to, got, want)
		}
	}
}

// OpenSMTPD 5 named the kind of delivery first.
func TestOldOpenSMTPDIsRead(t *testing.T) {
	for line, want := range map[string]string{
		"relay: TempFail for 66251a4092099e2d: from=<n@a.example>, to=<a@b.example>, relay=192.0.2.1 (mx.b.example), delay=12s, stat=451 later":                                                             "deferred a@b.example mta 451 mx.b.example 66251a40",
		"relay: PermFail for 66251a4092099e2d: session=7818378a988ca63b, from=<n@a.example>, to=<a@b.example>, source=192.0.2.9, rcpt=<c@d.example>, relay=192.0.2.1 (mx.b.example), delay=0s, stat=550 no": "bounced a@b.example mta 550 mx.b.example 66251a40",
		"delivery: TempFail for 66251a4092099e2d: from=<n@a.example>, to=<a@b.example>, user=a, method=maildir, delay=1s, stat=Error (\"no disk\")":                                                         "deferred a@b.example maildir 0  66251a40",
		"delivery: Ok for 66251a4092099e2d: from=<n@a.example>, to=<a@b.example>, rcpt=<->, user=a, method=lmtp, delay=1s, stat=Delivered":                                                                  "sent a@b.example  0  66251a40",
	} {
		got := events(newParser(t, ""), "Nov 23 12:57:36 mx smtpd[55]: "+line+"\n")
		if len(got) != 1 {
			t.Errorf("%s\n%d events, want 1", line, len(got))
			continue
		}
		if bare := events(newParser(t, ""), "2026-11-23_12:57:36.12345 "+line+"\n"); row(bare) != row(got) {
			t.Errorf("%s, without a tag\n got %s\nwant %s", line, row(bare), row(got))
		}
		ev := got[0]
		if s := fmt.Sprintf("%s %s %s %d %s %s", ev.Outcome, ev.Recipient, ev.Transport, ev.Reply.SMTPCode, ev.Reply.RelayHost, ev.QueueID); s != want || ev.Sender != "n@a.example" {
			t.Errorf("%s\n got %s\nwant %s", line, s, want)
		}
	}
}

// What may be no delivery: a program, a server nearby, discard(8).
func TestSuccessesThatMayBeNoDelivery(t *testing.T) {
	const fields = ", delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent "
	for line, want := range map[string]string{
		"Nov 23 12:57:36 mx postfix/pipe[4]: 4XabcZ1y2z: to=<a@b.example>, relay=spam" + fields + "(delivered via spam service)":                                        "handover to a filter",
		"Nov 23 12:57:36 mx postfix/discard[4]: 4XabcZ1y2z: to=<a@b.example>, relay=none" + fields + "(silently)":                                                       "discarded",
		postfix + "to=<a@b.example>, relay=amavis[172.18.0.3]:10024" + fields + "(250 2.0.0 from MTA(smtp:[172.18.0.2]:10025): 250 2.0.0 Ok: queued as BB4F000000)":     "handover to a filter as BB4F000000",
		postfix + "to=<a@b.example>, relay=mx[private/dovecot-lmtp]" + fields + "(250 2.0.0 <a@b.example> abc Saved)":                                                   "",
		postfix + "to=<a@b.example>, relay=mx.b.example[192.0.2.1]:25" + fields + "(250 2.0.0 Ok: queued as BB4F000000)":                                                "as BB4F000000",
		exim + `=> a@b.example R=d T=r H=mx.b.example [192.0.2.1] C="250 x [127.0.0.1] OK id=1xVTbv-00000r-1v"`:                                                         "",
		exim + `=> a@b.example R=d T=r H=mx.b.example [10.0.0.1] C="250 OK id=1xVTbv-00000r-1v"`:                                                                        "handover to a server as 1xVTbv-00000r-1v",
		exim + `=> a@b.example R=d T=r H=mx.b.example [192.0.2.1] X=TLS1.3:x:256 C="250 OK id=1xVTbv-00000r-1w" QT=1s`:                                                  "as 1xVTbv-00000r-1w",
		"Nov 23 12:57:36 mx postfix/local[4]: 4XabcZ1y2z: to=<a@b.example>, relay=local" + fields + "(forwarded as BB4F000000)":                                         "handover to a server as BB4F000000",
		sendmail + "to=a@b.example, delay=00:00:01, mailer=esmtp, relay=mx.b.example. [192.0.2.1], dsn=2.0.0, stat=Sent (6AND4fXC000084 Message accepted for delivery)": "as 6AND4fXC000084",
		exim + `=> a@b.example R=spamcheck_router T=spamcheck`:                                                                                                          "handover",
		exim + `=> a@b.example R=localuser T=local_delivery`:                                                                                                            "",
		exim + `=> :blackhole: <a@b.example> R=blackhole`:                                                                                                               "discarded",
		exim + `=> >news@a.example <a@b.example> R=vacation T=vacation_reply`:                                                                                           "discarded",
		exim + `-> >news@a.example <"a b"@b.example> R=vacation T=vacation_reply`:                                                                                       "discarded",
		sendmail + "to=a@b.example, delay=00:00:01, mailer=relay, relay=[127.0.0.1] [127.0.0.1], dsn=2.0.0, stat=Sent (6AND4fXC000084 Message accepted for delivery)":   "handover to a server as 6AND4fXC000084",
	} {
		got := events(newParser(t, ""), line+"\n")
		if len(got) != 1 || got[0].Outcome != bounce.Sent {
			t.Errorf("%s\n got %v, want a success", line, describeAll(got))
			continue
		}
		var said []string
		if got[0].Discarded {
			said = append(said, "discarded")
		}
		if got[0].Handover {
			said = append(said, "handover")
		}
		if got[0].Server && got[0].Handover {
			said = append(said, "to a server")
		}
		if got[0].Filter {
			said = append(said, "to a filter")
		}
		if got[0].Onward != "" {
			said = append(said, "as "+got[0].Onward)
		}
		if strings.Join(said, " ") != want {
			t.Errorf("%s\n got %q, want %q", line, strings.Join(said, " "), want)
		}
	}
}

// What SMTP commands Exim names in front of a reply, or of none.
func TestStagesOfExim(t *testing.T) {
	for words, want := range map[string]struct {
		stage bounce.Stage
		code  int
	}{
		"SMTP error from remote mail server after BDAT 1234 LAST: 554 5.7.1 no":                     {bounce.StageEndOfData, 554},
		"SMTP error from remote mail server after pipelined sending data block: 554 5.7.1 no":       {bounce.StageEndOfData, 554},
		"SMTP error from remote mail server after sending data block: 554 5.7.1 no":                 {bounce.StageEndOfData, 554},
		"Remote host closed connection in response to sending data block":                           {bounce.StageEndOfData, 0},
		"Malformed SMTP reply (an empty line) in response to EHLO mx.a.example":                     {bounce.StageEHLO, 0},
		"LMTP connection closed after end of data":                                                  {bounce.StageEndOfData, 0},
		"Malformed LMTP response after MAIL FROM:<n@a.example>: garbage":                            {bounce.StageMailFrom, 0},
		"Remote host closed connection in response to EHLO mx (EHLO response was: 550 5.1.1 go on)": {bounce.StageEHLO, 0},
	} {
		got := events(newParser(t, ""), exim+"** a@b.example R=dnslookup T=remote_smtp H=mx.b.example [192.0.2.1]: "+words+"\n")
		if len(got) != 1 || got[0].Reply.Stage != want.stage || got[0].Reply.SMTPCode != want.code {
			t.Errorf("%s\n got %v\nwant stage=%q code=%d", words, describeAll(got), want.stage, want.code)
		}
	}
}

// smtp_sasl_glue.c words an earlier failure again, without the address.
func TestSASLFailureThatPostfixRemembers(t *testing.T) {
	got := events(newParser(t, ""), postfix+"to=<a@b.example>, "+delivery+"dsn=4.7.8, status=deferred (SASL [CACHED] authentication failed; server mx.b.example said: 535 5.7.8 Error: authentication failed)\n")
	if len(got) != 1 || got[0].Reply.Stage != bounce.StageAuth || got[0].Reply.SMTPCode != 535 || got[0].Reply.EnhancedCode != "5.7.8" || got[0].Reply.RelayIP != "192.0.2.1" {
		t.Errorf("got %v", describeAll(got))
	}
}

func TestCutLinesKeepWhatIsThere(t *testing.T) {
	whole := postfix + "to=<a@b.example>, " + delivery + "dsn=5.1.1, status=bounced (host mx.b.example[192.0.2.1] said: 550 5.1.1 " + strings.Repeat("é", 900)
	got := events(newParser(t, ""), whole[:len(whole)-1]+"\n")
	if len(got) != 1 || got[0].Outcome != bounce.Bounced || got[0].Reply.SMTPCode != 550 || !strings.HasSuffix(got[0].Reply.Text, "é?") {
		t.Errorf("got %v", describeAll(got))
	}
}

func TestWhatIsStoredIsSafeToShow(t *testing.T) {
	got := events(newParser(t, ""), postfix+"to=<a\u202e@b.example>, "+delivery+"dsn=5.1.1, status=bounced (host mx.b.example[192.0.2.1] said: 550 5.1.1 \x1b[31m red\u2028 \u200f\xff\x00 (in reply to RCPT TO command))\n")
	if len(got) != 1 {
		t.Fatalf("%d events", len(got))
	}
	for _, s := range []string{got[0].Recipient, got[0].Reply.Text} {
		if strings.ContainsAny(s, "\x1b\x00\u202e\u2028\u200f\ufffd") || !strings.Contains(s, "b.example") && !strings.Contains(s, "red") {
			t.Errorf("%q", s)
		}
	}
}

func TestSeveralRecipientsOfASendmailLine(t *testing.T) {
	got := events(newParser(t, ""), sendmail+`to=<a@b.example>,<"x,y"@b.example>, delay=00:00:00, xdelay=00:00:00, mailer=esmtp, pri=30242, relay=mx.b.example. [192.0.2.1], dsn=5.1.1, reply=550 5.1.1 no, stat=User unknown`+"\n")
	if len(got) != 2 || got[0].Recipient != "a@b.example" || got[1].Recipient != `"x,y"@b.example` || got[0].ID == got[1].ID {
		t.Errorf("got %v", describeAll(got))
	}
}

// What stands between a program's name and its words.
func TestWhatLoggersPutBeforeTheWords(t *testing.T) {
	const bounced = "4XabcZ1y2z: to=<a@b.example>, " + delivery + "dsn=5.0.0, status=bounced (x)"
	for _, line := range []string{
		"<22>1 2026-11-23T12:57:36Z mx postfix/smtp 474 - [timeQuality tzKnown=\"1\"] " + bounced,
		"<22>1 2026-11-23T12:57:36Z mx postfix/smtp 474 - [meta sequenceId=\"29\"][x@1 y=\"\\\"] a\"]  \ufeff" + bounced,
		"<22>1 2026-11-23T12:57:36Z mx postfix/smtp 474 - - \ufeff" + bounced,
		"Nov 23 12:57:36 mx postfix/smtp[474]: [ID 197553 mail.info] " + bounced,                 // syslogd of illumos
		"Nov 23 12:57:36 mx exim[88]: [88] 1xVTbv-00000r-1v ** a@b.example: Unrouteable address", // log_selector +pid, syslog_timestamp = false
		"Nov 23 12:57:36 mx exim[88]: 2026-11-23 12:57:36 [88] 1xVTbv-00000r-1v ** a@b.example: Unrouteable address",
	} {
		got := events(newParser(t, ""), line+"\n")
		if len(got) != 1 || got[0].Recipient != "a@b.example" || got[0].Host != "mx" || got[0].Outcome != bounce.Bounced || got[0].At.Format(time.TimeOnly) != "12:57:36" {
			t.Errorf("%s\n got %v", line, describeAll(got))
		}
	}
	for _, line := range []string{
		"<22>1 2026-11-23T12:57:36Z mx postfix/smtp 474 - [open " + bounced,
		"<22>1 2026-11-23T12:57:36Z mx postfix/smtp 474 - [x y=\"] " + bounced,
		"<22>1 2026-11-23T12:57:36Z mx postfix/smtp 474 - ",
	} {
		if got := events(newParser(t, ""), line+"\n"); len(got) > 0 {
			t.Errorf("%s\n got %v, want nothing", line, describeAll(got))
		}
	}
}

// logdelivery() puts a list that is too long for one line on several, and marks
// all but the last.
func TestListOfRecipientsThatGoesOn(t *testing.T) {
	got := events(newParser(t, ""), sendmail+"to=<a@b.example>,<c@b.example>, [more], delay=00:00:00, xdelay=00:00:00, mailer=esmtp, pri=30242, relay=mx.b.example. [IPv6:2001:db8:0:0:0:0:0:1], dsn=4.2.1, stat=Deferred: 450 4.2.1 later\n")
	if len(got) != 2 || got[0].Recipient != "a@b.example" || got[1].Recipient != "c@b.example" {
		t.Fatalf("got %v", describeAll(got))
	}
	if r := got[0].Reply; r.RelayHost != "mx.b.example" || r.RelayIP != "2001:db8::1" {
		t.Errorf("got %s, want the relay too", describe(&got[0]))
	}
}

// queue_log() in usr.sbin/smtpd/queue.c logs what no delivery line does.
func TestExpiryOfOpenSMTPD(t *testing.T) {
	for _, tt := range []struct{ line, from string }{
		{"relay: Expire for 7571057c164ab4f5: from=<news@a.example>, to=<a@b.example>, rcpt=<->, delay=4d1h, stat=Envelope expired", "news@a.example"},
		{"delivery: Expire for 7571057c164ab4f5: from=<@>, to=<a@b.example>, rcpt=<info@b.example>, delay=4d1h, stat=Envelope expired", ""},
	} {
		got := events(newParser(t, ""), "Nov 23 12:57:36 mx smtpd[55]: "+tt.line+"\n")
		if len(got) != 1 || got[0].Outcome != bounce.Expired || got[0].QueueID != "7571057c" || got[0].Recipient != "a@b.example" || got[0].Sender != tt.from || !got[0].HasSender || got[0].Reply.Text != "Envelope expired" {
			t.Errorf("%s\n got %v", tt.line, describeAll(got))
		}
	}
}

// mda_log() leaves out rcpt= where the address was not rewritten.
func TestLocalDeliveryOfOpenSMTPDWithoutRcpt(t *testing.T) {
	got := events(newParser(t, ""), `Nov 23 12:57:36 mx smtpd[55]: 770afeddea7e9413 mda delivery evpid=7571057c164ab4f5 from=<news@a.example> to=<a@b.example> user=a delay=0s result=PermFail stat=Error ("mail.local: /var/mail/a: no such user")`+"\n")
	if len(got) != 1 || got[0].Outcome != bounce.Bounced || got[0].Recipient != "a@b.example" || got[0].OriginalRecipient != "" {
		t.Errorf("got %v", describeAll(got))
	}
}

// mail.lmtp(8) prints what the LMTP server replied.
func TestTheReplyToOpenSMTPDsLMTPClientIsRead(t *testing.T) {
	for stat, want := range map[string]bounce.Reply{
		`Error (temporary failure: "mail.lmtp: LMTP server error: 452 4.2.2 <a@b.example> Quota exceeded")`: {SMTPCode: 452, EnhancedCode: "4.2.2", Text: "452 4.2.2 <a@b.example> Quota exceeded"},
		`Error ("mail.lmtp: LMTP server error: 550 5.1.1 no such user")`:                                    {SMTPCode: 550, EnhancedCode: "5.1.1", Text: "550 5.1.1 no such user"},
		`Error ("procmail: LMTP server error, 550 files")`:                                                  {Text: `Error ("procmail: LMTP server error, 550 files")`},
	} {
		got := events(newParser(t, ""), `Nov 23 12:57:36 mx smtpd[55]: 770afeddea7e9413 mda delivery evpid=7571057c164ab4f5 from=<news@a.example> to=<a@b.example> rcpt=<a@b.example> user=a delay=0s result=TempFail stat=`+stat+"\n")
		if len(got) != 1 || got[0].Reply != want {
			t.Errorf("%s\n got %v, want %v", stat, describeAll(got), want)
		}
	}
}

// Before 2.3 Postfix named the greeting that it did not like as an error of the
// connection.
func TestAGreetingOfRefusalInOldLogsIsAReply(t *testing.T) {
	got := events(newParser(t, ""), "Nov 23 12:57:36 mx postfix/smtp[4]: 4A1B2C3D4E: to=<a@b.example>, relay=none, delay=2, status=deferred (connect to mx.b.example[192.0.2.1]: server refused to talk to me: 421 4.7.0 too many messages, come back later  )\n")
	want := bounce.Reply{SMTPCode: 421, EnhancedCode: "4.7.0", Text: "421 4.7.0 too many messages, come back later", Stage: bounce.StageGreeting, RelayHost: "mx.b.example", RelayIP: "192.0.2.1"}
	if len(got) != 1 || got[0].Reply != want {
		t.Errorf("got %v, want the reply %v", describeAll(got), want)
	}
}

// People take the addresses of servers out of lines that they show.
func TestAReplyOfAServerWithoutItsAddressIsRead(t *testing.T) {
	for words, stage := range map[string]bounce.Stage{"said": "", "refused to talk to me": bounce.StageGreeting} {
		got := events(newParser(t, ""), postfix+"to=<a@b.example>, relay=mx.b.example, delay=2, delays=0/0/1/1, dsn=4.2.2, status=deferred (host mx.b.example "+words+": 452 4.2.2 the box is full)\n")
		want := bounce.Reply{SMTPCode: 452, EnhancedCode: "4.2.2", Text: "452 4.2.2 the box is full", Stage: stage, RelayHost: "mx.b.example"}
		if len(got) != 1 || got[0].Reply != want {
			t.Errorf("%s: got %v, want the reply %v", words, describeAll(got), want)
		}
	}
}

func TestTheQueueIDOfTheNextServerIsRead(t *testing.T) {
	for _, tt := range []struct{ relay, reply, want string }{
		{"127.0.0.1[127.0.0.1]:10024", "250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 4YbbbbQ2zzz", "4YbbbbQ2zzz"},
		{"localhost[::1]:10024", "250 2.0.0 Ok: queued as 9F3B", "9F3B"},
		{"127.0.0.1[127.0.0.1]:24", "250 2.0.0 <a@b.example> Saved", ""},
		{"mx.b.example[192.0.2.1]:25", "250 2.0.0 Ok: queued as 4YbbbbQ2zzz", "4YbbbbQ2zzz"},
		{"local", "forwarded as 4YbbbbQ2zzz", "4YbbbbQ2zzz"},
		{"virtual", "forwarded as 4YbbbbQ2zzz", ""},
	} {
		for _, field := range []string{"", ", tls=none"} { // the second for the expressions
			got := events(newParser(t, ""), postfix+"to=<a@b.example>, relay="+tt.relay+", delay=1, delays=0/0/0/1"+field+", dsn=2.0.0, status=sent ("+tt.reply+")\n")
			if len(got) != 1 || got[0].Outcome != bounce.Sent || got[0].Onward != tt.want {
				t.Errorf("%s %s%s: got %+v, want onward as %q", tt.relay, tt.reply, field, got, tt.want)
			}
		}
	}
}

func TestTheQueueIDOfTheNextEximIsRead(t *testing.T) {
	for relay, want := range map[string]string{"127.0.0.1 [127.0.0.1]": "1xVTbv-00000s-1v", "[127.0.0.1] [127.0.0.1]": "1xVTbv-00000s-1v", "mx.b.example [192.0.2.1]": ""} {
		for _, to := range []string{"a@b.example", "a b@b.example <list@b.example>"} { // the second for the expressions
			got := events(newParser(t, ""), exim+"=> "+to+" R=amavis T=amavis H="+relay+` C="250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 OK id=1xVTbv-00000s-1v" QT=1s`+"\n")
			if len(got) != 1 || got[0].Outcome != bounce.Sent || got[0].Onward != want {
				t.Errorf("%s at %s: got %+v, want onward as %q", to, relay, got, want)
			}
		}
	}
}

func TestWhatSendmailsSubmissionHandsOnIsTold(t *testing.T) {
	for relay, near := range map[string]bool{"[127.0.0.1] [127.0.0.1]": true, "mx.b.example. [192.0.2.1]": false} {
		got := events(newParser(t, ""), sendmail+"to=a@b.example, ctladdr=www (33/33), delay=00:00:00, xdelay=00:00:00, mailer=relay, pri=30242, relay="+relay+", dsn=2.0.0, stat=Sent (6AND4fXC000084 Message accepted for delivery)\n")
		if len(got) != 1 || got[0].Outcome != bounce.Sent || got[0].Onward != "6AND4fXC000084" || got[0].Handover != near {
			t.Errorf("%s: got %+v, want the id, and a handover: %v", relay, got, near)
		}
	}
}

func TestFragmentsArePutTogether(t *testing.T) {
	lines := []string{
		"Nov 23 13:00:58 mx exim[88]: [1/3] 2026-11-23 13:00:58 1xVTfG-00000s-0K ** a@b.example R=dnslookup T=remote_smtp H=mx.b.example [192.0.2.1]: SMTP error fr\n",
		"Nov 23 13:00:58 mx exim[99]: [1/2] 2026-11-23 13:00:58 1xVTfG-00000s-0L ** c@b.example R=dnslookup T=remote_smtp H=mx.b.example [192.0.2.1]: SMTP err\n",
		"Nov 23 13:00:58 mx exim[88]: [2/3] om remote mail server after RCPT TO:<a@b.example>: 550 5.1.1 n\n",
		"Nov 23 13:00:58 mx exim[99]: [2/2] or from remote mail server after RCPT TO:<c@b.example>: 550 5.1.1 no\n",
		"Nov 23 13:00:58 mx exim[88]: [3/3] o\n",
	}
	p := newParser(t, "")
	var got []bounce.Event
	for i, line := range lines {
		if i == 3 { // the daemon is started again in between
			state := p.State()
			var err error
			if p, err = logparse.New(logparse.Options{Zone: time.UTC, Anchor: noon, State: state}); err != nil {
				t.Fatal(err)
			}
		}
		got = append(got, events(p, line)...)
	}
	if len(got) != 2 || got[0].Recipient != "c@b.example" || got[1].Recipient != "a@b.example" || got[1].Reply.Text != "550 5.1.1 no" {
		t.Errorf("got %v", describeAll(got))
	}
	if again := events(newParser(t, ""), strings.Join(lines, "")); len(again) != 2 || again[1].ID != got[1].ID {
		t.Errorf("read in one go the ids are others: %v", describeAll(again))
	}
	if lost := events(newParser(t, ""), lines[2]+lines[4]); len(lost) > 0 {
		t.Errorf("pieces without a start gave %v", describeAll(lost))
	}
}

func TestSameLineSameIDWhereverItIsKept(t *testing.T) {
	plain := postfix + "to=<a@b.example>, " + delivery + "dsn=5.1.1, status=bounced (host mx.b.example[192.0.2.1] said: 550 5.1.1 no (in reply to RCPT TO command))"
	ids := make(map[bounce.EventID]bool)
	for _, text := range []string{plain + "\n", plain, plain + "\r\n", "x\n" + plain + "\n"} {
		for _, ev := range events(newParser(t, ""), text) {
			ids[ev.ID] = true
		}
	}
	if len(ids) != 1 {
		t.Errorf("%d ids for one line", len(ids))
	}
}

// The ids are stored, so that no version may make others of the same lines.
func TestIDsNeverChange(t *testing.T) {
	for status, want := range map[string]string{
		"dsn=5.1.1, status=bounced (host mx.b.example[192.0.2.1] said: 550 5.1.1 no (in reply to RCPT TO command))": "01afd0c0784ce406ae75236c",
		"dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 4B2A)":                                                     "01afd0c01e8929a32d2c81fc",
	} {
		got := events(newParser(t, ""), postfix+"to=<a@b.example>, "+delivery+status)
		if len(got) != 1 || got[0].ID.String() != want {
			t.Errorf("a line with %q gives %v, want one with the id %s", status, got, want)
		}
	}
}

func TestWordsBeforeAQueueIDAreCounted(t *testing.T) {
	for body, want := range map[string]int{
		"trace 17: 4XabcZ1y2z: to=<a@b.example>, " + delivery + "dsn=5.1.1, status=bounced (no)":                                                  1,
		"4XabcZ1y2z: host mx.b.example[192.0.2.1] said: 450 4XabcZ1y2z: to=<a@b.example>, " + delivery + "dsn=5.1.1, status=bounced (no)":         0,
		"4XabcZ1y2z: to=<a@b.example>, " + delivery + "dsn=5.1.1, status=undeliverable (host mx.b.example[192.0.2.1] said: 550 to=<x>, status=y)": 0,
	} {
		p := newParser(t, "")
		got := events(p, "Nov 23 12:57:36 mx postfix/smtp[474]: "+body+"\n")
		if n := p.Counts().Unparsed; len(got) > 0 || n != want {
			t.Errorf("%s\n gives %v and %d lines not parsed, want none and %d", body, describeAll(got), n, want)
		}
	}
}

// Before version 2.3, Postfix logged no status codes.
func TestOldPostfix(t *testing.T) {
	got := events(newParser(t, ""), "Nov 23 12:57:36 mx postfix/smtp[474]: 3C9A51B2D: to=<a@b.example>, relay=mx.b.example[192.0.2.1], delay=3, status=bounced (host mx.b.example[192.0.2.1] said: 550 5.1.1 User unknown (in reply to RCPT TO command))\n")
	if len(got) != 1 || got[0].Reply.SMTPCode != 550 || got[0].Reply.Stage != bounce.StageRcptTo || got[0].DSN != "" {
		t.Errorf("got %v", describeAll(got))
	}
}

// What a quoted local part holds ends no address: the other reading would begin
// with a quotation mark that nothing closes.
func TestQuotedAddressesAreReadWhateverTheyHold(t *testing.T) {
	for _, to := range []string{
		`"v@bank.example>, relay=none, delay=1, delays=0/0/0/0, dsn=5.1.1, status=bounced (no)"@evil.example`,
		`"\"v@bank.example>, relay=none, delay=1, dsn=2.0.0, status=sent (250 ok)"@evil.example`,
	} {
		got := events(newParser(t, ""), postfix+"to=<"+to+">, "+delivery+"dsn=5.1.1, status=bounced (host mx.b.example[192.0.2.1] said: 550 5.1.1 no (in reply to RCPT TO command))\n")
		if len(got) != 1 || got[0].Recipient != to || got[0].Outcome != bounce.Bounced {
			t.Errorf("to=<%s>\n gives %v", to, describeAll(got))
		}
	}
	// Without quotes a local part may begin with what looks quoted.
	p := newParser(t, "")
	if got := events(p, postfix+`to=<"x"@bank.example>, relay=none, delay=1, dsn=5.1.1, status=bounced (no)@evil.example>, `+delivery+"dsn=2.0.0, status=sent (250 ok)\n"); len(got) > 0 || p.Counts().Unparsed != 1 {
		t.Errorf("an address with two ends gives %v", describeAll(got))
	}
}

func TestWhatIsThrownAwayIsNoDelivery(t *testing.T) {
	for _, line := range []string{
		"Nov 23 12:57:36 mx postfix/local[4]: 4XabcZ1y2z: to=<a@b.example>, relay=local, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (delivered to file: /dev/null)",
		"Nov 23 12:57:36 mx postfix/local[4]: 4XabcZ1y2z: to=<MAILER-DAEMON@b.example>, relay=local, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (discarded)",
		sendmail + "to=<a@b.example>, delay=00:00:00, xdelay=00:00:00, mailer=discard, pri=1, dsn=2.0.0, stat=Sent (discarded)",
		sendmail + "to=/dev/null, ctladdr=<a@b.example> (8/0), delay=00:00:00, xdelay=00:00:00, mailer=*file*, pri=1, dsn=2.0.0, stat=Sent",
	} {
		if got := events(newParser(t, ""), line+"\n"); len(got) != 1 || !got[0].Discarded {
			t.Errorf("%s\n gives %v", line, describeAll(got))
		}
	}
}

func TestMTAOfTheSettingsAlone(t *testing.T) {
	line := exim + "** a@b.example R=x T=y: Unrouteable address\n"
	if got := events(newParser(t, bounce.Postfix), line); len(got) > 0 {
		t.Errorf("a parser for Postfix read %v", describeAll(got))
	}
	if got := events(newParser(t, bounce.Exim), line); len(got) != 1 {
		t.Errorf("a parser for Exim read %v", describeAll(got))
	}
	if _, err := logparse.New(logparse.Options{MTA: "qmail"}); err == nil || !strings.Contains(err.Error(), "known are "+strings.Join(bounce.MTAs, ", ")) {
		t.Errorf("New for qmail: %v", err)
	}
}

// processorTime returns the processor time of this thread so far. Other programs on a busy
// machine do not add to it.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_THREAD, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// A line of a megabyte costs milliseconds, whatever is in it.
func TestLongLinesAreNoTrouble(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const size, most = 1 << 20, raceFactor * 500 * time.Millisecond
	for name, unit := range map[string]string{
		"letters": "a", "codes": " 550-5.1.1", "quotes": `"`, "backslashes": `\`, "brackets": "<>", "commas": ", x=y",
		"replies": " (in reply to RCPT TO command)", "said": " host a[1.2.3.4] said: ", "fragments": `\n550 `, "octal": `\303`, "spaces": "  ",
		"deliveries": "4XabcZ: to=<a>, relay=", "objects": `{"a":`, "array": `{"a":1},`, "empty objects": "{},", "escapes": `\"`, "colours": "\x1b[1m", "stamps": "Nov 23 12:57:36 ",
		"stamps without spaces": "2026-11-23T12:57:36Z",
	} {
		filler := strings.Repeat(unit, size/len(unit))
		for _, line := range []string{
			postfix + "to=<a@b.example>, " + delivery + "dsn=5.1.1, status=bounced (host mx.b.example[192.0.2.1] said: 550 5.1.1 " + filler,
			postfix + "to=<" + filler + ">, status=bounced",
			postfix + "from=<" + filler, postfix + "message-id=<" + filler,
			exim + "** a@b.example R=x T=y H=mx.b.example [192.0.2.1]: SMTP error from remote mail server after RCPT TO:<a@b.example>: 550 " + filler,
			exim + "** " + filler, exim + "== " + filler, exim + "<= " + filler,
			sendmail + "to=" + filler, sendmail + "from=" + filler,
			opensmtpd + "from=<" + filler + " result=", filler, filler + "x", "{" + filler + `"MESSAGE"`,
		} {
			took := time.Hour
			for try := 0; try < 5 && took > most; try++ {
				p := newParser(t, "")
				start := processorTime(t)
				events(p, line+"\n")
				took = min(took, processorTime(t)-start)
			}
			if took > most {
				t.Errorf("%s: %.80s… took %s", name, line, took)
			}
		}
	}
}

// The lines of an object are kept until its end.
func TestObjectsOfManyLinesAreNoTrouble(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const most = raceFactor * 250 * time.Millisecond // 2 ms on an idle machine
	block := "{\n" + strings.Repeat("\t1\n", 30_000) + "}\n"
	took := time.Hour
	for try := 0; try < 5 && took > most; try++ {
		start := processorTime(t)
		events(newParser(t, ""), block)
		took = min(took, processorTime(t)-start)
	}
	if took > most {
		t.Errorf("an object of 30,000 lines took %s", took)
	}
}

func FuzzParse(f *testing.F) {
	logs, err := filepath.Glob("testdata/*.log")
	if err != nil {
		f.Fatal(err)
	}
	for _, log := range logs {
		text, err := os.ReadFile(log)
		if err != nil {
			f.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			f.Add(line)
		}
	}
	f.Add("Nov 23 12:57:36 mx postfix/smtp[4]: 4f1XyZabcd: to=<a@b.example>,\n  relay=none, delay=1,\n  dsn=4.4.1, status=deferred (x)\n")
	f.Fuzz(func(t *testing.T, text string) {
		p := newParser(t, "")
		var all []bounce.Event
		p.Parse(text, func(ev *bounce.Event) { all = append(all, *ev) })
		for _, ev := range all {
			for _, s := range []string{ev.Host, ev.QueueID, ev.Recipient, ev.OriginalRecipient, ev.Sender, ev.MessageID, ev.Reply.Text, ev.Reply.RelayHost} {
				if s != strings.ToValidUTF8(s, "") || strings.ContainsAny(s, "\x00\x1b\n\r\u202e") {
					t.Errorf("%q is not safe to show", s)
				}
			}
			if ev.Kind == bounce.EventAttempt && ev.Outcome == "" {
				t.Errorf("an attempt without an outcome: %+v", ev)
			}
		}
		if state := p.State(); state != nil {
			if _, err := logparse.New(logparse.Options{State: state}); err != nil {
				t.Errorf("its own state: %v", err)
			}
		}
	})
}

// The host of a delivery by Exim may be without an address, in any text after "=>".
func TestEximHostWithoutAnAddress(t *testing.T) {
	for _, fields := range []string{"H=mx.b.example", "H=", "H=[", "R=dnslookup T=remote_smtp H=mx.b.example C=\"250 Ok\""} {
		all := events(newParser(t, bounce.Exim), "2026-11-23 12:57:36 1xVTbv-00000r-1v => a@b.example "+fields+"\n")
		if len(all) != 1 || all[0].Recipient != "a@b.example" || all[0].Outcome != bounce.Sent {
			t.Errorf("%s: events %+v, want one success", fields, all)
		}
	}
}

// A stamp behind the stamp is no host: the inner one tells the time.
func TestASecondStampIsNoHost(t *testing.T) {
	for _, second := range []string{"2026-11-23T12:57:30Z", "20261123T125730Z", "1795438650"} {
		line := "2026-11-23T12:57:36.9Z " + second + " postfix/smtp[474]: 4YqRr12ZzNz1Xw: to=<c@d.example>, relay=none, delay=1, delays=1/0/0/0, dsn=4.4.1, status=deferred (connect to mx.d.example[192.0.2.2]:25: Connection refused)\n"
		all := events(newParser(t, bounce.Postfix), line)
		if len(all) != 1 || all[0].Host != "" || all[0].At.Second() != 30 {
			t.Errorf("%s: events %+v, want one at 12:57:30 without a host", second, all)
		}
	}
}

func TestAnAddressAsTheHost(t *testing.T) {
	for _, host := range []string{"192.0.2.7", "192.168.101.117", "20261123", "2001:db8::117:4242", "20261123-mx", "1795438650.example"} {
		all := events(newParser(t, bounce.Postfix), "2026-11-23T12:57:36.9Z "+host+" postfix/qmgr[4]: 4YqRr12ZzNz1Xw: removed\n")
		if len(all) != 1 || all[0].Host != host || all[0].At.Nanosecond() == 0 {
			t.Errorf("%s: events %+v, want one of this host", host, all)
		}
	}
}

// The quote that opens the log field of Docker's JSON is not the one that closes it.
func TestDockerLineWithoutALog(t *testing.T) {
	if all := events(newParser(t, ""), `{"log":","stream":"stdout","time":"2026-11-23T12:57:36.123456789Z"}`+"\n"); len(all) > 0 {
		t.Errorf("events %+v, want none", all)
	}
}
