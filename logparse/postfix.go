package logparse

import (
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/lazyre"
)

// Postfix 3.5 to 3.12. A delivery line is written by log_adhoc() in
// src/global/log_adhoc.c, whatever the delivery agent:
//
//	72C1B51A486: to=<a@b.example>, relay=mx.b.example[192.0.2.1]:25, delay=0.13,
//	  delays=0.02/0.1/0/0.01, dsn=5.1.1, status=bounced (host mx.b.example[192.0.2.1]
//	  said: 550 5.1.1 No such user (in reply to RCPT TO command))
//	4YqRr12ZzNz1Xw: to=<c@d.example>, orig_to=<info>, relay=none, delay=1, delays=1/0/0/0,
//	  dsn=4.4.1, status=deferred (connect to mx.d.example[192.0.2.2]:25: Connection refused)
var postfixDelivery = lazyre.New(`^(?P<id>[0-9A-Za-z]{5,24}): to=<(?P<to>` + postfixAddress + `)>` +
	`(?:, orig_to=<(?P<orig>` + postfixAddress + `)>)?` +
	postfixFields + postfixReason)

// postfixFields are the fields behind the addresses. A field that later versions
// add is stepped over. Before 2.3 there was no dsn=.
const postfixFields = `, relay=(?P<relay>[^,<>]*)` +
	`(?:, [a-z0-9_]+=(?:[^,<>]|,[^ <>])*)*?` +
	`(?:, dsn=(?P<dsn>\d\.\d{1,3}\.\d{1,3}))?` +
	`, status=(?P<status>[A-Za-z-]+)`

// postfixReason is what follows the status.
const postfixReason = `(?:` + returned + `| \((?P<reason>.*)| +)?$`

// returned follows the status of an expiry.
const returned = ", returned to sender"

// postfixAddress matches an address as Postfix 3.5 and later log it: the local
// part is quoted as a whole, or not at all (quote_822_local.c).
const postfixAddress = `(?:"(?:[^"\\]|\\.)*"@[^">]*|"(?:[^"\\]|\\.)*"|[^">]*)`

// Before 3.5, and with info_log_addr_form = internal, Postfix logs addresses
// without quotes, and a local part may hold all that follows an address:
//
//	72C1B51A486: to=<v@b.example>, relay=…, dsn=5.1.1, status=bounced (no)@evil.example>, relay=…
//
// Such a line has several ends of an address with all fields behind each, and
// can be read in as many ways.
var postfixAddressEnd = lazyre.New(`^>` + postfixFields + postfixReason)

// postfixUnclear reports whether a delivery line whose last address ends at end
// can be read in another way too. A reply may quote a line of a log: its address
// has both brackets, and its reason ends before the line does.
//
// An end within a quoted local part is none: in the other reading the address
// would begin with a quotation mark that nothing closes.
func postfixUnclear(line string, end int) bool {
	own := ""
	start := 0
	if quoted := postfixQuotedTo.FindString(line[:end+1]); len(quoted) == end+1 {
		start = end
	}
	for at := indexFrom(line, ">, relay=", start); at >= 0; at = indexFrom(line, ">, relay=", at+1) {
		m, ok := match(postfixAddressEnd, line[at:])
		switch {
		case !ok:
		case at == end:
			own = m.raw("reason")
		case at < end, !inBrackets(line[:at]), closed(m.raw("reason")), !closed(own):
			return true
		}
	}
	return false
}

// postfixQuotedTo matches a line up to the end of a recipient with quotes.
var postfixQuotedTo = lazyre.New(`^[0-9A-Za-z]{5,24}: to=<"(?:[^"\\]|\\.)*"@[^">,]*>`)

// inBrackets reports whether a text ends in "<a@b.example".
func inBrackets(s string) bool {
	return !strings.ContainsAny(s[strings.LastIndexByte(s, '<')+1:], ` ()">,`)
}

// closed reports whether the last parenthesis of a reason, and none before it,
// closes the one that opened it.
func closed(reason string) bool {
	depth := 1
	for i := range len(reason) {
		switch reason[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i == len(reason)-1
			}
		}
	}
	return false
}

// The queue manager logs the sender (src/qmgr/qmgr_active.c), and that it gave up
// on a message for its age, without naming recipients:
//
//	72C1B51A486: from=<news@a.example>, size=447, nrcpt=1 (queue active)
//	72C1B51A486: from=<news@a.example>, status=expired, returned to sender
//	72C1B51A486: from=<news@a.example>, status=force-expired, returned to sender
var postfixSender = lazyre.New(`^(?P<id>[0-9A-Za-z]{5,24}): from=<(?P<from>` + postfixAddress + `)>, ` +
	`(?:size=|status=(?P<status>(?:force-)?expired), returned to sender$)`)

// cleanup logs the message-id (src/cleanup/cleanup_message.c), qmgr the end:
//
//	72C1B51A486: message-id=<20261123@a.example>
//	72C1B51A486: removed
var (
	postfixMessageID = lazyre.New(`^(?P<id>[0-9A-Za-z]{5,24}): message-id=<?(?P<messageid>.*?)>? *$`)
	postfixRemoved   = lazyre.New(`^(?P<id>[0-9A-Za-z]{5,24}): removed(?: \(|$)`)
)

// The host that a reason names, and one that a copy may have taken the address from.
const (
	postfixHost      = `(?P<host>[^ \[]+)\[(?P<ip>[^\]]*)\](?::(?P<port>\d+))?`
	postfixMaybeHost = `(?P<host>[^ \[]+)(?:\[(?P<ip>[^\]]*)\](?::(?P<port>\d+))?)?`
)

// postfixReasons are the forms of the text in parentheses after the status, each
// with its stage; a form without a stage names the command itself. The sources are
// src/smtp/smtp_proto.c, smtp_connect.c, smtp_trouble.c and smtp_sasl_glue.c:
//
//	host H[ip] said: 550 5.1.1 … (in reply to RCPT TO command)
//	Protocol error: host H[ip] said: 250 … (in reply to RCPT TO command)
//	host H[ip] refused to talk to me: 554 …
//	TLS is required, but host H[ip] refused to start TLS: 454 …
//	Sender requested REQUIRETLS, but host H[ip] refused to start TLS: 454 …        (3.11)
//	Sender requested REQUIRETLS, but TLS service was not offered by host H[ip]
//	Sender requested REQUIRETLS, but no server was found … The last attempted server was H[ip]
//	SASL authentication failed; server H[ip] said: 535 …
//	SASL [CACHED] authentication failed; server H said: 535 …
//	lost connection with H[ip] while sending RCPT TO
//	conversation with H[ip] timed out while receiving the initial server greeting
//	connect to H[ip]:25: Connection refused
//	connect to H[ip]: server refused to talk to me: 421 …                         (before 2.3)
//	host H said: 550 …                                    of a copy without addresses
var postfixReasons = []struct {
	literal string
	pattern *lazyre.Regexp
	stage   bounce.Stage
}{
	{
		" refused to talk to me: ",
		lazyre.New(`^host ` + postfixMaybeHost + ` refused to talk to me: (?P<reply>.*)$`),
		bounce.StageGreeting,
	},
	{
		": server refused to talk to me: ",
		lazyre.New(`^connect to ` + postfixHost + `: server refused to talk to me: (?P<reply>.*?) *$`),
		bounce.StageGreeting,
	},
	{
		" refused to start TLS: ",
		lazyre.New(`^(?:(?:TLS is required|Sender requested REQUIRETLS), but )?host ` + postfixHost + ` refused to start TLS: (?P<reply>.*)$`),
		bounce.StageTLS,
	},
	{" said: ", lazyre.New(`^(?:Protocol error: )?host ` + postfixMaybeHost + ` said: (?P<reply>.*)$`), ""},
	{
		" said: ",
		lazyre.New(`^SASL (?:\[CACHED\] )?authentication failed; server ` + postfixMaybeHost + ` said: (?P<reply>.*)$`),
		bounce.StageAuth,
	},
	{
		" requested REQUIRETLS, ",
		lazyre.New(`^Sender requested REQUIRETLS, but .* (?:host|server was) ` + postfixHost + `$`),
		"",
	},
	{" while ", lazyre.New(`^(?:lost connection with|conversation with|timeout while talking to) ` + postfixHost + `(?: timed out)?` +
		` while (?:sending |receiving the |performing the )?(?P<doing>[^()]*)`), ""},
	{"connect to ", lazyre.New(`^connect to ` + postfixHost + `: `), bounce.StageConnect},
}

// postfixRelay reads "mx.b.example[192.0.2.1]:25".
var postfixRelay = lazyre.New(`^(?P<host>[^ \[]+)\[(?P<ip>[0-9A-Fa-f:.]+)\](?::(?P<port>\d+))?$`)

// cutInReplyTo takes " (in reply to RCPT TO command)" off the end of a reason,
// which Postfix puts behind a reply. Only the last counts, for the reply may
// hold one too, and a line that was cut has none.
func cutInReplyTo(reason string) (text, command string) {
	const mark = " (in reply to "
	at := strings.LastIndexByte(reason, '(') - 1
	if at < 0 || !strings.HasPrefix(reason[at:], mark) || reason[len(reason)-1] != ')' {
		return reason, ""
	}
	command = reason[at+len(mark) : len(reason)-1]
	for i := range len(command) {
		if c := command[i]; c != ' ' && (c|0x20 < 'a' || 'z' < c|0x20) {
			return reason, ""
		}
	}
	if command == "" || len(command) > 40 {
		return reason, ""
	}
	return reason[:at], command
}

// suspended begins the reason of a delivery that the queue manager did not try,
// because the destination had just failed for another message. The reason of that
// failure follows.
const suspended = "delivery temporarily suspended: "

// claimsPostfix also takes the tags of instances, whose names are free. What is behind
// the slash is the name of a program: others, such as postfix/policyd-spf, may log what
// strangers sent.
func claimsPostfix(tag string) bool {
	switch tag {
	case "":
		return false
	case "postfix/cleanup", "postfix/qmgr", "postfix/smtp": // most lines
		return true
	}
	at := strings.LastIndexByte(tag, '/')
	if at <= 0 {
		return isServerName(tag, "postfix")
	}
	return isDaemonTag(tag)
}

func parsePostfix(h *header, ev *bounce.Event) result {
	if fastPostfix(h, ev) {
		return resultRead
	}
	// A literal right after the queue ID decides for most lines that they cannot
	// match.
	colon := strings.IndexByte(h.body[:min(len(h.body), 26)], ':')
	if colon < 5 || len(h.body) < colon+9 || h.body[colon+1] != ' ' || !postfixEvent(h.body[colon+2:]) ||
		isPlainWords(h.body[:colon]) {
		if colon >= 5 && strings.HasPrefix(h.body[colon:], ":from=<") {
			return parsePostfix(&header{tag: h.tag, body: h.body[:colon+1] + " " + h.body[colon+1:]}, ev) // a copy lost the space
		}
		return parsePostfixPart(h, ev)
	}
	*ev = bounce.Event{Delivery: bounce.Delivery{MTA: bounce.Postfix}}
	return parsePostfixByGrammar(h, colon, ev)
}

// postfixEvent reports whether what follows a queue ID may be of interest.
func postfixEvent(rest string) bool {
	switch rest[0] {
	case 't':
		return rest[:3] == "to="
	case 'f':
		return rest[:6] == "from=<"
	case 'm':
		return rest[:7] == "message"
	case 'r':
		return rest[:7] == "removed"
	}
	return false
}

// parsePostfixByGrammar reads a line with the expressions.
func parsePostfixByGrammar(h *header, colon int, ev *bounce.Event) result {
	switch rest := h.body[colon+2:]; {
	case strings.HasPrefix(rest, "to=<"):
		return parsePostfixDelivery(h, ev)
	case strings.HasPrefix(rest, "to="):
		return parsePostfixPart(h, ev)
	case strings.HasPrefix(rest, "from=<"):
		m, ok := match(postfixSender, h.body)
		if !ok {
			return resultOther
		}
		if isGlued(h.body) {
			return resultUnparsed
		}
		ev.Kind = bounce.EventMessage
		if m.has("status") {
			ev.Kind = bounce.EventGaveUp
		}
		ev.QueueID, ev.Sender, ev.HasSender = m.raw("id"), m.address("from"), true
		return resultRead
	case strings.HasPrefix(rest, "message-id="):
		if isGlued(h.body) {
			return resultUnparsed
		}
		if m, ok := match(postfixMessageID, h.body); ok && !strings.HasPrefix(m.raw("messageid"), "&lt;") { // not of a page
			ev.Kind, ev.QueueID, ev.MessageID = bounce.EventMessage, m.raw("id"), m.text("messageid")
			return resultRead
		}
	case strings.HasPrefix(rest, "removed"):
		if m, ok := match(postfixRemoved, h.body); ok {
			ev.Kind, ev.QueueID = bounce.EventRemoved, m.raw("id")
			return resultRead
		}
	}
	return resultOther
}

func parsePostfixDelivery(h *header, ev *bounce.Event) result {
	m, ok := match(postfixDelivery, h.body)
	if !ok {
		if strings.Contains(h.body, ", status=deliverable") || strings.Contains(h.body, ", status=undeliverable") {
			return resultOther
		}
		if result := parsePostfixPart(h, ev); result == resultRead || result == resultCut {
			return result
		}
		return resultUnparsed
	}
	if postfixUnclear(h.body, m.at[2*m.re.SubexpIndex("relay")]-len(">, relay=")) {
		return resultUnparsed
	}
	switch m.raw("status") {
	case "sent":
		ev.Outcome = bounce.Sent
	case "deferred", "SOFTBOUNCE":
		ev.Outcome = bounce.Deferred
	case "bounced":
		ev.Outcome = bounce.Bounced
	case "expired":
		ev.Outcome = bounce.Expired
	case "deliverable", "undeliverable", "undeliverable-but-not-cached": // address probes
		return resultOther
	default:
		return resultUnparsed
	}
	ev.Kind = bounce.EventAttempt
	ev.QueueID = m.raw("id")
	ev.Recipient = m.address("to")
	ev.OriginalRecipient = m.address("orig")
	if ev.Outcome == bounce.Sent {
		takePostfixSent(ev, postfixDaemon(h.tag), m.raw("relay"), m.raw("reason"))
		return resultRead
	}
	ev.DSN, ev.Transport = m.raw("dsn"), postfixDaemon(h.tag)
	if relay, ok := match(postfixRelay, m.raw("relay")); ok {
		setRelay(&ev.Reply, relay.text("host"), relay.raw("ip"))
		setPort(&ev.Reply, relay.raw("port"))
	}
	reason, whole := withoutParenthesis(m.text("reason"))
	ev.Echo = strings.HasPrefix(reason, suspended)
	parsePostfixReason(&ev.Reply, reason)
	if !whole && isRecipient(ev.Recipient) && !strings.HasSuffix(h.body, returned) {
		return resultCut
	}
	return resultRead
}

// parsePostfixReason reads what stands in the parentheses behind the status.
func parsePostfixReason(r *bounce.Reply, reason string) {
	reason = strings.TrimPrefix(reason, suspended)
	if server, rest, found := strings.Cut(reason, "]: "); found && strings.HasPrefix(server, "delivery via ") { // before 2.3
		reason = rest
	}
	text, command := cutInReplyTo(reason)
	r.Stage, r.Text = stageOf(command), text
	for i := range postfixReasons {
		form := &postfixReasons[i]
		if !strings.Contains(text, form.literal) {
			continue
		}
		m, ok := match(form.pattern, text)
		if !ok {
			continue
		}
		// The host in the reason answered; relay= is the last that was tried.
		setRelay(r, m.raw("host"), m.raw("ip"))
		setPort(r, m.raw("port"))
		if form.stage != "" {
			r.Stage = form.stage
		}
		if form.pattern.SubexpIndex("doing") > 0 {
			r.Stage = stageOf(m.raw("doing"))
		}
		if form.pattern.SubexpIndex("reply") > 0 {
			reply := m.raw("reply")
			setReply(r, reply, lastLine(reply))
		}
		return
	}
}

// withoutParenthesis takes the parenthesis off that ends a reason, and what is behind it:
// a copy has spaces or marks there, a collector the length of the next line. It returns
// false for a line that was broken. Long ones were cut by Postfix.
func withoutParenthesis(reason string) (text string, whole bool) {
	if text, whole = strings.CutSuffix(reason, ")"); whole || len(reason) >= maxBegun {
		return text, true
	}
	if text = strings.TrimRight(reason, " .,;\"'`”“»$\\0123456789"); closed(text) {
		return text[:len(text)-1], true
	}
	return reason, false
}

// postfixDaemon returns the daemon out of a tag such as "postfix/smtp", or
// "postfix-out/submission/smtpd". The tag of RFC 5424 names none.
func postfixDaemon(tag string) string {
	at := strings.LastIndexByte(tag, '/')
	if at < 0 {
		return ""
	}
	return tag[at+1:]
}
