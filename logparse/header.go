package logparse

import "bytes"

// header is what stands before a program's own words in a line of a log.
type header struct {
	stamp stamp
	host  []byte // nil where there is none
	tag   []byte // "postfix/smtp", "exim"; nil where there is none
	pid   []byte // nil where there is none
	body  []byte

	// made tells that the line itself does not hold the body as it is, because
	// it was put together or taken out of something.
	made bool
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
func cutHeader(line []byte, h *header) bool {
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
	if version, rest, found := bytes.Cut(line, []byte{' '}); found && len(version) == 1 && version[0] == '1' {
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
	if h.host, rest, found = bytes.Cut(rest, []byte{' '}); !found || len(h.host) == 0 {
		return false
	}
	// The tag ends at the first ": ", and holds no space.
	end := bytes.Index(rest, []byte(": "))
	if end < 0 || bytes.IndexByte(rest[:end], ' ') >= 0 {
		return false
	}
	h.tag = rest[:end]
	if pid := bytes.IndexByte(h.tag, '['); pid >= 0 {
		h.tag, h.pid = h.tag[:pid], bytes.TrimSuffix(h.tag[pid+1:], []byte{']'})
	}
	h.body = rest[end+2:]
	return cutOwnStamp(h)
}

func cutPriority(line []byte) []byte {
	if len(line) < 3 || line[0] != '<' {
		return line
	}
	end := bytes.IndexByte(line[:min(len(line), 5)], '>')
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
func cutRFC5424(rest []byte, h *header) bool {
	rest, ok := h.stamp.cut(rest)
	if !ok {
		return false
	}
	var fields [4][]byte // host, app, pid, msgid
	for i := range fields {
		var found bool
		if fields[i], rest, found = bytes.Cut(rest, []byte{' '}); !found {
			return false
		}
	}
	h.host, h.tag, h.pid = fields[0], fields[1], fields[2]
	if rest, ok = bytes.CutPrefix(rest, []byte("- ")); !ok {
		return false // structured data is not what mail servers log through
	}
	h.body = bytes.TrimPrefix(rest, []byte(" "))
	return cutOwnStamp(h)
}

// cutOwnStamp takes off the stamp that Exim puts before its words in syslog
// too, unless syslog_timestamp is false. The header's own stamp is kept: it
// names its zone.
func cutOwnStamp(h *header) bool {
	var own stamp
	if rest, ok := own.cut(h.body); ok && own.exim {
		h.body = rest
	}
	return true
}
