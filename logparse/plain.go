package logparse

import (
	"bytes"
	"strings"
	"unsafe"

	"github.com/bouncetail/bouncetail/bounce"
)

// Four of ten lines tell a sender, a message-id, an end, a delivery that
// succeeded or one that another server refused, and next to none of them holds
// anything unusual. Those are read here without the expressions, which stay the
// grammar: what is unusual is left to them, and a test holds both against each
// other.

// inBlock returns a text that lies in the block, and is valid as long as that is
// left alone, where clean would only copy it.
func inBlock(raw []byte) string {
	for _, c := range raw {
		if c < 0x20 || c >= 0x7f {
			return clean(raw)
		}
	}
	return unsafe.String(unsafe.SliceData(raw), len(raw))
}

// plainPostfix reads a line in its usual form. It returns false where the
// expressions have to look at it.
func plainPostfix(body []byte, colon int, ev *bounce.Event) bool {
	id, rest := body[:colon], body[colon+2:]
	if colon > 24 || !alphanumeric(id) {
		return false
	}
	if len(rest) < 7 {
		return false
	}
	switch rest[0] {
	case 't':
		return plainDelivery(id, rest, ev)
	case 'f':
		after, found := bytes.CutPrefix(rest, []byte("from=<"))
		from, after, ok := plainAddress(after)
		if !found || !ok || !bytes.HasPrefix(after, []byte(", size=")) {
			return false
		}
		ev.Kind, ev.Sender, ev.HasSender = bounce.EventMessage, inBlock(from), true
	case 'm':
		messageID, found := bytes.CutPrefix(rest, []byte("message-id=<"))
		if !found || len(messageID) == 0 || messageID[len(messageID)-1] != '>' {
			return false
		}
		ev.Kind, ev.MessageID = bounce.EventMessage, inBlock(messageID[:len(messageID)-1])
	case 'r':
		if string(rest) != "removed" {
			return false
		}
		ev.Kind = bounce.EventRemoved
	default:
		return false
	}
	ev.QueueID = inBlock(id)
	return true
}

// plainDelivery reads a delivery, which is nearly always one that succeeded or
// one that another server refused.
func plainDelivery(id, rest []byte, ev *bounce.Event) bool {
	rest, found := bytes.CutPrefix(rest, []byte("to=<"))
	to, rest, ok := plainAddress(rest)
	if !found || !ok {
		return false
	}
	var original []byte
	if after, found := bytes.CutPrefix(rest, []byte(", orig_to=<")); found {
		if original, rest, ok = plainAddress(after); !ok {
			return false
		}
	}
	// The first status= is Postfix's own: no field before it holds a comma.
	rest, found = bytes.CutPrefix(rest, []byte(", relay="))
	if !found {
		return false
	}
	fields, status, found := bytes.Cut(rest, []byte(", status="))
	at := bytes.LastIndexByte(fields, ',')
	if !found || at < 0 || bytes.ContainsAny(fields, `(<"`) {
		return false
	}
	dsn, found := bytes.CutPrefix(fields[at:], []byte(", dsn="))
	if !found || !plainDSN(dsn) {
		return false
	}
	ev.Kind = bounce.EventAttempt
	if bytes.HasPrefix(status, []byte("sent (")) {
		ev.Outcome, ev.QueueID, ev.Recipient = bounce.Sent, inBlock(id), inBlock(to)
		if original != nil {
			ev.OriginalRecipient = inBlock(original)
		}
		return dsn[0] == '2'
	}
	word, reason, found := bytes.Cut(status, []byte(" ("))
	switch string(word) {
	case "deferred":
		ev.Outcome = bounce.Deferred
	case "bounced":
		ev.Outcome = bounce.Bounced
	default:
		return false
	}
	relay, _, _ := bytes.Cut(fields, []byte{','})
	if !found || !plainRelay(relay, &ev.Reply) {
		return false
	}
	ev.QueueID, ev.Recipient, ev.DSN = string(id), clean(to), string(dsn)
	if original != nil {
		ev.OriginalRecipient = clean(original)
	}
	return plainReason(clean(reason), &ev.Reply)
}

// plainReason reads "host mx.b.example[192.0.2.1] said: REPLY (in reply to RCPT
// TO command))".
func plainReason(reason string, r *bounce.Reply) bool {
	text, command := cutInReplyTo(strings.TrimSuffix(strings.TrimPrefix(reason, suspended), ")"))
	after, found := strings.CutPrefix(text, "host ")
	host, ip, port, rest, ok := cutHost(after)
	reply, said := strings.CutPrefix(rest, " said: ")
	if !found || !ok || !said {
		return false
	}
	r.Stage = postfixStage(command)
	setRelay(r, host, ip)
	setPort(r, port)
	setReply(r, reply, lastLine(reply))
	return true
}

// plainDSN reports whether b is a status such as 5.1.1.
func plainDSN(b []byte) bool {
	if len(b) != len("5.1.1") || b[1] != '.' || b[3] != '.' {
		return false
	}
	for _, at := range [...]int{0, 2, 4} {
		if b[at] < '0' || '9' < b[at] {
			return false
		}
	}
	return true
}

// plainRelay reads "mx.b.example[192.0.2.1]:25", or "none".
func plainRelay(b []byte, r *bounce.Reply) bool {
	if string(b) == "none" {
		return true
	}
	host, ip, port, rest, ok := cutHost(inBlock(b))
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
	if end = strings.IndexByte(rest, ']'); end < 0 || !plainIP(rest[:end]) {
		return
	}
	ip, rest = rest[:end], rest[end+1:]
	if len(rest) > 1 && rest[0] == ':' && '0' <= rest[1] && rest[1] <= '9' {
		end = 1
		for end < len(rest) && '0' <= rest[end] && rest[end] <= '9' {
			end++
		}
		port, rest = rest[1:end], rest[end:]
	}
	return host, ip, port, rest, true
}

func plainIP(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || '9' < c) && (c|0x20 < 'a' || 'f' < c|0x20) && c != '.' && c != ':' {
			return false
		}
	}
	return s != ""
}

// plainAddress reads an address without quotes up to its closing bracket.
func plainAddress(b []byte) (address, rest []byte, ok bool) {
	end := bytes.IndexByte(b, '>')
	if end < 0 || bytes.IndexByte(b[:end], '"') >= 0 {
		return nil, nil, false
	}
	return b[:end], b[end+1:], true
}

// word reports whether b is not empty and holds no space of any kind.
func word(b []byte) bool {
	for _, c := range b {
		if c <= ' ' {
			return false
		}
	}
	return len(b) > 0
}

func alphanumeric(b []byte) bool {
	for _, c := range b {
		if c|0x20 < 'a' || 'z' < c|0x20 {
			if c < '0' || '9' < c {
				return false
			}
		}
	}
	return len(b) > 0
}

// plainExim reads an arrival, an end, or a delivery that succeeded in its usual
// form; id is how long the message's id is. It returns false where the
// expressions have to look at it.
func plainExim(body []byte, id int, ev *bounce.Event) bool {
	rest := body[id+1:]
	switch {
	case string(rest) == "Completed":
		ev.Kind = bounce.EventRemoved
	case bytes.HasPrefix(rest, []byte("=> ")), bytes.HasPrefix(rest, []byte("-> ")):
		if !plainEximSent(rest[3:], ev) {
			return false
		}
	case bytes.HasPrefix(rest, []byte("<= ")):
		if !plainArrival(rest[3:], ev) {
			return false
		}
	case bytes.HasPrefix(rest, []byte("** ")), bytes.HasPrefix(rest, []byte("== ")):
		ev.Outcome = bounce.Bounced
		if rest[0] == '=' {
			ev.Outcome = bounce.Deferred
		}
		ev.QueueID = string(body[:id])
		return plainEximFailed(rest[3:], ev)
	default:
		return false
	}
	ev.QueueID = inBlock(body[:id])
	return true
}

func plainEximSent(rest []byte, ev *bounce.Event) bool {
	to, original, after, ok := plainEximRecipient(rest)
	// What follows is a field, F=<…>, P=<…>, R=… or T=…: no comment.
	if !ok || len(after) < 2 || after[1] != '=' {
		return false
	}
	ev.Kind, ev.Outcome, ev.Recipient = bounce.EventAttempt, bounce.Sent, inBlock(to)
	ev.OriginalRecipient = inBlock(original)
	return true
}

// plainEximRecipient reads an address, and the original one behind it.
func plainEximRecipient(rest []byte) (to, original, after []byte, ok bool) {
	to, after, found := bytes.Cut(rest, []byte{' '})
	if !found || !word(to) || bytes.IndexByte(to, '@') < 1 || bytes.ContainsAny(to[:1], `"|/:<`) || len(after) < 2 {
		return nil, nil, nil, false
	}
	if after[0] == '<' {
		var more []byte
		original, more, ok = plainAddress(after[1:])
		if !ok || len(original) > 0 && !word(original) || len(more) < 3 || more[0] != ' ' {
			return nil, nil, nil, false
		}
		after = more[1:]
	}
	return to, original, after, true
}

// plainEximFailed reads a failure that another server worded:
//
//	a@b.example R=dnslookup T=remote_smtp H=mx.b.example [192.0.2.1]: SMTP error from …
//	a@b.example R=dnslookup T=remote_smtp defer (-44) H=mx.b.example [192.0.2.1]: SMTP error from …
func plainEximFailed(rest []byte, ev *bounce.Event) bool {
	to, original, after, ok := plainEximRecipient(rest)
	if !ok || bytes.Contains(rest, []byte(` <"`)) {
		return false
	}
	var host []byte
	deferred := false
	for {
		var field []byte
		if field, after, ok = bytes.Cut(after, []byte{' '}); !ok || len(field) < 3 {
			return false
		}
		if string(field) == "defer" && ev.Outcome == bounce.Deferred && !deferred {
			deferred = true
			if field, after, ok = bytes.Cut(after, []byte{' '}); !ok || !plainErrno(field) {
				return false
			}
			continue
		}
		if field[1] != '=' || !word(field) {
			return false
		}
		switch field[0] {
		case 'R', 'T':
		case 'H':
			host = field[2:]
		default:
			return false
		}
		if host != nil {
			break
		}
	}
	if deferred != (ev.Outcome == bounce.Deferred) || bytes.ContainsAny(host, "[(:") {
		return false
	}
	ip, message, found := bytes.Cut(after, []byte("]: "))
	if !found || len(ip) < 2 || ip[0] != '[' || !plainIP(inBlock(ip[1:])) {
		return false
	}
	text := clean(message)
	if strings.Contains(text, " DT=") || strings.Contains(text, " QT=") {
		return false
	}
	reply, found := strings.CutPrefix(text, "SMTP error from remote mail server after ")
	if !found {
		return false
	}
	reply = strings.TrimPrefix(reply, "pipelined ")
	command, reply, found := strings.Cut(reply, ": ")
	if !found || strings.HasPrefix(reply, "host ") || !plainEximCommand(command) {
		return false
	}
	ev.Kind, ev.Recipient, ev.OriginalRecipient = bounce.EventAttempt, clean(to), clean(original)
	r := &ev.Reply
	setRelay(r, clean(host), string(ip[1:]))
	r.Stage = eximStage(command)
	first, _, _ := strings.Cut(reply, `\n`)
	setReply(r, joinLines(reply), unescape(first))
	return true
}

// plainErrno reports whether b is a number in parentheses, such as (-44).
func plainErrno(b []byte) bool {
	inner, found := bytes.CutPrefix(b, []byte{'('})
	if !found || len(inner) < 2 || inner[len(inner)-1] != ')' {
		return false
	}
	_, ok := digits(bytes.TrimPrefix(inner[:len(inner)-1], []byte{'-'}))
	return ok && inner[len(inner)-2] != '-'
}

// plainEximCommand reports whether a command is one of those that answers
// follow, with an address that holds nothing unusual.
func plainEximCommand(command string) bool {
	switch command {
	case "initial connection", "end of data", "DATA":
		return true
	}
	for _, verb := range [...]string{"RCPT TO:<", "MAIL FROM:<"} {
		if address, found := strings.CutPrefix(command, verb); found {
			end := strings.IndexByte(address, '>')
			return end >= 0 && !strings.ContainsAny(address[:end], `":`) && strings.IndexByte(address[end:], ':') < 0
		}
	}
	return false
}

func plainArrival(rest []byte, ev *bounce.Event) bool {
	from, after, found := bytes.Cut(rest, []byte{' '})
	if !found || !word(from) || from[0] == '"' {
		return false
	}
	if _, tail, found := bytes.Cut(after, []byte(" S=")); found {
		digits := 0
		for digits < len(tail) && '0' <= tail[digits] && tail[digits] <= '9' {
			digits++
		}
		if digits == 0 || digits == len(tail) || tail[digits] != ' ' {
			return false
		}
		if _, id, found := bytes.Cut(tail, []byte(" id=")); found {
			id, _, _ = bytes.Cut(id, []byte{' '})
			if !word(id) {
				return false
			}
			ev.MessageID = inBlock(id)
		}
	} else if bytes.Contains(after, []byte(" id=")) {
		return false
	}
	ev.Kind, ev.HasSender = bounce.EventMessage, true
	if string(from) != "<>" {
		ev.Sender = inBlock(from)
	}
	return true
}
