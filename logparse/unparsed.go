package logparse

import (
	"fmt"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/lazyre"
)

// maxShapes bounds what is remembered of lines that are not parsed.
const maxShapes = 100

// noteUnparsed counts a delivery line of which a body could not be parsed.
func (p *Parser) noteUnparsed(mta bounce.MTA, body string, id bounce.EventID) {
	if p.hide != nil {
		body = p.hide(clean(body))
	}
	p.count(shape{mta, shapeOf(body)}, body, id)
}

// refuse counts a delivery in a journal entry that no mail server wrote.
func (p *Parser) refuse(g *grammar, h *header, line string) {
	result := g.parse(h, &p.event)
	if result == resultOther || result == resultRead && !isStored(&p.event) {
		return
	}
	body := fmt.Sprintf("%s, as %s: %s", h.writer.text(), h.tag, h.body)
	if p.hide != nil {
		body = p.hide(clean(body))
	}
	p.count(shape{g.mta, refusedShape}, body, unparsedID(h, line))
}

// unparsedID returns the id of a line that could not be parsed. It is not the id of a
// success: a later version may parse the line as one, and count it.
func unparsedID(h *header, line string) bounce.EventID {
	return bounce.NewSuccessID(h.stamp.seconds(), ^xxhash.Sum64String(h.identity(line)))
}

// lostID returns the id of a line whose stamp is not known. The hash spreads such lines
// over the buckets of a year.
func lostID(line string) bounce.EventID {
	hash := ^xxhash.Sum64String(line)
	return bounce.NewSuccessID(uint32(hash%(366*24)*3600), hash)
}

// count counts a line of a shape. It keeps the first line as the example.
func (p *Parser) count(s shape, body string, id bounce.EventID) {
	if p.restoring {
		return
	}
	p.counts.Unparsed++
	u := p.unparsed[s]
	if u == nil && len(p.unparsed) >= maxShapes {
		s.text = "other forms"
		u = p.unparsed[s]
	}
	if u == nil {
		u = &bounce.Unparsed{MTA: s.mta, Shape: s.text, Example: strings.Clone(clean(body)), Refused: s.text == refusedShape}
		p.unparsed[s] = u
	}
	u.Lines = append(u.Lines, id)
}

// shapeOf takes out of a line what varies: values in brackets, words with digits,
// addresses, hosts, and all that follows the first hundred bytes.
func shapeOf(body string) string {
	var out []byte
	depth := 0
	for _, c := range []byte(body[:min(len(body), 300)]) {
		switch {
		case c == '<' || c == '[':
			if depth == 0 {
				out = append(out, c)
			}
			depth++
		case (c == '>' || c == ']') && depth > 0:
			if depth--; depth == 0 {
				out = append(out, c)
			}
		case depth == 0:
			out = append(out, c)
		}
	}
	out = variable.ReplaceAll([]byte(clean(out)), []byte("#"))
	return clean(out[:min(len(out), 100)])
}

// variable matches words with digits, such as queue IDs, addresses, and names of
// hosts.
var variable = lazyre.New(`[^\s<>\[\]=,;:()"/]*(?:[0-9@]|\.[A-Za-z])[^\s<>\[\]=,;:()"/]*`)
