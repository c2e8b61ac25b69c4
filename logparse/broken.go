package logparse

import (
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
)

// Mail programs, terminals and pages break the lines that are copied out of logs:
//
//	Nov 23 12:57:36 mx postfix/smtp[474]: 4f1XyZ: to=<a@b.example>,
//	  relay=mx.b.example[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.1.1,
//	  status=bounced (host mx.b.example[192.0.2.1] said: 550 5.1.1 no (in
//	  reply to RCPT TO command))
//
//	2026-11-23 12:57:36 1xVTbv-00000r-1v ** a@b.example R=dnslookup T=remote_smtp
//	H=mx.b.example [192.0.2.1]: SMTP error from remote mail server after
//	RCPT TO:<a@b.example>: 550 5.1.1 no
//
// A delivery line that ends before its status or its reply, or within the reply of Postfix
// or OpenSMTPD, waits for its other parts: the lines behind it that have no header. If they
// do not complete it, each is read alone.

const (
	maxBegun  = 1000    // bytes of the first part: a longer line was cut by the mail server
	maxBroken = 4 << 10 // of all parts
	maxBreaks = 20      // in a line
)

// holdBroken keeps a delivery line that ends before its status, and reports whether it
// does.
func (p *Parser) holdBroken(mta bounce.MTA, h *header, line string, result result) bool {
	if p.restoring || p.parted || h.outer != "" || len(line) > maxBegun || !strings.HasSuffix(line, h.body) {
		return false
	}
	switch mta {
	case bounce.Exim:
		if result != resultCut && !eximUndecided.MatchString(h.body) {
			return false
		}
	case bounce.Postfix:
		soft := strings.HasSuffix(line, "=") // quoted-printable
		if result != resultCut && !soft && strings.Contains(strings.ToLower(h.body), "status=") {
			return false
		}
	default:
		if result != resultCut && strings.Contains(strings.ToLower(h.body), "stat=") {
			return false
		}
	}
	p.export = &exportEntry{Parted: true, Object: []byte(line)}
	return true
}

// holdBegun keeps a line about a message that ends where Postfix and Sendmail never end
// one: behind the queue ID, or a comma.
func (p *Parser) holdBegun(mta bounce.MTA, h *header, line string) bool {
	if n := len(h.body); n == 0 || strings.IndexByte(":, \t=", h.body[n-1]) < 0 {
		return false // as nearly all lines
	}
	body := strings.TrimRight(h.body, " \t=") // quoted-printable breaks a line with "="
	if !strings.HasSuffix(body, ":") && !strings.HasSuffix(body, ",") || !beginsWithID(body) {
		return false
	}
	daemon := postfixDaemon(h.tag)
	return (daemon == "qmgr" || deliveryAgents[daemon] || mta == bounce.Sendmail) && p.holdBroken(mta, h, line, resultCut)
}

// readBroken reads a line behind one that was kept. It returns false if the line is no
// part of it.
func (p *Parser) readBroken(line string, yield func(*bounce.Event)) bool {
	e := p.export
	text := unmarkedPart(line)
	if text == "" { // pages double the ends of lines
		return true
	}
	if len(e.Object)+len(line) > maxBroken || strings.Count(string(e.Object), "\n") == maxBreaks {
		return false
	}
	if _, stamped := lineStamp(line); stamped || text[0] == '{' || strings.HasPrefix(text, "__") {
		return false
	}
	e.Object = append(append(e.Object, '\n'), strings.TrimRight(line, "\r")...)
	if _, reason, found := strings.Cut(strings.TrimRight(string(e.Object), " \t"), "status="); found {
		if _, reason, found = strings.Cut(reason, "("); found && closed(reason) {
			p.endExport(yield)
		}
	}
	return true
}

// endBroken reads the line that was kept with the parts behind it, or each alone. A
// delivery that none of them shows alone is counted.
func (p *Parser) endBroken(lines string, yield func(*bounce.Event)) {
	if strings.Contains(lines, "\n") && p.readJoined(lines, yield) {
		return
	}
	before, found := p.counts.Unparsed, false
	p.parted = true
	for line := range strings.SplitSeq(lines, "\n") {
		p.Line(line, func(ev *bounce.Event) {
			found = found || ev.Kind == bounce.EventAttempt
			yield(ev)
		})
		p.counts.Lines--
	}
	p.parted = false
	if !found && p.counts.Unparsed == before {
		p.noteLost(strings.ReplaceAll(lines, "\n", " "))
	}
}

// unmarkedPart returns a part of a line without indentation and the marks of a quotation.
func unmarkedPart(line string) string {
	return strings.TrimRight(strings.TrimLeft(line, " \t>"), " \t\r")
}

// readJoined reads the parts as one line. They were broken at spaces, or where the width
// of a terminal ended: then they have the same length, and a word may be in two of them.
// Of two ways to join them, the one is right with which the reply has a code.
func (p *Parser) readJoined(lines string, yield func(*bounce.Event)) bool {
	parts := strings.Split(lines, "\n")
	together := strings.Join(parts, "")
	width, sameWidth := len(parts[0]), len(parts) > 2
	for i := range parts {
		sameWidth = sameWidth && (i == len(parts)-1 || len(parts[i]) == width)
		parts[i] = unmarkedPart(parts[i])
	}
	joined := []string{strings.Join(parts, " "), together, unquotedPrintable(strings.ReplaceAll(lines, "= \n", "=\n"))}
	joined = append(joined, unmarked(joined[0]))
	if sameWidth {
		joined[0], joined[1] = joined[1], joined[0]
	}
	var best []bounce.Event
	recognised := p.counts.Recognised + 1
	p.joining = true
	for _, whole := range joined {
		if best != nil && best[0].Reply.SMTPCode > 0 {
			break
		}
		if strings.Contains(whole, "\n") {
			continue
		}
		var read []bounce.Event
		p.readRestored(whole, func(ev *bounce.Event) { read = append(read, *ev) })
		if len(read) > 0 && strings.IndexByte(read[0].Recipient, ' ') < 0 && (best == nil || read[0].Reply.SMTPCode > 0) {
			best = read
		}
	}
	p.joining = false
	if best != nil {
		p.counts.Recognised = recognised // not once for each reading
	}
	for i := range best {
		yield(&best[i])
	}
	return best != nil
}
