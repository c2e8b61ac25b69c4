package logparse

import "strings"

// prefixCache knows how the headers of the last lines begin: most lines have the second
// and the host of lines before.
type prefixCache struct {
	seconds [4]knownSecond                  // clocks of several hosts differ
	next    int                             // of seconds: the one to replace
	hosts   [eximForm]map[string]*knownHost // by form and text
	second  *knownSecond                    // of the parser's header; nil if the cache has no part in it
	host    *knownHost                      // likewise
}

// knownSecond is a stamp without its fraction and its zone.
type knownSecond struct {
	text  string // "Nov 23 12:57:36", "2026-11-23T12:57:36", "2026-11-23 12:57:36"; empty if there is none
	form  form
	stamp stamp
}

// knownHost is what stands between the second, with its fraction, and the tag.
type knownHost struct {
	form   form
	text   string // " mx-out1 ", "+00:00 mx-out1 "; " " in Exim's own form
	name   string // "mx-out1", a part of text
	zoned  bool
	offset int
}

// form is a form of headers whose beginning can be kept.
type form int

const (
	traditional form = iota // RFC 3164
	rfc3339                 // a fraction may follow the second
	eximForm                // the body follows the second and a space
)

// maxHosts limits the hosts that are kept of a form.
const maxHosts = 512

var noHost = &knownHost{form: eximForm, text: " "}

// formOf returns the form in which a line begins, and the length of its second. It
// returns false for other forms.
func formOf(line string) (f form, second int, ok bool) {
	const iso = len("2026-11-23T12:57:36")
	switch {
	case len(line) <= iso+1:
		return 0, 0, false
	case 'A' <= line[0] && line[0] <= 'Z':
		return traditional, len("Nov 23 12:57:36"), line[3] == ' ' && line[6] == ' ' && line[15] == ' '
	case !isDigit(line[0]) || line[4] != '-':
		return 0, 0, false
	case line[10] == 'T':
		return rfc3339, iso, true
	}
	return eximForm, iso, line[10] == ' ' && line[iso] == ' '
}

// cutFraction takes the fraction of a second off what follows the second.
func (f form) cutFraction(behind string) (nsec int, rest string) {
	if f == rfc3339 && behind[0] == '.' {
		return cutFraction(behind)
	}
	return 0, behind
}

// learn keeps the beginning of a line whose header cutHeader has read into h. It replaces
// the host of h by the copy of the cache.
func (c *prefixCache) learn(line string, h *header) {
	f, second, ok := formOf(line)
	if !ok || f == eximForm && h.stamp.zoned || f != eximForm && (h.host == "" || len(h.host) > maxName) {
		return
	}
	_, behind := f.cutFraction(line[second:])
	host := noHost
	if f != eximForm {
		at := strings.Index(behind, h.host)
		if at < 1 || behind[at-1] != ' ' {
			return
		}
		host = c.learnHost(behind[:at+len(h.host)+1], f, h)
	}
	c.second, c.host = c.learnSecond(line[:second], f, &h.stamp), host
	h.host = host.name
}

func (c *prefixCache) learnSecond(text string, f form, s *stamp) *knownSecond {
	for i := range c.seconds {
		if c.seconds[i].text == text {
			return &c.seconds[i]
		}
	}
	c.forget() // it may be the second that is replaced
	k := &c.seconds[c.next]
	c.next = (c.next + 1) % len(c.seconds)
	// A copy, because the memory of a block is used again.
	*k = knownSecond{text: strings.Clone(text), form: f, stamp: *s}
	k.stamp.nsec, k.stamp.zoned, k.stamp.offset = 0, false, 0
	return k
}

// readSecond returns the second that a line begins with, or nil.
func (c *prefixCache) readSecond(line string) *knownSecond {
	var s stamp
	if _, ok := s.cut(line); !ok {
		return nil
	}
	f, second, ok := formOf(line)
	if !ok {
		return nil
	}
	return c.learnSecond(line[:second], f, &s)
}

// cutSecond takes a second of a form and its fraction off a line. It returns nil if there
// is none.
func (c *prefixCache) cutSecond(line string, f form) (second *knownSecond, nsec int, rest string) {
	if second = c.secondOf(line); second == nil {
		second = c.readSecond(line)
	}
	if second == nil || second.form != f {
		return nil, 0, ""
	}
	nsec, rest = f.cutFraction(line[len(second.text):])
	return second, nsec, rest
}

func (c *prefixCache) learnHost(text string, f form, h *header) *knownHost {
	hosts := &c.hosts[f]
	k := (*hosts)[text]
	if k == nil {
		if *hosts == nil || len(*hosts) == maxHosts {
			*hosts = map[string]*knownHost{}
		}
		text = strings.Clone(text)
		end := len(text) - 1
		k = &knownHost{f, text, text[end-len(h.host) : end], h.stamp.zoned, h.stamp.offset}
		(*hosts)[text] = k
	}
	return k
}

// cut takes the beginning of a header off a line if it is known: all but the tag.
func (c *prefixCache) cut(line string, h *header) (rest string, known bool) {
	second := c.second
	if second == nil || !second.begins(line) {
		if second = c.secondOf(line); second == nil {
			return "", false
		}
	}
	nsec, rest := second.form.cutFraction(line[len(second.text):])
	if second.form == eximForm && len(rest) > 1 && (rest[1] == '+' || rest[1] == '-' || rest[1] == '[') {
		return "", false // a zone or a process stands before the body (cutISO)
	}
	host := c.host
	if host == nil || host.form != second.form || !strings.HasPrefix(rest, host.text) {
		if host = c.hostOf(rest, second.form); host == nil {
			return "", false
		}
	}
	if second != c.second || host != c.host {
		if c.second == nil {
			*h = header{}
		}
		h.stamp, h.host = second.stamp, host.name
		h.stamp.zoned, h.stamp.offset = host.zoned, host.offset
		c.second, c.host = second, host
	}
	h.stamp.nsec = nsec
	h.synthesized, h.resolved, h.others = false, false, nil
	return rest[len(host.text):], true
}

// begins reports whether a line has this second, and more behind it.
func (k *knownSecond) begins(line string) bool {
	return k.text != "" && len(line) > len(k.text) && line[:len(k.text)] == k.text
}

// secondOf returns the known second of a line, or nil.
func (c *prefixCache) secondOf(line string) *knownSecond {
	for i := range c.seconds {
		if c.seconds[i].begins(line) {
			return &c.seconds[i]
		}
	}
	return nil
}

// hostOf returns the known host of a line, or nil. rest is what follows the second and
// its fraction.
func (c *prefixCache) hostOf(rest string, f form) *knownHost {
	space := strings.IndexByte(rest, ' ')
	switch {
	case space < 0:
		return nil
	case f == eximForm:
		if space > 0 {
			return nil
		}
		return noHost
	}
	end := strings.IndexByte(rest[space+1:], ' ')
	if end < 0 {
		return nil
	}
	return c.hosts[f][rest[:space+1+end+1]]
}

// forget is called before the parser's header is filled without the cache.
func (c *prefixCache) forget() { c.second, c.host = nil, nil }

// cutRest reads what stands behind the beginning that cut has taken off.
func (c *prefixCache) cutRest(rest string, h *header) bool {
	if c.second.form == eximForm {
		h.tag, h.pid, h.body = "", "", rest
		return true
	}
	return cutTag(rest, h)
}

const smtpServer = "postfix/smtpd"

// isSMTPServer reports whether a line is one of Postfix's SMTP server, by what
// stands behind the host. Every third line is, and none is about a delivery.
func isSMTPServer(rest string) bool {
	const tag = smtpServer + "["
	return len(rest) > len(tag) && rest[:len(tag)] == tag
}
