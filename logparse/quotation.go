package logparse

import "regexp"

// isQuotation reports whether a line with a delivery is another program's that quotes
// it: rsyslog's, which repeats a line before it, a web server's, or one of the kernel's
// audit, of a message's header in Exim's reject log, or of a session that exim -v prints.
//
//	Nov 23 12:57:36 mx message repeated 2 times: [ 4XabcZ1y2z: to=<a@b.example>, …]
//	192.0.2.9 - - [23/Nov/2026:12:57:36 +0000] "GET / HTTP/1.1" 404 12 "-" "4XabcZ1y2z: to=<a@b.example>, …"
//	type=EXECVE msg=audit(1795438656.123:45): argc=3 a0="grep" a1="4XabcZ1y2z: to=<a@b.example>, …"
//	  Subject: ** a@b.example R=dnslookup T=remote_smtp: …
//	  278   SMTP<< 550 4XabcZ1y2z: to=<a@b.example>, …
func isQuotation(line string) bool { return quotation.MatchString(line) }

var quotation = regexp.MustCompile(`^(?:[^<>@]{0,200}(?:\bmessage repeated \d+ times: \[|"[A-Z]{3,8} \S+ HTTP/\d(?:\.\d)?"|"(?:http_)?user_?agent"|\btype=[A-Z_]+ msg=audit\(|\bSMTP<< )|[A-Z* ] [A-Z][A-Za-z-]+: )`)
