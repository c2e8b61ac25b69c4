package logparse

import (
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
)

// Four of ten lines tell a sender, a message-id, an end, a delivery that
// succeeded or one that another server refused, and next to none of them holds
// anything unusual. Those are read here without the expressions, which stay the
// grammar: what is unusual is left to them, and a test holds both against each
// other.

// plainPostfix reads a line in its usual form. It returns false where the
// expressions have to look at it.
func plainPostfix(line string, ev *bounce.Event) bool {
	colon := alphanumerics(line)
	if colon < 5 || colon > 24 || len(line) < colon+len(": removed") || line[colon:colon+2] != ": " {
		return false
	}
	id, rest := line[:colon], line[colon+2:]
	switch rest[0] {
	case 't':
		*ev = bounce.Event{}
		if !plainDelivery(rest, ev) {
			return false
		}
	case 'f':
		from, after, ok := plainAddress(rest, "from=<")
		if !ok || !strings.HasPrefix(after, ", size=") {
			return false
		}
		*ev = bounce.Event{}
		ev.Kind, ev.Sender, ev.HasSender = bounce.EventMessage, clean(from), true
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

// plainDelivery reads a delivery, which is nearly always one that succeeded or
// one that another server refused. No field before dsn= holds a comma.
func plainDelivery(rest string, ev *bounce.Event) bool {
	to, rest, ok := plainAddress(rest, "to=<")
	if !ok {
		return false
	}
	var original string
	if strings.HasPrefix(rest, ", orig_to=<") {
		if original, rest, ok = plainAddress(rest, ", orig_to=<"); !ok {
			return false
		}
	}
	if !strings.HasPrefix(rest, ", relay=") {
		return false
	}
	relay, rest, found := strings.Cut(rest[len(", relay="):], ",")
	for strings.HasPrefix(rest, " delay") || strings.HasPrefix(rest, " conn_use=") {
		_, rest, found = strings.Cut(rest, ",")
	}
	const before, behind = " dsn=", ", status="
	const end = len(before + "5.1.1" + behind)
	if !found || len(rest) < end || rest[:len(before)] != before || rest[end-len(behind):end] != behind {
		return false
	}
	dsn, status := rest[len(before):end-len(behind)], rest[end:]
	if !plainDSN(dsn) {
		return false
	}
	ev.Kind, ev.Recipient, ev.OriginalRecipient = bounce.EventAttempt, clean(to), clean(original)
	if strings.HasPrefix(status, "sent (") {
		ev.Outcome, ev.Onward = bounce.Sent, onward(relay, status)
		return dsn[0] == '2'
	}
	word, reason, found := strings.Cut(status, " (")
	switch word {
	case "deferred":
		ev.Outcome = bounce.Deferred
	case "bounced":
		ev.Outcome = bounce.Bounced
	default:
		return false
	}
	if !found || !plainRelay(relay, &ev.Reply) {
		return false
	}
	ev.DSN = dsn
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

// plainDSN reports whether s is a status such as 5.1.1.
func plainDSN(s string) bool {
	return len(s) == len("5.1.1") && isDigit(s[0]) && s[1] == '.' && isDigit(s[2]) && s[3] == '.' && isDigit(s[4])
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// plainRelay reads "mx.b.example[192.0.2.1]:25", or "none".
func plainRelay(s string, r *bounce.Reply) bool {
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

// plainAddress reads an address without quotes, which stands behind what opens
// it, up to its closing bracket.
func plainAddress(s, opening string) (address, rest string, ok bool) {
	s, found := strings.CutPrefix(s, opening)
	end := strings.IndexByte(s, '>')
	if !found || end < 0 || strings.IndexByte(s[:end], '"') >= 0 {
		return "", "", false
	}
	return s[:end], s[end+1:], true
}

// word reports whether s is not empty and holds no space of any kind.
func word(s string) bool {
	if isPrintable(s) {
		return s != "" && strings.IndexByte(s, ' ') < 0
	}
	for i := range len(s) {
		if s[i] <= ' ' {
			return false
		}
	}
	return s != ""
}

// isAlphanumeric tells the bytes that queue IDs are made of.
var isAlphanumeric = func() (is [256]bool) {
	for c := range 256 {
		is[c] = '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
	}
	return
}()

func alphanumeric(s string) bool { return s != "" && alphanumerics(s) == len(s) }

// alphanumerics returns how many such bytes a text begins with.
func alphanumerics(s string) int {
	n := 0
	for n < len(s) && isAlphanumeric[s[n]] {
		n++
	}
	return n
}

// plainExim reads an arrival, an end, or a delivery that succeeded or that
// another server refused in its usual form; id is how long the message's id is.
// It returns false where the expressions have to look at it.
func plainExim(line string, id int, ev *bounce.Event) bool {
	rest := line[id+1:]
	if ev.QueueID = line[:id]; !plainEximID(ev.QueueID) {
		return false
	}
	if rest == "Completed" {
		ev.Kind = bounce.EventRemoved
		return true
	}
	if len(rest) < 3 || rest[2] != ' ' {
		return false
	}
	switch rest[:2] {
	case "=>", "->":
		return plainEximSent(rest[3:], ev)
	case "<=":
		return plainArrival(rest[3:], ev)
	case "**":
		ev.Outcome = bounce.Bounced
	case "==":
		ev.Outcome = bounce.Deferred
	default:
		return false
	}
	return plainEximFailed(line[id+4:], ev)
}

// plainEximID reports whether s is a message's id of 6-6-2 or 6-11-4 characters.
func plainEximID(s string) bool {
	last := len("1xVTbv-00000r")
	if len(s) > len("1xVTbv-00000r-1v") {
		last = len("1xVTbv-00000000014")
	}
	return s[6] == '-' && s[last] == '-' && alphanumeric(s[:6]) && alphanumeric(s[7:last]) && alphanumeric(s[last+1:])
}

func plainEximSent(rest string, ev *bounce.Event) bool {
	to, original, after, ok := plainEximRecipient(rest)
	// What follows is a field, F=<…>, P=<…>, R=… or T=…: no comment.
	if !ok || len(after) < 2 || after[1] != '=' {
		return false
	}
	ev.Kind, ev.Outcome, ev.Recipient = bounce.EventAttempt, bounce.Sent, clean(to)
	ev.OriginalRecipient, ev.Onward = clean(original), eximOnward(after)
	return true
}

// plainEximRecipient reads an address, and the original one behind it.
func plainEximRecipient(rest string) (to, original, after string, ok bool) {
	to, after, found := strings.Cut(rest, " ")
	if !found || !word(to) || strings.IndexByte(to, '@') < 1 || strings.IndexByte(`"|/:<>`, to[0]) >= 0 || len(after) < 2 {
		return "", "", "", false
	}
	if after[0] == '<' {
		original, after, ok = plainAddress(after, "<")
		if !ok || original != "" && !word(original) || len(after) < 3 || after[0] != ' ' {
			return "", "", "", false
		}
		after = after[1:]
	}
	return to, original, after, true
}

// plainEximFailed reads a failure that another server worded:
//
//	a@b.example R=dnslookup T=remote_smtp H=mx.b.example [192.0.2.1]: SMTP error from …
//	a@b.example R=dnslookup T=remote_smtp defer (-44) H=mx.b.example [192.0.2.1]: SMTP error from …
func plainEximFailed(rest string, ev *bounce.Event) bool {
	to, original, after, ok := plainEximRecipient(rest)
	if !ok || strings.Contains(rest, ` <"`) {
		return false
	}
	host := ""
	deferred := false
	for host == "" {
		var field string
		if field, after, ok = strings.Cut(after, " "); !ok || len(field) < 3 {
			return false
		}
		if field == "defer" && ev.Outcome == bounce.Deferred && !deferred {
			deferred = true
			if field, after, ok = strings.Cut(after, " "); !ok || !plainErrno(field) {
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
	}
	if deferred != (ev.Outcome == bounce.Deferred) || strings.ContainsAny(host, "[(:") {
		return false
	}
	ip, message, found := strings.Cut(after, "]: ")
	if !found || len(ip) < 2 || ip[0] != '[' || !plainIP(ip[1:]) {
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
	setRelay(r, clean(host), ip[1:])
	r.Stage = eximStage(command)
	first, _, _ := strings.Cut(reply, `\n`)
	setReply(r, joinLines(reply), unescape(first))
	return true
}

// plainErrno reports whether s is a number in parentheses, such as (-44).
func plainErrno(s string) bool {
	if len(s) < 3 || s[0] != '(' || s[len(s)-1] != ')' {
		return false
	}
	number := strings.TrimPrefix(s[1:len(s)-1], "-")
	_, ok := digits(number)
	return ok && number != ""
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

// cutField returns what stands behind the first of a field such as " S=". There
// are fewer equals signs in a line than spaces.
func cutField(s, field string) (value string, found bool) {
	for end := 0; ; {
		next := strings.IndexByte(s[end:], '=')
		if next < 0 {
			return "", false
		}
		if end += next + 1; strings.HasSuffix(s[:end], field) {
			return s[end:], true
		}
	}
}

func plainArrival(rest string, ev *bounce.Event) bool {
	from, after, found := strings.Cut(rest, " ")
	if !found || !word(from) || from[0] == '"' {
		return false
	}
	if tail, found := cutField(after, " S="); found {
		digits := 0
		for digits < len(tail) && isDigit(tail[digits]) {
			digits++
		}
		if digits == 0 || digits == len(tail) || tail[digits] != ' ' {
			return false
		}
		id, found := cutField(tail, " id=")
		if !found && strings.Contains(tail, " id*=") || strings.Contains(tail[:len(tail)-len(id)], eximSubject) {
			return false
		}
		if found {
			id, _, _ = strings.Cut(id, " ")
			if !word(id) {
				return false
			}
			ev.MessageID = clean(id)
		}
	} else if _, found := cutField(after, " id="); found {
		return false
	}
	ev.Kind, ev.HasSender = bounce.EventMessage, true
	if from != "<>" {
		ev.Sender = clean(from)
	}
	return true
}
