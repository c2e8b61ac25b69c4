package logparse

import "strings"

// prefixCache is how the headers of a log begin: lines of one second and one host
// begin alike, but for the fraction of the second.
type prefixCache struct {
	start    string // "Nov 23 12:57:36 mx-out1 ", "2026-11-23T12:57:36", "2026-11-23 12:57:36 "
	fraction bool   // ".123456" may follow, and then host
	host     string // "+00:00 mx-out1 "
	exim     bool   // the body follows
}

// learn takes the header of a line that cutHeader has read, for the lines
// behind it. They have its stamp and its host, which h keeps.
func (c *prefixCache) learn(line string, h *header) {
	c.forget()
	second := len("2026-11-23T12:57:36")
	switch {
	case len(line) <= second+1:
		return
	case h.stamp.exim:
		if line[4] == '-' && line[10] == ' ' && line[second] == ' ' && !h.stamp.zoned {
			c.start, c.exim = strings.Clone(line[:second+1]), true
		}
		return
	case h.host == "":
		return
	case line[10] == 'T' && '0' <= line[0] && line[0] <= '9':
		c.fraction = true
	case 'A' <= line[0] && line[0] <= 'Z' && line[3] == ' ' && line[6] == ' ' && line[15] == ' ':
		second = len("Nov 23 12:57:36")
	default:
		return
	}
	end := second
	for c.fraction && (line[end] == '.' || end > second && '0' <= line[end] && line[end] <= '9') {
		end++
	}
	at := strings.Index(line[end:], h.host)
	if at < 1 || line[end+at-1] != ' ' {
		return
	}
	// Clones, because a substring would keep its whole block in memory.
	c.host = strings.Clone(line[end : end+at+len(h.host)+1])
	h.host = c.host[at : at+len(h.host)]
	c.start = strings.Clone(line[:second])
	if !c.fraction {
		c.start += c.host
	}
}

func (c *prefixCache) forget() { *c = prefixCache{} }

// cut takes what was learned off the front of a line: all of its header but the
// tag. It returns false where the line begins otherwise.
func (c *prefixCache) cut(line string, h *header) (rest string, known bool) {
	if len(c.start) == 0 || len(line) <= len(c.start) || line[:len(c.start)] != c.start {
		return "", false
	}
	rest = line[len(c.start):]
	h.synthesized, h.resolved, h.others = false, false, nil
	if c.fraction {
		h.stamp.nsec = 0
		if rest[0] == '.' {
			unit := 100_000_000
			for rest = rest[1:]; len(rest) > 0 && '0' <= rest[0] && rest[0] <= '9'; rest = rest[1:] {
				h.stamp.nsec += int(rest[0]-'0') * unit
				unit /= 10
			}
		}
		if len(rest) < len(c.host) || rest[:len(c.host)] != c.host {
			return "", false
		}
		rest = rest[len(c.host):]
	}
	// In Exim's own form a zone or a process may stand before the body (cutISO).
	return rest, !c.exim || rest[0] != '+' && rest[0] != '-' && rest[0] != '['
}

// cutRest reads what stands behind that.
func (c *prefixCache) cutRest(rest string, h *header) bool {
	if c.exim {
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
