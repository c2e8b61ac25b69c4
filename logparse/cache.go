package logparse

import "strings"

// prefixCache holds how the headers of the last lines begin. Lines of one second and
// one host begin alike, but for the fraction of the second.
type prefixCache struct {
	beginnings [8]beginning // of several hosts or seconds
	next       int          // of beginnings: the one to replace
	last       *beginning   // whose stamp and host the header has; nil if it has others
}

// beginning is the beginning of a header, up to the tag.
type beginning struct {
	form  form
	start string // "Nov 23 12:57:36 mx-out1 ", "2026-11-23T12:57:36", "2026-11-23 12:57:36 "; empty if there is none
	rest  string // "+00:00 mx-out1 ", which follows the fraction in RFC 3339
	stamp stamp
	host  string // a part of start or rest
}

// form is a form of headers whose beginning can be kept.
type form int

const (
	traditional form = iota // start is all up to the tag
	rfc3339                 // a fraction may follow start, then rest
	eximForm                // the body follows start
)

// formOf returns the form of a header that was read, and the length of its stamp
// without a fraction. It returns false for other forms.
func formOf(line string, h *header) (f form, second int, ok bool) {
	const iso = len("2026-11-23T12:57:36")
	switch {
	case len(line) <= iso+1:
		return 0, 0, false
	case h.stamp.exim:
		return eximForm, iso, line[4] == '-' && line[10] == ' ' && line[iso] == ' ' && !h.stamp.zoned
	case h.host == "":
		return 0, 0, false
	case line[10] == 'T' && isDigit(line[0]):
		return rfc3339, iso, true
	}
	return traditional, len("Nov 23 12:57:36"), 'A' <= line[0] && line[0] <= 'Z' && line[3] == ' ' && line[6] == ' ' && line[15] == ' '
}

// learn keeps the beginning of a line whose header cutHeader has read into h. The host
// of h is of the cache from then on.
func (c *prefixCache) learn(line string, h *header) {
	c.last = nil
	f, second, ok := formOf(line, h)
	if !ok {
		return
	}
	b := &c.beginnings[c.next]
	// The texts are copies, because a substring would keep its whole block in memory.
	switch f {
	case eximForm:
		*b = beginning{form: f, start: strings.Clone(line[:second+1]), stamp: h.stamp}
	default:
		behind := line[second:]
		if behind[0] == '.' {
			_, behind = cutFraction(behind)
		}
		at := strings.Index(behind, h.host)
		if at < 1 || behind[at-1] != ' ' {
			return
		}
		text := line[:second] + behind[:at+len(h.host)+1]
		*b = beginning{form: f, start: text, stamp: h.stamp, host: text[second+at : len(text)-1]}
		if f == rfc3339 {
			b.start, b.rest = text[:second], text[second:]
		}
	}
	h.host = b.host
	c.last, c.next = b, (c.next+1)%len(c.beginnings)
}

// cut takes the beginning of a header off a line if it is known: all but the tag.
func (c *prefixCache) cut(line string, h *header) (rest string, known bool) {
	var nsec int
	if c.last != nil {
		if rest, nsec, known = c.last.cut(line); known {
			h.stamp.nsec = nsec
			h.synthesized, h.resolved, h.others = false, false, nil
			return rest, true
		}
	}
	for i := range c.beginnings {
		b := &c.beginnings[i]
		if rest, nsec, known = b.cut(line); known {
			*h = header{stamp: b.stamp, host: b.host}
			h.stamp.nsec = nsec
			c.last = b
			return rest, true
		}
	}
	return "", false
}

// cut takes the beginning off a line. nsec is the fraction of its stamp.
func (b *beginning) cut(line string) (rest string, nsec int, ok bool) {
	if b.start == "" || len(line) <= len(b.start) || line[:len(b.start)] != b.start {
		return "", 0, false
	}
	rest = line[len(b.start):]
	switch b.form {
	case eximForm:
		// A zone or a process may stand before the body (cutISO).
		return rest, 0, rest[0] != '+' && rest[0] != '-' && rest[0] != '['
	case rfc3339:
		if rest[0] == '.' {
			nsec, rest = cutFraction(rest)
		}
		if len(rest) < len(b.rest) || rest[:len(b.rest)] != b.rest {
			return "", 0, false
		}
		rest = rest[len(b.rest):]
	}
	return rest, nsec, true
}

// cutRest reads what stands behind the beginning that cut has taken off.
func (c *prefixCache) cutRest(rest string, h *header) bool {
	if c.last.form == eximForm {
		h.body = rest
		return true
	}
	return cutTag(rest, h)
}

// isSMTPServer reports whether a line is one of Postfix's SMTP server, by what
// stands behind the host. Every third line is, and none is about a delivery.
func isSMTPServer(rest string) bool {
	const tag = "postfix/smtpd["
	return len(rest) > len(tag) && rest[:len(tag)] == tag
}
