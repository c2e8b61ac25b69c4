package logparse

import (
	"strings"

	"github.com/bouncetail/bouncetail/internal/oneof"
)

// tagOf returns the tag under which a mail server logs that begins its words in the
// way a text does, or an empty string. It is for headers without a tag, and part of the
// id of some of these lines, so it must not change:
//
//	4f1XyZabcd: to=<a@b.example>, relay=…          postfix
//	1xVTbv-00000r-1v ** a@b.example R=…            exim
//	6AND4fXC000084: to=<a@b.example>, delay=…      sendmail
//	770afeddea7e9413 mta delivery evpid=…          smtpd
//	relay: PermFail for 6430369adcce4408: session=…  smtpd
func tagOf(text string) string {
	id := alphanumerics(text)
	if id < 5 || id > 24 || len(text) < id+3 {
		return ""
	}
	switch text[id] {
	case ':':
		if text[id+1] != ' ' {
			return ""
		}
		if isPlainWords(text[:id]) {
			if opensmtpdOldEvent(text) && opensmtpdOld.MatchString(text) { // some runs of smtpd in the foreground have no tag
				return "smtpd"
			}
			return ""
		}
		return tagOfField(text[id+2:], id)
	case '-':
		if at := eximIDLength(text); at > 0 && eximMarked(text[at:]) {
			return "exim"
		}
	case ' ':
		if id == 16 && opensmtpdEvent(text[17:]) {
			return "smtpd"
		}
	}
	return ""
}

// tagOfField tells Postfix from Sendmail by what follows a queue ID of a
// length.
func tagOfField(rest string, id int) string {
	switch {
	case strings.HasPrefix(rest, "to="):
		list, after := cutBracketed(rest[3:])
		switch {
		case oneof.HasPrefix(after, ", relay=", ", orig_to=<", ", status="):
			return "postfix"
		case id >= 8 && oneof.HasPrefix(after, ", delay=", ", xdelay=", ", ctladdr="):
			return "sendmail"
		case id >= 8 && list == "" && strings.Contains(rest, ", delay=") && strings.Contains(rest, ", mailer="):
			return "sendmail"
		}
	case strings.HasPrefix(rest, "from="):
		_, after := cutBracketed(rest[5:])
		size, found := strings.CutPrefix(after, ", size=")
		switch _, next := leadingDigits(size); {
		case strings.HasPrefix(after, ", status="), found && strings.HasPrefix(next, ", nrcpt="):
			return "postfix"
		case found && strings.HasPrefix(next, ", class="):
			return "sendmail"
		case id >= 8 && strings.Contains(rest, ", size=") && strings.Contains(rest, ", class="):
			return "sendmail"
		}
	case strings.HasPrefix(rest, "message-id="), rest == "removed", strings.HasPrefix(rest, "removed ("):
		return "postfix"
	case id >= 8 && strings.HasPrefix(rest, "done; delay="):
		return "sendmail"
	case (rest[0] == 'r' || rest[0] == 'd') && opensmtpdEvent(rest):
		return "smtpd"
	}
	return ""
}

// eximIDLength returns how long the message's id is that a text begins with: 16,
// 23, or 0 where there is none.
func eximIDLength(text string) int {
	for _, n := range [...]int{16, 23} {
		if len(text) > n && text[n] == ' ' && fastEximID(text[:n]) {
			return n
		}
	}
	return 0
}

// opensmtpdEvent reports whether words are those of OpenSMTPD's about a
// delivery, behind the session if there is one.
func opensmtpdEvent(rest string) bool {
	start := rest[:min(len(rest), 48)]
	return strings.Contains(start, " evpid=") || opensmtpdOldEvent(rest)
}

// opensmtpdOldEvent reports whether words are those of version 5. The line may have been
// broken behind them.
func opensmtpdOldEvent(rest string) bool {
	return oneof.HasPrefix(rest, "relay: ", "delivery: ") && strings.Contains(rest[:min(len(rest), 48)]+" ", " for ")
}

// eximWords reports whether Exim writes a line that begins so into its main log
// without a message's id.
func eximWords(body string) bool {
	return eximIDLength(body) > 0 || oneof.HasPrefix(body, eximBeginnings...)
}

var eximBeginnings = []string{
	"Start queue run", "End queue run", "exim 4.", "exim 5.", "H=", "SMTP ", "TLS ", "no host name found", "no IP address found",
	"Warning: ", "cwd=", "unexpected disconnection", "rejected ", "Connection from", "connection from", "refused connection",
	"daemon ", "pid ", "SIG", "unqualified ", "vrfy ", "expn ",
}

// mayBeWrapped reports whether a line with a usual header may hold another header
// inside, or words of a mail server that its tag does not announce. Lines of other
// programs, which are most, must cost next to nothing.
func mayBeWrapped(h *header) bool {
	if isOtherProgram(h.tag) {
		return passesOn(h.tag, h.body)
	}
	if h.body == "" {
		return false
	}
	if mayBeginHeader(h.body) || h.tag == "" && strings.IndexByte(h.body[:min(len(h.body), 80)], '/') >= 0 {
		return true
	}
	if strings.IndexByte(h.body, '=') >= 0 && oneof.Contains(h.body, "=<", "=> ", "== ", "to=", "id=") {
		return true
	}
	return oneof.Contains(h.body, `dsn"`, "** ", "-> ", ">> ", "ail for ")
}

// passesOn reports whether a program that delivers no mail passes on a line of a mail
// server: some set-ups log everything under the kernel's tag. A delivery under a program's
// name that is like Postfix's and not known is counted: a later version may have added it.
//
//	kernel: postfix/smtp[474]: 4XabcZ1y2z: to=<a@b.example>, relay=…
//	postfix/newdaemon[474]: 4XabcZ1y2z: to=<a@b.example>, relay=…
//	postfix-api[474]: Nov 23 12:57:36 mx postfix/smtp[474]: 4XabcZ1y2z: …   a container
func passesOn(tag, text string) bool {
	text = strings.TrimLeft(text, " \t")
	if strings.IndexByte(tag, '-') > 0 && strings.IndexByte(tag, '/') < 0 && isHelper(tag) && beginsLine(text) {
		return true
	}
	return tag == "kernel" && beginsWithTag(text) ||
		strings.HasPrefix(tag, "postfix") && strings.IndexByte(tag, '/') > 0 && tagOf(text) == "postfix"
}

// mayBeginHeader reports whether a text may begin with a stamp, a priority, an
// object, or a tag.
func mayBeginHeader(text string) bool {
	if c := text[0]; isDigit(c) || c >= 0x80 || c == '<' || c == '{' || c == '[' || c == '\x1b' {
		return true
	}
	word, rest, _ := strings.Cut(text[:min(len(text), 80)], " ")
	if rest != "" && isDigit(rest[0]) && len(word) <= 10 {
		month, _ := monthOf(word)
		return month > 0 || isWeekday(word)
	}
	return strings.IndexByte(word, '/') > 0 || strings.IndexByte(word, '[') > 0
}

// beginsLine reports whether a text begins as whole lines do.
func beginsLine(text string) bool {
	var s stamp
	if _, ok := s.cut(text); ok {
		return true
	}
	if _, ok := s.cutAny(text); ok {
		return true
	}
	return strings.HasPrefix(text, "{") || cutPriority(text) != text
}

// beginsWithTag reports whether a text begins with the tag of a mail server.
func beginsWithTag(text string) bool {
	tag, _, _, marked := cutAnyTag(text)
	return isDaemonTag(tag) || marked && isServerTag(tag)
}

// cutSource takes the name of a source off a line that does not end with a space
// or looks like a tag:
//
//	[pod/postfix-0/smtp] Nov 23 …
//	mail.log-20261123:12:Nov 23 …
//	textPayload: 'Nov 23 …'
func cutSource(text string) string {
	if strings.HasPrefix(text, "{") {
		return text
	}
	if name, value, _ := strings.Cut(text, ": "); value != "" && (value[0] == '\'' || value[0] == '"') && namesMessage(name) {
		if value[0] == '\'' { // YAML doubles the quotes within
			value = strings.ReplaceAll(undecorate(value), "''", "'")
		}
		return value
	}
	if rest, found := strings.CutPrefix(text, "[pod/"); found {
		if pod, line, found := strings.Cut(rest, "]"); found && pod != "" && strings.IndexByte(pod, ' ') < 0 {
			return strings.TrimLeft(line, " ")
		}
	}
	return withoutFileName(text)
}

// maxFileName bounds the name of a file with the number of a line.
const maxFileName = 300

// withoutFileName takes the name of a file and the number of a line off, as grep prints
// them, up to what begins a line.
func withoutFileName(text string) string {
	var s stamp
	if _, ok := s.cutAny(text); ok {
		return text
	}
	for at := 0; at < min(len(text)-1, maxFileName) && strings.IndexByte(" {<", text[at]) < 0; at++ {
		after := text[at+1:]
		switch {
		case text[at] != ':' && text[at] != '-' || after[0] == ' ':
		case text[at] == '-' && leading(text) == at && len(after) > 3 && after[3] == '-': // 23-Nov-26
			return text
		case beginsLine(after):
			return after
		}
	}
	return text
}
