package logparse

import (
	"strings"

	"github.com/bouncetail/bouncetail/internal/lazyre"
)

// Headers that services put around the lines of others.

// papertrail matches the beginning of a line of an archive of Papertrail: the number of
// the event, when it was written, and when Papertrail received it.
var papertrail = lazyre.New(`^(\d{15,20}\t\d{4}-\S+\t)\d{4}-\S+\t`)

// withoutReceipt takes the second of these times off.
func withoutReceipt(text string) string {
	if text == "" || !isDigit(text[0]) {
		return text
	}
	m := papertrail.FindStringSubmatch(text)
	if m == nil {
		return text
	}
	return m[1] + text[len(m[0]):]
}

// readRFC5424 reads a header of RFC 5424 that was put around what a container or an app
// printed. Heroku's has no structured data.
//
//	<30>1 2026-11-23T12:57:36Z node1 docker/mail 1234 docker/mail - postfix/smtp[474]: …
//	<190>1 2026-11-23T12:57:36.1+00:00 host app mail.1 - postfix/smtp[474]: …
func (u *unusual) readRFC5424(rest string) bool {
	line, found := strings.CutPrefix(cutPriority(rest), "1 ")
	if !found {
		return false
	}
	inside := *u
	line, ok := inside.cutStamp(line)
	if !ok {
		return false
	}
	var fields [4]string // host, app, process, id of the message
	if line, ok = cutSpaced(line, fields[:]); !ok {
		return false
	}
	if isOtherProgram(fields[1]) || fields[0] != "-" && !inside.addName(fields[0]) {
		return false
	}
	if body, found := strings.CutPrefix(line, "- "); found {
		line = body
	} else if body, ok := cutStructuredData(line); ok {
		line = body
	}
	inside.passedOn = true
	if !inside.readParts(line) {
		return false
	}
	*u = inside
	return true
}
