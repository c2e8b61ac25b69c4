package logparse

import (
	"bytes"

	"github.com/bouncetail/bouncetail/bounce"
)

// Four of ten lines tell a sender, a message-id, an end, or a delivery that
// succeeded, and next to none of them holds anything unusual. Those are read
// here without the expressions, which stay the grammar: what is unusual is left
// to them, and a test holds both against each other.

// plainPostfix reads a line in its usual form. It returns false where the
// expressions have to look at it.
func plainPostfix(body []byte, colon int, ev *bounce.Event) bool {
	id, rest := body[:colon], body[colon+2:]
	if colon > 24 || !alphanumeric(id) {
		return false
	}
	switch {
	case bytes.HasPrefix(rest, []byte("to=<")):
		return plainSent(id, rest[len("to=<"):], ev)
	case bytes.HasPrefix(rest, []byte("from=<")):
		from, after, ok := plainAddress(rest[len("from=<"):])
		if !ok || !bytes.HasPrefix(after, []byte(", size=")) {
			return false
		}
		ev.Kind, ev.Sender, ev.HasSender = bounce.EventMessage, clean(from), true
	case bytes.HasPrefix(rest, []byte("message-id=<")) && rest[len(rest)-1] == '>':
		ev.Kind, ev.MessageID = bounce.EventMessage, clean(rest[len("message-id=<"):len(rest)-1])
	case string(rest) == "removed":
		ev.Kind = bounce.EventRemoved
	default:
		return false
	}
	ev.QueueID = string(id)
	return true
}

// plainSent reads what follows "to=<" in the line of a delivery that
// succeeded.
func plainSent(id, rest []byte, ev *bounce.Event) bool {
	to, rest, ok := plainAddress(rest)
	if !ok {
		return false
	}
	var original []byte
	if after, found := bytes.CutPrefix(rest, []byte(", orig_to=<")); found {
		if original, rest, ok = plainAddress(after); !ok {
			return false
		}
	}
	// The first status= is Postfix's own: no field before it holds a comma.
	if !bytes.HasPrefix(rest, []byte(", relay=")) {
		return false
	}
	at := bytes.Index(rest, []byte(", status="))
	if at < 0 || !bytes.HasPrefix(rest[at+len(", status="):], []byte("sent (")) || !bytes.Contains(rest[:at], []byte(", dsn=2.")) {
		return false
	}
	ev.Kind, ev.Outcome, ev.QueueID = bounce.EventAttempt, bounce.Sent, string(id)
	ev.Recipient = clean(to)
	if original != nil {
		ev.OriginalRecipient = clean(original)
	}
	return true
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
	default:
		return false
	}
	ev.QueueID = string(body[:id])
	return true
}

func plainEximSent(rest []byte, ev *bounce.Event) bool {
	to, after, found := bytes.Cut(rest, []byte{' '})
	if !found || !word(to) || bytes.IndexByte(to, '@') < 1 || bytes.ContainsAny(to[:1], `"|/:<`) || len(after) < 2 {
		return false
	}
	if after[0] == '<' {
		original, more, ok := plainAddress(after[1:])
		if !ok || len(original) > 0 && !word(original) || len(more) < 3 {
			return false
		}
		ev.OriginalRecipient = clean(original)
		after = more[1:]
	}
	// What follows is a field, F=<…>, P=<…>, R=… or T=…: no comment.
	if after[1] != '=' {
		return false
	}
	ev.Kind, ev.Outcome, ev.Recipient = bounce.EventAttempt, bounce.Sent, clean(to)
	return true
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
			ev.MessageID = clean(id)
		}
	} else if bytes.Contains(after, []byte(" id=")) {
		return false
	}
	ev.Kind, ev.HasSender = bounce.EventMessage, true
	if string(from) != "<>" {
		ev.Sender = clean(from)
	}
	return true
}
