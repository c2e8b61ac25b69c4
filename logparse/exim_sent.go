package logparse

import (
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/lazyre"
)

// takeEximSent reports what may be a handover to a content filter: a delivery to a
// server of this machine or its own network, as the field H= says, or by a
// transport that is not known as final. The server's answer may name the id under
// which an Exim took the message; what follows in C= is the other side's. It also
// reports what delivers nothing (nodelivery.go).
//
//	a@b.example R=amavis T=amavis H=127.0.0.1 [127.0.0.1] C="250 2.0.0 from
//	  MTA(smtp:[127.0.0.1]:10025): 250 OK id=1xVTbv-00000r-1v"
//	a@b.example R=spamcheck_router T=spamcheck
func takeEximSent(ev *bounce.Event, fields string) {
	if host, far := eximFar(fields); far {
		ev.Reply.RelayHost = sentRelay(host)
		ev.Onward = eximNextID(fields)
		return
	}
	transport, host, near := "", false, false
	for {
		name, value, rest, ok := cutEximField(fields)
		if !ok {
			break
		}
		switch fields = rest; name {
		case "T":
			transport = value
		case "H":
			host, near = true, false
			if m, ok := match(eximHost, value); ok {
				near = isNear(m.raw("ip"))
				ev.Reply.RelayHost = sentRelay(m.raw("host"))
			}
		case "C":
			if _, id, found := strings.Cut(value, " OK id="); found && near {
				ev.Onward = eximID(id)
			}
			ev.Discarded = near && isDropped(strings.Trim(value, `"`))
		}
	}
	ev.Discarded = ev.Discarded || !host && autoreplyName.MatchString(transport)
	ev.Server = near
	ev.Handover = near || !host && transport != "" && !eximFinal.MatchString(transport)
}

// eximNextID returns the id under which another Exim took a message, whose answer
// consists of it: C="250 OK id=1xVTbv-00000r-1v". Most answers have none, so it is looked
// for at its place from the end only.
func eximNextID(fields string) string {
	const before = ` C="250 OK id=`
	end := strings.LastIndexByte(fields, '"')
	for _, n := range [...]int{len("1xVTbv-00000r-1v"), len("1xVTbv-00000000014-1v00")} {
		if at := end - n; at >= len(before) && fields[at-len(before):at] == before {
			return fields[at:end]
		}
	}
	return ""
}

// eximID returns the id that a text begins with.
func eximID(text string) string {
	end := 0
	for end < len(text) && (isAlphanumeric[text[end]] || text[end] == '-') {
		end++
	}
	return text[:end]
}

// eximFinal matches the usual names of transports that deliver into a mailbox, a
// file or an autoreply.
var eximFinal = lazyre.New(`(?i)local|dir|mail_?(?:spool|box|drop)|dovecot|lmtp|cyrus|file|reply|vacation|autoreply|bypass|virtual`)

// eximFar returns the name of the server if the first fields are those of an ordinary
// delivery to a server elsewhere, which is what most deliveries are:
//
//	R=dnslookup T=remote_smtp H=mx.b.example [192.0.2.1] …
func eximFar(fields string) (host string, far bool) {
	for _, name := range [...]string{" R=", " T="} {
		if !strings.HasPrefix(fields, name) {
			return "", false
		}
		end := strings.IndexByte(fields[1:], ' ')
		if end < 0 {
			return "", false
		}
		fields = fields[1+end:]
	}
	fields, ok := strings.CutPrefix(fields, " H=")
	if !ok {
		return "", false
	}
	start := strings.IndexByte(fields, '[')
	end := strings.IndexByte(fields, ']')
	if start < 0 || end < start || postfixNear(fields[start+1:end]) {
		return "", false
	}
	host, _, _ = strings.Cut(fields[:start], " ")
	return host, true
}
