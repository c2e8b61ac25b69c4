package logparse

import (
	"regexp"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
)

// OpenSMTPD 6.8 and later. mta_delivery_log() in usr.sbin/smtpd/mta.c and
// mda_log() in mda.c write an attempt for one recipient, with its sender. The
// first eight digits of evpid are the message's id, the others the recipient's:
//
//	770afeddea7e9413 mta delivery evpid=7571057c164ab4f5 from=<news@a.example> to=<a@b.example>
//	  rcpt=<-> source="192.0.2.9" relay="192.0.2.1 (mx.b.example)" delay=0s result="PermFail"
//	  stat="550 5.1.1 No such user"
//	0000000000000000 mta delivery evpid=ea3256613e28333f from=<> to=<a@gone.example> rcpt=<->
//	  source="-" relay="gone.example" delay=0s result="PermFail" stat="Domain does not exist"
//	770afe541f6d5977 mda delivery evpid=21ef2a7be9ddf21f from=<news@a.example> to=<me@host>
//	  rcpt=<me@host> user=me delay=0s result=Ok stat=Delivered
//
// A session of zeros had no connection. smtpd logs no message-ids.
var opensmtpdAttempt = regexp.MustCompile(`^(?:[0-9a-f]{16} )?(?:mta|mda|smtp|scheduler|bounce)(?: event=| )(?P<event>delivery|expire|expired) evpid=(?P<id>[0-9a-f]{8})[0-9a-f]{8} ` +
	`from=<(?P<from>` + address + `)> to=<(?P<to>` + address + `)>(?: rcpt=<(?P<rcpt>` + address + `)>)?` +
	`(?: [a-z]+=(?:"[^"]*"|\S+))*? delay=\S+ result="?(?P<result>[A-Za-z]+)"? stat="?(?P<stat>.*?)"?$`)

// opensmtpdRelay reads `relay="192.0.2.1 (mx.b.example)"`.
var opensmtpdRelay = regexp.MustCompile(` relay="(?:(?P<ip>[0-9A-Fa-f:.]+|IPv6:[0-9A-Fa-f:.]+) \((?P<host>[^)"]*)\)|(?P<name>[^" ]+))" `)

// An expiry is logged by queue_log() in queue.c, a null sender as "@":
//
//	relay: Expire for 7571057c164ab4f5: from=<news@a.example>, to=<a@b.example>, rcpt=<->,
//	  delay=4d1h, stat=Envelope expired
var opensmtpdExpired = regexp.MustCompile(`^(?:relay|delivery): Expire for (?P<id>[0-9a-f]{8})[0-9a-f]{8}: ` +
	`from=<(?P<from>` + address + `)>, to=<(?P<to>` + address + `)>, rcpt=<(?P<rcpt>` + address + `)>, delay=[^,]*, stat=(?P<stat>.*)$`)

func claimsOpenSMTPD(h *header) bool {
	return h.tag == "smtpd" || h.tag == "opensmtpd"
}

func parseOpenSMTPD(h *header, ev *bounce.Event) result {
	start := h.body[:min(len(h.body), 48)]
	*ev = bounce.Event{Delivery: bounce.Delivery{MTA: bounce.OpenSMTPD}}
	if strings.Contains(start, ": Expire for ") {
		m, ok := match(opensmtpdExpired, h.body)
		if !ok {
			return unread
		}
		ev.Outcome = bounce.Expired
		takeOpenSMTPD(m, ev)
		if ev.Sender == "@" {
			ev.Sender = ""
		}
		ev.Reply.Text = m.text("stat")
		return read
	}
	if !strings.Contains(start, " evpid=") || !strings.Contains(h.body, " result=") {
		return other
	}
	m, ok := match(opensmtpdAttempt, h.body)
	if !ok {
		return unread
	}
	switch m.raw("result") {
	case "Ok":
		ev.Outcome = bounce.Sent
	case "TempFail":
		ev.Outcome = bounce.Deferred
	case "PermFail", "Loop":
		ev.Outcome = bounce.Bounced
	case "Expired", "Expire":
		ev.Outcome = bounce.Expired
	default:
		return unread
	}
	takeOpenSMTPD(m, ev)
	if ev.Outcome == bounce.Sent {
		return read
	}
	if relay, ok := match(opensmtpdRelay, h.body); ok {
		setRelay(&ev.Reply, relay.text("host")+relay.text("name"), relay.raw("ip"))
	}
	text := m.text("stat")
	setReply(&ev.Reply, text, text)
	return read
}

// takeOpenSMTPD takes what both kinds of lines name.
func takeOpenSMTPD(m groups, ev *bounce.Event) {
	ev.Kind, ev.QueueID, ev.Recipient = bounce.EventAttempt, m.raw("id"), m.text("to")
	ev.Sender, ev.HasSender = m.text("from"), true
	if rcpt := m.text("rcpt"); rcpt != "-" && rcpt != ev.Recipient {
		ev.OriginalRecipient = rcpt
	}
}
