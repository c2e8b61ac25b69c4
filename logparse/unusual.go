package logparse

import (
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/internal/lazyre"
)

// unusual takes headers apart that cutHeader does not know. It reads from the
// left and must be able to explain each part: a stamp, a priority, a level, a
// facility, a number, the name of a source, a host, or the tag of a program that
// passes lines on. It ends at the tag of a mail server or at words that only a
// mail server begins a line with. All that follows is the body, so nothing in the
// body can pass for a header. A part that it cannot explain makes it refuse the
// line.
//
//	postfix-1    | Nov 23 12:57:36 mail postfix/smtp[819]: 4f1XyZ: removed
//	Nov 23 13:57:37 node1 docker[32360]: Nov 23 12:57:36 mail postfix/smtp[17]: 4f1XyZ: removed
//	2026-11-23T12:57:36+00:00 [1:mail1:postfix/smtp] 4f1XyZ: removed
//	Nov 23 12:57:36 backup mail.info postfix/smtp[1085]: 4f1XyZ: removed
type unusual struct {
	stamps     [maxStamps]stamp // the outermost first
	n          int
	near       time.Time // that of the line before, for names of months that mean two
	follows    bool      // near is of a line before, and not when the file was modified
	keepsDoubt bool      // a month that may be two is not decided
	keys       *fieldKeys
	inner      string // the line from the innermost stamp on
	depth      int    // of objects in each other
	behind     string // what follows an object on its line

	host, tag, pid string // what an object around the text says
	synthesized    bool   // the body was decoded, or its header was somewhere else
	writer         writer

	source   string // the first name in front of the stamps
	names    string // the last name behind the innermost stamp
	named    int    // how many there are
	facility string // a name of a facility there, which may be a host's
	passedOn bool   // the tag of another program was read behind the last stamp
	foreign  bool   // it was that of a program that has nothing to do with deliveries
	// contained means that a container printed the text up to the next stamp. It begins
	// with a header, or it is another program's.
	contained bool

	tagOut, pidOut, body string
}

const (
	maxStamps = 5
	maxParts  = 40
	maxName   = 255 // of a host, a tag, a file
)

// delimiters may stand between the parts of a header.
const delimiters = " \t|,;[]()"

// read reads a line. It returns false where some part is not known, or none is a
// mail server's.
func (u *unusual) read(text string) bool {
	whole := undecorate(text)
	text = withoutReceipt(cutSource(whole))
	before := *u
	if u.readParts(text) || u.foreign {
		return !u.foreign
	}
	before.behind = u.behind
	*u = before
	if digits, rest := leadingDigits(text); digits != "" && strings.HasPrefix(rest, `) "`) { // redis-cli numbers its answers
		text = rest[len(") "):]
	}
	if strings.HasPrefix(text, `"`) && u.readQuoted(text) {
		return true
	}
	*u = before
	if u.readCSV(text) {
		return true
	}
	*u = before
	if strings.IndexByte(whole, '\t') > 0 && u.readLTSV(whole) {
		return true
	}
	*u = before
	return u.readPairs(text)
}

// readParts reads the parts of a header and what follows them.
func (u *unusual) readParts(rest string) bool {
	for range maxParts {
		if u.ofProgram() {
			rest = strings.TrimLeft(rest, " \t[")
		} else {
			rest = strings.TrimLeft(rest, delimiters+":\u00a0›│")
		}
		if rest == "" {
			return false
		}
		if name := tagOf(rest); name != "" {
			return u.takeBody(name, rest)
		}
		if eximIDLength(rest) > 0 {
			return false // Exim's words about a message, which may quote anything
		}
		if rest[0] == '{' && !beginsWithLabels(rest) {
			return u.readObject(rest)
		}
		if rest[0] == '<' && u.readRFC5424(rest) {
			return true
		}
		if strings.HasPrefix(rest, "CEF:") {
			return u.readCEF(rest)
		}
		after, ok := u.cutStamp(rest)
		if ok && u.takePrinted(after) || !ok && u.readServerTag(rest) {
			return true
		}
		if !ok {
			after, ok = u.cutPart(rest)
		}
		if !ok {
			return false
		}
		rest = after
	}
	return false
}

// readQuoted reads a whole line that is a JSON string, or one of a program:
//
//	"Nov 23 12:57:36 mx postfix/smtp[474]: 4f1XyZ: removed\n" +
func (u *unusual) readQuoted(text string) bool {
	value, rest, ok := cutValue(text)
	if !ok || strings.Trim(rest, ", \t\r+;\\") != "" {
		return false
	}
	if text = strings.TrimRight(decodeString(value[1:len(value)-1]), "\r\n"); !u.readParts(undecorate(text)) {
		return false
	}
	u.synthesized = true
	return true
}

// lokiLabels are the labels of a stream, as logcli prints them before or behind the stamp, or the
// host as Logstash does: {name=mx}.
var lokiLabels = lazyre.New(`^\{(?:[A-Za-z_][A-Za-z0-9_]*=(?:"(?:[^"\\]|\\.)*"|[^\s"{},=]+)(?:, ?)?)*\}`)

// beginsWithLabels reports whether such labels stand before something else.
func beginsWithLabels(text string) bool {
	labels := lokiLabels.FindString(text)
	return labels != "" && len(labels) < len(text)
}

// sourceLabels are the labels of a container that docker logs --details prints behind
// the stamp, the span in which Vector logs, and the machine, the region and the level of
// fly.io ("app[148e272a1b2c3d] ams [info]").
var sourceLabels = lazyre.New(`^(?:(?:(?:tag|com\.docker\.[a-z.]+)=[^\s=,]+,?)+ |source\{[^{}]*\}:(?: vector::[a-z_:]+:)? |` +
	`app\[[0-9a-f]+\] [a-z]{3} \[[a-z]+\])`)

// cutStamp reads a stamp, and with it begins a header inside the one before.
func (u *unusual) cutStamp(rest string) (string, bool) {
	if u.n == maxStamps {
		return "", false
	}
	s := &u.stamps[u.n]
	after, ok := s.cut(rest)
	if !ok || !endsUsual(rest, after) {
		if after, ok = s.cutAny(rest); !ok {
			*s = stamp{}
			return "", false
		}
	}
	s.exim = false
	u.n++
	u.inner = rest
	u.beginHeader()
	return strings.TrimPrefix(after, ":"), true
}

// beginHeader begins a header inside the one before. Its names do not count, but for
// that of the source.
func (u *unusual) beginHeader() {
	if u.named > 0 && u.source == "" {
		u.source = u.names
	}
	u.names, u.named, u.facility, u.passedOn, u.contained = "", 0, "", false, false
}

// endsUsual reports whether stamp.cut has taken all of a stamp: a year or a zone
// may follow that it does not know, and it takes a number in brackets with it.
func endsUsual(text, after string) bool {
	last := text[len(text)-len(after)-1]
	if last != ' ' || len(text)-len(after) >= 2 && text[len(text)-len(after)-2] == ']' {
		return false
	}
	word, _ := cutWord(after)
	if len(word) == 4 && number(word) > 0 {
		return false
	}
	var zone stamp
	return !zone.setZone(word)
}

// readServerTag reads the tag of a mail server and the body behind it, with its process
// or without, with a colon behind it or without.
func (u *unusual) readServerTag(rest string) bool {
	tag, pid, after, marked := cutAnyTag(rest)
	if tag == "" {
		tag, pid, after = cutGluedTag(rest)
		marked = tag != ""
	}
	switch {
	case tag == "":
		return false
	case isDaemonTag(tag):
	case marked && postfixDaemons[tag] && tagOf(cutFields(after)) == "postfix":
		tag = "postfix/" + tag // as in the logs of macOS
	case !isServerTag(tag):
		return false
	case !marked: // a word that may be anything's name
		if tagOf(cutFields(after)) == "" {
			return false
		}
	default:
		// A container may bear the name of a mail server.
		inside := *u
		inside.passedOn = true
		if u.named == 0 && u.facility != "" { // a host that is called like one
			inside.names, inside.named = u.facility, 1
		}
		if inside.readParts(after) {
			*u = inside
			return true
		}
	}
	if u.n == 0 && u.depth == 0 {
		return false
	}
	body := cutFields(after)
	if body == "" || body[0] == '"' {
		return false // perhaps the fields of a table
	}
	if !marked && tagOf(body) == "" {
		if _, found := findDelivery(body); found {
			return false
		}
	}
	u.tagOut, u.pidOut, u.body = tag, pid, body
	return true
}

// takeBody takes a line in which the words of a mail server follow without a tag
// that is its own.
func (u *unusual) takeBody(server, body string) bool {
	if u.passedOn || u.named > 1 || u.n == 0 && u.depth == 0 {
		return false
	}
	if u.depth > 0 && u.inner == "" && u.named > 0 {
		return false // the message of an object, in which a word stands before a quote
	}
	u.tagOut, u.body = server, body
	return true
}

// fill puts what was found into a header.
func (u *unusual) fill(h *header) bool {
	if u.n == 0 {
		return false
	}
	h.tag, h.pid, h.body, h.writer = u.tagOut, u.pidOut, u.body, u.writer
	h.synthesized, h.line = u.synthesized, u.inner
	switch {
	case u.named > 0:
		h.host = u.names
	case u.facility != "" && !strings.HasSuffix(u.facility, ":"):
		h.host = u.facility
	case u.host != "":
		h.host = u.host
	default:
		h.host = u.source
	}
	h.stamp = u.stamps[u.n-1]
	if !u.keepsDoubt && !h.stamp.decideMonth(u.nearest()) {
		return false
	}
	for i := u.n - 2; i >= 0; i-- {
		if !u.stamps[i].orEarlier {
			h.complete(&u.stamps[i])
		}
	}
	cutOwnStamp(h)
	return true
}

// nearest returns the time of the stamp around the innermost one, or that of the line
// before, and whether the stamp follows it.
func (u *unusual) nearest() (near time.Time, follows bool) {
	for i := u.n - 2; i >= 0; i-- {
		if outer := &u.stamps[i]; outer.year != 0 && !outer.orEarlier {
			return outer.time(outer.year, time.UTC), false
		}
	}
	return u.near, u.follows
}
