package logparse

import (
	"strings"

	"github.com/bouncetail/bouncetail/internal/lazyre"
)

// Forwarders to a SIEM put the words of a mail server, or its whole line, into the
// extension of an event in the Common Event Format of ArcSight. Seven columns precede it.
// A backslash is in front of the equals signs within a value, and nothing else separates
// a value from the next name:
//
//	Nov 23 12:57:36 gw CEF:0|Postfix|smtp|3.7|100|mail|3|rt=1795438656000 dvchost=mx deviceProcessName=postfix/smtp
//	  msg=4XabcZ1y2z: to\=<a@b.example>, relay\=none, …

// cefColumns matches what precedes the extension.
var cefColumns = lazyre.New(`^CEF: ?[01]\|(?:(?:[^|\\]|\\.)*\|){6}`)

// cefName matches a name in the extension.
var cefName = lazyre.New(`(?:^| )([A-Za-z][A-Za-z0-9_.]*)=`)

var cefEscapes = strings.NewReplacer(`\=`, "=", `\\`, `\`, `\n`, " ", `\r`, " ")

// readCEF reads such an event. One of another program may hold what strangers sent.
func (u *unusual) readCEF(text string) bool {
	columns := cefColumns.FindString(text)
	if columns == "" || u.depth == maxDepth {
		return false
	}
	for column := range strings.SplitSeq(columns, "|") {
		if isOtherProgram(strings.ToLower(column)) {
			u.foreign = true
			return false
		}
	}
	var o object
	for text = text[len(columns):]; text != ""; {
		at := cefName.FindStringSubmatchIndex(text)
		if at == nil {
			return false
		}
		name, value := text[at[2]:at[3]], text[at[1]:]
		text = ""
		if next := cefName.FindStringIndex(value); next != nil {
			value, text = value[:next[0]], value[next[0]:]
		}
		o.set(name, cefEscapes.Replace(value))
	}
	return u.takeObject(&o)
}
