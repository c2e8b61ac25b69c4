package logparse_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/bouncetail/bouncetail/bounce"
)

// damagedForms are lines of deliveries in all forms, about gone@b.example, and the
// parts of them that damage may touch: the fields, from the recipient on.
var damagedForms = []struct {
	name, header, id, rest string
	separator              string // between the fields
	outcome                bounce.Outcome
}{
	{"postfix", "Nov 23 12:57:36 mx postfix/smtp[474]: ", "4f1XyZabcd: ", "to=<gone@b.example>, relay=mx.b.example[192.0.2.1]:25, delay=0.13, delays=0.02/0.1/0/0.01, dsn=5.1.1, status=bounced (host mx.b.example[192.0.2.1] said: 550 5.1.1 No such user (in reply to RCPT TO command))", ", ", bounce.Bounced},
	{"postfix, deferred", "2026-11-23T12:57:36.123456+00:00 mx postfix/smtp[474]: ", "72C1B51A486: ", "to=<gone@b.example>, orig_to=<info@b.example>, relay=none, delay=30, delays=0/0/30/0, dsn=4.4.1, status=deferred (connect to mx.b.example[192.0.2.2]:25: Connection timed out)", ", ", bounce.Deferred},
	{"postfix in a container", "mail-1  | 2026-11-23T12:57:36.376231+00:00 INFO    postfix/smtp[1678]: ", "4f1XyZabcd: ", "to=<gone@b.example>, relay=none, delay=30, delays=0/0/30/0, dsn=4.4.1, status=deferred (connect to mx.b.example[192.0.2.2]:25: Connection timed out)", ", ", bounce.Deferred},
	{"exim", "2026-11-23 12:57:36 ", "1xVTbv-00000r-1v ", "** gone@b.example R=dnslookup T=remote_smtp H=mx.b.example [192.0.2.1]: SMTP error from remote mail server after RCPT TO:<gone@b.example>: 550 5.1.1 No such user", " ", bounce.Bounced},
	{"exim by syslog", "Nov 23 12:57:36 mx exim[88]: ", "1tixMn-00000000C5j-1wRa ", "== gone@b.example R=dnslookup T=remote_smtp defer (-44): SMTP error from remote mail server after RCPT TO:<gone@b.example>: 451 4.7.1 Greylisted", " ", bounce.Deferred},
	{"sendmail", "Nov 23 12:57:36 mx sendmail[84]: ", "6AND4fXL000084: ", "to=<gone@b.example>, delay=00:00:01, xdelay=00:00:01, mailer=esmtp, pri=30242, relay=mx.b.example. [192.0.2.1], dsn=5.1.1, reply=550 5.1.1 No such user, stat=User unknown", ", ", bounce.Bounced},
	{"sendmail on Solaris", "Nov 23 12:57:36 mx sendmail[84]: [ID 801593 mail.info] ", "6AND4fXL000084: ", "to=gone@b.example, ctladdr=root (0/0), delay=00:00:01, xdelay=00:00:01, mailer=relay, pri=30242, relay=mx.b.example. [192.0.2.1], dsn=4.0.0, stat=Deferred: Connection refused by mx.b.example.", ", ", bounce.Deferred},
	{"opensmtpd", "Nov 23 12:57:36 mx smtpd[55]: ", "770afeddea7e9413 ", `mta delivery evpid=7571057c164ab4f5 from=<news@a.example> to=<gone@b.example> rcpt=<-> source="192.0.2.9" relay="192.0.2.1 (mx.b.example)" delay=0s result="PermFail" stat="550 5.1.1 No such user"`, " ", bounce.Bounced},
	{"opensmtpd 5", "Nov 23 12:57:36 mx smtpd[55]: ", "", "relay: TempFail for 6430369adcce4408: session=7818378a988ca63b, from=<news@a.example>, to=<gone@b.example>, rcpt=<->, source=192.0.2.9, relay=192.0.2.1 (mx.b.example), delay=0s, stat=451 4.7.1 Greylisted", ", ", bounce.Deferred},
}

// damages are what templates, copies and new versions do to a line. Each returns the
// damaged lines.
var damages = []struct {
	name string
	do   func(header, id, rest, separator string) []string
}{
	{"none", func(header, id, rest, _ string) []string { return []string{header + id + rest} }},
	{"cut", func(header, id, rest, _ string) (all []string) {
		for end := strings.Index(rest, "gone@b.example") + len("gone@b.example>"); end < len(rest); end++ {
			all = append(all, header+id+rest[:end])
		}
		return all
	}},
	{"cut with dots", func(header, id, rest, _ string) (all []string) {
		for end := len(rest) * 2 / 3; end < len(rest); end += 7 {
			all = append(all, header+id+rest[:end]+"...")
		}
		return all
	}},
	{"a doubled space", func(header, id, rest, _ string) (all []string) {
		line := header + id + rest
		for at := range line {
			if line[at] == ' ' {
				all = append(all, line[:at]+" "+line[at:])
			}
		}
		return all
	}},
	{"doubled spaces", func(header, id, rest, _ string) []string {
		return []string{strings.ReplaceAll(header+id+rest, " ", "  ")}
	}},
	{"tabs", func(header, id, rest, _ string) []string {
		return []string{strings.ReplaceAll(header+id+rest, " ", "\t"), header + strings.ReplaceAll(id+rest, " ", "\t")}
	}},
	{"zero bytes, of a file system that crashed", func(header, id, rest, _ string) []string {
		return []string{header + id + "\x00\x00" + rest}
	}},
	{"another separator", func(header, id, rest, separator string) (all []string) {
		others := []string{"; ", ",", " ", ",\t", " ,"}
		if separator == ", " {
			others = append(others, " | ") // but a bar begins a program in Exim's lines
		}
		for _, other := range others {
			all = append(all, header+id+strings.ReplaceAll(rest, separator, other))
		}
		return all
	}},
	{"an unknown field", func(header, id, rest, separator string) (all []string) {
		fields := strings.Split(rest, separator)
		for i := 1; i <= len(fields); i++ {
			name := "new=1"
			if separator == " " {
				name = "NEW=1"
			}
			all = append(all, header+id+strings.Join(append(append(append([]string{}, fields[:i]...), name), fields[i:]...), separator))
		}
		return all
	}},
	{"fields in another order", func(header, id, rest, separator string) (all []string) {
		fields := strings.Split(rest, separator)
		for i := 0; i+1 < len(fields); i++ {
			if strings.HasPrefix(fields[i], "**") || strings.HasPrefix(fields[i], "==") {
				continue // the mark is what makes it a delivery
			}
			swapped := append([]string{}, fields...)
			swapped[i], swapped[i+1] = swapped[i+1], swapped[i]
			all = append(all, header+id+strings.Join(swapped, separator))
		}
		return all
	}},
	{"a field is missing", func(header, id, rest, separator string) (all []string) {
		fields := strings.Split(rest, separator)
		for i := range fields {
			if strings.Contains(fields[i], "gone@") || strings.Contains(fields[i], "stat") || strings.Contains(fields[i], "result=") || fields[i] == "**" || fields[i] == "==" || strings.HasPrefix(fields[i], "relay: ") {
				continue
			}
			all = append(all, header+id+strings.Join(append(append([]string{}, fields[:i]...), fields[i+1:]...), separator))
		}
		return all
	}},
	{"no queue ID", func(header, _, rest, _ string) []string { return []string{header + rest} }},
	{"a longer queue ID", func(header, id, rest, _ string) []string {
		return []string{header + strings.Repeat("4f1XyZabcd", 4) + id + rest}
	}},
	{"another case", func(header, id, rest, _ string) []string {
		upper := strings.NewReplacer("to=", "TO=", "status=", "STATUS=", "stat=", "STAT=", "result=", "RESULT=", "evpid=", "EVPID=", "delay=", "DELAY=")
		return []string{header + id + upper.Replace(rest), header + strings.ToUpper(id) + rest, header + strings.ToLower(id) + rest, strings.ToLower(header + id + rest)}
	}},
	{"words before", func(header, id, rest, _ string) (all []string) {
		for _, words := range []string{"info: ", "[INFO] ", "6 ", "- ", "mail.info: ", "note to self: ", "smtp "} {
			all = append(all, header+words+id+rest)
		}
		return all
	}},
	{"no header", func(_, id, rest, _ string) []string { return []string{id + rest} }},
	{"half a header", func(header, id, rest, _ string) (all []string) {
		for at := range header {
			if header[at] == ' ' {
				all = append(all, header[at+1:]+id+rest)
			}
		}
		return all
	}},
	{"a header that is not known", func(header, id, rest, _ string) (all []string) {
		for _, before := range []string{"~~ ", "%% mx %% ", "Foo 23 12:57:36 mx ", "\u00a712:57 ", "mail-1 !! "} {
			all = append(all, before+header+id+rest, before+id+rest)
		}
		return all
	}},
	{"HTML", func(header, id, rest, _ string) []string {
		return []string{header + id + strings.NewReplacer("<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(rest)}
	}},
}

// A delivery line that is damaged is read right, or it is counted.
func TestNoDeliveryDisappears(t *testing.T) {
	for _, form := range damagedForms {
		for _, damage := range damages {
			silent := 0
			for _, line := range damage.do(form.header, form.id, form.rest, form.separator) {
				p := newParser(t, "")
				problem := ""
				got := events(p, line+"\nNov 23 12:57:37 mx postfix/qmgr[4]: 4f1XyZzzzz: removed\n")
				got = got[:len(got)-1]
				switch n := p.Counts().Unparsed; {
				case len(got) == 0 && n == 0:
					problem = "silent"
				case len(got) > 1:
					problem = fmt.Sprintf("%d events", len(got))
				case len(got) == 1 && (got[0].Recipient != "gone@b.example" || got[0].Outcome != form.outcome):
					problem = "read as " + describe(&got[0])
				}
				if problem == "" {
					continue
				}
				if silent++; silent <= 3 {
					t.Errorf("%s, %s: %s\n%s", form.name, damage.name, problem, line)
				}
			}
			if silent > 3 {
				t.Errorf("%s, %s: %d more", form.name, damage.name, silent-3)
			}
		}
	}
}

// Collectors take lines apart, and copies lose more than the header. Such a delivery
// cannot be read, but it is counted, once.
func TestDeliveriesThatAreOnlyCounted(t *testing.T) {
	for _, line := range []string{
		`{"queue_id":"4f1XyZabcd","to":"a@b.example","dsn":"4.4.1","status":"deferred","status_detail":"(x)"}`,
		`{"postfix_queueid":"4f1XyZabcd","postfix_to":"a@b.example","postfix_dsn":"5.1.1","postfix_status":"bounced"}`,
		`{"queue_id":"4f1XyZabcd","to":"a@b.example","status":"bounced","reason":"user unknown"}`,
		`{"@timestamp":"2026-11-23T12:57:36Z","program":"postfix/smtp","queueid":"4f1XyZabcd","recipient":"a@b.example","result":"deferred","reason":"timeout"}`,
		`{"time":"2026-11-23 12:57:36","exim_msgid":"1xVTbv-00000r-1v","exim_flags":"**","address":"a@b.example","error":"550 no such user"}`,
		`2026-11-23 12:57:36,mx,postfix/smtp,4f1XyZabcd,a@b.example,mx.b.example[192.0.2.1]:25,1.2,5.1.1,bounced,"no such user"`,
		`2026-11-23 12:57:36;mx;4f1XyZabcd;a@b.example;5.1.1;bounced;no such user`,
		`"2026-11-23 12:57:36","4f1XyZabcd","x@a.example","a@b.example","deferred","4.4.1"`,
		"Nov 23 12:57:36\tmx\t4f1XyZabcd\t<a@b.example>\tmx.b.example\t4.4.1\tdeferred",
		`{"_source":{"program":["postfix/smtp","4f1XyZabcd"],"message":" to=<a@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)","@timestamp":"2026-11-23T12:57:36Z"}}`,
		`to=<a@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)`,
		`Nov 23 12:57:36 mx postfix/smtp[4]: @cee: {"msg":"4f1XyZabcd: to=<a@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)", "msg":"x"}`,
		`2026-11-23 12:57:36 1xVTbv-x == a@b.example routing defer (-52): retry time not reached`,
		`2026-11-23 12:57:36 1xVTbv-00000r-1v ** R=virtual_aliases: No Such User Here`,
		`2026-11-23 12:57:36 MSGID ** a@b.example R=dnslookup T=remote_smtp: no`,
		`Nov 23 12:57:36 mx postfix/relayd[4]: 4f1XyZabcd: to=<a@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)`,
		`Nov 23 12:57:36 CET mx postfix/relayd[4]: 4f1XyZabcd: to=<a@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)`,
		`Nov 23 12:57:36 mx postfix/smtp[4]: 4f1XyZabcd: -- to=<a@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)`,
		`Nov 23 12:57:36 mx postfix/smtp[4]: 4f1XyZabcd: msgid=<x@a.example> to=<a@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)`,
		`Nov 23 12:57:36 mx postfix/smtp[4]: <x y=z> 4f1XyZabcd: to=<a@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)`,
	} {
		p := newParser(t, "")
		if got := events(p, line+"\n"); len(got) > 0 || p.Counts().Unparsed != 1 {
			t.Errorf("%s\n got %v, counted %d", line, describeAll(got), p.Counts().Unparsed)
		}
	}
	for _, line := range []string{
		`{"to":"a@b.example","status":"deliverable","dsn":"2.1.5"}`,
		`{"time":"2026-11-23T12:57:36Z","app":"shop","to":"a@b.example","status":"sent","template":"welcome"}`,
		`{"time":"2026-11-23T12:57:36Z","level":"**","id":"1xVTbv-00000r-1v x","to":"a@b.example"}`,
		`id,customer,status,queue_id,to,dsn`,
		`17,a@b.example,sent,12.50`,
		`~~ 4f1XyZabcd: to=<a@b.example>, relay=none, delay=1, dsn=5.1.1, status=undeliverable (x)`,
		`~~ to=<a@b.example>, relay=none, delay=1, dsn=5.1.1, status=undeliverable (x)`,
		`Nov 23 12:57:36 mx postfix/smtp[4]: 4f1XyZabcd: host mx.b.example[192.0.2.1] refused to talk to me: 421 to=<a@b.example>, relay=none, delay=1, dsn=5.1.1, status=bounced (x)`,
		`~~ host mx.b.example[192.0.2.1] said: 450 to=<a@b.example>, relay=none, delay=1, dsn=5.1.1, status=bounced (x)`,
	} {
		p := newParser(t, "")
		if got := events(p, line+"\n"); len(got) > 0 || p.Counts().Unparsed != 0 {
			t.Errorf("%s\n got %v, counted %d", line, describeAll(got), p.Counts().Unparsed)
		}
	}
}

// idleLines are what mail servers and the programs around them log about other
// things than deliveries. Some quote what strangers sent.
var idleLines = []string{
	// Postfix
	"postfix/smtpd[4]: connect from client.example[192.0.2.9]",
	"postfix/smtpd[4]: 4f1XyZabcd: client=client.example[192.0.2.9], sasl_method=PLAIN, sasl_username=news@a.example",
	"postfix/smtpd[4]: NOQUEUE: reject: RCPT from unknown[192.0.2.9]: 554 5.7.1 <a@b.example>: Relay access denied; from=<x@c.example> to=<a@b.example> proto=ESMTP helo=<x>",
	"postfix/smtpd[4]: NOQUEUE: reject: RCPT from unknown[192.0.2.9]: 450 4.1.1 <a@b.example>: Recipient address rejected: unverified address: host mx.b.example[192.0.2.1] said: 450 no (in reply to RCPT TO command); from=<x@c.example> to=<a@b.example> proto=ESMTP helo=<status=bounced>",
	"postfix/smtpd[4]: NOQUEUE: milter-reject: RCPT from unknown[192.0.2.9]: 451 4.7.1 Service unavailable; from=<x@c.example> to=<a@b.example> proto=ESMTP",
	"postfix/smtpd[4]: NOQUEUE: filter: RCPT from unknown[192.0.2.9]: <a@b.example>: Recipient address triggers FILTER smtp:x; from=<x@c.example> to=<a@b.example>",
	"postfix/smtpd[4]: disconnect from unknown[192.0.2.9] ehlo=1 mail=1 rcpt=0/1 quit=1 commands=3/4",
	"postfix/smtpd[4]: warning: unknown[192.0.2.9]: SASL LOGIN authentication failed: to=<a@b.example>, status=bounced",
	"postfix/smtpd[4]: lost connection after RCPT from unknown[192.0.2.9]",
	"postfix/smtpd[4]: 4f1XyZabcd: reject: RCPT from x[192.0.2.9]: 550 5.1.1 <a@b.example>: Recipient address rejected; from=<x@c.example> to=<a@b.example> proto=SMTP",
	"postfix/submission/smtpd[4]: Anonymous TLS connection established from x[192.0.2.9]: TLSv1.3",
	"postfix/postscreen[4]: NOQUEUE: reject: RCPT from [192.0.2.9]:4: 550 5.7.1 Service unavailable; client [192.0.2.9] blocked; from=<x@c.example>, to=<a@b.example>, proto=ESMTP",
	"postfix/cleanup[4]: 4f1XyZabcd: message-id=<\"to=<a@b.example>, relay=x, status=bounced (no)\"@c.example>",
	"postfix/cleanup[4]: 4f1XyZabcd: warning: header Subject: to=<a@b.example>, relay=x, delay=1, status=bounced (no) from x[192.0.2.9]; from=<x@c.example> to=<a@b.example> proto=SMTP",
	"postfix/cleanup[4]: 4f1XyZabcd: milter-reject: END-OF-MESSAGE from x[192.0.2.9]: 5.7.1 spam; from=<x@c.example> to=<a@b.example> proto=SMTP helo=<x>",
	"postfix/cleanup[4]: 4f1XyZabcd: redirect: header To: <a@b.example> from local; from=<x@c.example> to=<a@b.example>",
	"postfix/qmgr[4]: 4f1XyZabcd: from=<x@c.example>, size=500, nrcpt=1 (queue active)",
	"postfix/qmgr[4]: 4f1XyZabcd: removed",
	"postfix/bounce[4]: 4f1XyZabcd: sender non-delivery notification: 4f1XyZabce",
	"postfix/smtp[4]: Trusted TLS connection established to mx.b.example[192.0.2.1]:25: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384",
	"postfix/smtp[4]: connect to mx.b.example[192.0.2.1]:25: Connection timed out",
	"postfix/smtp[4]: 4f1XyZabcd: host mx.b.example[192.0.2.1] said: 450 4.2.0 4f1XyZabcd: to=<a@b.example>, relay=x, status=bounced (no) (in reply to RCPT TO command)",
	"postfix/smtp[4]: 4f1XyZabcd: enabling PIX workarounds: disable_esmtp for mx.b.example[192.0.2.1]:25",
	"postfix/smtp[4]: 4f1XyZabcd: lost connection with mx.b.example[192.0.2.1] while receiving the initial server greeting",
	"postfix/smtp[4]: warning: no MX host for b.example has a valid address record",
	"postfix/smtp[4]: 4f1XyZabcd: to=<a@b.example>, relay=mx.b.example[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=2.1.5, status=deliverable (250 2.1.5 Ok)",
	"postfix/anvil[4]: statistics: max connection rate 1/60s for (smtp:192.0.2.9) at Nov 23 12:57:36",
	"postfix/local[4]: warning: dict_nis_init: NIS domain name not set - NIS lookups disabled",
	"postfix/pickup[4]: 4f1XyZabcd: uid=0 from=<root>",
	"postfix/verify[4]: cache btree:/var/lib/postfix/verify_cache full cleanup: retained=1 dropped=0 entries",
	"postfix/trivial-rewrite[4]: warning: do not list domain b.example in BOTH mydestination and virtual_mailbox_domains",
	"postfix/tlsproxy[4]: DISCONNECT [192.0.2.9]:4",
	"postfix/smtp[4]: message repeated 2 times: [ 4f1XyZabcd: to=<a@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)]",
	"message repeated 2 times: [ 4f1XyZabcd: to=<a@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)]",
	"message repeated 2 times: [postfix/smtp[4]: 4f1XyZabcd: to=<a@b.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)]",
	"postfix/smtp[4]: 4f1XyZabcd: host mx.b.example[192.0.2.1] said: 450 4f1XyZabce: to=<a@b.example>, relay=none, delay=1, dsn=4.4.1, status=deferred (x) (in reply to RCPT TO command)",
	"postfix/master[4]: daemon started -- version 3.7.11, configuration /etc/postfix",
	// Exim
	"exim[4]: 1xVTbv-00000r-1v <= x@c.example H=x [192.0.2.9] P=esmtp S=500 id=1@c.example T=\"1xVTbv-00000r-1v ** a@b.example R=x T=y: no\" for a@b.example",
	"exim[4]: 1xVTbv-00000r-1v Completed",
	"exim[4]: 1xVTbv-00000r-1v Frozen (delivery error message)",
	"exim[4]: 1xVTbv-00000r-1v H=mx.b.example [192.0.2.1]: SMTP error from remote mail server after RCPT TO:<a@b.example>: 450 == a@b.example R=x T=y defer (-44): no",
	"exim[4]: 1xVTbv-00000r-1v DKIM: d=c.example s=s c=relaxed/relaxed a=rsa-sha256 b=2048 [verification succeeded]",
	"exim[4]: 1xVTbv-00000r-1v Message is frozen",
	"exim[4]: 1xVTbv-00000r-1v removed by root",
	"exim[4]: 1xVTbv-00000r-1v Spool file is locked (another process is handling this message)",
	"exim[4]: 1xVTbv-00000r-1v SA: Debug: SAEximRunCond expand returned: 'false'",
	"exim[4]: H=(x) [192.0.2.9] F=<x@c.example> rejected RCPT <a@b.example>: relay not permitted",
	"exim[4]: H=x [192.0.2.9] X=TLS1.3 F=<x@c.example> temporarily rejected RCPT <a@b.example>: greylisted ** a@b.example",
	"exim[4]: 1xVTbv-00000r-1v H=(x) [192.0.2.9] F=<x@c.example> rejected after DATA: spam => a@b.example R=x T=y",
	"exim[4]: rejected HELO from [192.0.2.9]: syntactically invalid argument(s): ** a@b.example R=x T=y: no",
	"exim[4]: login_plain authenticator failed for (x) [192.0.2.9]: 535 Incorrect authentication data (set_id=** a@b.example)",
	"exim[4]: SMTP connection from [192.0.2.9] lost D=2s",
	"exim[4]: no host name found for IP address 192.0.2.9",
	"exim[4]: Start queue run: pid=5",
	"exim[4]: cwd=/var/spool/exim4 4 args: /usr/sbin/exim -bpc == x",
	// Sendmail
	"sendmail[84]: 6AND4fXN000084: from=<x@c.example>, size=242, class=0, nrcpts=1, msgid=<1@c.example>, proto=ESMTP, daemon=MTA, relay=x [192.0.2.9]",
	"sendmail[84]: 6AND4fXN000084: ruleset=check_rcpt, arg1=<a@b.example>, relay=x [192.0.2.9], reject=550 5.7.1 <a@b.example>... Relaying denied",
	"sendmail[84]: 6AND4fXN000084: <a@b.example>... User unknown",
	"sendmail[84]: 6AND4fXN000084: Milter: to=<a@b.example>, reject=451 4.7.1 Greylisting in action, stat=x, delay=1",
	"sendmail[84]: 6AND4fXN000084: 6AND4fXN000085: DSN: User unknown",
	"sendmail[84]: STARTTLS=client, relay=mx.b.example., version=TLSv1.3, verify=FAIL, cipher=x, bits=256/256",
	"sendmail[84]: AUTH=server, relay=x [192.0.2.9], authid=news, mech=PLAIN, bits=0",
	"sendmail[84]: 6AND4fXN000084: lost input channel from x [192.0.2.9] to MTA after rcpt",
	"sendmail[84]: 6AND4fXL000084: to=<a@b.example>, delay=00:00:00, mailer=esmtp, pri=30242, stat=queued",
	// OpenSMTPD
	"smtpd[55]: 770afeddea7e9413 smtp connected address=192.0.2.9 host=x",
	"smtpd[55]: 770afeddea7e9413 smtp message msgid=7571057c size=500 nrcpt=1 proto=ESMTP",
	"smtpd[55]: 770afeddea7e9413 smtp envelope evpid=7571057c164ab4f5 from=<x@c.example> to=<a@b.example>",
	`smtpd[55]: 770afeddea7e9413 smtp failed-command command="RCPT TO:<a@b.example>" result="550 Invalid recipient: to=<a@b.example> stat=x"`,
	"smtpd[55]: 770afeddea7e9413 mta connected",
	"smtpd[55]: 770afeddea7e9413 mta tls ciphers=TLSv1.3",
	"smtpd[55]: 770afeddea7e9413 mta disconnected reason=quit messages=1",
	// programs around them
	"dovecot: lmtp(a@b.example)<4><x>: msgid=<1@c.example>: saved mail to INBOX",
	"dovecot: imap-login: Disconnected (auth failed): user=<4f1XyZabcd: to=<a@b.example>, relay=x, status=bounced>, rip=192.0.2.9",
	"spamd[5]: spamd: result: . -1 - ALL_TRUSTED scantime=0.8,size=607,user=(unknown),mid=<1xVTbv-00000r-1v ** a@b.example>",
	"amavis[6]: (6-09) Passed CLEAN {RelayedInbound}, [192.0.2.9]:4 <x@c.example> -> <a@b.example>, Queue-ID: 4f1XyZabcd, Message-ID: <1@c.example>, mail_id: x, Hits: -, size: 5, queued_as: 4f1XyZabce, 90 ms",
	"fail2ban.filter [7]: DEBUG [postfix] Found 192.0.2.9: Nov 23 12:57:36 mx postfix/smtp[4]: 4f1XyZabcd: to=<a@b.example>, relay=none, delay=1, dsn=5.1.1, status=bounced (no)",
	"opendkim[7]: 4f1XyZabcd: DKIM-Signature field added (s=mail, d=a.example)",
	"opendmarc[7]: 4f1XyZabcd: c.example pass",
	"rspamd[8]: <abc>; task; rspamd_task_write_log: id: <1@c.example>, qid: <4f1XyZabcd>, ip: 192.0.2.9, from: <x@c.example>, (default: F (no action): [1/15])",
	"policyd-spf[9]: prepend Received-SPF: Pass (mailfrom) identity=mailfrom; client-ip=192.0.2.9; envelope-from=x@c.example; receiver=a@b.example",
	"postgrey[9]: action=greylist, reason=new, client_name=x, client_address=192.0.2.9, sender=x@c.example, recipient=a@b.example",
	"sshd[9]: Failed password for invalid user 4f1XyZabcd: to=<a@b.example>, relay=x, delay=1, status=bounced (no) from 192.0.2.9",
	"kernel: [ 12.3] audit: 1xVTbv-00000r-1v ** a@b.example R=x T=y: no",
	"CRON[9]: (root) CMD (echo '6AND4fXL000084: to=<a@b.example>, delay=1, mailer=esmtp, dsn=5.1.1, stat=User unknown')",
}

// Nothing else than a delivery is counted, in whatever header it stands.
func TestNothingElseIsCounted(t *testing.T) {
	headers := []string{"Nov 23 12:57:36 mx ", "2026-11-23T12:57:36.123456+00:00 mx ", "mail-1  | Nov 23 12:57:36 mx ", "Nov  23  12:57:36  mx ", "2026-11-23T12:57:36.9Z stdout F Nov 23 12:57:36 mx "}
	for _, line := range idleLines {
		for _, header := range headers {
			p := newParser(t, "")
			for _, ev := range events(p, header+line+"\n") {
				if ev.Recipient != "" {
					t.Errorf("%s%s\n got %s", header, line, describe(&ev))
				}
			}
			if unparsed := p.TakeUnparsed(); len(unparsed) > 0 {
				t.Errorf("%s%s\n counted as %q", header, line, unparsed[0].Shape)
			}
		}
	}
}

// Copies of logs may have lost the brackets.
func TestPostfixAddressesWithoutBrackets(t *testing.T) {
	const rest = `relay=local, delay=0.05, delays=0.02/0/0/0.02, dsn=5.1.1, status=bounced (unknown user: "gone")`
	want := events(newParser(t, ""), postfix+"to=<gone@b.example>, orig_to=<root@b.example>, "+rest+"\n")
	for _, to := range []string{"to=gone@b.example, orig_to=root@b.example, ", "to=gone@b.example, orig_to=<root@b.example>, "} {
		got := events(newParser(t, ""), postfix+to+rest+"\n")
		if len(got) != 1 {
			t.Fatalf("%s: %v", to, describeAll(got))
		}
		if got[0].ID = want[0].ID; got[0] != want[0] {
			t.Errorf("%s: got %s, want %s", to, describe(&got[0]), describe(&want[0]))
		}
	}
}

// Exim logs addresses that are not ASCII in octal numbers.
func TestEximAddressesThatAreNotASCII(t *testing.T) {
	for _, line := range []string{
		exim + `** j\303\266rg@b\303\274cher.example R=x T=y: Unrouteable address`,
		exim + `== j\303\266rg@b\303\274cher.example R=x T=y defer (111): Connection refused`,
		exim + `=> j\303\266rg@b\303\274cher.example R=x T=y H=mx.b.example [192.0.2.1] C="250 ok"`,
	} {
		if got := events(newParser(t, ""), line+"\n"); len(got) != 1 || got[0].Recipient != "jörg@bücher.example" {
			t.Errorf("%s\n got %v", line, describeAll(got))
		}
	}
	for line, want := range map[string]string{
		exim + `** j\303rg@b.example R=x T=y: Unrouteable address`:                             `j\303rg@b.example`, // no UTF-8
		exim + `** j303266rg@b.example <"j\303\266rg"@b.example> R=x T=y: Unrouteable address`: `"j\303\266rg"@b.example`,
	} {
		if got := events(newParser(t, ""), line+"\n"); len(got) != 1 || got[0].Recipient != want {
			t.Errorf("%s\n got %v, want %s", line, describeAll(got), want)
		}
	}
	got := events(newParser(t, ""), exim+`<= j\303\266rg@a.example H=x [192.0.2.9] P=esmtp S=1 id=1@a.example`+"\n")
	if len(got) != 1 || got[0].Sender != "jörg@a.example" {
		t.Errorf("sender: got %v", describeAll(got))
	}
}
