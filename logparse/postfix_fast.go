package logparse

import (
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
)

// Four of ten lines name a sender or a message-id, end a message, or report a
// delivery or a refusal, almost always in the usual form. The fast reading takes
// these without the expressions, three to five times faster. It is a strict subset
// of the grammar: it returns false for anything unusual, and a fuzz test checks
// that the grammar gives the same result for whatever it takes.

// fastPostfix reads a line in its usual form. It returns false if the expressions
// have to read it.
func fastPostfix(h *header, ev *bounce.Event) bool {
	line := h.body
	colon := alphanumerics(line)
	if colon < 5 || colon > 24 || len(line) < colon+len(": removed") || line[colon:colon+2] != ": " {
		return false
	}
	id, rest := line[:colon], line[colon+2:]
	if isPlainWords(id) {
		return false
	}
	switch rest[0] {
	case 't':
		*ev = bounce.Event{}
		if !fastDelivery(rest, h.tag, ev) {
			return false
		}
	case 'f':
		from, after, ok := fastAddress(rest, "from=<")
		if !ok || !strings.HasPrefix(after, ", size=") || !strings.HasSuffix(after, "(queue active)") {
			return false
		}
		*ev = bounce.Event{}
		ev.Kind, ev.Sender, ev.HasSender = bounce.EventMessage, cleanAddress(from), true
	case 'm':
		messageID, found := strings.CutPrefix(rest, "message-id=<")
		if !found || len(messageID) == 0 || messageID[len(messageID)-1] != '>' {
			return false
		}
		*ev = bounce.Event{}
		ev.Kind, ev.MessageID = bounce.EventMessage, clean(messageID[:len(messageID)-1])
	case 'r':
		if rest != "removed" {
			return false
		}
		*ev = bounce.Event{}
		ev.Kind = bounce.EventRemoved
	default:
		return false
	}
	ev.MTA, ev.QueueID = bounce.Postfix, id
	return true
}

// fastDelivery reads a delivery that succeeded or that another server refused. No
// field before dsn= holds a comma.
func fastDelivery(rest, tag string, ev *bounce.Event) bool {
	to, rest, ok := fastAddress(rest, "to=<")
	if !ok {
		return false
	}
	var original string
	if strings.HasPrefix(rest, ", orig_to=<") {
		if original, rest, ok = fastAddress(rest, ", orig_to=<"); !ok {
			return false
		}
	}
	if !strings.HasPrefix(rest, ", relay=") {
		return false
	}
	fields := rest
	relay, rest, found := strings.Cut(rest[len(", relay="):], ",")
	for found && fastField(rest) {
		_, rest, found = strings.Cut(rest, ",")
	}
	const before, behind = " dsn=", ", status="
	const end = len(before + "5.1.1" + behind)
	if !found || len(rest) < end || rest[:len(before)] != before || rest[end-len(behind):end] != behind {
		return false
	}
	dsn, status := rest[len(before):end-len(behind)], rest[end:]
	if !fastDSN(dsn) || hasByte(fields[:len(fields)-len(status)], '<', '>') || mayEndAddress(status) {
		return false
	}
	ev.Kind, ev.Recipient, ev.OriginalRecipient = bounce.EventAttempt, cleanAddress(to), cleanAddress(original)
	daemon := postfixDaemon(tag)
	if strings.HasPrefix(status, "sent (") {
		ev.Outcome = bounce.Sent
		takePostfixSent(ev, daemon, relay, status[len("sent ("):])
		return dsn[0] == '2'
	}
	ev.Transport = daemon
	word, reason, found := strings.Cut(status, " (")
	switch word {
	case "deferred":
		ev.Outcome = bounce.Deferred
	case "bounced":
		ev.Outcome = bounce.Bounced
	default:
		return false
	}
	if !found || !fastRelay(relay, &ev.Reply) {
		return false
	}
	ev.DSN, ev.Echo = dsn, strings.HasPrefix(reason, suspended)
	return fastReason(clean(reason), &ev.Reply)
}

// fastField reports whether a field that stands between relay= and dsn= follows.
func fastField(rest string) bool {
	return strings.HasPrefix(rest, " delay=") || strings.HasPrefix(rest, " delays=") || strings.HasPrefix(rest, " conn_use=")
}

// mayEndAddress reports whether an address may end in a text, so that the line
// may have a second reading (postfixUnclear).
func mayEndAddress(s string) bool {
	for {
		at := strings.IndexByte(s, '>')
		if at < 0 {
			return false
		}
		if s = s[at+1:]; strings.HasPrefix(s, ", relay=") {
			return true
		}
	}
}

// fastReason reads "host mx.b.example[192.0.2.1] said: REPLY (in reply to RCPT
// TO command))".
func fastReason(reason string, r *bounce.Reply) bool {
	reason, whole := strings.CutSuffix(reason, ")")
	if !whole && len(reason) < maxBegun { // else Postfix cut it
		return false
	}
	text, command := cutInReplyTo(strings.TrimPrefix(reason, suspended))
	after, found := strings.CutPrefix(text, "host ")
	host, ip, port, rest, ok := cutHost(after)
	reply, said := strings.CutPrefix(rest, " said: ")
	if !found || !ok || !said {
		return false
	}
	r.Stage = stageOf(command)
	setRelay(r, host, ip)
	setPort(r, port)
	setReply(r, reply, lastLine(reply))
	return true
}

// fastDSN reports whether s is a status such as 5.1.1.
func fastDSN(s string) bool {
	return len(s) == len("5.1.1") && isDigit(s[0]) && s[1] == '.' && isDigit(s[2]) && s[3] == '.' && isDigit(s[4])
}

// fastRelay reads "mx.b.example[192.0.2.1]:25", or "none".
func fastRelay(s string, r *bounce.Reply) bool {
	if s == "none" {
		return true
	}
	host, ip, port, rest, ok := cutHost(clean(s))
	if !ok || rest != "" {
		return false
	}
	setRelay(r, host, ip)
	setPort(r, port)
	return true
}

// cutHost reads "mx.b.example[192.0.2.1]", with ":25" behind it or not, off the
// front of a text.
func cutHost(text string) (host, ip, port, rest string, ok bool) {
	end := strings.IndexByte(text, '[')
	if end < 1 || strings.IndexByte(text[:end], ' ') >= 0 {
		return
	}
	host, rest = text[:end], text[end+1:]
	if end = strings.IndexByte(rest, ']'); end < 0 || !fastIP(rest[:end]) {
		return
	}
	ip, rest = rest[:end], rest[end+1:]
	if len(rest) > 1 && rest[0] == ':' && isDigit(rest[1]) {
		end = 1
		for end < len(rest) && isDigit(rest[end]) {
			end++
		}
		port, rest = rest[1:end], rest[end:]
	}
	return host, ip, port, rest, true
}

func fastIP(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isDigit(c) && (c|0x20 < 'a' || 'f' < c|0x20) && c != '.' && c != ':' {
			return false
		}
	}
	return s != ""
}

// fastAddress reads an address without quotes between an opening text and the
// closing bracket.
func fastAddress(s, opening string) (address, rest string, ok bool) {
	s, found := strings.CutPrefix(s, opening)
	end := strings.IndexByte(s, '>')
	if !found || end < 0 || strings.IndexByte(s[:end], '"') >= 0 {
		return "", "", false
	}
	return s[:end], s[end+1:], true
}
