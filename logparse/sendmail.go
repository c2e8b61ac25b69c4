package logparse

import (
	"regexp"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
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
// What the other side says stands in reply= and stat=, and may hold anything;
// dsn= stands before both. ctladdr= is the alias that led to a program or a
// local user, or else the user who sent the message.
var (
	sendmailAttempt = regexp.MustCompile(`^(?P<id>[0-9A-Za-z]{8,20}): to=(?P<to>.*?), (?:ctladdr=(?P<control><` + address + `>|[^ ,]*)[^,]*, )?(?:[cx]?delay=[0-9:+]+, )+` +
		`(?:mailer=(?P<mailer>[^,]*), )?(?:tls_verify=[^,]*, )?(?:pri=\d+, )?(?:relay=(?P<relay>[^,]*), )?(?:dsn=(?P<dsn>\d\.\d{1,3}\.\d{1,3}), )?` +
		`(?:ntries=\d+, )?(?:quarantine=[^,]*, )?(?:reply=(?P<reply>.*?), )?(?:ntries=\d+, )?stat=(?P<stat>.*)$`)
	sendmailSender = regexp.MustCompile(`^(?P<id>[0-9A-Za-z]{8,20}): from=(?P<from><` + address + `>|[^,<]*), size=\d+(?:, [a-z]+=[^,<]*)*?(?:, msgid=(?P<messageid>.*?))?(?:, (?:bodytype|proto|daemon|relay|tls_verify|auth|mech)=.*)?$`)
	// giving up on a message for its age, told to the sender by a new one
	sendmailGaveUp = regexp.MustCompile(`^(?P<id>[0-9A-Za-z]{8,20}): [0-9A-Za-z]{8,20}: (?:DSN|return to sender|sender notify|postmaster notify): Cannot send message (?:for|within) `)
	sendmailDone   = regexp.MustCompile(`^(?P<id>[0-9A-Za-z]{8,20}): done; delay=`)
	// What the submission program of the same machine, or a content filter, says:
	// "to=a@b.example, …, mailer=relay, …, relay=[127.0.0.1] [127.0.0.1], dsn=2.0.0,
	// stat=Sent (6AND4fXC000084 Message accepted for delivery)"
	sendmailAccepted = regexp.MustCompile(`^Sent \((?:.* )?(?P<id>[0-9A-Za-z]{8,20}) Message accepted for delivery\)$`)
	// "mx.b.example. [192.0.2.1]", "[192.0.2.1] [192.0.2.1]", "mx.b.example.",
	// "mx.b.example. [IPv6:2001:db8:0:0:0:0:0:1]"
	sendmailRelay = regexp.MustCompile(`^(?P<host>\[?[^ \[\]]+\]?)(?: \[(?P<ip>(?:IPv6:)?[0-9A-Fa-f:.]+)\])?$`)
)

func claimsSendmail(h *header) bool {
	return strings.HasPrefix(h.tag, "sendmail") || strings.HasPrefix(h.tag, "sm-")
}

func parseSendmail(h *header, ev *bounce.Event) result {
	*ev = bounce.Event{Delivery: bounce.Delivery{MTA: bounce.Sendmail}}
	colon := strings.Index(h.body[:min(len(h.body), 22)], ": ")
	if colon < 8 {
		return other
	}
	switch rest := h.body[colon+2:]; {
	case strings.HasPrefix(rest, "to="):
		return parseSendmailAttempt(h, ev)
	case strings.HasPrefix(rest, "from="):
		m, ok := match(sendmailSender, h.body)
		if !ok {
			return other
		}
		ev.Kind, ev.QueueID, ev.HasSender = bounce.EventMessage, m.raw("id"), true
		ev.Sender = bare(m.text("from"))
		ev.MessageID = strings.TrimSuffix(strings.TrimPrefix(m.text("messageid"), "<"), ">")
		return read
	case strings.HasPrefix(rest, "done; "):
		if m, ok := match(sendmailDone, h.body); ok {
			ev.Kind, ev.QueueID = bounce.EventRemoved, m.raw("id")
			return read
		}
	case strings.Contains(rest, ": Cannot send message "):
		if m, ok := match(sendmailGaveUp, h.body); ok {
			ev.Kind, ev.QueueID = bounce.EventGaveUp, m.raw("id")
			return read
		}
	}
	return other
}

func parseSendmailAttempt(h *header, ev *bounce.Event) result {
	m, ok := match(sendmailAttempt, h.body)
	if !ok {
		if strings.Contains(h.body, ", stat=") {
			return unread
		}
		return other
	}
	ev.DSN = m.raw("dsn")
	stat := m.raw("stat")
	if strings.HasPrefix(stat, "queued") || stat == "quarantined" {
		return other
	}
	ev.Outcome = sendmailOutcome(ev.DSN, m.raw("reply"), stat)
	ev.Kind, ev.QueueID = bounce.EventAttempt, m.raw("id")
	recipients := splitAddresses(strings.TrimSuffix(m.text("to"), ", [more]"))
	ev.Recipient, h.others = recipients[0], recipients[1:]
	if control := bare(m.text("control")); control != "" {
		switch m.raw("mailer") {
		case "prog", "*file*", "*include*":
			ev.Recipient = control // a program or a file stands where an address does
		case "local":
			ev.OriginalRecipient = control
		}
	}
	if ev.Outcome == bounce.Sent {
		if accepted, ok := match(sendmailAccepted, m.bytes("stat")); ok && strings.Contains(m.raw("relay"), "[127.0.0.1]") {
			ev.Onward = accepted.raw("id")
		}
		return read
	}
	if relay, ok := match(sendmailRelay, m.bytes("relay")); ok {
		setRelay(&ev.Reply, relay.text("host"), relay.raw("ip"))
	}
	text := joinLines(strings.TrimPrefix(stat, "Deferred: "))
	if m.has("reply") {
		text = joinLines(m.raw("reply"))
	}
	setReply(&ev.Reply, text, text)
	return read
}

// sendmailOutcome tells what Sendmail did. The words of a reply may hold a
// stat= of their own: they count only by their code.
func sendmailOutcome(dsn, reply, stat string) bounce.Outcome {
	deferred := strings.HasPrefix(stat, "Deferred")
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

// splitAddresses takes "<a@b.example>,<c@d.example>" apart. There is always
// at least one.
func splitAddresses(list string) []string {
	var all []string
	start, quoted, inside := 0, false, false
	for i := range len(list) {
		switch c := list[i]; {
		case c == '"' && (i == 0 || list[i-1] != '\\'):
			quoted = !quoted
		case quoted:
		case c == '<':
			inside = true
		case c == '>':
			inside = false
		case c == ',' && !inside:
			all = append(all, bare(strings.TrimSpace(list[start:i])))
			start = i + 1
		}
	}
	return append(all, bare(strings.TrimSpace(list[start:])))
}

// bare takes the angle brackets off an address.
func bare(address string) string {
	if strings.HasPrefix(address, "<") && strings.HasSuffix(address, ">") {
		return address[1 : len(address)-1]
	}
	return address
}
