package logparse

import (
	"cmp"
	"strings"

	"github.com/bouncetail/bouncetail/internal/oneof"
)

// Templates put more than a space between the tag of a program and its words: a
// level, a process, a number, a dash, or an object around them.
//
//	postfix/smtp[474]: info: 4XabcZ1y2z: to=<a@b.example>, …
//	exim[474]: [mail.info] 1xVTbv-00000r-1v ** a@b.example: …
//	postfix/smtp 474 - - 4XabcZ1y2z: to=<a@b.example>, …
//	smtp: (postfix) 4XabcZ1y2z: to=<a@b.example>, …
//	smtp[474]: (libpostfix-util.dylib) 4XabcZ1y2z: to=<a@b.example>, …

// maxFiller is how many words of filler are stepped over.
const maxFiller = 6

// cutFiller returns the words of a mail server behind filler, and false if
// something else follows.
func cutFiller(text string) (body string, ok bool) {
	for range maxFiller {
		text = strings.TrimLeft(text, delimiters+":<>")
		if tagOf(text) != "" {
			return text, true
		}
		word, rest := cutWord(text)
		if word == "" || !isFiller(strings.TrimRight(word, ":>")) {
			return "", false
		}
		text = rest
	}
	return "", false
}

// isFiller reports whether a word tells nothing that matters. Postfix itself writes
// warnings in front of words that are about something else, so the names of problems
// are not filler.
func isFiller(word string) bool {
	switch {
	case word == "-", word == "postfix", isFacility(word), postfixDaemons[word]:
		return true
	case strings.HasPrefix(word, "lib") && isName(word), strings.HasPrefix(word, "com.apple."):
		return true // macOS names the library and the subsystem
	case word != "" && leading(word) == len(word):
		return len(word) <= 10
	case !isLevel(word):
		return false
	}
	return oneof.Contains(strings.ToLower(word), "info", "notice", "debug")
}

// cutFiller takes filler off the body of a line of a mail server. It returns false
// if there is none, which is certain for most lines from their first bytes.
func (h *header) cutFiller() bool {
	if h.body == "" || h.tag == "" {
		return false
	}
	if body, ok := withoutTag(h.body, h.tag); ok {
		h.body = body
		return true
	}
	if !mayBeginFiller(h.body) || !isDaemonTag(h.tag) && !isServerTag(h.tag) {
		return false
	}
	if strings.HasPrefix(h.body, cee) {
		return h.cutObject()
	}
	body, ok := cutFiller(h.body)
	if !ok || len(body) == len(h.body) {
		return false
	}
	h.body = body
	return true
}

// cee is the cookie in front of an object in syslog (Common Event Expression).
const cee = "@cee:"

// cutObject replaces such an object by its message.
//
//	postfix/smtp[474]: @cee: {"msg":"4XabcZ1y2z: to=<a@b.example>, …"}
func (h *header) cutObject() bool {
	text := strings.TrimLeft(h.body[len(cee):], " ")
	var o object
	if !strings.HasPrefix(text, "{") {
		return false
	}
	if _, ok := o.scan(text, "", 0); !ok || o.ambiguous {
		return false
	}
	message, ok := decodeText(cmp.Or(o.values[roleMessage][:]...))
	if !ok {
		return false
	}
	h.body, h.synthesized = strings.TrimLeft(message, " "), true
	return true
}

// withoutTag takes the tag off that stands in front of the words a second time.
//
//	postfix/smtp[474]: 4XabcZ1y2z: to=<a@b.example>, …
func withoutTag(body, tag string) (words string, ok bool) {
	behind, found := strings.CutPrefix(body, tag)
	if !found || len(behind) < 2 || behind[0] != '[' && behind[0] != ':' {
		return "", false
	}
	_, _, after, marked := cutAnyTag(body)
	return strings.TrimLeft(after, " "), marked && len(after) < len(behind)
}

// mayBeginFiller turns most lines away by their first byte: a level, a facility, a
// library, a program of Postfix, a bracket, a number or a cookie begins filler.
func mayBeginFiller(text string) bool {
	if !isDigit(text[0]) {
		return strings.IndexByte("iIdDnNmMsSlLpP[(<-:@", text[0]) >= 0
	}
	digits, rest := leadingDigits(text)
	return rest != "" && (rest[0] == ' ' || rest[0] == ':') && len(digits) <= 10
}
