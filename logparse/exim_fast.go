package logparse

import (
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
)

// fastExim reads an arrival, an end, a delivery or a refusal in its usual form (see
// postfix_fast.go); id is the length of the message's id. It returns false if the
// expressions have to read the line.
func fastExim(line string, id int, ev *bounce.Event) bool {
	rest := line[id+1:]
	if ev.QueueID = line[:id]; !fastEximID(ev.QueueID) {
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
		return fastEximSent(rest[3:], ev)
	case "<=":
		return fastArrival(rest[3:], ev)
	case "**":
		ev.Outcome = bounce.Bounced
	case "==":
		ev.Outcome = bounce.Deferred
	default:
		return false
	}
	return fastEximFailed(line[id+4:], ev)
}

// fastEximID reports whether s is a message's id of 6-6-2 or 6-11-4 characters.
func fastEximID(s string) bool {
	last := len("1xVTbv-00000r")
	if len(s) > len("1xVTbv-00000r-1v") {
		last = len("1xVTbv-00000000014")
	}
	return s[6] == '-' && s[last] == '-' && allAlphanumeric(s[:6]) && allAlphanumeric(s[7:last]) && allAlphanumeric(s[last+1:])
}

func fastEximSent(rest string, ev *bounce.Event) bool {
	to, original, after, ok := fastEximRecipient(rest)
	// What follows is a field, F=<…>, P=<…>, R=… or T=…: no comment.
	if !ok || len(after) < 2 || after[0] < 'A' || 'Z' < after[0] || after[1] != '=' {
		return false
	}
	ev.Kind, ev.Outcome, ev.Recipient = bounce.EventAttempt, bounce.Sent, cleanAddress(to)
	ev.OriginalRecipient = cleanAddress(original)
	takeEximSent(ev, rest[len(rest)-len(after)-1:])
	return true
}

// fastEximRecipient reads an address, and the original one behind it. It returns
// false if an address with quotes may follow anywhere, because the line is about
// that one then.
func fastEximRecipient(rest string) (to, original, after string, ok bool) {
	to, after, found := strings.Cut(rest, " ")
	if !found || !fastEximAddress(to) || len(after) < 2 {
		return "", "", "", false
	}
	if after[0] == '<' {
		original, after, ok = fastAddress(after, "<")
		if !ok || !fastEximAddress(original) || len(after) < 3 || after[0] != ' ' {
			return "", "", "", false
		}
		after = after[1:]
	}
	return to, original, after, !mayHoldQuoted(after)
}

// fastEximAddress reports whether s is an address without quotes and backslashes.
func fastEximAddress(s string) bool {
	if strings.IndexByte(s, '@') < 1 || s[0] == '|' || s[0] == '/' || s[0] == ':' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '(' {
			return false
		}
	}
	return true
}

// fastEximFailed reads a failure that another server worded:
//
//	a@b.example R=dnslookup T=remote_smtp H=mx.b.example [192.0.2.1]: SMTP error from …
//	a@b.example R=dnslookup T=remote_smtp defer (-44) H=mx.b.example [192.0.2.1]: SMTP error from …
func fastEximFailed(rest string, ev *bounce.Event) bool {
	to, original, after, ok := fastEximRecipient(rest)
	if !ok {
		return false
	}
	var router, transport, host string
	deferred := false
	for host == "" {
		var field string
		if field, after, ok = strings.Cut(after, " "); !ok || len(field) < 3 {
			return false
		}
		if field == "defer" && ev.Outcome == bounce.Deferred && !deferred {
			deferred = true
			if field, after, ok = strings.Cut(after, " "); !ok || !fastErrno(field) {
				return false
			}
			continue
		}
		if field[1] != '=' || !isOneWord(field) || field[2] == '<' || field[2] == '"' {
			return false
		}
		switch field[0] {
		case 'R':
			router = field[2:]
		case 'T':
			transport = field[2:]
		case 'H':
			host = field[2:]
		default:
			return false
		}
	}
	if deferred != (ev.Outcome == bounce.Deferred) || hasByte(host, '[', '(', ':') {
		return false
	}
	ip, message, found := strings.Cut(after, "]: ")
	if !found || len(ip) < 2 || ip[0] != '[' || !fastIP(ip[1:]) {
		return false
	}
	ev.Kind, ev.Recipient, ev.OriginalRecipient = bounce.EventAttempt, cleanAddress(to), cleanAddress(original)
	ev.Router, ev.Transport = clean(router), clean(transport)
	setRelay(&ev.Reply, clean(host), ip[1:])
	return fastEximReply(clean(message), &ev.Reply)
}

// fastEximReply reads "SMTP error from remote mail server after RCPT TO:<…>: 550 …".
func fastEximReply(text string, r *bounce.Reply) bool {
	if strings.Contains(text, " DT=") || strings.Contains(text, " QT=") {
		return false
	}
	reply, found := strings.CutPrefix(text, "SMTP error from remote mail server after ")
	if !found {
		return false
	}
	reply = strings.TrimPrefix(reply, "pipelined ")
	command, reply, found := strings.Cut(reply, ": ")
	if !found || strings.HasPrefix(reply, "host ") || !fastEximCommand(command) {
		return false
	}
	r.Stage = stageOf(command)
	first, _, _ := strings.Cut(reply, `\n`)
	setReply(r, joinLines(reply), unescape(first))
	return true
}

// fastErrno reports whether s is a number in parentheses, such as (-44).
func fastErrno(s string) bool {
	if len(s) < 3 || s[0] != '(' || s[len(s)-1] != ')' {
		return false
	}
	number := strings.TrimPrefix(s[1:len(s)-1], "-")
	_, ok := digits(number)
	return ok && number != ""
}

// fastEximCommand reports whether a command is one of those that answers
// follow, with an address that holds nothing unusual.
func fastEximCommand(command string) bool {
	switch command {
	case "initial connection", "end of data", "DATA":
		return true
	}
	for _, verb := range [...]string{"RCPT TO:<", "MAIL FROM:<"} {
		if address, found := strings.CutPrefix(command, verb); found {
			end := strings.IndexByte(address, '>')
			return end >= 0 && !hasByte(address[:end], '"', ':', '\\') && strings.IndexByte(address[end:], ':') < 0
		}
	}
	return false
}

func fastArrival(rest string, ev *bounce.Event) bool {
	from, after, found := strings.Cut(rest, " ")
	if !found || !isOneWord(from) || hasByte(from, '"', '\\') {
		return false
	}
	if _, tail, found := strings.Cut(after, " S="); found {
		digits := 0
		for digits < len(tail) && isDigit(tail[digits]) {
			digits++
		}
		if digits == 0 || digits == len(tail) || tail[digits] != ' ' {
			return false
		}
		_, id, found := strings.Cut(tail, " id=")
		if !found && strings.Contains(tail, " id*=") || strings.Contains(tail[:len(tail)-len(id)], eximSubject) {
			return false
		}
		if found {
			id, _, _ = strings.Cut(id, " ")
			if !isOneWord(id) {
				return false
			}
			ev.MessageID = clean(id)
		}
	} else if strings.Contains(after, " id=") {
		return false
	}
	ev.Kind, ev.HasSender = bounce.EventMessage, true
	if from != "<>" {
		ev.Sender = cleanAddress(from)
	}
	return true
}
