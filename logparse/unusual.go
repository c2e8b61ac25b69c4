package logparse

import (
	"net/netip"
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
	stamps [maxStamps]stamp // the outermost first
	n      int
	near   time.Time // that of the line before, for years of two digits
	keys   *fieldKeys
	inner  string // the line from the innermost stamp on
	depth  int    // of objects in each other
	behind string // what follows an object on its line

	host, tag, pid string // what an object around the text says
	synthesized    bool   // the body was decoded, or its header was somewhere else
	writer         writer

	source   string // the first name in front of the stamps
	names    string // the last name behind the innermost stamp
	named    int    // how many there are
	facility string // a name of a facility there, which may be a host\'s
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
	text = withoutReceipt(cutSource(undecorate(text)))
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
	return u.readPairs(text)
}

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
		if rest[0] == '<' && u.readRFC5424(rest) {
			return true
		}
		if rest[0] == '{' {
			labels := ""
			if u.n > 0 {
				labels = lokiLabels.FindString(rest)
			}
			if labels == "" {
				return u.readObject(rest)
			}
			rest = rest[len(labels):]
			continue
		}
		if after, ok := u.cutStamp(rest); ok {
			if u.takePrinted(after) {
				return true
			}
			rest = after
			continue
		}
		if after, done, ok := u.cutServerTag(rest); ok {
			if done {
				return true
			}
			rest = after
			continue
		}
		after, ok := u.cutPart(rest)
		if !ok {
			return false
		}
		rest = after
	}
	return false
}

// readQuoted reads a whole line that is a JSON string.
func (u *unusual) readQuoted(text string) bool {
	value, rest, ok := cutValue(text)
	if !ok || strings.Trim(rest, ", \t\r") != "" || !u.readParts(undecorate(decodeString(value[1:len(value)-1]))) {
		return false
	}
	u.synthesized = true
	return true
}

// lokiLabels are the labels of a stream, as logcli prints them behind the stamp, or the
// host as Logstash does: {name=mx}.
var lokiLabels = lazyre.New(`^\{(?:[A-Za-z_][A-Za-z0-9_]*=(?:"(?:[^"\\]|\\.)*"|[^\s"{},=]+)(?:, ?)?)*\}`)

// sourceLabels are the labels of a container that docker logs --details prints behind
// the stamp, the span in which Vector logs, and the machine, the region and the level of
// fly.io ("app[148e272a1b2c3d] ams [info]").
var sourceLabels = lazyre.New(`^(?:(?:(?:tag|com\.docker\.[a-z.]+)=[^\s=,]+,?)+ |source\{[^{}]*\}:(?: vector::[a-z_:]+:)? |app\[[0-9a-f]+\] [a-z]{3} \[[a-z]+\])`)

// cutStamp reads a stamp, and with it begins a header inside the one before.
func (u *unusual) cutStamp(rest string) (string, bool) {
	if u.n == maxStamps {
		return "", false
	}
	s := &u.stamps[u.n]
	after, ok := s.cut(rest)
	if !ok || !endsUsual(rest, after) {
		if after, ok = s.cutAny(rest); !ok && u.n == 0 {
			*s = stamp{}
			after, ok = s.cutShortYear(rest, u.near)
		}
		if !ok {
			*s = stamp{}
			return "", false
		}
	}
	s.exim = false
	u.n++
	u.inner = rest
	if u.named > 0 && u.source == "" {
		u.source = u.names
	}
	u.names, u.named, u.facility, u.passedOn, u.contained = "", 0, "", false, false
	return strings.TrimPrefix(after, ":"), true
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

// cutServerTag reads the tag of a mail server, with its process or without, with
// a colon behind it or without. done is whether the body follows.
func (u *unusual) cutServerTag(rest string) (after string, done, ok bool) {
	tag, pid, after, marked := cutAnyTag(rest)
	if tag == "" {
		tag, pid, after = cutGluedTag(rest)
		marked = tag != ""
	}
	switch {
	case tag == "":
		return "", false, false
	case isDaemonTag(tag):
	case marked && postfixDaemons[tag] && tagOf(cutFields(after)) == "postfix":
		tag = "postfix/" + tag // as in the logs of macOS
	case !isServerTag(tag):
		return "", false, false
	case !marked: // a word that may be anything's name
		if tagOf(cutFields(after)) == "" {
			return "", false, false
		}
	default:
		// A container may bear the name of a mail server.
		inside := *u
		inside.passedOn = true
		if inside.readParts(after) {
			*u = inside
			return "", true, true
		}
	}
	if u.n == 0 && u.depth == 0 {
		return "", false, false
	}
	body := cutFields(after)
	if body == "" || body[0] == '"' {
		return "", false, false // perhaps the fields of a table
	}
	if !marked && tagOf(body) == "" {
		if _, found := findDelivery(body); found {
			return "", false, false
		}
	}
	u.tagOut, u.pidOut, u.body = tag, pid, body
	return "", true, true
}

// cutPart steps over one other part of a header.
func (u *unusual) cutPart(rest string) (string, bool) {
	if rest[0] == '<' { // <22>, <mail.info>, <2.6>
		end := strings.IndexByte(rest[:min(len(rest), 24)], '>')
		if end < 2 {
			return "", false
		}
		inside := rest[1:end]
		if isLevel(inside) || isFacility(inside) || strings.Trim(inside, "0123456789.") == "" {
			return rest[end+1:], true
		}
		return rest[end+1:], u.n > 0 && isName(inside) && u.addName(inside) // instead of a host that was taken out
	}
	if after, found := strings.CutPrefix(rest, "Message forwarded from "); found && u.named == 1 { // AIX
		u.names, after, found = strings.Cut(after, ":")
		return after, found && isName(u.names)
	}
	if labels := sourceLabels.FindString(rest); labels != "" && u.n > 0 && u.named == 0 {
		return rest[len(labels):], true
	}
	word, after := cutWord(rest)
	if u.ofProgram() {
		return after, word == "@cee:" || !u.passedOn && (word == "-" || leading(word) == len(word))
	}
	if host, file, found := strings.Cut(word, "->/"); found && u.n > 0 { // Wazuh's archives
		return rest[len(host)+len("->/")+len(file):], u.addName(host)
	}
	switch {
	case isFacility(strings.TrimSuffix(word, ":")) && u.named < 2 && (len(after) < 2 || after[0] != '[' || !isDigit(after[1])): // but for CRON[9]
		if u.facility = word; u.passedOn {
			u.facility = ""
		}
		return after, true
	case word == "F":
		u.contained = true
		return after, true
	case isLevel(word), strings.IndexByte(word, '.') > 0 && isLevel(strings.TrimSuffix(word, ":")), word == "-", u.n > 0 && (word == "info:" || word == "INFO:"), word == "ID", word == "@cee:":
		return after, true
	case isWeekday(word) && u.n == 0: // "Thu, 19 Nov 26 12:57:36" is not the 26th
		return after, leading(strings.TrimLeft(after, " ,")) == 0
	case u.n > 0 && u.named == 0 && compactLevels[word]:
		return after, true
	case leading(word) == len(word) && len(word) < 10: // a number of a line, a process, a version
		return after, true
	case strings.HasPrefix(word, "0x"), word == "Default", word == "Fault": // a thread and a level of macOS
		return after, true
	}
	if _, err := netip.ParseAddr(word); err == nil {
		if strings.HasPrefix(after, " - ") {
			return "", false // a web server's log, in which the name of a user follows
		}
		return after, u.named > 0 && u.n > 0 || u.addName(word) // the name of a host is better
	}
	if colon := strings.IndexByte(word, ':'); colon > 0 {
		return u.cutName(rest, colon)
	}
	tag, _, after, marked := cutAnyTag(rest)
	if tag == "" {
		return after, false
	}
	if marked {
		return withoutService(tag, after), u.passOn(tag, after)
	}
	return after, u.addName(tag)
}

// withoutService takes the name of the service off a line of Docker Compose that systemd
// or syslog passed on.
//
//	docker-compose[12]: postfix-1  | Nov 23 12:57:36 mx postfix/smtp[474]:
func withoutService(program, text string) string {
	if strings.HasPrefix(program, "docker") || strings.HasPrefix(program, "podman") {
		if name, rest := cutWord(strings.TrimLeft(text, " ")); isName(name) {
			if after, found := strings.CutPrefix(strings.TrimLeft(rest, " "), "| "); found {
				return after
			}
		}
	}
	return text
}

// cutName reads a name with a colon behind it: a file, a host, or the tag of a
// program, and a number in a list of numbers and names.
func (u *unusual) cutName(rest string, colon int) (string, bool) {
	name, after := rest[:colon], rest[colon+1:]
	if u.n == 0 && isHeaderField(name) {
		return "", false
	}
	if leading(name) == len(name) {
		return after, true
	}
	if _, err := netip.ParseAddr(name); err == nil && strings.HasPrefix(after, " ") { // socklog
		return after, u.addName(name)
	}
	if tag, _, behind, _ := cutAnyTag(rest); tag == "" || behind == "" && after != "" {
		return "", false
	} else if strings.HasSuffix(rest[:len(rest)-len(behind)], "]:") {
		return withoutService(tag, behind), u.passOn(tag, behind)
	}
	if u.n > 0 && strings.HasPrefix(after, " ") {
		return withoutService(name, after), u.passOn(name, after)
	}
	return after, u.addName(name)
}

// passOn takes the tag of a program that passes on what others logged, such as
// docker. What follows must be a header or a mail server's tag.
func (u *unusual) passOn(tag, after string) bool {
	if isOtherProgram(tag) && !passesOn(tag, after) {
		u.foreign = true
		return false
	}
	if u.passedOn || u.contained || isLevel(tag) {
		return false
	}
	u.passedOn = true
	return true
}

// ofProgram reports whether the words that follow are those of a program that is not a
// mail server: its tag or, behind a host, its name was read. If it passes on what others
// logged, a header begins at once. Words before it may be those of a stranger.
func (u *unusual) ofProgram() bool { return u.passedOn || u.n > 0 && u.named == 2 }

func (u *unusual) addName(name string) bool {
	limit := 2
	if u.n == 0 {
		limit = 3
	}
	if u.passedOn || u.contained || u.named == limit || isOtherProgram(name) && !isHelper(name) && !isTaskStream(name) && (u.n == 0 || u.named > 0) {
		return false
	}
	if u.named == 0 && u.n == 0 {
		u.source = name
	}
	if u.named == 0 || !isServerTag(name) { // "mx postfix 474 - - postfix/smtp[474]:"
		u.names = name
	}
	u.named++
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
	for i := u.n - 2; i >= 0; i-- {
		h.complete(&u.stamps[i])
	}
	cutOwnStamp(h)
	return true
}
