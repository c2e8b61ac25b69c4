package logparse

import (
	"maps"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/bouncetail/bouncetail/bounce"
)

// Parse reads the whole lines in text, each with its newline, calls yield for
// each event, in order, and returns how many lines there were, and how many delivery
// lines among them could not be parsed. An event is only valid during the call, which
// may change it, and its strings lie in the block. The parser keeps no part of it.
func (p *Parser) Parse(text string, yield func(*bounce.Event)) (lines, unparsed int) {
	block := text
	before := p.counts
	for len(block) > 0 {
		line := block
		if end := strings.IndexByte(block, '\n'); end >= 0 {
			line, block = block[:end], block[end+1:]
		} else {
			block = ""
		}
		p.Line(line, yield)
	}
	return p.counts.Lines - before.Lines, p.counts.Unparsed - before.Unparsed
}

// End reads an entry that waits for further lines, at the end of an import, and
// reports whether there was one. A log that can grow keeps the pieces of its lines; of
// one that is complete they are counted.
func (p *Parser) End(complete bool, yield func(*bounce.Event)) bool {
	waited := p.export != nil || complete && len(p.pieces) > 0
	p.endExport(yield)
	if complete {
		for _, key := range slices.Sorted(maps.Keys(p.pieces)) { // so that lines are counted in one order
			p.dropPiece(key)
		}
	}
	return waited
}

// longest is how long the words of a mail server are at most. Postfix cuts them at
// 2,000 bytes, Exim at 8,192. Longer ones are not parsed, only counted.
const longest = 32 << 10

// Line reads one line without its newline.
func (p *Parser) Line(line string, yield func(*bounce.Event)) {
	p.counts.Lines++
	// Before all else: a value may hold lines that look like those of a log.
	if p.export != nil && p.goesOn(line, yield) {
		return
	}
	line = strings.TrimSuffix(line, "\r")
	h := &p.header
	t := unwrapped{inner: line}
	rest, known := p.cache.cut(line, h)
	if !known {
		if t = unwrap(line); t.outer != "" {
			if p.continues(line, t.inner, yield) {
				return
			}
			rest, known = p.cache.cut(t.inner, h)
		}
	}
	if known && p.postfix && isSMTPServer(rest) {
		p.counts.Recognised++
		return
	}
	if t.outer != "" && line[0] == '{' {
		t.inner = decodeLine(t.inner)
		if known { // and has no escapes
			rest, known = p.cache.cut(t.inner, h)
		}
	}
	var usual bool
	switch {
	case known:
		usual = p.cache.cutRest(rest, h)
	case p.readByLayout(t, line, yield):
		return
	default:
		usual = p.cutHeader(t.inner, h)
	}
	if usual {
		h.outer = t.outer
		if p.finish(h, line, yield) || !mayBeWrapped(h) {
			return
		}
	}
	if !known || !p.readByLayout(t, line, yield) { // else no layout was that of the line
		p.readUnusual(line, yield)
	}
}

// cutHeader reads a header that the cache does not know, and keeps its beginning.
func (p *Parser) cutHeader(text string, h *header) bool {
	p.cache.forget()
	*h = header{}
	if !cutHeader(text, h) {
		return false
	}
	p.cache.learn(text, h)
	return true
}

// finish reads what follows a header. It returns false if that is not a mail
// server's, although the header may be another line's around a mail server's.
func (p *Parser) finish(h *header, line string, yield func(*bounce.Event)) bool {
	g := p.grammarOf(h)
	if g == nil {
		return false
	}
	switch result := p.parseBody(g, h, line); result {
	case resultDone:
	case resultRead:
		p.yield(h, line, yield)
	case resultOther:
		final := isFinal(h) // before readCopy uses the header again
		if strings.IndexByte(h.body, '&') >= 0 && strings.Contains(h.body, "&lt;") && p.readCopy(line, yield) {
			return true
		}
		if !final {
			return false
		}
		if p.holdBegun(g.mta, h, line) {
			return true
		}
	case resultCut, resultUnparsed:
		if p.holdBroken(g.mta, h, line, result) {
			return true
		}
		if result == resultCut && !p.joining {
			p.yield(h, line, yield)
			break
		}
		body, id := h.body, unparsedID(h, line) // likewise
		if p.readCopy(line, yield) {
			return true
		}
		p.noteUnparsed(g.mta, body, id)
	}
	p.counts.Recognised++
	return true
}

// grammarOf returns the grammar that reads lines with a header, or nil.
func (p *Parser) grammarOf(h *header) *grammar {
	for i := range p.grammars {
		if g := &p.grammars[i]; g.untagged && h.stamp.exim || g.claims(h.tag) {
			return g
		}
	}
	return nil
}

// parseBody fills the event from what follows a header. It returns resultDone if
// nothing is left to do.
func (p *Parser) parseBody(g *grammar, h *header, line string) result {
	if !h.writer.trusted(g, p.journalUIDs) {
		p.refuse(g, h, line)
		return resultDone
	}
	if len(h.body) > 0 && h.body[0] == '[' {
		if !p.join(h) {
			return resultDone
		}
		cutOwnStamp(h)
		h.body = h.body[len(bracketed.FindString(h.body)):]
	}
	if len(h.body) > longest {
		if _, found := findDelivery(h.body); found {
			p.noteUnparsed(g.mta, h.body[:longest], unparsedID(h, line))
		}
		return resultDone
	}
	h.trim()
	result := g.parse(h, &p.event)
	if result != resultRead && h.cutFiller() {
		result = g.parse(h, &p.event)
	}
	switch {
	case result == resultRead && p.event.Kind == bounce.EventAttempt && !isRecipient(p.event.Recipient),
		result == resultOther && g.losesDelivery(h):
		return resultUnparsed
	}
	return result
}

// isFinal reports whether a header is a mail server's, whatever follows: no
// other header can begin behind it. Postfix's programs have names of their own.
// A container may bear the name of a server, and many programs write stamps like
// Exim's.
func isFinal(h *header) bool {
	if strings.HasPrefix(h.tag, "postfix/") || isDaemonTag(h.tag) {
		return true
	}
	return isServerTag(h.tag) && !beginsLine(h.body) && !beginsWithTag(h.body) || h.tag == "" && eximWords(h.body)
}

// yield completes an event and hands it on.
func (p *Parser) yield(h *header, line string, yield func(*bounce.Event)) {
	ev := &p.event
	h.completeByOuter()
	ev.At = p.at(h)
	ev.Host = p.hostName(h.host)
	if !isStored(ev) {
		yield(ev)
		return
	}
	line = h.identity(line)
	if ev.Outcome == bounce.Sent {
		ev.ID = bounce.NewSuccessID(p.seconds, xxhash.Sum64String(line))
	} else {
		ev.ID = bounce.NewEventID(p.seconds, line)
	}
	if len(h.others) == 0 {
		yield(ev)
	} else {
		p.yieldEach(h.others, yield)
	}
}

// isStored reports whether something is stored under the id of an event.
func isStored(ev *bounce.Event) bool {
	return ev.Kind == bounce.EventAttempt || ev.Kind == bounce.EventGaveUp
}

// yieldEach yields the event for its recipient and for others. What takes it may
// change it.
func (p *Parser) yieldEach(others []string, yield func(*bounce.Event)) {
	first := p.event
	yield(&p.event)
	for _, to := range others {
		p.event = first
		p.event.ID, p.event.Recipient = first.ID.ForRecipient(to), to
		yield(&p.event)
	}
}

// hostName returns the name of the host, which is nearly always that of the
// line before.
func (p *Parser) hostName(raw string) string {
	if raw != p.hostRaw {
		p.hostRaw = strings.Clone(raw)
		p.host = clean(p.hostRaw)
	}
	return p.host
}
