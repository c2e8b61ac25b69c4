package logparse_test

import (
	"strings"
	"testing"
)

// A web server quotes what its clients send, and others what they were given.
func TestDeliveriesThatAreQuotedAreNotCounted(t *testing.T) {
	const delivery = "4f1XyZabcd: to=<a@b.example>, relay=none, delay=1, dsn=5.1.1, status=bounced (no)"
	for line, want := range map[string]int{
		`192.0.2.9 - - [23/Nov/2026:12:57:36 +0000] "GET / HTTP/1.1" 404 12 "-" "` + delivery + `"`:                       1,
		`192.0.2.9 - - [23/Nov/2026:12:57:36 +0000] "GET /?to=<a@b.example> HTTP/2" 404 12 "-" "` + delivery + `"`:        1,
		`type=EXECVE msg=audit(1795438656.123:45): argc=3 a0="grep" a1="` + delivery + `"`:                                1,
		`  Subject: ** a@b.example R=dnslookup T=remote_smtp: no`:                                                         1,
		`{"time":"2026-11-23T12:57:36Z","request":"GET / HTTP/1.1","status":404,"agent":"` + delivery + `"}`:              1,
		`{"time":"2026-11-23T12:57:36Z","user_agent":"` + delivery + `"}`:                                                 1,
		`{"timestamp":"2026-11-23T12:57:36Z","program":"dovecot","message":"` + delivery + `"}`:                           1,
		`{"__REALTIME_TIMESTAMP":"1795438656123456","SYSLOG_IDENTIFIER":"rspamd","MESSAGE":"qid: <x>; ` + delivery + `"}`: 1,
		`{"timestamp":"2026-11-23T12:57:36Z","program":"somebody","message":"` + delivery + `"}`:                          0,
		"Nov 23 12:57:36 mx postfix-tlspol[4]: " + delivery:                                                               1,
		"Nov 23 12:57:36 mx postfix/newdaemon[4]: " + delivery:                                                            0,
		`F From: ` + delivery:                                  1,
		`  278   SMTP<< 550 5.1.1 ` + delivery:                 1,
		`  278   ** a@b.example R=dnslookup T=remote_smtp: no`: 0,
		`mx ~~ ` + delivery + ` "GET / HTTP/1.1" 404 `:         0,
		`<event host="mx">postfix/smtp[474]: 4f1XyZabcd: to=&lt;a@b.example&gt;, relay=none, status=bounced (no)</event>`: 1,
		`2026-11-23 12:57:36.123 UTC [12] mail@db LOG:  statement: INSERT INTO maillog (m) VALUES ('` + delivery + `')`:   1,
		"2026-11-23T12:57:36.123456Z\t   12 Query\tREPLACE INTO `SystemEvents` VALUES (3, '" + delivery + "')":            1,
		`  <message><![CDATA[Nov 23 12:57:36 mx postfix/smtp[474]: ` + delivery + `]]></message>`:                         1,
		`INSERT INTO SystemEvents VALUES (1,'2026-11-23 12:57:36','mx','` + delivery + `');`:                              1,
		`(17,'2026-11-23 12:57:36','mx','` + delivery + `'),`:                                                             1,
		`    line = "Nov 23 12:57:36 mx postfix/smtp[474]: ` + delivery + `"`:                                             1,
		`+    assert parse("` + delivery + `") == 3`:                                                                      1,
		"const sample = `1xVTbv-00000r-1v ** a@b.example R=dnslookup T=remote_smtp: no`":                                  1,
		`    "$ID: to=<a${i}@b.example>, relay=none, delay=1, dsn=5.1.1, status=bounced (no)"`:                            1,
		`"seen\t" + head + "postfix/smtp[4]: ` + delivery + `"),`:                                                         1,
		`$log .= "` + delivery + `\n";`:                                                                                   1,
		`"Nov 23 12:57:36 mx ~~ smtp ` + delivery + `"`:                                                                   0,
		`// ` + delivery: 1,
		`$line="Nov 23 12:57:36 mx postfix/smtp[474]: ` + delivery + `";`: 1,
		`-- ` + delivery: 1,
		`The log says "` + delivery + `" but nothing arrives.`:                1,
		`What I see is this: Nov 23 12:57:36 mx postfix/smtp[4]: ` + delivery: 1,
		`# Example: ` + delivery:                                  1,
		`12:57 < joe> ` + delivery:                                1,
		`[1795438656] SERVICE ALERT: mx;mail;WARNING;` + delivery: 1,
		`Caused by: com.a.MailException: ` + delivery:             1,
		`lines_total{line="` + delivery + `"} 3`:                  1,
		`{"query":{"query":"message:\"` + delivery + `\""}}`:      1,
		`2026-11-23T12:57:36Z POST /bounces {"recipient":"a@b.example","status":"bounced","dsn":"5.1.1"}`:                                  1,
		`2026-11-23T12:57:36Z 01O + grep '` + delivery + `' mail.log`:                                                                      1,
		`write(2, "` + delivery + `\n", 80) = 80`:                                                                                          1,
		`~~ was-mx the.example ` + delivery:                                                                                                0,
		`smtpd[4]: 1e722991167e2b80 mda delivery evpid=f9293a5cb336a379`:                                                                   0,
		`smtpd[4]: 1e722991167e2b80 smtp envelope evpid=f9293a5cb336a379 from=<n@a.example> to=<a@b.example>`:                              1,
		`date=2026-11-23,time=12:57:36,msg="to=<a@b.example> delay=00:00:06 mailer=esmtp pri=165917 relay= [192.0.2.1] dsn=5.1.1 stat=no"`: 0,
		`5 minutes ago mx ~~ ` + delivery:                                                                                                  0,
		`{"time":"2026-11-23T12:57:36Z","request":"GET /?q=` + delivery + ` HTTP/1.1","status":404}`:                                       1,
		`  1234:20261123:125736.789 item "mx:log[/var/log/mail.log]" value: ` + delivery:                                                   1,
		` 1012  2026-11-23 12:57:36 grep "` + delivery + `" /var/log/mail.log`:                                                             1,
		`	{"bounced", "Nov 23 12:57:36 mx postfix/smtp[4]: ` + delivery + `", "x"},`:                                                       1,
		`failregex = ^%(__prefix_line)s\S+: to=<\S+>, relay=none, delay=\S+, status=bounced`:                                               1,
		`match => { "message" => "%{WORD:qid}: to=<%{EMAIL:to}>, relay=%{DATA:relay}, status=%{WORD:status}" }`:                            1,
		`root@mx:~# grep '4f1XyZabcd: to=<a@b.example>, relay=none' /var/log/mail.log | grep status=bounced`:                               1,
		`Nov 23 12:57:36 mx scanner[155]: checked subject="` + delivery + `" from=x`:                                                       1,
		`Nov 23 12:57:36 mx vpnd[155]: failed, user='` + delivery + `'`:                                                                    1,
		`{"time":"2026-11-23T12:57:36Z","msg":"mail","subject":"` + delivery + `"}`:                                                        1,
		`  Subject: 2026-11-23 12:57:36 1xVTbv-00000r-1v ** a@b.example R=x T=y: no`:                                                       1,
		`Subject: Nov 23 12:57:36 mx postfix/smtp[4]: ` + delivery:                                                                         1,
		`X-Note: Nov 23 12:57:36 mx postfix/smtp[4]: ` + delivery:                                                                          1,
		`Nov 23 12:57:36 mx scanner[155]: subject="hi" line="` + delivery + `"`:                                                            0,
		`unknown header msg="` + delivery + `"`:                                                                                            0,
		`[23-Nov-2026 12:57:36 UTC] mail() on [/var/www/a.php:12]: To: b@b.example -- Headers: Subject: ` + delivery:                       1,
		`Nov 23 12:57:36 mx monit[7]: 'mail' content match: Nov 23 12:57:30 mx postfix/smtp[4]: ` + delivery:                               1,
		`2026 Nov 23 12:57:36 mx ossec: Alert Level: 5; Location: mx->/var/log/mail.log; Nov 23 12:57:36 mx postfix/smtp[4]: ` + delivery:  1,
		`2026-11-23 12:57:36,789 filter.poll     [7]: DEBUG looking at line 'Nov 23 12:57:36 mx postfix/smtp[474]: ` + delivery + `'`:      1,
		`2026-11-23 12:57:36 INFO agent: no rule matched: 2026-11-23 12:57:36 mx postfix/smtp[474]: ` + delivery:                           1,
		`online: Nov 23 12:57:36 mx ~~ ` + delivery:                                                                                        0,
		`mx ~~ smtp ` + delivery + ` [^ (?P<status>x) status=bounced`:                                                                      0,
	} {
		p := newParser(t, "")
		if got := events(p, line+"\n"); len(got) != 0 || p.Counts().Unparsed != 1-want {
			t.Errorf("%s\n got %v, counted %d, want %d", line, describeAll(got), p.Counts().Unparsed, 1-want)
		}
	}
}

// Applications log recipients and outcomes as well.
func TestWhatApplicationsLogIsNotCounted(t *testing.T) {
	for _, line := range []string{
		"Nov 23 12:57:36 mx myapp[1]: to=<a@b.example>, relay=none, delay=1, dsn=5.1.1, status=bounced (no)",
		"Nov 23 12:57:36 mx myapp: notify: to=<a@b.example>, relay=none, delay=1, dsn=5.1.1, status=bounced (no)",
		"Nov 23 12:57:36 mx crm[77]: job 12345: to=a@b.example, relay=smtp.x.example, status=sent",
		"Nov 23 12:57:36 mx notify.sh[9]: sending mail to=<a@b.example>, relay=smtp.x.example, status=sent (250 ok)",
		"2026-11-23 12:57:36.789  INFO 12 --- [main] c.e.Mailer : mail abc12345: to=<a@b.example> subject=Hi status=sent (ok)",
		"Nov 23 12:57:36 mx ticket[77]: ticket 445566: to=<a@b.example> status=open",
		"Nov 23 12:57:36 mx ticket[77]: order: from=<x@y.example>, to=<a@b.example>, status=expired, returned to sender",
		"Nov 23 12:57:36 mx esmtp[77]: abcdef12: to=<a@b.example>, stat=Sent, delay=1",
		"Nov 23 12:57:36 mx webapp[9]: => a@b.example R=1 T=2 mailed",
		"2026-11-23 12:57:36 deploy => a@b.example R=1",
		"Nov 23 12:57:36 sip kamailio[9]: INFO: from=<sip:x@y.example>, to=<sip:a@b.example>, relay=192.0.2.1, status=sent (200 OK)",
		"Nov 23 12:57:36 mx sbc[9]: reply: from=<sip:x@y.example>, to=<sip:a@b.example>, relay=sbc1, status=sent",
		"2026-11-23 12:57:36 INFO crm - to=<a@b.example>, relay=smtp.x.example, status=sent",
		`{"time":"2026-11-23T12:57:36Z","service":"billing","to":"a@b.example","status":"sent","relay":"smtp.x.example"}`,
		"2026-11-23 12:57:36,INFO,mailer,a@b.example,5.1.1,bounced",
	} {
		p := newParser(t, "")
		if got := events(p, line+"\n"); len(got) != 0 || p.Counts().Unparsed != 0 {
			t.Errorf("%s\n got %v, counted %d", line, describeAll(got), p.Counts().Unparsed)
		}
	}
	// Behind the tag of an unknown program, a queue ID shows that it is a mail server's.
	for _, line := range []string{
		"Nov 23 12:57:36 mx relay[1]: 4f1XyZabcd: to=<a@b.example>, relay=none, delay=1, dsn=5.1.1, status=bounced (no)",
		"Nov 23 12:57:36 CET mx ?? XXXXXXXX: to=<a@b.example>, relay=none, delay=1, dsn=5.1.1, status=bounced (no)",
		"~~ 4f1XyZabcd: to=<a@b.example>, relay=none, delay=1, dsn=5.1.1, status=vanished (of a later version)",
		"~~ 4f1XyZabcd: to=<a@b.example>, relay=none, delay=1, dsn=4.4.1, status=def",
		"~~ 4f1XyZabcd: to=<a@b.example>, status=bounced (no)",
	} {
		p := newParser(t, "")
		if got := events(p, line+"\n"); len(got) != 0 || p.Counts().Unparsed != 1 {
			t.Errorf("%s\n got %v, counted %d, want one line that was counted", line, describeAll(got), p.Counts().Unparsed)
		}
	}
}

// YAML doubles a single quote within single quotes; a reply is read as the server sent it.
func TestQuotesOfYAML(t *testing.T) {
	const line = "Nov 23 12:57:36 mx postfix/smtp[4]: 4f1XyZabcd: to=<a@b.example>, relay=mx.b.example[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (host mx.b.example[192.0.2.1] said: 550 5.1.1 It's gone (in reply to RCPT TO command))"
	got := events(newParser(t, ""), "textPayload: '"+strings.ReplaceAll(line, "'", "''")+"'\n")
	if len(got) != 1 || got[0].Reply.Text != "550 5.1.1 It's gone" {
		t.Errorf("got %v", describeAll(got))
	}
}
