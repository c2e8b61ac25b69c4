package logparse

import (
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
)

// source is what stands before each line of a log, such as the name of a container
// that docker compose logs prints. unusual reads such a line, and the lines behind it
// are read as those of a log without it.
type source struct {
	text string // "mail-1  | "; empty if there is none
	host string // of the header behind it
}

const maxSource = 64 // bytes

// learn keeps what stands before a line, of which u has read the header. It must hold
// no part of the header.
func (s *source) learn(line string, u *unusual, h *header) {
	text, found := strings.CutSuffix(line, u.inner)
	if !found || text == "" || len(text) > maxSource || u.n != 1 || u.depth > 0 || u.synthesized {
		return
	}
	var plain header
	if !cutHeader(u.inner, &plain) || plain.stamp != h.stamp || plain.host != h.host || plain.tag != h.tag || plain.pid != h.pid || plain.body != h.body {
		return
	}
	s.text, s.host = strings.Clone(text), strings.Clone(h.host)
}

// readBehindSource reads a line that begins as one before, if a usual header of the
// same host follows. It returns false if the line must be read as a whole.
func (p *Parser) readBehindSource(line string, yield func(*bounce.Event)) bool {
	if p.source.text == "" || !strings.HasPrefix(line, p.source.text) {
		return false
	}
	h, text := &p.header, line[len(p.source.text):]
	if rest, known := p.cache.cut(text, h); known {
		if !p.cache.cutRest(rest, h) {
			return false
		}
	} else {
		p.cache.forget()
		*h = header{}
		if !cutHeader(text, h) {
			return false
		}
		p.cache.learn(text, h)
	}
	if h.host != p.source.host || h.stamp.exim {
		return false
	}
	h.outer, h.line = "", text
	return p.finish(h, line, yield) || !mayBeWrapped(h)
}
