package logparse

import (
	"regexp"
	"strings"
)

// header is what stands before a program's own words in a line of a log.
type header struct {
	stamp stamp
	host  string // nil where there is none
	tag   string // "postfix/smtp", "exim"; nil where there is none
	pid   string // nil where there is none
	body  string

	// made tells that the line itself does not hold the body as it is, because
	// it was put together or taken out of something.
	made bool
	// writer is set if the line was taken out of the journal.
	writer writer
	// others are further recipients that a grammar found in the line.
	others []string
}

// cutHeader takes the header off a line:
//
//	Nov 23 12:57:36 mx-out1 postfix/smtp[474]: BODY              traditional
//	2026-11-23T12:57:36.123456+00:00 mx-out1 postfix/smtp[474]: BODY   RFC 3339
//	<22>1 2026-11-23T12:57:36Z mx-out1 postfix 474 - -  BODY     RFC 5424
//	2026-11-23 12:57:31 BODY                                     Exim's own
//	Mon 2026-11-23 12:57:36 UTC mx-out1 postfix/smtp[474]: BODY  journalctl -o short-full
//	1795438932.759177 mx-out1 postfix/smtp[474]: BODY            journalctl -o short-unix
//
// A priority such as <22> may stand before the first two as well, and what
// keeps logs may put something around a line (wrap.go).
func cutHeader(line string, h *header) bool {
	if len(line) > 40 && (line[0] == '{' || line[10] == 'T') {
		inner, done, ok := unwrap(line, h)
		if !ok {
			return false
		}
		if done {
			h.made = true
			return cutOwnStamp(h)
		}
		line = inner
	}
	line = cutPriority(line)
	if version, rest, found := strings.Cut(line, " "); found && len(version) == 1 && version[0] == '1' {
		return cutRFC5424(rest, h)
	}
	rest, ok := h.stamp.cut(line)
	if !ok {
		return false
	}
	if h.stamp.exim {
		h.body = rest
		return true
	}
	var found bool
	if h.host, rest, found = strings.Cut(rest, " "); !found || len(h.host) == 0 {
		return false
	}
	return cutTag(rest, h)
}

// cutTag reads "postfix/smtp[474]: BODY". The tag ends at the first ": ", and
// holds no space.
func cutTag(rest string, h *header) bool {
	end := strings.IndexByte(rest, ' ') - 1
	if end < 0 || rest[end] != ':' {
		return false
	}
	h.tag, h.pid = rest[:end], ""
	if at := strings.IndexByte(h.tag, '['); at >= 0 {
		h.tag, h.pid = h.tag[:at], h.tag[at+1:]
		if n := len(h.pid); n > 0 && h.pid[n-1] == ']' {
			h.pid = h.pid[:n-1]
		}
	}
	h.body = rest[end+2:]
	return cutOwnStamp(h)
}

func cutPriority(line string) string {
	if len(line) < 3 || line[0] != '<' {
		return line
	}
	end := strings.IndexByte(line[:min(len(line), 5)], '>')
	if end < 2 {
		return line
	}
	for _, c := range line[1:end] {
		if c < '0' || '9' < c {
			return line
		}
	}
	return line[end+1:]
}

// cutRFC5424 reads STAMP HOST APP PID MSGID DATA BODY. Postfix's daemon name
// is lost in this form, and rsyslog leaves a space before the body.
func cutRFC5424(rest string, h *header) bool {
	rest, ok := h.stamp.cut(rest)
	if !ok {
		return false
	}
	var fields [4]string // host, app, pid, msgid
	for i := range fields {
		var found bool
		if fields[i], rest, found = strings.Cut(rest, " "); !found {
			return false
		}
	}
	h.host, h.tag, h.pid = fields[0], fields[1], fields[2]
	if rest, ok = strings.CutPrefix(rest, "-"); !ok {
		if rest, ok = cutStructuredData(rest); !ok {
			return false
		}
	}
	if rest, ok = strings.CutPrefix(rest, " "); !ok {
		return false
	}
	h.body = strings.TrimPrefix(strings.TrimPrefix(rest, " "), "\ufeff")
	return cutOwnStamp(h)
}

// cutStructuredData takes `[meta sequenceId="29"][x y="a \"b\""]` off, which
// syslog-ng adds.
func cutStructuredData(rest string) (string, bool) {
	cut := false
	for len(rest) > 0 && rest[0] == '[' {
		end, quoted := 1, false
		for ; end < len(rest) && (quoted || rest[end] != ']'); end++ {
			switch rest[end] {
			case '"':
				quoted = !quoted
			case '\\':
				end++
			}
		}
		if end >= len(rest) {
			return "", false
		}
		rest, cut = rest[end+1:], true
	}
	return rest, cut
}

// bracketed is what may stand before the words: the process, where Exim's
// log_selector has +pid, and what syslogd of illumos adds.
//
//	[88] 1xVTbv-00000r-1v ** a@b.example: Unrouteable address
//	[ID 197553 mail.info] 4XabcZ1y2z: removed
var bracketed = regexp.MustCompile(`^\[(?:\d+|ID \d+ [a-z0-9]+\.[a-z]+)\] `)

// cutOwnStamp takes off the stamp that Exim puts before its words in syslog
// too, unless syslog_timestamp is false. The header's own stamp is kept: it
// names its zone.
func cutOwnStamp(h *header) bool {
	if len(h.body) < 20 || h.body[4] != '-' || h.body[10] != ' ' {
		return true
	}
	var own stamp
	if rest, ok := own.cut(h.body); ok && own.exim {
		h.body = rest
	}
	return true
}
