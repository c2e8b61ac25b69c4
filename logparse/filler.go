package logparse

import "strings"

// Templates put more than a space between the tag of a program and its words: a
// level, a process, a number, a dash.
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
	return containsAny(strings.ToLower(word), "info", "notice", "debug")
}

// cutFiller takes filler off the body of a line of a mail server. It returns false
// if there is none, which is certain for most lines from their first bytes.
func (h *header) cutFiller() bool {
	if h.body == "" || h.tag == "" {
		return false
	}
	if rest, found := strings.CutPrefix(h.body, h.tag); found && len(rest) > 1 && (rest[0] == '[' || rest[0] == ':') {
		if _, _, after, marked := cutAnyTag(h.body); marked && len(after) < len(rest) { // the tag, a second time
			h.body = strings.TrimLeft(after, " ")
			return true
		}
	}
	switch c := h.body[0]; {
	case strings.IndexByte("iIdDnNmMsSlLpP[(<-:", c) >= 0:
	case isDigit(c):
		digits, rest := leadingDigits(h.body)
		if rest == "" || rest[0] != ' ' && rest[0] != ':' || len(digits) > 10 {
			return false
		}
	default:
		return false
	}
	if !isDaemonTag(h.tag) && !isServerTag(h.tag) {
		return false
	}
	body, ok := cutFiller(h.body)
	if !ok || len(body) == len(h.body) {
		return false
	}
	h.body = body
	return true
}
