package logparse

import (
	"strings"

	"github.com/bouncetail/bouncetail/internal/lazyre"
)

// header is what stands before a program's own words in a line of a log.
type header struct {
	stamp stamp  // the innermost of the line; event ids are made of it
	host  string // empty where there is none
	tag   string // "postfix/smtp", "exim"; empty where there is none
	pid   string // empty where there is none
	body  string

	// time is the stamp with what is known of its year, its zone and its fraction
	// from others. It is set if resolved is.
	time     stamp
	resolved bool

	// line is the line as it would be without what is around it; empty if that is
	// the whole line.
	line string
	// synthesized reports that no line holds the body as it is, because it was put together
	// or decoded.
	synthesized bool
	// outer begins with the stamp that a container's runtime put around the line.
	outer string
	// writer is set if the line was taken out of the journal.
	writer writer
	// others are further recipients that a grammar found in the line.
	others []string
}

// identity returns the text by which a line is identified, together with its stamp.
func (h *header) identity(line string) string {
	switch {
	case h.synthesized:
		return h.host + " " + h.tag + ": " + h.body
	case h.line != "":
		return h.line
	}
	return line
}

// complete takes what the line's own stamp leaves open from one around it.
func (h *header) complete(outer *stamp) {
	if !h.resolved {
		h.time, h.resolved = h.stamp, true
	}
	h.time.complete(outer)
}

// completeByOuter does so with the stamp of a container's runtime, if there is one.
func (h *header) completeByOuter() {
	if h.outer != "" {
		h.completeByStampOf(h.outer)
	}
}

func (h *header) completeByStampOf(text string) {
	var outer stamp
	if _, ok := outer.cut(text); ok {
		h.complete(&outer)
	}
}

// trim takes the ends of a line and tabs as rsyslog writes them (#012, #015, #011) off the
// end of the body.
func (h *header) trim() {
	for n := len(h.body); n >= 4 && h.body[n-4] == '#' && !h.synthesized; n = len(h.body) {
		if end := h.body[n-3:]; end != "012" && end != "015" && end != "011" {
			return
		}
		h.body = h.body[:n-4]
	}
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
// A priority such as <22> may stand before the first two as well, and a
// container's runtime may put its own stamp around a line (unwrap). These are the usual
// forms, which are read fast; type unusual reads the others.
func cutHeader(line string, h *header) bool {
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
	if h.host, rest, found = strings.Cut(rest, " "); !found || !isHost(h.host) {
		return false
	}
	return cutTag(rest, h)
}

// isHost reports whether a word may be the host of a usual header: it is no tag, no
// level, no label, and no second stamp.
func isHost(word string) bool {
	n := len(word)
	if n >= 10 && (isDigit(word[0]) || word[0] == '@') {
		var second stamp
		if rest, ok := second.cutAny(word); ok && rest == "" {
			return false
		}
	}
	return n > 0 && word[n-1] != ':' && word[0] != '<' && (n > 14 || !isLevel(word)) && strings.IndexByte(word, '=') < 0
}

// cutTag reads "postfix/smtp[474]: BODY". The tag ends at the first ": ", and
// holds no space.
func cutTag(rest string, h *header) bool {
	end := strings.IndexByte(rest, ' ') - 1
	if end < 0 || rest[end] != ':' {
		return false
	}
	h.tag, h.pid = rest[:end], ""
	if strings.IndexByte(h.tag, ':') >= 0 {
		return false // the body follows without a space
	}
	if at := strings.IndexByte(h.tag, '['); at >= 0 {
		if at > 0 && h.tag[at-1] == '\\' {
			return false // a copy, see escapedMarks
		}
		h.tag, h.pid = h.tag[:at], h.tag[at+1:]
		if n := len(h.pid); n > 0 && h.pid[n-1] == ']' {
			h.pid = h.pid[:n-1]
		} else if strings.IndexByte(h.pid, ']') >= 0 {
			return false // the body follows without a colon and a space
		}
	} else if n := len(h.tag); n > 0 && h.tag[n-1] == ')' {
		if at := strings.IndexByte(h.tag, '('); at > 0 {
			h.tag, h.pid = h.tag[:at], h.tag[at+1:n-1]
		}
	}
	if h.body = rest[end+2:]; h.body != "" && h.body[0] == ' ' {
		h.body = strings.TrimLeft(h.body, " ")
	}
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
	if leading(line[1:end]) < end-1 {
		return line
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
	if rest, ok = cutSpaced(rest, fields[:]); !ok {
		return false
	}
	h.host, h.tag, h.pid = fields[0], fields[1], fields[2]
	if at := strings.IndexByte(h.tag, '['); at > 0 { // the tag of the traditional form: postfix/smtp[474]:
		h.tag = h.tag[:at]
	}
	h.tag = strings.TrimSuffix(h.tag, ":")
	if h.host == "-" {
		h.host = ""
	}
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

// cutSpaced cuts fields off that a space follows each.
func cutSpaced(text string, fields []string) (rest string, ok bool) {
	for i := range fields {
		if fields[i], text, ok = strings.Cut(text, " "); !ok {
			return "", false
		}
	}
	return text, true
}

// cutStructuredData takes `[meta sequenceId="29"][x y="a \"b\""]` off, which
// syslog-ng adds.
func cutStructuredData(rest string) (string, bool) {
	cut := false
	for len(rest) > 0 && rest[0] == '[' {
		end := unquotedIndex(rest, ']')
		if end < 0 {
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
var bracketed = lazyre.New(`^\[(?:\d+|ID \d+ [a-z0-9]+\.[a-z]+)\] `)

// cutOwnStamp takes off the stamp that Exim puts before its words in syslog
// too, unless syslog_timestamp is false. It names the year and perhaps the
// fraction and the zone, which the header's may lack.
func cutOwnStamp(h *header) bool {
	if len(h.body) < 20 || h.body[4] != '-' || h.body[10] != ' ' || !strings.HasPrefix(h.tag, "exim") {
		return true
	}
	var own stamp
	rest, ok := own.cut(h.body)
	if !ok || !own.exim {
		return true
	}
	h.body = rest
	if own.exim = h.stamp.exim; h.resolved {
		own.complete(&h.time)
	} else {
		own.complete(&h.stamp)
	}
	h.time, h.resolved = own, true
	return true
}
