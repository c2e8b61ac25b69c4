package logparse

import (
	"net/netip"
	"strings"
)

// The parts of a header that are neither a stamp nor the tag of a mail server.

// cutPart steps over one other part of a header. It returns false if the line must be
// refused.
func (u *unusual) cutPart(rest string) (after string, ok bool) {
	switch rest[0] {
	case '<':
		return u.cutAngled(rest)
	case '{': // {name=mx}
		return rest[len(lokiLabels.FindString(rest)):], true
	}
	if after, found := strings.CutPrefix(rest, "Message forwarded from "); found && u.named < 2 { // AIX
		u.names, after, found = strings.Cut(after, ":")
		u.named = 1
		return after, found && isName(u.names)
	}
	word, after := cutWord(rest)
	if u.ofProgram() {
		return after, word == "@cee:" || !u.passedOn && (word == "-" || isNumber(word))
	}
	if after, ok := u.cutLabels(rest); ok {
		return after, true
	}
	if first, after, _ := strings.Cut(rest, " "); arrows[first] && u.n == 0 && u.named == 1 { // mail-0 -> Nov 23 …
		return after, beginsLine(after)
	}
	if host, _, found := strings.Cut(word, "->/"); found && u.n > 0 { // Wazuh's archives: mx->/var/log/mail.log
		return after, u.addName(host)
	}
	switch {
	case isFacility(strings.TrimSuffix(word, ":")) && u.named < 2 && !beginsWithProcess(after): // CRON[9] is a tag
		u.facility = word
		return after, true
	case word == "F":
		u.contained = true
		return after, true
	case isWeekday(word) && u.n == 0: // "Thu, 19 Nov 26 12:57:36" is not the 26th
		return after, leading(strings.TrimLeft(after, " ,")) == 0
	case u.skips(word):
		return after, true
	case isAddress(word):
		if strings.HasPrefix(after, " - ") {
			return "", false // a web server's log, in which the name of a user follows
		}
		return after, u.named > 0 && u.n > 0 || u.addName(word) // the name of a host is better
	}
	if colon := strings.IndexByte(word, ':'); colon > 0 {
		return u.cutName(rest, colon)
	}
	tag, _, after, marked := cutAnyTag(rest)
	switch {
	case tag == "":
		return "", false
	case marked:
		return withoutService(tag, after), u.passOn(tag, after)
	}
	return strings.TrimPrefix(after, "]"), u.addName(tag)
}

// arrows may stand between the name of a source and the line.
var arrows = makeSet("-> => > →")

// fillers are words of a header that tell nothing: of a message's id, of JSON in syslog
// (CEE), of a level of macOS.
var fillers = makeSet("- ID @cee: Default Fault")

// skips reports whether a word between the parts of a header tells nothing: a level,
// a number of a line, of a process, of a thread.
func (u *unusual) skips(word string) bool {
	return isLevel(word) || strings.IndexByte(word, '.') > 0 && isLevel(strings.TrimSuffix(word, ":")) || // mail.info:
		fillers[word] ||
		u.n > 0 && (word == "info:" || word == "INFO:") ||
		u.n > 0 && u.named == 0 && compactLevels[word] ||
		isNumber(word) && len(word) < 10 ||
		strings.HasPrefix(word, "0x")
}

// isAddress reports whether a word is the address of a host.
func isAddress(word string) bool {
	_, err := netip.ParseAddr(word)
	return err == nil
}

// beginsWithProcess reports whether the number of a process follows a word.
func beginsWithProcess(text string) bool { return len(text) >= 2 && text[0] == '[' && isDigit(text[1]) }

// cutAngled steps over a priority or a level, or the name of a source or of a host that
// was taken out: <22>, <mail.info>, <2.6>, <mx>.
func (u *unusual) cutAngled(rest string) (after string, ok bool) {
	end := strings.IndexByte(rest[:min(len(rest), 24)], '>')
	if end < 2 {
		return "", false
	}
	inside := rest[1:end]
	if isLevel(inside) || isFacility(inside) || strings.Trim(inside, "0123456789.") == "" {
		return rest[end+1:], true
	}
	return rest[end+1:], isName(inside) && u.addName(inside)
}

// cutLabels steps over what collectors put in front of a line or behind its stamp.
func (u *unusual) cutLabels(rest string) (after string, ok bool) {
	if after, ok := u.cutLabel(rest); ok {
		return after, true
	}
	if u.n == 0 || u.named > 0 {
		return "", false
	}
	labels := sourceLabels.FindString(rest)
	return rest[len(labels):], labels != ""
}

// headerLabels are the names of values that collectors put in front of a line. Their
// values are single words.
//
//	level=info component=postfix Nov 23 12:57:36 mx postfix/smtp[474]: …
var headerLabels = makeSet(`level lvl severity sev priority pri prio facility fac component app application service svc job
	host hostname node instance pod namespace ns container container_name container_id image source stream program ident tag
	unit env environment cluster region zone logger thread process type`)

// cutLabel steps over such a value, or over its name in front of the tag of Postfix.
func (u *unusual) cutLabel(rest string) (after string, ok bool) {
	at := strings.IndexByte(rest[:min(len(rest), maxWord)], '=')
	if at < 1 || !headerLabels[strings.ToLower(rest[:at])] {
		return "", false
	}
	name, after := strings.ToLower(rest[:at]), rest[at+1:]
	value, behind := cutWord(after)
	if strings.HasPrefix(after, `"`) {
		if value, behind, ok = cutValue(after); !ok {
			return "", false
		}
		value = value[1 : len(value)-1]
	}
	if tag, _, _, _ := cutAnyTag(after); isDaemonTag(tag) {
		return after, true
	}
	if !isName(strings.ReplaceAll(value, "/", "")) {
		return "", false
	}
	if u.host == "" && (name == "host" || name == "hostname") {
		u.host = value
	}
	return behind, true
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
	if isNumber(name) {
		return after, true
	}
	if isAddress(name) && strings.HasPrefix(after, " ") { // socklog
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

// addName takes the name of a source, of a host or of a program that is no mail server.
// It returns false if there are too many, or if a program logs what strangers sent. The
// first name behind a stamp is a host's, which may be called like a program.
func (u *unusual) addName(name string) bool {
	most := 2
	if u.n == 0 {
		most = 3
	}
	if u.passedOn || u.contained || u.named == most {
		return false
	}
	isHost := u.n > 0 && u.named == 0
	if !isHost && isOtherProgram(name) && !isHelper(name) && !isTaskStream(name) {
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
