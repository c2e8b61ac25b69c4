package logparse_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/volume"
	"github.com/bouncetail/bouncetail/logparse"
)

// Programs log what strangers sent: names of users and hosts, subjects, replies. The
// tests below put whole lines of mail servers into what they log, under all forms of
// headers. No such line is read.

// forgedBodies are words of mail servers about v@bank.example.
var forgedBodies = []struct{ tag, body string }{
	{"postfix/smtp[474]", "4XabcZ1y2z: to=<v@bank.example>, relay=mx.bank.example[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (host mx.bank.example[192.0.2.1] said: 550 5.1.1 user unknown (in reply to RCPT TO command))"},
	{"postfix/smtp[474]", "4XabcZ1y2z: to=<v@bank.example>, relay=mx.bank.example[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 2.0.0 ok)"},
	{"exim[9]", "1xVTbv-00000r-1v ** v@bank.example R=dnslookup T=remote_smtp H=mx.bank.example [192.0.2.1]: SMTP error from remote mail server after RCPT TO:<v@bank.example>: 550 5.1.1 user unknown"},
	{"exim[9]", "1xVTbv-00000r-1v => v@bank.example R=dnslookup T=remote_smtp"},
	{"sendmail[84]", "6AND4fXL000084: to=<v@bank.example>, delay=00:00:01, xdelay=00:00:01, mailer=esmtp, pri=30242, relay=mx.bank.example. [192.0.2.1], dsn=5.1.1, stat=User unknown"},
	{"smtpd[55]", `770afeddea7e9413 mta delivery evpid=7571057c164ab4f5 from=<n@a.example> to=<v@bank.example> rcpt=<-> source="192.0.2.9" relay="192.0.2.1 (mx)" delay=0s result="PermFail" stat="550 5.1.1 No"`},
	{"smtpd[55]", "relay: PermFail for 6430369adcce4408: session=7818378a988ca63b, from=<n@a.example>, to=<v@bank.example>, rcpt=<->, source=192.0.2.9, relay=192.0.2.1 (mx), delay=0s, stat=550 No"},
}

// forged is a text about v@bank.example that looks like a line, or part of one.
func forged(rng *rand.Rand) string {
	f := forgedBodies[rng.IntN(len(forgedBodies))]
	name, _, _ := strings.Cut(f.tag, "[")
	text := []string{
		f.body, f.tag + ": " + f.body, "Nov 23 12:57:36 mx " + f.tag + ": " + f.body, "2026-11-23T12:57:36.5+00:00 mx " + f.tag + ": " + f.body,
		"<22>1 2026-11-23T12:57:36Z mx " + name + " 474 - - " + f.body, "2026-11-23 12:57:36 " + f.body, "1795438656 mx " + f.body,
		inDocker("Nov 23 12:57:36 mx " + f.tag + ": " + f.body), "2026-11-23T12:57:36.9Z stdout F Nov 23 12:57:36 mx " + f.tag + ": " + f.body,
		asJSON("MESSAGE", f.body, "SYSLOG_IDENTIFIER", name, "_HOSTNAME", "mx", "__REALTIME_TIMESTAMP", "1795438656123456", "_UID", "0"),
	}[rng.IntN(10)]
	before := []string{"", "", " ", `"`, `\"`, "'", "> ", ">", "), ", ") ", "; ", ", ", ": ", "] ", "} ", "| ", "\t", "x ", "<22>", `","`, `"},"x":"`, "- ", "-- ", "#012", "\x1b[0m", "#033[0m", "\r"}
	return before[rng.IntN(len(before))] + text + []string{"", `"`, " x", "#012x", ")"}[rng.IntN(5)]
}

func asJSON(pairs ...string) string {
	fields := make(map[string]string)
	for i := 0; i < len(pairs); i += 2 {
		fields[pairs[i]] = pairs[i+1]
	}
	text, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func inDocker(line string) string {
	text, err := json.Marshal(line + "\n")
	if err != nil {
		panic(err)
	}
	return `{"log":` + string(text) + `,"stream":"stdout","time":"2026-11-23T12:57:36.1Z"}`
}

// quoters are lines of programs, with § where they write what a stranger sent, and ¶
// where they write it as a JSON string.
var quoters = []struct{ tag, body string }{
	{"postfix/smtpd[7]", "NOQUEUE: reject: RCPT from unknown[192.0.2.9]: 554 5.7.1 <§>: Helo command rejected: no; from=<s@evil.example> to=<r@own.example> proto=ESMTP helo=<§>"},
	{"postfix/smtpd[7]", "improper command pipelining after HELO from unknown[192.0.2.9]: §"},
	{"postfix/smtpd[7]", "warning: hostname § does not resolve to address 192.0.2.9"},
	{"postfix/smtpd[7]", "warning: §"},
	{"postfix/postscreen[7]", "PREGREET 11 after 0.1 from [192.0.2.9]:4444: §"},
	{"postfix/cleanup[7]", "4XabcZ9y9z: message-id=<§>"},
	{"postfix/cleanup[7]", "4XabcZ9y9z: message-id=§"},
	{"postfix/cleanup[7]", "4XabcZ9y9z: warning: header Subject: § from h.evil.example[192.0.2.9]; from=<s@evil.example> to=<r@own.example> proto=ESMTP helo=<x>"},
	{"postfix/cleanup[7]", "4XabcZ9y9z: info: body § from local; from=<s@evil.example> to=<r@own.example>"},
	{"postfix/qmgr[7]", `4XabcZ9y9z: from=<"§"@evil.example>, size=447, nrcpt=1 (queue active)`},
	{"postfix/smtp[7]", "4XabcZ9y9z: host mx.evil.example[203.0.113.9] said: 450 4.7.1 § (in reply to RCPT TO command)"},
	{"postfix/smtp[7]", "4XabcZ9y9z: to=<u@evil.example>, relay=mx.evil.example[203.0.113.9]:25, delay=1, delays=0/0/0/1, dsn=2.1.5, status=deliverable (250 §)"},
	{"postfix/smtp[7]", "mx.evil.example[203.0.113.9]:25: subject_CN=§, issuer_CN=§, fingerprint=00"},
	{"postfix/policyd-spf[7]", "§"},
	{"postfixadmin[7]", "§"},
	{"postfix-policyd-spf[7]", "prepend Received-SPF: None helo=§; client-ip=192.0.2.9"},
	{"dovecot", "lmtp(r@own.example): msgid=<§>: saved mail to INBOX"},
	{"dovecot", "auth: Info: passwd-file(§,192.0.2.9): unknown user"},
	{"dovecot/lmtp[7]", "§"},
	{"rspamd_proxy[7]", "<abc123>; proxy; rspamd_message_parse: loaded message; id: <§>; queue-id: <4XabcZ9y9z>; size: 2"},
	{"amavis[7]", "(00007-01) Passed CLEAN {RelayedInbound}, [192.0.2.9] <§> -> <r@own.example>, Queue-ID: 4Xabc, Message-ID: <§>, queued_as: 4Xabd"},
	{"amavis[7]", "(00007-01) §"},
	{"opendkim[7]", "4XabcZ9y9z: § not internal"},
	{"opendkim[7]", "§"},
	{"opendmarc[7]", "4XabcZ9y9z: § fail"},
	{"clamsmtpd", "10002A: from=§, to=r@own.example, status=CLEAN"},
	{"milter-greylist", "4XabcZ9y9z: addr §[192.0.2.9] from <§> to <r@own.example> delayed for 00:05:00"},
	{"sshd[7]", "Invalid user § from 192.0.2.9 port 22"},
	{"sudo", "§ : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/true"},
	{"php-fpm8.2[7]", "§"},
	{"myapp[7]", "user said: §"},
	{"myapp[7]", "bob | §"},
	{"myapp[7]", `{"event":"contact","properties":{"message":¶}}`},
	{"myapp[7]", "mail from § failed"},
	{"myapp", `level=info user="§" msg="login failed"`},
	{"myapp[7]", `{"level":"info","user":¶,"msg":"login failed"}`},
	{"myapp[7]", `{"level":"info","msg":"contact form","body":¶}`},
	{"myapp[7]", `{"msg":"contact form","content":¶,"time":"2026-11-23T12:57:36Z"}`},
	{"myapp[7]", `{"data":{"message":¶},"message":"login failed"}`},
	{"myapp[7]", `{"message":"hi","record":{"log":¶}}`},
	{"myapp[7]", `{"message":["hi",¶]}`},
	{"nginx", `192.0.2.9 - § [23/Nov/2026:12:57:36 +0000] "GET / HTTP/1.1" 200 612 "-" "§"`},
	{"exim[7]", `2026-11-23 12:57:36 1xVTbv-00000r-2v <= s@evil.example H=(§) [192.0.2.9] P=esmtp S=494 T="§" from <s@evil.example> for r@own.example`},
	{"exim[7]", "2026-11-23 12:57:36 H=(§) [192.0.2.9] F=<§> rejected RCPT <r@own.example>: §"},
	{"exim[7]", "2026-11-23 12:57:36 Warning: §"},
	{"exim[7]", "2026-11-23 12:57:36 1xVTbv-00000r-2v §"},
	{"exim[7]", "2026-11-23 12:57:36 1xVTbv-00000r-2v DKIM: d=§ s=x"},
	{"sendmail[7]", "6AND4fXL000085: from=<§>, size=242, class=0, nrcpts=1, msgid=<§>, proto=ESMTP, daemon=MTA, relay=§ [192.0.2.9]"},
	{"sendmail[7]", "6AND4fXL000085: ruleset=check_rcpt, arg1=<§>, relay=§ [192.0.2.9], reject=550 5.7.1 §"},
	{"sendmail[7]", "6AND4fXL000085: § [192.0.2.9] did not issue MAIL/EXPN/VRFY/ETRN during connection to MTA"},
	{"smtpd[7]", `770afeddea7e9413 smtp failed-command command="§" result="500 5.5.1 Invalid command"`},
	{"smtpd[7]", `770afeddea7e9413 mta delivery evpid=7571057c164ab4f5 from=<§> to=<u@evil.example> rcpt=<-> source="192.0.2.9" relay="203.0.113.9 (mx)" delay=0s result="PermFail" stat="550 §"`},
	{"postfix/smtpd[7]", "warning: unknown[192.0.2.9]: SASL LOGIN authentication failed: §, sasl_username=§"},
	{"postfix/smtpd[7]", "4XabcZ9y9z: client=§[192.0.2.9], sasl_method=PLAIN, sasl_username=§"},
	{"postfix/smtpd[7]", "4XabcZ9y9z: reject: RCPT from unknown[192.0.2.9]: 450 4.1.1 <§>: Recipient address rejected: §; from=<§> to=<§> proto=ESMTP helo=<§>"},
	{"postfix/smtpd[7]", "NOQUEUE: filter: RCPT from unknown[192.0.2.9]: <§>: Sender address triggers FILTER smtp:[127.0.0.1]:10025; from=<§> to=<§> proto=ESMTP helo=<§>"},
	{"postfix/smtpd[7]", "too many errors after RCPT from §[192.0.2.9]"},
	{"postfix/smtpd[7]", "NOQUEUE: lost connection after § from unknown[192.0.2.9]"},
	{"postfix/smtpd[7]", "< unknown[192.0.2.9]: §"},
	{"shop[7]", "> §"},
	{"shop[7]", "'§'"},
	{"shop[7]", "b'§'"},
	{"shop[7]", "| § |"},
	{"shop[7]", "*§"},
	{"shop[7]", "warn §"},
	{"shop[7]", "user §"},
	{"postfix/cleanup[7]", "4XabcZ9y9z: resent-message-id=<§>"},
	{"postfix/cleanup[7]", "4XabcZ9y9z: replace: header Subject: § from local; from=<§> to=<§>: §"},
	{"postfix/cleanup[7]", "4XabcZ9y9z: prepend: header §"},
	{"postfix/cleanup[7]", "4XabcZ9y9z: milter-reject: END-OF-MESSAGE from unknown[192.0.2.9]: 5.7.1 §; from=<§> to=<§> proto=ESMTP helo=<§>"},
	{"postfix/cleanup[7]", "4XabcZ9y9z: reject: header to=<§>, relay=§ from local"},
	{"postfix/pickup[7]", "4XabcZ9y9z: uid=1000 from=<§>"},
	{"postfix/pickup[7]", "4XabcZ9y9z: uid=1000 from=§ orig_id=4XabcZ9y9y"},
	{"postfix/postdrop[7]", "warning: §"},
	{"postfix/sendmail[7]", "fatal: §: No recipient addresses found in message header"},
	{"postfix/trivial-rewrite[7]", "warning: do not list domain § in BOTH mydestination and virtual_alias_domains"},
	{"postfix/local[7]", "4XabcZ9y9z: to=<r@own.example>, relay=local, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (delivered to command: /bin/x §)"},
	{"postfix/local[7]", "4XabcZ9y9z: to=<r@own.example>, orig_to=<§>, relay=local, delay=1, delays=0/0/0/1, dsn=5.2.0, status=bounced (Command died with status 1: \"/bin/x\". Command output: §)"},
	{"postfix/pipe[7]", "4XabcZ9y9z: to=<r@own.example>, relay=x, delay=1, delays=0/0/0/1, dsn=4.3.0, status=deferred (temporary failure. Command output: §)"},
	{"postfix/virtual[7]", `4XabcZ9y9z: to=<r@own.example>, relay=virtual, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (unknown user: "§")`},
	{"postfix/error[7]", "4XabcZ9y9z: to=<r@own.example>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (delivery temporarily suspended: §)"},
	{"postfix/smtp[7]", "4XabcZ9y9z: lost connection with §[203.0.113.9] while sending §"},
	{"postfix/smtp[7]", "4XabcZ9y9z: to=<r@own.example>, relay=§[203.0.113.9]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (host §[203.0.113.9] said: 550 5.1.1 § (in reply to RCPT TO command))"},
	{"postfix/smtp[7]", "Untrusted TLS connection established to §[203.0.113.9]:25: TLSv1.3 with cipher § (256/256 bits)"},
	{"postfix/smtp[7]", "warning: host §[203.0.113.9]:25 greeted me with my own hostname §"},
	{"postfix/smtp[7]", "> §[203.0.113.9]:25: RCPT TO:<§>"},
	{"postfix/smtp[7]", "connect to §[203.0.113.9]:25: Connection refused"},
	{"postfix/bounce[7]", "warning: 4XabcZ9y9z: undeliverable postmaster notification discarded: §"},
	{"postfix/lmtp[7]", "4XabcZ9y9z: conversation with §[private/dovecot-lmtp] timed out while sending §"},
	{"postfix/qmgr[7]", `4XabcZ9y9z: from=<"§"@evil.example>, status=expired, returned to sender`},
	{"postfix/submission/smtpd[7]", "4XabcZ9y9z: client=unknown[192.0.2.9], sasl_method=LOGIN, sasl_username=§, sasl_sender=§"},
	{"postfix/anvil[7]", "statistics: max connection rate 1/60s for (§) at Nov 23 12:57:36"},
	{"exim[7]", `2026-11-23 12:57:36 1xVTbv-00000r-2v <= §@evil.example U=§ P=esmtpsa X=TLS1.3:§:256 CV=no DN="§" SNI="§" A=login:§ S=494 DKIM=§ id=§ T="§" from <§> for r@own.example`},
	{"exim[7]", `2026-11-23 12:57:36 1xVTbv-00000r-2v => u@evil.example <u@own.example> F=<s@evil.example> P=<s@evil.example> R=x T=remote S=9 H=mx.evil.example [203.0.113.9]:25 X=TLS1.3:§:256 CV=no DN="§" L K C="250 §" QT=1s DT=1s`},
	{"exim[7]", "2026-11-23 12:57:36 1xVTbv-00000r-2v == u@evil.example R=x T=remote defer (-44) H=mx.evil.example [203.0.113.9] DT=1s: SMTP error from remote mail server after RCPT TO:<u@evil.example>: 450 §"},
	{"exim[7]", "2026-11-23 12:57:36 1xVTbv-00000r-2v H=mx.evil.example [203.0.113.9]: SMTP error from remote mail server after pipelined MAIL FROM:<§> SIZE=1: 450 §"},
	{"exim[7]", "2026-11-23 12:57:36 1xVTbv-00000r-2v ** u@evil.example R=x T=t: Child process of t transport returned 127 (§) from command: §"},
	{"exim[7]", "2026-11-23 12:57:36 H=h.evil.example (§) [192.0.2.9]:4444 X=TLS1.3 CV=no F=<§> A=login:§ temporarily rejected RCPT <§>: §"},
	{"exim[7]", "2026-11-23 12:57:36 1xVTbv-00000r-2v H=(§) [192.0.2.9] Warning: §"},
	{"exim[7]", "2026-11-23 12:57:36 1xVTbv-00000r-2v F=<§> rejected by non-SMTP ACL: §"},
	{"exim[7]", "2026-11-23 12:57:36 rejected EHLO from [192.0.2.9]: syntactically invalid argument(s): §"},
	{"exim[7]", `2026-11-23 12:57:36 SMTP syntax error in "§" H=(§) [192.0.2.9] unrecognized command`},
	{"exim[7]", `2026-11-23 12:57:36 SMTP protocol synchronization error (input sent without waiting for greeting): rejected connection from H=[192.0.2.9] input="§"`},
	{"exim[7]", `2026-11-23 12:57:36 SMTP call from [192.0.2.9] dropped: too many syntax or protocol errors (last command was "§", C=§)`},
	{"exim[7]", "2026-11-23 12:57:36 login authenticator failed for (§) [192.0.2.9]: 535 Incorrect authentication data (set_id=§)"},
	{"exim[7]", "2026-11-23 12:57:36 unqualified recipient rejected: <§> H=(§) [192.0.2.9]"},
	{"exim[7]", "2026-11-23 12:57:36 TLS error on connection from § [192.0.2.9] (SSL_accept): §"},
	{"exim[7]", "2026-11-23 12:57:36 no host name found for IP address 192.0.2.9 §"},
	{"exim[7]", "2026-11-23 12:57:36 1xVTbv-00000r-2v routing failed for §: §"},
	{"exim[7]", "2026-11-23 12:57:36 1xVTbv-00000r-2v SA: Action: scanned: From § (host=§ [192.0.2.9]) for §"},
	{"exim[7]", "2026-11-23 12:57:36 cwd=/ 3 args: /usr/sbin/sendmail -f§ §"},
	{"sendmail[7]", "6AND4fXL000085: milter=x, action=mail, reject=550 5.7.1 §"},
	{"sendmail[7]", "6AND4fXL000085: Milter insert (1): header: X: §"},
	{"sendmail[7]", "6AND4fXL000085: Milter (x): quarantine, reason=§"},
	{"sendmail[7]", "6AND4fXL000085: <§>... User unknown"},
	{"sendmail[7]", "6AND4fXL000085: §... User unknown"},
	{"sendmail[7]", "6AND4fXL000085: lost input channel from § [192.0.2.9] to MTA after rcpt"},
	{"sendmail[7]", "6AND4fXL000085: AUTH failure (LOGIN): user not found (-20) SASL(-13): user not found: §, relay=§ [192.0.2.9]"},
	{"sendmail[7]", "6AND4fXL000085: 6AND4fXM000085: DSN: §"},
	{"sendmail[7]", "6AND4fXL000085: SYSERR(root): § config error"},
	{"sendmail[7]", "6AND4fXL000085: Authentication-Warning: own.example: § set sender to § using -f"},
	{"sendmail[7]", "STARTTLS=server, relay=§ [192.0.2.9], version=TLSv1.3, verify=NO"},
	{"sendmail[7]", "6AND4fXL000085: to=<u@evil.example>, ctladdr=<§> (1/1), delay=00:00:01, xdelay=00:00:01, mailer=esmtp, pri=30242, relay=mx.evil.example. [203.0.113.9], dsn=5.1.1, reply=550 5.1.1 §, stat=User unknown"},
	{"smtpd[7]", `770afeddea7e9413 smtp connected address=192.0.2.9 host=§`},
	{"smtpd[7]", `770afeddea7e9413 smtp envelope evpid=7571057c164ab4f5 from=<§> to=<§>`},
	{"smtpd[7]", `770afeddea7e9413 smtp authentication user=§ address=192.0.2.9 host=§ result=permfail`},
	{"smtpd[7]", `770afeddea7e9413 smtp bad-input result="500 5.5.1 §"`},
	{"smtpd[7]", `770afeddea7e9413 mta error reason="§"`},
	{"smtpd[7]", `0000000000000000 mda delivery evpid=7571057c164ab4f5 from=<§> to=<r@own.example> rcpt=<r@own.example> user=r delay=0s result="PermFail" stat="Error (§)"`},
	{"smtpd[7]", "rspamd: §"},
	{"smtpd[7]", "warn: §"},
	{"smtpd[7]", `smtp-in: Failed command on session 7818378a988ca63b: "§" => 500 5.5.1`},
}

// quoterHeaders put a header before a body. Those at the end write no program, so that
// only what its words begin with tells it from a mail server.
var quoterHeaders = []func(tag, body string) string{
	func(tag, body string) string { return "Nov 23 12:57:36 mx " + tag + ": " + body },
	func(tag, body string) string { return "2026-11-23T12:57:36.123456+00:00 mx " + tag + ": " + body },
	func(tag, body string) string {
		return "<22>1 2026-11-23T12:57:36Z mx " + nameOf(tag) + " 7 - - " + body
	},
	func(tag, body string) string { return inDocker("Nov 23 12:57:36 mx " + tag + ": " + body) },
	func(tag, body string) string { return inDocker(tag + ": " + body) },
	func(tag, body string) string {
		return "2026-11-23T12:57:36.1Z stdout F Nov 23 12:57:36 mx " + tag + ": " + body
	},
	func(tag, body string) string { return "mail-1  | Nov 23 12:57:36 mx " + tag + ": " + body },
	func(tag, body string) string {
		return "\x1b[36mmail-1  | \x1b[0mNov 23 12:57:36 mx " + tag + ": " + body
	},
	func(tag, body string) string {
		return asJSON("__REALTIME_TIMESTAMP", "1795438656123456", "_HOSTNAME", "mx", "SYSLOG_IDENTIFIER", nameOf(tag), "SYSLOG_PID", "7", "MESSAGE", body, "_UID", "0")
	},
	func(tag, body string) string {
		return asJSON("@timestamp", "2026-11-23T12:57:36Z", "host.name", "mx", "process.name", nameOf(tag), "message", body)
	},
	func(tag, body string) string {
		return asJSON("host", "mx", "short_message", body, "full_message", "Nov 23 12:57:36 mx "+tag+": "+body, "timestamp", "1795438656.1", "_application_name", nameOf(tag))
	},
	func(tag, body string) string { return "2026-11-23T12:57:36.1+00:00 INFO " + nameOf(tag) + ": " + body },
	func(tag, body string) string { return "Nov 23 12:57:36 " + tag + ": " + body },
	func(tag, body string) string { return "Nov 23 12:57:36 mx " + tag + " " + body },
	func(tag, body string) string { return "Nov 23 12:57:36 mx " + tag + ":" + body },
	func(tag, body string) string { return "2026-11-23 12:57:36 mx " + tag + ": " + body },
	func(tag, body string) string {
		return "Nov 23 12:57:37 node1 docker[3]: Nov 23 12:57:36 mx " + tag + ": " + body
	},
	func(tag, body string) string { return "Nov 23 12:57:36 <mail.info> mx " + tag + ": " + body },
	func(tag, body string) string { return "Nov 23 12:57:36 mx mail.info " + tag + ": " + body },
	func(tag, body string) string {
		return "time=2026-11-23T12:57:36Z level=info host=mx program=" + nameOf(tag) + " msg=" + fmt.Sprintf("%q", body)
	},
	func(tag, body string) string {
		return fmt.Sprintf(`"2026-11-23T12:57:36Z","mx","%s","%s"`, tag, strings.ReplaceAll(body, `"`, `""`))
	},
	func(tag, body string) string {
		return `2026-11-23T12:57:36Z {app="x", host="mx"} Nov 23 12:57:36 mx ` + tag + ": " + body
	},
	func(_, body string) string { return inDocker(body) },
	func(_, body string) string { return "2026-11-23T12:57:36.1Z stdout F " + body },
}

func nameOf(tag string) string {
	name, _, _ := strings.Cut(tag, "[")
	return name
}

func TestNoLineThatQuotesAnotherIsReadForIt(t *testing.T) {
	rounds := volume.Of(8, 30)
	if testing.Short() {
		rounds = 1
	}
	for h, header := range quoterHeaders {
		anonymous := h >= len(quoterHeaders)-2
		for q, line := range quoters {
			if anonymous && (strings.HasPrefix(line.body, "§") || strings.HasPrefix(line.tag, "shop")) {
				continue // what begins like a line of a mail server, and names no other program, is one
			}
			for round := range rounds {
				rng := rand.New(rand.NewPCG(uint64(h*len(quoters)+q), uint64(round)))
				text := forged(rng)
				quoted, err := json.Marshal(text)
				if err != nil {
					t.Fatal(err)
				}
				whole := header(line.tag, strings.NewReplacer("§", text, "¶", string(quoted)).Replace(line.body))
				for _, ev := range events(newParser(t, ""), strings.NewReplacer("\n", "#012", "\r", "#015").Replace(whole)+"\n") {
					if (ev.Kind == bounce.EventAttempt || ev.Kind == bounce.EventGaveUp) && strings.Contains(ev.Recipient, "bank.example") {
						t.Errorf("read for %s:\n%s", ev.Recipient, whole)
					}
				}
			}
		}
	}
}

// A runtime cuts long lines of a container. What follows a cut is no line of its own:
// a stranger chooses where it begins by the length of what he sends.
func TestTheRestOfAContainersLongLineIsNotRead(t *testing.T) {
	line := "Nov 23 12:57:36 mx postfix/smtp[474]: " + forgedBodies[0].body
	long := strings.Repeat("x", 16<<10)
	docker := func(text, stream string) string {
		return `{"log":"` + text + `","stream":"` + stream + `","time":"2026-11-23T12:57:36.1Z"}` + "\n"
	}
	cri := func(text string) string { return "2026-11-23T12:57:36.1Z " + text + "\n" }
	for _, c := range []struct {
		name, log string
		want      int
	}{
		{"CRI", cri("stdout P "+long) + cri("stdout P "+line) + cri("stdout F "+line) + cri("stdout F "+line), 1},
		{"CRI, another stream", cri("stderr P "+long) + cri("stdout F "+line), 1},
		{"Docker", docker(long, "stdout") + docker(line+`\n`, "stdout") + docker(line+`\n`, "stdout"), 1},
		{"Docker, in three", docker(long, "stdout") + docker(long, "stdout") + docker(line+`\n`, "stdout") + docker(line+`\n`, "stdout"), 1},
		{"Docker, a backslash at the cut", docker(long+`\\n`, "stdout") + docker(line+`\n`, "stdout"), 0},
		{"Docker, another stream", docker(long, "stderr") + docker(line+`\n`, "stdout"), 1},
		{"a collector without newlines", docker(line, "stdout") + docker(line, "stdout"), 2},
		{"Docker's journald driver", asJSON("MESSAGE", line, "CONTAINER_PARTIAL_MESSAGE", "true", "CONTAINER_PARTIAL_ORDINAL", "2", "__REALTIME_TIMESTAMP", "1795438656123456", "_HOSTNAME", "mx") + "\n", 0},
	} {
		for _, restarted := range []bool{false, true} {
			p := newParser(t, "")
			n := 0
			for part := range strings.Lines(c.log) {
				n += len(events(p, part))
				if restarted {
					p = restored(t, p.State())
				}
			}
			if n != c.want {
				t.Errorf("%s, restarted %t: %d events, want %d", c.name, restarted, n, c.want)
			}
		}
	}
}

// restored is a parser that continues where another one stopped.
func restored(t *testing.T, state []byte) *logparse.Parser {
	t.Helper()
	p, err := logparse.New(logparse.Options{Zone: time.UTC, Anchor: noon, State: state})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// An escape sequence is taken off the names of containers, and not out of addresses:
// they would become other addresses.
func TestColoursAreNotTakenOutOfAddresses(t *testing.T) {
	for _, line := range []string{
		"mail-1 | Nov 23 12:57:36 mx postfix/smtp[474]: 4XabcZ1y2z: to=<v#033[0m@bank.example>, relay=none, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (no)",
		"mail-1 | 2026-11-23 12:57:36 1xVTbv-00000r-1v => v#033[0m@bank.example R=dnslookup T=remote_smtp",
	} {
		for _, ev := range events(newParser(t, ""), line+"\n") {
			if ev.Recipient == "v@bank.example" {
				t.Errorf("read for %s:\n%s", ev.Recipient, line)
			}
		}
	}
}
