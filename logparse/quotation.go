package logparse

import (
	"strings"

	"github.com/bouncetail/bouncetail/internal/lazyre"
)

// isQuotation reports whether a line with a delivery and without a header quotes it.
// Those that quote are rsyslog, which repeats the line before, a web server, the kernel's
// audit, Exim's reject log, which has headers of messages, a field that holds what a
// stranger sent, PHP's log of mails, a session that exim -v prints, XML, SQL, source code, and a shell.
//
//	Nov 23 12:57:36 mx message repeated 2 times: [ 4XabcZ1y2z: to=<a@b.example>, …]
//	192.0.2.9 - - [23/Nov/2026:12:57:36 +0000] "GET / HTTP/1.1" 404 12 "-" "4XabcZ1y2z: to=<a@b.example>, …"
//	type=EXECVE msg=audit(1795438656.123:45): argc=3 a0="grep" a1="4XabcZ1y2z: to=<a@b.example>, …"
//	  Subject: ** a@b.example R=dnslookup T=remote_smtp: …
//	[23-Nov-2026 12:57:36 UTC] mail() on [/var/www/a.php:12]: To: a@b.example -- Headers: … Subject: 4XabcZ1y2z: to=<a@b.example>, …
//	  278   SMTP<< 550 4XabcZ1y2z: to=<a@b.example>, …
//	scanner[155]: subject="4XabcZ1y2z: to=<a@b.example>, …" from=…
//	<event host="mx">postfix/smtp[474]: 4XabcZ1y2z: to=&lt;a@b.example&gt;, …</event>
//	INSERT INTO SystemEvents VALUES (1, 'mx', '4XabcZ1y2z: to=<a@b.example>, …');
//	2026-11-23 12:57:36 UTC [12] mail@db LOG:  statement: INSERT INTO t VALUES ('4XabcZ1y2z: to=<a@b.example>, …');
//	const line = "4XabcZ1y2z: to=<a@b.example>, …"
//	{"a failure", "4XabcZ1y2z: to=<a@b.example>, …", false},
//	-- 4XabcZ1y2z: to=<a@b.example>, …
//	What I see is this: 4XabcZ1y2z: to=<a@b.example>, …
//	12:57 < joe> 4XabcZ1y2z: to=<a@b.example>, …
//	[1795438656] SERVICE ALERT: mx;mail;WARNING;4XabcZ1y2z: to=<a@b.example>, …
//	filter[1]: working on line 'Nov 23 12:57:36 mx postfix/smtp[474]: 4XabcZ1y2z: to=<a@b.example>, …'
//	com.a.MailException: 4XabcZ1y2z: to=<a@b.example>, …
//	failregex = ^%(__prefix_line)s\S+: to=<\S+>, …
//	{"request":"GET /?4XabcZ1y2z: to=<a@b.example>, …","status":404}
//	  1234:20261123:125736.789 item "log[/var/log/mail.log]" value: 4XabcZ1y2z: to=<a@b.example>, …
//	# grep '4XabcZ1y2z: to=<a@b.example>' /var/log/mail.log
func isQuotation(line string) bool {
	if name, _, found := strings.Cut(line, ": "); found && isHeaderField(name) || strings.HasPrefix(strings.TrimLeft(line, " \t"), "-- ") {
		return true
	}
	return quotation.MatchString(line) || prose.MatchString(line) || statement.MatchString(line) ||
		inSource.MatchString(line) && !tagsBefore.MatchString(line) // else a page, see copies.go
}

// quotation matches what other programs put before a line that they quote.
var quotation = lazyre.New(`^(?:[^<>@]{0,200}(?:` +
	`\bmessage repeated \d+ times: \[|` + // rsyslog
	`"[A-Z]{3,8} \S+ HTTP/\d(?:\.\d)?"|"(?:http_)?(?:user_?agent|request|request_uri|referer)"|` + // a web server
	`^ *\d+:\d{8}:\d{6}\.\d{3} |\btype=[A-Z_]+ msg=audit\(|` + // Zabbix, the kernel's audit
	`\bSMTP<< |\bmail\(\) on \[|` + // exim -v, PHP
	`(?i:\b(?:subject|helo|user(?:name)?|login|query|command|url|referer|title)"?(?:=|: ?)["'<(](?:[^"'\\]|\\.){0,200}\bto=))|` +
	`[A-Z* ] [A-Z][A-Za-z-]+: )`) // a header of a message in Exim's reject log

// prose matches words of people, of a chat, of a reader of logs, of an error, and of a
// request that lead to a delivery. No header has them.
var prose = lazyre.New(`^(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ )?(?:[^<>@="',;{]{0,200}(?:` +
	`(?:^|\s)(?i:the|is|was|are|what|that|this|says|see|when|but|have|has|my|your|our|we|you|example:?)\s|` +
	`\w(?:Exception|Error): |\b(?:line|matched):? ["']?(?:[A-Z][a-z]{2} [ \d]\d|\d{4}-\d\d-\d\d)|` +
	`\b(?:SERVICE|HOST) (?:ALERT|NOTIFICATION|STATE)|\b(?:GET|POST|PUT|PATCH|DELETE) /)|` +
	`\[?\d\d:\d\d(?::\d\d)?\]? ?<[ @+%]?[\w-]+> )`)

// statement matches a statement of SQL in the log of a database.
var statement = lazyre.New(`(?i)\b(?:insert|replace) into [\w."` + "`" + `]+ ?(?:\([^()']*\) ?)?values ?\([^<>]*'`)

var inSource = lazyre.New(`^[-+ \t]*(?:` +
	`<[A-Za-z][\w.:-]*(?: [^<>]*)?>.*(?:</[\w.:-]+>|\]\]>)[ \t]*$|` + // an element of XML
	`(?i:insert|replace|update|delete|select|values) .*'|\(\d+, ?'|` + // SQL
	`[^"'` + "`" + `<@]*(?:\$\w+ ?\.?= ?|[:=!]= ?|[^,;:=] = ?|=> |[\w.]\(|[\]\w]\{|return )` + // a string in source code
	`[&fbru@]?["'` + "`" + `]|` +
	`["'](?:\$\w+: |[^"'<@]*["'] ?[+.] ?\w+ ?[+.] ?["'])|` + // a string with a variable
	`//|\{ ?["'` + "`" + `][^"'` + "`" + `:=]*["'` + "`" + `], ?["'` + "`" + `]|` + // a comment, or a table of strings
	`[a-zA-Z_:]+\{\w+="|\w+\(\d+, "|` + // a metric, a call of the system
	`(?:[\w@:~./-]*[$#%>] |[^<>@="']{0,80} \+ |\d+ +(?:\d{4}-\d\d-\d\d[T ][\d:]{8}\S* )?)?(?:sudo )?` + // a shell
	`(?:e?grep|zgrep|sed|awk|gawk|logger|echo|printf|exigrep|postlog|journalctl) |` +
	`[^@]*(?:\\[SwdsD][+*]|%\{[A-Z]|\[\^|\(\?[P:<]|\.\*)[^@]*(?:status|stat)=[^@]*$` + // an expression, which names nobody
	`)`)

// headerFields are the fields in which the header of a message may hold anything.
var headerFields = makeSet(`subject from to cc bcc sender reply-to return-path message-id in-reply-to references received comments keywords
	thread-topic list-id user-agent content-type`)

// isHeaderField reports whether a name is that of a field of a message's header, which
// may be in front of a line that a stranger sent.
func isHeaderField(name string) bool {
	name = strings.ToLower(name)
	return headerFields[name] || strings.HasPrefix(name, "x-")
}
