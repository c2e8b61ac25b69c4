package logparse

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
)

// Entries of journalctl -o verbose, and objects of journalctl -o json-pretty and jq, have
// a field a line:
//
//	Mon 2026-11-23 12:57:36.123456 UTC [s=…;i=…;b=…;m=…;t=…;x=…]
//	    SYSLOG_IDENTIFIER=postfix/smtp
//	    MESSAGE=4f1XyZ: to=<a@b.example>, …
//	{
//		"SYSLOG_IDENTIFIER" : "postfix/smtp",
//		"MESSAGE" : "4f1XyZ: to=<a@b.example>, …"
//	}

// maxObjects bounds the objects of an array on one line. The longest line has fewer, if
// each holds what a delivery needs.
const maxObjects = 10_000

// readUnusual reads a line whose header is of an unusual form, and counts it if
// it holds a delivery and cannot be read.
func (p *Parser) readUnusual(line string, yield func(*bounce.Event)) {
	if strings.HasPrefix(line, continued) {
		p.noteLost(line)
		return
	}
	if line == "" || strings.HasPrefix(line, "__") && p.readExport(line, yield) || p.beginMultiline(line) || p.beginSupervised(line) {
		return
	}
	if p.supervised.Stamp != "" {
		line = p.supervised.stamped(line)
	}
	for n := range maxObjects {
		text := line
		if n > 0 {
			text = upToNext(line)
		}
		u := unusual{near: p.last, follows: p.read, keys: &p.keys}
		found := u.read(text)
		next := nextObject(u.behind)
		if found || !mayHoldLines(text) || !p.readNested(text, 0, yield) {
			p.finishUnusual(&u, found, text[:len(text)-len(next)], yield)
		}
		whole := len(text) == len(line)
		line = strings.TrimLeft(next+line[len(text):], " ")
		if line == "" || n > 0 && whole {
			return
		}
	}
	p.noteLost(line)
}

// continued begins a further line of a message of several lines: journalctl -o short
// and its relatives indent it as far as the first begins, which is 19 bytes at least
// ("Nov 23 12:57:36 a: "). A stranger may have chosen what follows, in the message of
// any program.
const continued = "                "

// upToNext returns the object that a line begins with and the comma behind it, or
// the whole line. If each object were read with all that follow it, the time would
// grow with the square of their number.
func upToNext(line string) string {
	if line[0] != '{' {
		return line
	}
	_, behind, _ := cutNested(line)
	return line[:len(line)-len(nextObject(behind))]
}

// nextObject returns what follows an object and a comma, or the object that directly
// follows, as Amazon Data Firehose joins them.
func nextObject(behind string) string {
	behind = strings.TrimLeft(behind, " ")
	if next, more := strings.CutPrefix(behind, ","); more || strings.HasPrefix(behind, "{") {
		return next
	}
	return ""
}

// finishUnusual reads the body that was found, or looks for a delivery in the
// line.
func (p *Parser) finishUnusual(u *unusual, found bool, line string, yield func(*bounce.Event)) {
	h := &p.unusual
	*h = header{}
	if found && u.fill(h) && p.finish(h, line, yield) {
		p.learnLayout(line, h)
		return
	}
	if u.foreign || isOtherProgram(u.tag) {
		return
	}
	if mta, found := p.findLost(line); found && !p.readCopy(line, yield) {
		p.noteUnparsed(mta, line, lostID(line))
	}
}

// noteLost counts a line that could not be read, if it holds a delivery.
func (p *Parser) noteLost(line string) {
	if mta, found := p.findLost(line); found {
		p.noteUnparsed(mta, line, lostID(line))
	}
}

// findLost looks for a delivery of an MTA that the parser reads, in a line that does not
// only quote it.
func (p *Parser) findLost(line string) (mta bounce.MTA, found bool) {
	mta, found = findDelivery(line)
	return mta, found && p.reads(mta) && !isQuotation(line)
}

// reads reports whether the grammar of an MTA is among the parser's.
func (p *Parser) reads(mta bounce.MTA) bool {
	return slices.ContainsFunc(p.grammars, func(g grammar) bool { return g.mta == mta })
}

// beginMultiline reports whether a line begins such an entry, and begins to read it.
func (p *Parser) beginMultiline(line string) bool {
	if strings.HasSuffix(line, "{") && strings.TrimLeft(line, " \t") == "{" {
		p.export = &exportEntry{Object: []byte(line)}
		return true
	}
	if !strings.HasSuffix(line, "]") {
		return false
	}
	stamped, cursor, found := strings.Cut(line, " [s=")
	if !found || !strings.Contains(cursor, ";i=") {
		return false
	}
	var s stamp
	if rest, ok := s.cutAny(stamped); !ok || rest != "" || s.year == 0 {
		return false
	}
	micros := strconv.FormatInt(s.time(s.year, p.zone).UnixMicro(), 10)
	p.export = &exportEntry{Verbose: true, Fields: map[string][]byte{"__REALTIME_TIMESTAMP": []byte(micros)}}
	return true
}

// readMultiline reads a line of such an entry. It returns false if the line is not
// part of it.
func (p *Parser) readMultiline(line string, yield func(*bounce.Event)) bool {
	if p.export.Verbose {
		return p.readVerbose(line, yield)
	}
	return p.readPretty(line, yield)
}

// verboseIndent stands before each field. The further lines of a value have more.
const verboseIndent = "    "

// whole are the fields with which an entry is complete enough to be read before the
// next one begins.
var whole = []string{"MESSAGE", "SYSLOG_IDENTIFIER", "_HOSTNAME", "_UID", "_COMM", "_EXE"}

func (p *Parser) readVerbose(line string, yield func(*bounce.Event)) bool {
	e := p.export
	field, found := strings.CutPrefix(line, verboseIndent)
	if !found {
		return false
	}
	name, value, found := strings.Cut(field, "=")
	if !found || !exported[name] || e.Done {
		return true
	}
	if e.Fields[name] != nil && name != "__REALTIME_TIMESTAMP" {
		e.Done = true // a field that comes twice could be part of a value
		return true
	}
	e.Fields[strings.Clone(name)] = []byte(value)
	if !slices.ContainsFunc(whole, func(name string) bool { return e.Fields[name] == nil }) {
		p.endExport(yield)
		p.export = &exportEntry{Verbose: true, Done: true}
	}
	return true
}

// readPretty reads a line of an object. Lines that no part of an object begins with,
// or that are not indented, are lines of the log.
func (p *Parser) readPretty(line string, yield func(*bounce.Event)) bool {
	e := p.export
	text := strings.TrimSpace(line)
	if text == "" {
		return true
	}
	indent, begin := len(line)-len(strings.TrimLeft(line, " \t")), bytes.IndexByte(e.Object, '{')
	switch {
	case indent == begin && (text == "}" || text == "},"):
		p.export = nil
		p.readUnusual(string(e.Object[begin:])+"}", yield)
		return true
	case indent <= begin || strings.IndexByte(`"{}[]-0123456789tfn`, text[0]) < 0 || len(e.Object)+len(text) > maxExported:
		return false
	}
	e.Object = append(append(e.Object, text...), ' ')
	return true
}
