package logparse

import (
	"cmp"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/lazyre"
)

// opensmtpdAddress matches an address between angle brackets. OpenSMTPD accepts no
// quoted local parts (valid_localpart() in util.c).
const opensmtpdAddress = `[^<>" ]*`

const opensmtpdPlain = `[^<>", ]*`

// OpenSMTPD 6.0 and later. mta_delivery_log() in usr.sbin/smtpd/mta.c and
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
// A session of zeros had no connection. smtpd logs no message-ids. Pages take the brackets
// away.
var opensmtpdAttempt = lazyre.New(`^(?:[0-9a-f]{8,16} )?(?P<agent>mta|mda|smtp|scheduler|bounce)(?: event=| )` +
	`(?P<event>delivery|expire|expired) evpid=(?P<id>[0-9a-f]{8})[0-9a-f]{0,8} ` +
	`from=<?(?P<from>` + opensmtpdAddress + `)>? to=<?(?P<to>` + opensmtpdAddress + `)>?(?: rcpt=<?(?P<rcpt>` + opensmtpdAddress + `)>?)?` +
	`(?: [a-z]+=(?:"[^"]*"|[^"\s]\S*(?: \([A-Za-z0-9._-]*\))?))*? result="?(?P<result>[A-Za-z]+)"? stat="?(?P<stat>.*?)"?$`)

// opensmtpdRelay reads `relay="192.0.2.1 (mx.b.example)"`.
var opensmtpdRelay = lazyre.New(` relay="?(?:(?P<ip>[0-9A-Fa-f:.]+|IPv6:[0-9A-Fa-f:.]+) \((?P<host>[^)"]*)\)|(?P<name>[^" ]+))"? `)

// Up to 5.9, mta_log() and mda_log() named the kind of delivery first, and an
// expiry is still logged in this form by queue_log() in queue.c, with a null
// sender as "@". Fields came and went:
//
//	relay: PermFail for 6430369adcce4408: session=7818378a988ca63b, from=<news@a.example>,
//	  to=<a@b.example>, rcpt=<->, source=192.0.2.9, relay=192.0.2.1 (mx.b.example), delay=0s,
//	  stat=550 Invalid recipient
//	delivery: Ok for f23a96c23e2500b8: from=<news@a.example>, to=<a@b.example>, user=me,
//	  method=lmtp, delay=1s, stat=Delivered
//	relay: Expire for 7571057c164ab4f5: from=<news@a.example>, to=<a@b.example>, rcpt=<->,
//	  delay=4d1h, stat=Envelope expired
var opensmtpdOld = lazyre.New(`^(?P<kind>relay|delivery): (?P<result>[A-Z][A-Za-z]+) for (?P<id>[0-9a-f]{8})[0-9a-f]{8}: ` +
	`(?:session=[0-9a-f]+, )?from=<?(?P<from>` + opensmtpdPlain + `)>?, to=<?(?P<to>` + opensmtpdPlain + `)>?` +
	`(?:, source=[^,]*)?(?:, rcpt=<?(?P<rcpt>` + opensmtpdPlain + `)>?)?(?:, source=[^,]*)?` +
	`(?:, user=[^,]*)?(?:, method=(?P<method>[^,]*))?(?:, relay=(?P<relay>[^,]*))?, delay=[^,]*, stat=(?P<stat>.*)$`)

// Some versions between 5.4 and 6.0 name the session first:
//
//	smtp-out: session 7818378a988ca63b: evpid=6430369adcce4408, status=PermFail, from=<news@a.example>,
//	  to=<a@b.example>, rcpt=<->, source=192.0.2.9, relay=192.0.2.1 (mx.b.example), delay=0s, stat=550 no
var opensmtpdSession = lazyre.New(`^(smtp-out|mda|delivery): session [0-9a-f]{16}: evpid=([0-9a-f]{16}), status=([A-Za-z]+), `)

// opensmtpdOldRelay reads "192.0.2.1 (mx.b.example)", or one of the two.
var opensmtpdOldRelay = lazyre.New(`^(?:(?P<ip>[0-9A-Fa-f:.]+|\[?IPv6:[0-9A-Fa-f:.]+\]?)(?: \((?P<host>[^)]*)\))?|(?P<name>\S+))$`)

// opensmtpdAccepted reads what another OpenSMTPD says when it takes a message, and
// what a content filter repeats of that:
//
//	250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 f6e94209 Message accepted for delivery
var opensmtpdAccepted = lazyre.New(`^250 (?:.*: 250 )?(?:2\.0\.0:? )?(?P<id>[0-9a-f]{8}) Message accepted for delivery`)

// opensmtpdLMTP reads what mail.lmtp(8) prints of the server's reply:
//
//	Error (temporary failure: "mail.lmtp: LMTP server error: 452 4.2.2 <a@b.example> Quota exceeded")
var opensmtpdLMTP = lazyre.New(`^Error \([^"()]*"(?:mail\.lmtp: )?LMTP server error: (?P<reply>\d.*?)"?\)?$`)

// claimsOpenSMTPD also takes its unit, as journalctl -o with-unit shows it, and the
// processes of version 5.3, which logged under their own names.
func claimsOpenSMTPD(tag string) bool {
	switch tag {
	case "smtpd", "opensmtpd", "opensmtpd.service", "smtpd.service", "transfer", "delivery":
		return true
	}
	return false
}

func parseOpenSMTPD(h *header, ev *bounce.Event) result {
	start := h.body[:min(len(h.body), 48)]
	*ev = bounce.Event{Delivery: bounce.Delivery{MTA: bounce.OpenSMTPD}}
	if opensmtpdOldEvent(h.body) {
		return parseOpenSMTPDOld(h.body, ev)
	}
	if m := opensmtpdSession.FindStringSubmatch(h.body); m != nil {
		kind := "delivery"
		if m[1] == "smtp-out" {
			kind = "relay"
		}
		return parseOpenSMTPDOld(kind+": "+m[3]+" for "+m[2]+": "+h.body[len(m[0]):], ev)
	}
	if !strings.Contains(start, " evpid=") || !strings.Contains(h.body, " result=") {
		return resultOther
	}
	m, ok := match(opensmtpdAttempt, h.body)
	addresses, _, _ := strings.Cut(h.body, " result=")
	if !ok || strings.Count(addresses, "<") != strings.Count(addresses, ">") || !takeOpenSMTPD(m, ev) {
		return resultUnparsed
	}
	relay, found := match(opensmtpdRelay, h.body)
	if found {
		setRelay(&ev.Reply, relay.text("host")+relay.text("name"), relay.raw("ip"))
	}
	result := finishOpenSMTPD(m.text("stat"), m.raw("agent"), ev)
	if _, stat, quoted := strings.Cut(h.body, ` stat="`); quoted && strings.LastIndexByte(stat, '"') < 0 &&
		ev.Outcome != bounce.Sent && isRecipient(ev.Recipient) {
		return resultCut
	}
	return result
}

// parseOpenSMTPDOld reads the form of version 5, and expiries.
func parseOpenSMTPDOld(body string, ev *bounce.Event) result {
	m, ok := match(opensmtpdOld, body)
	if ok && m.raw("result") == "Remove" {
		return resultOther // by the administrator
	}
	if !ok || !takeOpenSMTPD(m, ev) {
		return resultUnparsed
	}
	if relay, ok := match(opensmtpdOldRelay, m.raw("relay")); ok {
		setRelay(&ev.Reply, relay.text("host")+relay.text("name"), strings.Trim(relay.raw("ip"), "[]"))
	}
	agent := "mta"
	if m.raw("kind") == "delivery" {
		agent = cmp.Or(m.text("method"), "mda")
	}
	return finishOpenSMTPD(m.text("stat"), agent, ev)
}

// finishOpenSMTPD fills in what follows from the status and the relay.
func finishOpenSMTPD(stat, agent string, ev *bounce.Event) result {
	if ev.Outcome == bounce.Sent {
		ev.Server = isNear(ev.Reply.RelayIP)
		ev.Handover = ev.Server
		ev.Discarded = ev.Server && isDropped(stat)
		if m, ok := match(opensmtpdAccepted, stat); ok {
			ev.Onward = m.raw("id")
		}
		ev.Reply = bounce.Reply{RelayHost: ev.Reply.RelayHost}
		return resultRead
	}
	ev.Transport = agent
	if m, ok := match(opensmtpdLMTP, stat); ok {
		stat = m.text("reply")
	}
	if ev.Outcome == bounce.Expired {
		ev.Reply.Text = stat
		return resultRead
	}
	setReply(&ev.Reply, stat, stat)
	return resultRead
}

// takeOpenSMTPD takes what all forms name. It returns false if the result is not
// known.
func takeOpenSMTPD(m groups, ev *bounce.Event) bool {
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
		return false
	}
	ev.Kind, ev.QueueID, ev.Recipient = bounce.EventAttempt, m.raw("id"), m.address("to")
	ev.Sender, ev.HasSender = m.address("from"), true
	if ev.Sender == "@" {
		ev.Sender = ""
	}
	if rcpt := m.address("rcpt"); rcpt != "-" && rcpt != ev.Recipient {
		ev.OriginalRecipient = rcpt
	}
	return true
}
