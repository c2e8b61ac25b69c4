package logparse

import (
	"regexp"
	"strings"
	"unicode"

	"github.com/bouncetail/bouncetail/bounce"
)

// Pages, forums and word processors change the lines that are copied out of logs:
//
//	❌ Nov 23 12:57:36 mx postfix/smtp[474]: 4XabcZ1y2z: to=<a@b.example>, …
//	[code]Nov 23 12:57:36 mx postfix/smtp[474]: 4XabcZ1y2z: to=<a@b.example>, …[/code]
//	<pre>Nov 23 12:57:36 mx postfix/smtp[474]: 4XabcZ1y2z: to=&lt;a@b.example&gt;, …</pre>
//	Nov 23 12:57:36 mx postfix/smtp[474]: 4XabcZ1y2z: to=<[email]a@b.example[/email]>,  relay=…
//	2026-11-23 12:57:36 1xVTbv-00000r-1v ==a@b.example R=dnslookup …
//
// No mail server writes such lines. They are restored only if they hold a delivery
// that cannot be read as it is.

// restored returns a line without what a copy added. It returns the line itself if
// there is nothing to undo.
func restored(line string) string {
	if len(line) > longest {
		return line
	}
	text := withoutFrame(line)
	if !strings.ContainsAny(text, "<>") && (strings.Contains(text, "to=&lt;") || !strings.Contains(text, "to=")) {
		text = entities.Replace(text)
	}
	text = markedAddress.ReplaceAllString(text, "=<$1>")
	if !strings.Contains(text, `"`) { // a local part may hold several spaces
		text = doubled.ReplaceAllString(text, " ")
	}
	text = gluedID.ReplaceAllString(text, "$1 $2")
	return gluedStat.ReplaceAllString(text, "$1, stat=")
}

// withoutFrame takes off what a copy put around a line. Marks within the line may be
// those of an address or a reply that a stranger chose: without them it would be
// another address.
func withoutFrame(line string) string {
	text := markupAtStart.ReplaceAllString(strings.TrimLeftFunc(line, isOrnament), "")
	if tag := tagsBefore.FindString(text); tag != "" {
		text = tagsBehind.ReplaceAllString(text[len(tag):], "")
	}
	if text = strings.TrimLeftFunc(text, isOrnament); text != line {
		text = strings.TrimRight(markupAtEnd.ReplaceAllString(text, ""), "`")
	}
	return text
}

const markupNames = `(?:email|url|font|color|size|code|icode|quote|pre|plain|noparse|left|indent|b|i|u)(?:=[^\]]*)?\]`

var (
	markupAtStart = regexp.MustCompile(`(?i)^(?:\[` + markupNames + ` *)+`)
	markupAtEnd   = regexp.MustCompile(`(?i)(?: *\[/` + markupNames + `)+$`)
	// "to=<[email]a@b.example[/email]>"
	markedAddress = regexp.MustCompile(`(?i)=<\[(?:email|url)(?:=[^\]"<>]*|="[^\]"<>]*")?\]([^\[\]<>"\s]+)\[/(?:email|url)\]>`)
	tagsBefore    = regexp.MustCompile(`^(?i)(?:<(?:pre|code|p|br|b|i|em|strong|li|td|tr|span|div|font|tt|samp|kbd|blockquote)(?: [^<>]*)?/?> *)+`)
	tagsBehind    = regexp.MustCompile(`(?: *</?[A-Za-z]+ ?/?>)+$`)
	doubled       = regexp.MustCompile(`[ \t]{2,}`)
	// "1xVTbv-00000r-1v ==a@b.example"
	gluedID = regexp.MustCompile(`^([^<>@]{0,120}\b[0-9A-Za-z]{6}-(?:[0-9A-Za-z]{6}-[0-9A-Za-z]{2}|[0-9A-Za-z]{11}-[0-9A-Za-z]{4}) (?:\*\*|==|=>|->))([^ =>*])`)
	// "dsn=5.0.0,stat=Service unavailable"
	gluedStat = regexp.MustCompile(`^([^@<>]*to=.*?, dsn=\d\.\d{1,3}\.\d{1,3}),stat=`)
)

// isOrnament reports whether a character in front of a line is not part of it.
func isOrnament(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(`"'{[<(@`, r)
}

// readCopy reads a line that holds a delivery and could not be read, without what a
// copy added to it. It returns false if that is not read either.
func (p *Parser) readCopy(line string, yield func(*bounce.Event)) bool {
	if p.restoring {
		return false
	}
	text := restored(line)
	if text == line {
		return false
	}
	before, read := p.counts, false
	p.restoring = true
	p.Line(text, func(ev *bounce.Event) {
		read = true
		yield(ev)
	})
	p.restoring = false
	p.counts = before
	if read {
		p.counts.Recognised++
	}
	return read
}
