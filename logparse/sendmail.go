package logparse

import (
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/lazyre"
	"github.com/bouncetail/bouncetail/internal/oneof"
)

// Sendmail 8.15 and later. logdelivery() in sendmail/deliver.c writes an
// attempt for one or several recipients, logsender() in sendmail/envelope.c
// the sender:
//
//	6AND4fXN000084: from=<news@a.example>, size=242, class=0, nrcpts=1, msgid=<1@a.example>,
//	  proto=ESMTP, daemon=MTA, relay=localhost [127.0.0.1]
//	6AND4fXN000084: to=<a@b.example>, delay=00:00:01, xdelay=00:00:01, mailer=esmtp, pri=30242,
//	  relay=mx.b.example. [192.0.2.1], dsn=5.1.1, reply=550 5.1.1 No such user, stat=User unknown
//	6AND4fXC000084: to=<a@b.example>, ctladdr=<news@a.example> (1000/1000), delay=00:00:00,
//	  xdelay=00:00:00, mailer=esmtp, pri=30242, relay=mx.b.example. [192.0.2.1], dsn=4.2.1,
//	  stat=Deferred: 450-4.2.1 Too fast
//
// reply= and stat= hold the other side's words, which may be anything; dsn= is before
// both. ctladdr= is the alias that led to a program or a local user, or else the user
// who sent the message. Addresses are logged as the submitter wrote them
// (sendmail_address.go reads them off first).
var (
	sendmailID     = lazyre.New(`^(?:(?P<id>[0-9A-Za-z]{5,24}): |NOQUEUE: |: )?(?P<field>to|from)=`)
	sendmailFields = lazyre.New(`^` + sendmailOthers + `(?:, mailer=(?P<mailer>[^,]*))?` + sendmailOthers +
		`(?:, relay=(?P<relay>[^,]*))?` + sendmailOthers + `(?:, dsn=(?P<dsn>\d\.\d{1,3}\.\d{1,3}))?` + sendmailOthers +
		`(?:, reply=(?P<reply>.*?))?(?:, ntries=\d+)?, stat=(?P<stat>.*)$`)
	sendmailSender = lazyre.New(`^, size=\d+(?:, [a-z]+=[^,<]*)*?(?:, msgid=(?P<messageid>.*?))?` +
		`(?:, (?:bodytype|proto|daemon|relay|tls_verify|auth|mech)=.*|, [a-z]*)?$`)
	// giving up on a message for its age; the sender gets a new message
	sendmailGaveUp = lazyre.New(`^(?P<id>[0-9A-Za-z]{8,20}): [0-9A-Za-z]{8,20}: ` +
		`(?:DSN|return to sender|sender notify|postmaster notify): Cannot send message (?:for|within) `)
	sendmailDone = lazyre.New(`^(?P<id>[0-9A-Za-z]{8,20}): done; delay=`)
	// What the submission program of the same machine, or a content filter, says:
	// "to=a@b.example, …, mailer=relay, …, relay=[127.0.0.1] [127.0.0.1], dsn=2.0.0,
	// stat=Sent (6AND4fXC000084 Message accepted for delivery)"
	sendmailAccepted = lazyre.New(`^Sent \((?:.* )?(?P<id>[0-9A-Za-z]{8,20}) Message accepted for delivery\)$`)
	// "mx.b.example. [192.0.2.1]", "[192.0.2.1] [192.0.2.1]", "mx.b.example.",
	// "mx.b.example. [IPv6:2001:db8:0:0:0:0:0:1]"
	sendmailRelay = lazyre.New(`^(?P<host>\[?[^ \[\]]+\]?)(?: \[(?P<ip>(?:IPv6:)?[0-9A-Fa-f:.]+)\])?$`)
)

// sendmailOthers matches the fields that are not read, which are all but mailer=, relay=,
// dsn=, reply= and stat=: delay=, tls_verify=, pri= and those of other versions. The
// reason in quarantine= may have commas.
const sendmailOthers = `(?:, (?:[abce-lnopqt-z]|d[a-rt-z]|m[b-z]|r[a-df-z]|s[a-su-z])[a-z_]*=[^,]*(?:,[^,=]*)*)*`

func claimsSendmail(tag string) bool {
	switch tag {
	case "sendmail", "sm-mta": // most lines
		return true
	}
	return isServerName(tag, "sendmail") || strings.HasPrefix(tag, "sm-") && !isHelper(tag)
}

func parseSendmail(h *header, ev *bounce.Event) result {
	*ev = bounce.Event{Delivery: bounce.Delivery{MTA: bounce.Sendmail}}
	start := h.body[:min(len(h.body), 30)]
	switch {
	case strings.Contains(start, "to="), strings.Contains(start, "from="):
		m, ok := match(sendmailID, h.body[:min(len(h.body), 40)]) // matching all of the line takes ten times as long
		if !ok || strings.IndexByte(h.body, '\n') >= 0 {
			return resultOther
		}
		ev.QueueID = m.raw("id")
		rest := h.body[m.at[1]:]
		if m.raw("field") == "from" {
			return parseSendmailSender(rest, ev)
		}
		return parseSendmailAttempt(rest, h, ev)
	case strings.Contains(start, ": done; "):
		if m, ok := match(sendmailDone, h.body); ok {
			ev.Kind, ev.QueueID = bounce.EventRemoved, m.raw("id")
			return resultRead
		}
	case strings.Contains(h.body, ": Cannot send message "):
		if m, ok := match(sendmailGaveUp, h.body); ok {
			ev.Kind, ev.QueueID = bounce.EventGaveUp, m.raw("id")
			return resultRead
		}
	}
	return resultOther
}

func parseSendmailSender(line string, ev *bounce.Event) result {
	from, rest, ok := cutSendmailAddresses(line)
	if !ok {
		return resultOther
	}
	m, ok := match(sendmailSender, rest)
	if !ok || ev.QueueID == "" {
		return resultOther
	}
	ev.Kind, ev.HasSender = bounce.EventMessage, true
	ev.Sender = cleanAddress(from[0])
	if id := m.text("messageid"); strings.HasSuffix(id, ">") || strings.Contains(rest, ", relay=") { // else the line was broken within it
		ev.MessageID = strings.TrimSuffix(strings.TrimPrefix(id, "<"), ">")
	}
	return resultRead
}

func parseSendmailAttempt(line string, h *header, ev *bounce.Event) result {
	a, ok := readSendmailAttempt(line)
	switch {
	case !ok && !strings.Contains(line, ", stat="), oneof.HasPrefix(a.stat, "queued", "quarantine"):
		return resultOther
	case !ok, isGlued(a.stat):
		return resultUnparsed
	}
	ev.Kind, ev.Outcome = bounce.EventAttempt, sendmailOutcome(a.dsn, a.reply, a.stat)
	ev.DSN, ev.Transport = a.dsn, clean(a.mailer)
	for i := range a.recipients {
		if a.recipients[i] = cleanAddress(a.recipients[i]); !isRecipient(a.recipients[i]) {
			return resultUnparsed
		}
	}
	ev.Recipient, h.others = a.recipients[0], a.recipients[1:]
	switch ev.Transport {
	case "prog", "*file*", "*include*": // a program or a file stands where an address does
		if a.alias != "" {
			ev.Recipient = a.alias
		} else if ev.Discarded = ev.Outcome == bounce.Sent; !ev.Discarded {
			return resultUnparsed
		}
	case "local":
		ev.OriginalRecipient = a.alias
	}
	if ev.Outcome == bounce.Sent {
		takeSendmailSent(ev, &a)
	} else {
		takeSendmailFailure(ev, &a)
	}
	return resultRead
}

// sendmailAttempt is what a line says about an attempt.
type sendmailAttempt struct {
	recipients []string
	alias      string // ctladdr=
	attemptFields
}

// attemptFields are the fields of an attempt that are read.
type attemptFields struct {
	mailer, relay, dsn, reply, stat string
	replied                         bool // there is a reply
}

// readSendmailAttempt reads what follows "to=".
func readSendmailAttempt(line string) (a sendmailAttempt, ok bool) {
	recipients, rest, ok := cutSendmailAddresses(line)
	if !ok {
		return a, false
	}
	a.recipients = recipients
	if after, found := strings.CutPrefix(rest, ", ctladdr="); found {
		var control []string
		if control, rest, ok = cutSendmailAddresses(after); !ok {
			return a, false
		}
		a.alias = cleanAddress(control[0])
	}
	if a.attemptFields, ok = fastSendmailFields(rest); !ok {
		a.attemptFields, ok = readSendmailFields(rest)
	}
	return a, ok
}

// takeSendmailSent distinguishes a delivery from what is none, or may be none.
func takeSendmailSent(ev *bounce.Event, a *sendmailAttempt) {
	ev.Discarded = ev.Discarded || ev.Transport == "discard" || a.recipients[0] == "/dev/null" ||
		ev.Transport == "prog" && autoreplyName.MatchString(a.recipients[0])
	ev.Transport = ""
	if relay, ok := match(sendmailRelay, a.relay); ok {
		ev.Reply.RelayHost = sentRelay(relay.raw("host"))
		ev.Server = isNear(strings.TrimPrefix(relay.raw("ip"), "IPv6:"))
	}
	ev.Handover = ev.Server
	ev.Discarded = ev.Discarded || ev.Server && isDropped(strings.TrimPrefix(a.stat, "Sent ("))
	if strings.HasSuffix(a.stat, " Message accepted for delivery)") {
		if accepted, ok := match(sendmailAccepted, a.stat); ok {
			ev.Onward = accepted.raw("id")
		}
	}
}

// takeSendmailFailure takes the relay and the reply of a failure.
func takeSendmailFailure(ev *bounce.Event, a *sendmailAttempt) {
	if relay, ok := match(sendmailRelay, a.relay); ok {
		setRelay(&ev.Reply, relay.text("host"), relay.raw("ip"))
	}
	text := joinLines(strings.TrimPrefix(a.stat, "Deferred: "))
	if a.replied {
		text = joinLines(a.reply)
	} else if _, reply, found := strings.Cut(text, "(Reason from remote:"); found { // FortiMail
		text = strings.TrimSuffix(reply, ")")
	}
	setReply(&ev.Reply, text, text)
}

func readSendmailFields(rest string) (attemptFields, bool) {
	m, ok := match(sendmailFields, rest)
	if !ok {
		return attemptFields{}, false
	}
	return attemptFields{m.raw("mailer"), m.raw("relay"), m.raw("dsn"), m.raw("reply"), m.raw("stat"), m.has("reply")}, true
}

// fastSendmailFields is readSendmailFields without an expression, which takes most of the
// time of a line. It returns false for fields that are not usual, or not in their order.
func fastSendmailFields(rest string) (f attemptFields, ok bool) {
	order := 0
	for {
		name, value, found := strings.Cut(rest, "=")
		switch name {
		case ", stat":
			f.stat = value
			return f, found
		case ", reply":
			f.reply, f.stat, found = strings.Cut(value, ", stat=")
			f.replied = true
			return f, found && !strings.Contains(f.reply, ", ntries=")
		}
		end := strings.IndexByte(value, ',')
		if !found || end < 0 {
			return f, false
		}
		value, rest = value[:end], value[end:]
		at := 0
		switch name {
		case ", delay", ", xdelay", ", pri", ", ntries":
			continue
		case ", mailer":
			f.mailer, at = value, 1
		case ", relay":
			f.relay, at = value, 2
		case ", dsn":
			if f.dsn, at = value, 3; !fastDSN(value) {
				return f, false
			}
		}
		if at <= order {
			return f, false
		}
		order = at
	}
}

// sendmailOutcome returns what Sendmail did. The words of a reply may hold a
// stat= of their own: they count only by their code.
func sendmailOutcome(dsn, reply, stat string) bounce.Outcome {
	// A milter refused the message for now.
	deferred := strings.HasPrefix(stat, "Deferred") || dsn == "" && strings.HasPrefix(stat, "Please try again later")
	if reply != "" {
		deferred = reply[0] == '4'
	}
	switch {
	case strings.HasPrefix(stat, "Sent") && (dsn == "" || dsn[0] == '2'):
		return bounce.Sent
	case deferred || strings.HasPrefix(dsn, "4"):
		return bounce.Deferred
	}
	return bounce.Bounced
}
