package logparse

import (
	"html"
	"strings"
	"unicode"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/lazyre"
	"github.com/bouncetail/bouncetail/internal/oneof"
)

// Pages, forums and word processors change the lines that are copied out of logs:
//
//	❌ Nov 23 12:57:36 mx postfix/smtp[474]: 4XabcZ1y2z: to=<a@b.example>, …
//	[code]Nov 23 12:57:36 mx postfix/smtp[474]: 4XabcZ1y2z: to=<a@b.example>, …[/code]
//	{code}Nov 23 12:57:36 mx postfix/smtp[474]: 4XabcZ1y2z: to=<a@b.example>, …{code}
//	<pre>Nov 23 12:57:36 mx postfix/smtp[474]: 4XabcZ1y2z: to=&lt;a@b.example&gt;, …</pre>
//	Nov 23 12:57:36 mx postfix/smtp[474]: 4XabcZ1y2z: to=<[email]a@b.example[/email]>,  relay=…
//	2026-11-23 12:57:36 1xVTbv-00000r-1v ==a@b.example R=dnslookup …
//
// No mail server writes such lines. They are restored only if they hold a delivery
// that cannot be read as it is.

// unmarked returns a line without the marks of a page or a forum.
func unmarked(line string) string {
	text := unquotedPrintable(withoutFrame(line))
	if before, _, _ := strings.Cut(text, "to=<"); strings.Contains(before, "\u00a0") {
		text = strings.ReplaceAll(text, "\u00a0", " ")
	}
	if strings.Contains(text, ", <br") && !strings.Contains(text, `"`) { // not of a quoted local part
		text = breaks.ReplaceAllString(text, "")
	}
	if strings.Contains(text, "to=&lt;") {
		text = tagsBehind.ReplaceAllString(text, "")
	}
	text = withoutAnchors(text)
	if strings.Contains(text, `to=\<`) || escapedProcess.MatchString(text) {
		text = escapedMarks.Replace(text)
	}
	if !strings.ContainsAny(text, "<>") && (oneof.Contains(text, "to=&lt;", "to=&#60;", "to=&#x3") || !strings.Contains(text, "to=")) {
		text = strings.ReplaceAll(html.UnescapeString(text), "\u00a0", " ")
	}
	text = markedAddress.ReplaceAllString(text, "=<$1>")
	text = boldAddress.ReplaceAllString(text, "$1$2")
	text = markedExim.ReplaceAllString(text, "$1$2$3$4")
	if m := linkedExim.FindStringSubmatch(text); m != nil && m[2] == m[3] {
		text = m[1] + m[2] + text[len(m[0]):]
	}
	text = linkedAddress.ReplaceAllStringFunc(text, func(link string) string {
		if m := linkedAddress.FindStringSubmatch(link); m[1] == m[2] && m[3] == m[4] {
			return "=<" + m[1] + m[3] + ">"
		}
		return link
	})
	text = hiddenField.ReplaceAllStringFunc(text, func(field string) string {
		m := hiddenField.FindStringSubmatch(field)
		return m[1] + "=<" + shownAddress(m[2], m[3]) + ">"
	})
	if m := hiddenExim.FindStringSubmatch(text); m != nil {
		text = m[1] + shownAddress(m[2], m[3]) + text[len(m[0])-1:]
	}
	return boldField.ReplaceAllString(text, "$1")
}

// withoutAnchors takes links off the addresses of a page (all brackets of its text are
// entities), and off a recipient whose brackets Markdown took for those of a link.
//
//	to=&lt;<a href="mailto:a@b.example">a@b.example</a>&gt;, relay=…
//	to=&lt;<A HREF="https://lists.b.example/info">a at b.example</A>&gt;, relay=…
//	to=<a href="mailto:a@b.example">a@b.example</a>, relay=…
func withoutAnchors(text string) string {
	if !oneof.Contains(text, "</a>", "</A>") {
		return text
	}
	if strings.Contains(text, "&lt;") {
		return anchor.ReplaceAllString(text, "$1")
	}
	return anchoredRecipient.ReplaceAllStringFunc(text, func(field string) string {
		m := anchoredRecipient.FindStringSubmatch(field)
		if shown := html.UnescapeString(m[2]); html.UnescapeString(m[1]) == "mailto:"+shown {
			return "to=<" + shown + ">,"
		}
		return field
	})
}

// shownAddress returns an address that an archive hid. MARC writes "a () b ! example".
func shownAddress(local, domain string) string {
	return local + "@" + strings.ReplaceAll(domain, " ! ", ".")
}

// unquotedPrintable returns a text of a mail in quoted-printable (RFC 2045) with its
// equals signs, and without the breaks of its lines.
func unquotedPrintable(text string) string {
	if !strings.Contains(text, "to=3D<") {
		return text
	}
	return strings.ReplaceAll(strings.ReplaceAll(text, "=\n", ""), "=3D", "=")
}

// respaced returns a line with one space where there are several, or none where one
// belongs, and without the dots that stand for fields which were left out.
func respaced(line string) string {
	line = elision.ReplaceAllString(line, "$1, ")
	if !strings.Contains(line, `"`) || plainRecipient.MatchString(line) { // a quoted local part may hold several spaces
		line = doubled.ReplaceAllString(line, " ")
	}
	line = gluedID.ReplaceAllString(line, "$1 $2")
	for _, last := range [...]string{"stat=", "status="} {
		if fields, rest, found := strings.Cut(line, last); found && !strings.ContainsAny(fields, `"`) && !strings.Contains(fields, "status=") {
			line = gluedField.ReplaceAllString(fields+last, ", $1=") + rest
		}
	}
	return gluedControl.ReplaceAllString(line, "$1, ctladdr=")
}

// withoutFrame takes off what a copy put around a line. Marks within the line may be
// those of an address or a reply that a stranger chose: without them it would be
// another address.
func withoutFrame(line string) string {
	text := markupAtStart.ReplaceAllString(strings.TrimLeftFunc(line, isOrnament), "")
	if tag := tagsBefore.FindString(text); tag != "" {
		text = breaks.ReplaceAllString(tagsBehind.ReplaceAllString(text[len(tag):], ""), "")
	}
	if text = strings.TrimLeftFunc(text, isOrnament); text != line {
		text = strings.TrimRight(markupAtEnd.ReplaceAllString(text, ""), "`")
	}
	return text
}

const hiddenAddress = `([^\s<>"'|/@()\[\]]+)(?: at | @ | ?\(at\) ?| ?\[at\] ?| \(\) |&#(?:64|x40);)` +
	`([A-Za-z0-9-]+(?:(?:\.| ! )[A-Za-z0-9-]+)+)`

// A forum marks what has an @. Without one a person has replaced the address.
const markedEmail = `\[(?:email|url)(?:=[^\]"<>]*|="[^\]"<>]*")?\]([^\[\]<>"\s]+@[^\[\]<>"\s]+)\[/(?:email|url)\]`

const markupNames = `(?:email|url|font|color|size|code|icode|quote|pre|plain|noparse|left|indent|b|i|u)(?:=[^\]]*)?\]`

const markupOfJira = `\{(?:code|noformat|quote)(?::[^{}]*)?\}`

// beforeExim matches what is in front of a recipient of Exim.
const beforeExim = `^([^<>@="]{0,120}\b` + eximIDPattern + ` (?:\*\*|==|=>|->) )`

var (
	markupAtStart = lazyre.New(`(?i)^(?:(?:\[` + markupNames + `|` + markupOfJira + `) *)+`)
	markupAtEnd   = lazyre.New(`(?i)(?: *(?:\[/` + markupNames + `|` + markupOfJira + `))+$`)
	// "to=<[email]a@b.example[/email]>", "** [email]a@b.example[/email] R=…", "** <a@b.example> R=…"
	markedAddress = lazyre.New(`(?i)=< ?` + markedEmail + `>`)
	markedExim    = lazyre.New(`(?i)` + beforeExim + `(?:` + markedEmail + `|<([^<>"\s]+@[^<>"\s]+)>)([ :])`)
	// "to=<**a@b.example**>", "** **a@b.example** R=…"
	boldAddress = lazyre.New(`([=<]|(?:\*\*|==|=>|->) )\*\*([^*\s<>"]+@[^*\s<>"]+)\*\*`)
	// "** [a@b.example](mailto:a@b.example) R=…"
	linkedExim = lazyre.New(beforeExim + `\[([^\[\]<>"\s]+)\]\(mailto:([^\[\]()<>"\s]+)\)`)
	// "to=<[a@b.example](mailto:a@b.example)>", "to=a@b.example <mailto:a@b.example>"
	linkedAddress = lazyre.New(`=<?(?:\[<?([^\[\]<>"\s]+)>?\]\(mailto:([^\[\]()<>"\s]+)\)|([^\[\]<>"\s]+) <mailto:([^\[\]()<>"\s]+)>)>?`)
	// "a at b.example", "a(at)b.example", as archives of mailing lists write addresses
	hiddenAt    = lazyre.New(`^(?:` + hiddenAddress + `|\S+ at)$`)
	hiddenField = lazyre.New(`\b((?:orig_)?to|from|rcpt)=<` + hiddenAddress + `>`)
	hiddenExim  = lazyre.New(beforeExim + hiddenAddress + `[ :]`)
	anchor      = lazyre.New(`(?i)<a\s[^<>]*>([^<>]*)</a>`)

	anchoredRecipient = lazyre.New(`\bto=<a href="([^"<>]*)">([^<>"\s]+)</a>,`)
	// "to=\<a@b.example\>", "to=\<<a@b.example>\>"
	escapedMarks   = strings.NewReplacer(`\<<`, "<", `>\>`, ">", `\<`, "<", `\>`, ">", `\_`, "_", `\[`, "[", `\]`, "]", `\*`, "*")
	escapedProcess = lazyre.New(`^[^=<>*]{1,100}\\\[\d+\\\]: `) // "postfix/smtp\[474\]: "
	// "relay=none, …, dsn=4.4.1", "relay=none, ... dsn=4.4.1", but not in an address
	elision        = lazyre.New(`^([^()"]*\bto=<[^<>" ]*>(?:, [a-z_]+=[^()",]*)*), (?:…|\.\.\.),? `)
	boldField      = lazyre.New(`\*\*((?:to|relay|dsn|status|stat)=[^*]*)\*\*`)
	tagsBefore     = lazyre.New(`^(?i)(?:<(?:pre|code|p|br|b|i|em|strong|li|td|tr|span|div|font|tt|samp|kbd|blockquote)(?: [^<>]*)?/?> *)+`)
	tagsBehind     = lazyre.New(`(?: *</?[A-Za-z]+ ?/?>)+$`)
	breaks         = lazyre.New(`(?i)<br ?/?> ?`)
	plainRecipient = lazyre.New(`^(?:[^<>"]|<[a-z0-9.]{1,12}>)*: *to=<[^<>" ]*>,`) // behind <22> or <mail.info>
	doubled        = lazyre.New(`[ \t]{2,}`)
	// "1xVTbv-00000r-1v ==a@b.example"
	gluedID = lazyre.New(`^([^<>@]{0,120}\b` + eximIDPattern + ` (?:\*\*|==|=>|->))([^ =>*])`)
	// "pri=30242,relay=mx.b.example. [192.0.2.1],dsn=5.0.0,stat=Service unavailable"
	gluedField = lazyre.New(`,(ctladdr|orig_to|delays?|xdelay|mailer|pri|relay|conn_use|dsn|stat|status)=`)
	// "to=joe ctladdr=joe (1000/1000), delay=…"
	gluedControl = lazyre.New(`^([^@<>]*to=[^ ,]*) ctladdr=`)
)

// isOrnament reports whether a character in front of a line is not part of it.
func isOrnament(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(`"'{[<(@`, r)
}

// isRecipient reports whether a text may be an address: not that of "to=<>", which is
// about nobody, nor "[email]a@b.example[/email]" and "a &lt;a@b.example&gt;" of a copy.
// A space, a colour, an escaped bracket or the scheme of a link is at its front in a
// copy only; "..." and "a at b.example" are addresses that an archive hid. A person
// masked "[hidden]@b.example".
func isRecipient(text string) bool {
	at := strings.IndexByte(text, '@')
	switch {
	case text == "", at < 0 && oneof.Contains(text, "at", " () ", "&#") && hiddenAt.MatchString(text),
		at > 0 && text[at-1] == ' ' && text[0] != '"' && strings.HasPrefix(text[at:], "@ "):
		return false
	}
	switch text[0] {
	case ' ':
		return false
	case '[':
		return maskedName(text) > 0
	case '.':
		return strings.Trim(text, ".") != ""
	case '*':
		return strings.Trim(text, "*") == "" || !strings.HasPrefix(text, "**") || !strings.HasSuffix(text, "**")
	case '\\', 'm':
		if oneof.HasPrefix(text, `\u001b[`, "mailto:") || strings.HasPrefix(text, `\<`) && strings.HasSuffix(text, `\>`) {
			return false
		}
	}
	return text[len(text)-1] != ';' || !strings.HasSuffix(html.UnescapeString(text), ">")
}

// maskedName returns the length of "[hidden]" at the beginning of an address.
func maskedName(address string) int {
	end := strings.IndexByte(address, ']') + 1
	if end > 2 && end < len(address) && address[end] == '@' && !strings.ContainsAny(address[1:end], `[@<>"= `) {
		return end
	}
	return 0
}

// readCopy reads a line that holds a delivery and could not be read, without what a
// copy added to it. It returns false if that is not read either.
func (p *Parser) readCopy(line string, yield func(*bounce.Event)) bool {
	if p.restoring || len(line) > longest {
		return false
	}
	if strings.Contains(line, "\x1b[") {
		// As "grep --color=always" has it. Postfix writes no control characters; of other
		// servers' lines they may be part of an address.
		postfix := false
		p.readRestored(cutColours(line), func(ev *bounce.Event) {
			if postfix = ev.MTA == bounce.Postfix; postfix {
				yield(ev)
			}
		})
		return postfix
	}
	first := unmarked(line)
	if first != line && p.readRestored(first, yield) {
		return true
	}
	second := respaced(first)
	return second != first && p.readRestored(second, yield)
}

// readRestored reads a line instead of another one, which the caller counts if this
// one is not read.
func (p *Parser) readRestored(line string, yield func(*bounce.Event)) (read bool) {
	before := p.counts
	p.restoring = true
	p.Line(line, func(ev *bounce.Event) {
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
