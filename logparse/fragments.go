package logparse

import "strings"

// Exim cuts a long line for syslog into fragments, of which only the first has
// the message's id (src/log.c, write_syslog). A backslash instead of the
// slash means that the next fragment began on a new line:
//
//	exim[88]: [1/2] 2026-11-23 13:00:58 1xVTfG-00000s-0K ** a@b.example R=… T=…: SMTP error fr
//	exim[88]: [2/2] om remote mail server after RCPT TO:<a@b.example>: 550 …
type fragments struct {
	Next int    `json:"next"` // the number that has to follow
	Of   int    `json:"of"`
	Body []byte `json:"body"`

	line int // the number of the last piece's line in this stream
}

// maxPieces bounds the processes whose lines are being put together, and
// maxWait the lines until the next piece: a process writes its pieces at once.
const (
	maxPieces = 64
	maxWait   = 10_000
)

// join puts a fragment to those before it. It returns false while pieces are
// missing; the header then holds the whole line.
func (p *Parser) join(h *header) bool {
	number, of, newline, rest, ok := cutFragment(h.body)
	if !ok {
		return true
	}
	if p.pieces == nil {
		p.pieces = make(map[string]*fragments)
	}
	key := h.host + " " + h.pid
	f := p.pieces[key]
	if number == 1 {
		p.dropPiece(key)
		f = &fragments{Next: 1, Of: of}
		p.pieces[key] = f
		p.dropPieces()
	}
	if f == nil || f.Next != number || f.Of != of {
		p.dropPiece(key) // or the start was in a file that is gone
		return false
	}
	f.line = p.counts.Lines
	f.Body = append(f.Body, rest...)
	if newline {
		f.Body = append(f.Body, '\\', 'n')
	}
	if f.Next++; number < of {
		return false
	}
	delete(p.pieces, key)
	h.body, h.synthesized = string(f.Body), true
	return true
}

// dropPiece forgets a line whose other pieces are missing, and counts it if it holds
// a delivery.
func (p *Parser) dropPiece(key string) {
	f := p.pieces[key]
	if f == nil {
		return
	}
	delete(p.pieces, key)
	p.noteLost(string(f.Body))
}

func (p *Parser) dropPieces() {
	for key, f := range p.pieces {
		if p.counts.Lines-f.line > maxWait || len(p.pieces) > maxPieces {
			if f.Next > 1 {
				p.dropPiece(key)
			}
		}
	}
}

// cutFragment reads "[1/2] …" or "[1\2] …".
func cutFragment(body string) (number, of int, newline bool, rest string, ok bool) {
	end := strings.Index(body[:min(len(body), 12)], "] ")
	slash := strings.IndexAny(body[:max(end, 0)], `/\`)
	if slash < 0 || body[0] != '[' {
		return 0, 0, false, "", false
	}
	number, known := digits(body[1:slash])
	of, known2 := digits(body[slash+1 : end])
	if !known || !known2 || number < 1 || of < number || of > 1000 {
		return 0, 0, false, "", false
	}
	return number, of, body[slash] == '\\' && number < of, body[end+2:], true
}
