package logparse

import (
	"slices"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
)

// layout is how the lines of a log are laid out up to the tag, where that is not one of
// the usual forms. Type unusual reads such a line, which takes some microseconds. The lines
// behind it that differ only in their second are read by the layout.
//
//	mail-1  | 2026-11-23T12:57:36.376231+00:00 INFO    postfix/smtp[474]: 4f1XyZ: to=<…
//	before    second                    between         tag
//
// A container's runtime may have wrapped the line, or another header with another stamp
// may stand before the second:
//
//	2026-11-23T12:57:36.376231Z 2026-11-23T12:57:36.376231+00:00 mx postfix/smtp[474]: …   docker logs -t
//	Nov 23 12:57:36 node1 postfix[822]: Nov 23 12:57:36 mx postfix/smtp[474]: …
type layout struct {
	wrapped bool   // see unwrap
	before  string // "mail-1  | "
	outer   bool   // another header follows
	around  form   // of the second in it
	link    string // what follows that second in it: "Z ", " node1 postfix[822]: "
	form    form   // of the second
	between string // behind the second and its fraction: "+00:00 INFO    "; empty if there is no layout
	tag     string // if the line has none: that of the MTA whose words follow, see tagOf

	host  string // what the header says besides
	stamp stamp  // year, where the second has none, and zone
	whole bool   // the event id is made of the whole line, not of the line from the second on
}

const maxLayout = 128 // bytes of before, link and between

// cut takes a line apart by the layout. The header is left in h.
func (l *layout) cut(t unwrapped, c *prefixCache, h *header) bool {
	if l.between == "" || l.wrapped != (t.outer != "") || !strings.HasPrefix(t.inner, l.before) {
		return false
	}
	line := t.inner[len(l.before):]
	if l.outer {
		t.outer = line
		_, _, rest := c.cutSecond(line, l.around)
		var found bool
		if line, found = strings.CutPrefix(rest, l.link); !found {
			return false
		}
	}
	second, nsec, rest := c.cutSecond(line, l.form)
	if second == nil {
		return false
	}
	rest, found := strings.CutPrefix(rest, l.between)
	if !found {
		return false
	}
	*h = header{stamp: second.stamp, host: l.host, outer: t.outer}
	h.stamp.nsec, h.stamp.exim = nsec, false
	h.stamp.zoned, h.stamp.offset, h.stamp.byName = l.stamp.zoned, l.stamp.offset, l.stamp.byName
	h.stamp.year = max(h.stamp.year, l.stamp.year)
	if !l.whole {
		h.line = line
	}
	if l.tag != "" {
		h.tag, h.body = l.tag, rest
		return tagOf(rest) == l.tag
	}
	return cutTag(rest, h)
}

// layoutOf returns the layout of a line whose header unusual has read into want. It
// returns false if the header says something that the layout does not.
func layoutOf(t unwrapped, want *header) (l layout, ok bool) {
	l = layout{wrapped: t.outer != "", host: want.host, whole: want.line == ""}
	l.stamp = stamp{zoned: want.stamp.zoned, offset: want.stamp.offset, byName: want.stamp.byName}
	body := len(t.inner) - len(want.body)
	if !strings.HasSuffix(t.inner, want.body) {
		return l, false
	}
	at := 0
	if !l.whole {
		if at = len(t.inner) - len(want.line); !strings.HasSuffix(t.inner, want.line) {
			return l, false
		}
	}
	l.before = t.inner[:at]
	if !l.wrapped {
		l.cutOuter(t.inner)
	}
	f, second, ok := formOf(t.inner[at:])
	if !ok || at+second >= body {
		return l, false
	}
	if l.form = f; f == traditional {
		l.stamp.year = want.stamp.year
	}
	_, rest := f.cutFraction(t.inner[at+second:])
	behind := len(t.inner) - len(rest)
	tag := strings.TrimRight(t.inner[:body], " ")
	start := strings.LastIndexByte(tag, ' ') + 1
	if start <= behind || !strings.HasSuffix(tag, ":") { // no tag stands there
		start, l.tag = body, want.tag
	}
	if start <= behind || len(l.before)+len(l.link)+start-behind > maxLayout {
		return l, false
	}
	l.between = t.inner[behind:start]
	return l, true
}

// learnLayout keeps the layout of a line whose header unusual has read.
func (p *Parser) learnLayout(line string, want *header) {
	if want.synthesized || want.writer != (writer{}) {
		return // an object says more than its message
	}
	t := unescaped(line)
	l, ok := layoutOf(t, want)
	if !ok || slices.Contains(p.layouts[:], l) {
		return
	}
	// It must give the same header.
	var got header
	if !l.cut(t, &p.cache, &got) || got.tag != want.tag || got.pid != want.pid || got.body != want.body ||
		got.stamp != want.stamp || got.line != want.line {
		return
	}
	if got.completeByOuter(); got.time != want.time {
		return
	}
	// Copies, because the memory of a block is used again.
	l.before, l.link, l.between = strings.Clone(l.before), strings.Clone(l.link), strings.Clone(l.between)
	l.tag, l.host = strings.Clone(l.tag), strings.Clone(l.host)
	p.layouts[p.nextLayout] = l
	p.nextLayout = (p.nextLayout + 1) % len(p.layouts)
}

// readByLayout reads a line that is laid out as one before. It returns false if the
// line must be read part by part. The cache relies on the other header, of usual lines.
func (p *Parser) readByLayout(t unwrapped, line string, yield func(*bounce.Event)) bool {
	for i := range p.layouts {
		h := &p.unusual
		if p.layouts[i].cut(t, &p.cache, h) {
			return p.finish(h, line, yield) || !mayBeWrapped(h)
		}
	}
	return false
}

// cutOuter looks for the stamp of another header in what is before a line.
func (l *layout) cutOuter(line string) {
	for start := range len(l.before) {
		if start > 0 && l.before[start-1] != ' ' {
			continue
		}
		var s stamp
		f, second, ok := formOf(line[start:])
		if !ok || f == eximForm || start+second >= len(l.before) {
			continue
		}
		if _, ok := s.cut(line[start:]); ok {
			_, link := f.cutFraction(l.before[start+second:])
			l.before, l.outer, l.around, l.link = l.before[:start], true, f, link
			return
		}
	}
}
