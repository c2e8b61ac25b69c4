package logparse

import (
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
)

// cutEximField reads the first of the fields, each with a space before it. A flag
// such as PRDR is a name without a value. It returns false at the end of the
// fields.
func cutEximField(s string) (name, value, rest string, ok bool) {
	if len(s) < 2 || s[0] != ' ' || s[1] < 'A' || 'Z' < s[1] {
		return "", "", s, false
	}
	end := 2
	for end < len(s) && s[end] != '=' && s[end] != ' ' {
		end++
	}
	if name, s = s[1:end], s[end:]; s == "" || s[0] == ' ' {
		return name, "", s, true
	}
	s = s[1:]
	end = eximValueLength(name, s)
	return name, s[:end], s[end:], true
}

// eximValueLength returns how long the value of a field is that a text begins with:
//
//	F=<news@a.example>   DN="CN=mx"   H=mx.b.example [192.0.2.1]:25   R=dnslookup
func eximValueLength(name, s string) int {
	switch {
	case strings.HasPrefix(s, "<"):
		if end := unquotedIndex(s, '>'); end >= 0 {
			return end + 1
		}
		return len(s)
	case strings.HasPrefix(s, `"`):
		if end := strings.Index(s[1:], `" `); end >= 0 {
			return 1 + end + 1
		}
		return len(s)
	}
	from := 0
	if name == "H" {
		from = eximHostEnd(s)
	}
	if end := strings.IndexByte(s[from:], ' '); end >= 0 {
		return from + end
	}
	return len(s)
}

// eximHostEnd returns where the IP address behind the name of a host ends, or 0. The name
// may be an address literal.
//
//	H=mx.b.example [192.0.2.1]:25   H=[192.0.2.1] [192.0.2.1]
func eximHostEnd(s string) int {
	behind := 0
	if literal, _, _ := strings.Cut(s, " "); strings.HasPrefix(s, "[") && strings.HasPrefix(s[len(literal):], " [") {
		behind = len(literal) + len(" ")
	}
	at, closing := strings.IndexByte(s[behind:], '['), strings.IndexByte(s[behind:], ']')
	if behind+at > 0 && at < closing && s[0] != ' ' {
		return behind + closing
	}
	return 0
}

// takeEximFields takes sender, router, transport and host out of the fields of a failure.
func takeEximFields(fields string, ev *bounce.Event) {
	for {
		name, value, rest, ok := cutEximField(fields)
		if !ok {
			return
		}
		switch fields = rest; name {
		case "F": // log_selector +sender_on_delivery
			from := strings.TrimSuffix(strings.TrimPrefix(value, "<"), ">")
			ev.Sender, ev.HasSender = unescapeAddress(from), value != ""
		case "R":
			ev.Router = clean(value)
		case "T":
			ev.Transport = clean(value)
		case "H":
			if host, ok := match(eximHost, value); ok {
				setRelay(&ev.Reply, host.text("host"), host.raw("ip"))
				setPort(&ev.Reply, host.raw("port"))
			}
		}
	}
}
