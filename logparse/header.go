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
	return cutTag(rest, h)
}

// cutTag reads "postfix/smtp[474]: BODY". The tag ends at the first ": ", and
// holds no space.
func cutTag(rest []byte, h *header) bool {
	end := bytes.IndexByte(rest, ' ') - 1
	if end < 0 || rest[end] != ':' {
		return false
	}
	h.tag = rest[:end]
	if pid := bytes.IndexByte(h.tag, '['); pid >= 0 {
		h.tag, h.pid = h.tag[:pid], bytes.TrimSuffix(h.tag[pid+1:], []byte{']'})
	}
	h.body = rest[end+2:]
	return cutOwnStamp(h)
}

// lead is how the headers of a log begin: lines of one second and one host
// begin alike, but for the fraction of the second.
type lead struct {
	second   []byte // "Nov 23 12:57:36", "2026-11-23T12:57:36"
	fraction bool   // ".123456" may follow
	host     []byte // " mx-out1 ", "+00:00 mx-out1 "
	header   header // the stamp and the host
}

// learn takes the header of a line that cutHeader has read, for the lines
// behind it.
func (l *lead) learn(line []byte, h *header) {
	l.second = l.second[:0]
	var end int // of the second
	switch {
	case h.made || h.stamp.exim || h.host == nil:
		return
	case len(line) > 20 && line[10] == 'T' && '0' <= line[0] && line[0] <= '9':
		end, l.fraction = len("2026-11-23T12:57:36"), true
	case len(line) > 16 && 'A' <= line[0] && line[0] <= 'Z' && line[3] == ' ' && line[6] == ' ' && line[15] == ' ':
		end, l.fraction = len("Nov 23 12:57:36"), false
	default:
		return
	}
	from := end
	for l.fraction && (line[from] == '.' || from > end && '0' <= line[from] && line[from] <= '9') {
		from++
	}
	at := bytes.Index(line[from:], h.host)
	if at < 1 || line[from+at-1] != ' ' {
		return
	}
	l.second = append(l.second, line[:end]...)
	l.host = append(l.host[:0], line[from:from+at+len(h.host)+1]...)
	l.header = header{stamp: h.stamp, host: l.host[at : at+len(h.host)]}
}

// cut reads a header that begins as the one that was learned.
func (l *lead) cut(line []byte, h *header) bool {
	rest, found := bytes.CutPrefix(line, l.second)
	if !found || len(l.second) == 0 || len(rest) == 0 {
		return false
	}
	nan := 0
	if l.fraction && rest[0] == '.' {
		unit := 100_000_000
		for rest = rest[1:]; len(rest) > 0 && '0' <= rest[0] && rest[0] <= '9'; rest = rest[1:] {
			nan += int(rest[0]-'0') * unit
			unit /= 10
		}
	}
	if rest, found = bytes.CutPrefix(rest, l.host); !found {
		return false
	}
	*h = l.header
	h.stamp.nan = nan
	return cutTag(rest, h)
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
	if len(h.body) < 20 || h.body[4] != '-' || h.body[10] != ' ' {
		return true
	}
	var own stamp
	if rest, ok := own.cut(h.body); ok && own.exim {
		h.body = rest
	}
	return true
}
