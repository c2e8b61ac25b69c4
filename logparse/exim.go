package logparse

import (
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/lazyre"
	"github.com/bouncetail/bouncetail/internal/oneof"
)

// Exim 4.8x to 4.99. The marker behind the message's id shows what the line is
// about (src/log.c, src/deliver.c); ids are of 6-6-2 characters, since 4.97 of
// 6-11-4:
//
//	1xVTbv-00000r-1v <= news@a.example H=mx.a.example [192.0.2.9] P=esmtp S=494 id=1@a.example
//	1xVTbv-00000r-1v => a@b.example R=dnslookup T=remote_smtp H=mx.b.example [192.0.2.1] C="250 Ok"
//	1xVTbv-00000r-1v ** a@b.example R=dnslookup T=remote_smtp H=mx.b.example [192.0.2.1]: SMTP error
//	  from remote mail server after RCPT TO:<a@b.example>: 550 5.1.1 No such user
//	1xVTbv-00000r-1v == a@b.example R=dnslookup T=remote_smtp defer (-44) H=mx.b.example [192.0.2.1]:
//	  SMTP error from remote mail server after RCPT TO:<a@b.example>: 450 4.2.1 Try later
//	1xVTbv-00000r-1v Completed
var eximLine = lazyre.New(`^(?P<id>` + eximIDPattern + `) (?P<mark><=|=>|->|>>|\*\*|==|Completed)(?: (?P<rest>.*))?$`)

// eximIDPattern matches the id of a message.
const eximIDPattern = `[0-9A-Za-z]{6}-(?:[0-9A-Za-z]{6}-[0-9A-Za-z]{2}|[0-9A-Za-z]{11}-[0-9A-Za-z]{4})`

// eximMailbox matches an address between angle brackets. Exim takes quoted pairs
// outside of quoted strings too, so that `\>` does not end it.
const eximMailbox = `(?:"(?:[^"\\]|\\.)*"|\\.|[^">\\])*`

// eximArrival reads the sender and the message-id; only id= behind S= is
// Exim's own, for HELO names and subjects are the client's. id*= is one that
// Exim made itself (log_selector +msg_id_created).
var eximArrival = lazyre.New(`^(?P<from><>|(?:"(?:[^"\\]|\\.)*"|\\.|[^\s"\\])+) (?:.*? S=\d+(?: .*?)?? id\*?=(?P<messageid>\S+))?`)

const eximSubject = ` T="`

// eximFields are the fields that stand between an address and the message. Each
// version adds some, so any name is taken.
//
//	F=<news@a.example> R=dnslookup T=remote_smtp H=mx.b.example DS [192.0.2.1]:25* I=[192.0.2.9]:4242
//	X=TLS1.3:TLS_AES_256_GCM_SHA384:256 CV=yes DN="CN=mx" A=plain:joe PS=ea L* PRDR K
const (
	eximHostField = `H=(?:(?:[^\s\[]\S*|\[[0-9A-Fa-fIPv:.]+\])(?: \([^)]*\))?(?: DS)? )?\[[^\]]*\](?::\w+)?\*?`
	eximValue     = `(?:<` + eximMailbox + `>|"(?:[^"]|"[^ :])*"+|[^\s<"]\S*)`
	eximFields    = `(?: (?:` + eximHostField + `|[A-Z][A-Za-z0-9_]{0,15}\*?=` + eximValue + `|L\*?|K|PRDR|TFO\*{0,2}|[FP]=))*?` // a page lost F=<…>
)

// eximAddress is the address of a recipient, and the original one behind it if
// that has no quotes (exim_recipient.go reads the others). Exim takes the quotes
// off a local part that it reports, so that one with spaces may come out of an
// alias. Failures before routing name the address as it came.
//
//	loop1@b.example (loop2@b.example) <loop1@b.example>: …
//	john doe@b.example <list@b.example> R=dnslookup …
//	"john doe"@b.example: retry timeout exceeded
const eximAddress = `(?P<to>[|/:][^<>]*?|"(?:[^"\\]|\\.)*"@[^\s"<>]+|(?:\\.|[^\s"\\<>])+|[^<>:=@"\\]+@[^\s"<>]+)` +
	`(?: \([^)]*\))?(?: <(?P<orig>[^"\\> ]*)>)?`

// eximElsewhere reads what is no address, with the address behind: a program, a
// file, :blackhole:, a reply made by Exim, and a file that a filter named. No
// field stands before that address: what is behind one may be the remote's.
//
//	|/usr/bin/filter --x <y> (c@b.example) <a@b.example> R=aliases T=address_pipe: …
//	>news@a.example <a@b.example> R=vacation T=autoreply: …
//	save inbox <a@b.example> R=userforward T=address_file: …
//	sales+spam |/home/x/script.php (sales@b.example) <sales@b.example> R=aliases T=address_pipe: …
var eximElsewhere = lazyre.New(`^(?P<what>(?:` + eximPlaces + `).*?) <(?P<orig>[^<>"\\@ ]+@[^<>"\\ ]+|system-filter)>` +
	`(?P<after>(?:$| ?: | defer \(| [A-Z]+=).*)`)

// eximPlaces is how those begin. cPanel puts a local part before them.
const eximPlaces = `[|/:>]|save |[^\s<>"|@:=]+ [|/>]`

var (
	eximFailed = lazyre.New(`^` + eximAddress + `(?P<fields>` + eximFields + `)` +
		`(?: ?: (?P<message>.*)| (?P<forced>mua_wrapper forced failure for deferred delivery|routing yielded an? [a-z]+ delivery))?$`)
	// since 4.8x: defer (ERRNO), the system's words, who was asked, the message
	eximDeferred = lazyre.New(`^` + eximAddress + `(?P<fields>` + eximFields + `)(?: routing| transporting)? defer \((?P<code>-?\w+)\)` +
		`(?:: (?P<words>[^:]*?))?(?P<fields2>` + eximFields + `)(?: ?: (?P<message>.*))?$`)
	eximSent  = lazyre.New(`^` + eximAddress + `(?P<fields>(?: [A-Z][A-Za-z0-9_]*=.*)|: .*|$)`)
	eximField = lazyre.New(` (?:[A-Z]+=|defer \()`)
	eximTimes = lazyre.New(`(?: [DQ]T=[0-9dhms.]+)+$`) // log_selector +deliver_time, +queue_time
	eximHost  = lazyre.New(`^(?:(?P<host>[^ \[]+) )?(?:\([^)]*\) )?(?:DS )?\[(?P<ip>[^\]]*)\](?::(?P<port>\d+))?`)
)

func claimsExim(tag string) bool { return isServerName(tag, "exim") }

func parseExim(h *header, ev *bounce.Event) result {
	body := h.body
	if len(body) < 18 || body[6] != '-' {
		return resultOther
	}
	id := 16
	if !eximMarked(body[id:]) {
		if id = 23; len(body) <= id || !eximMarked(body[id:]) {
			return resultOther
		}
	}
	*ev = bounce.Event{}
	ev.MTA = bounce.Exim
	result := resultRead
	if !fastExim(body, id, ev) {
		*ev = bounce.Event{Delivery: bounce.Delivery{MTA: bounce.Exim}}
		result = parseEximByGrammar(body, ev)
	}
	if ev.QueueID == eximNoID {
		ev.QueueID = ""
	}
	return result
}

func eximMarked(rest string) bool {
	if len(rest) < 4 || rest[0] != ' ' {
		return false
	}
	switch rest[1:4] {
	case "<= ", "=> ", "-> ", ">> ", "** ", "== ":
		return true
	}
	return strings.HasPrefix(rest, " Completed")
}

// parseEximByGrammar reads a line with the expressions.
func parseEximByGrammar(body string, ev *bounce.Event) result {
	m, ok := match(eximLine, body)
	if !ok {
		return resultOther
	}
	ev.QueueID = m.raw("id")
	rest := m.raw("rest")
	switch m.raw("mark") {
	case "<=":
		own, _, _ := strings.Cut(rest, eximSubject)
		a, ok := match(eximArrival, own+" ")
		if !ok {
			return resultUnparsed
		}
		ev.Kind, ev.HasSender, ev.MessageID = bounce.EventMessage, true, a.text("messageid")
		if from := unescapeAddress(a.raw("from")); from != "<>" {
			ev.Sender = from
		}
		return resultRead
	case "Completed":
		ev.Kind = bounce.EventRemoved
		return resultRead
	case "=>", "->", ">>":
		ev.Outcome = bounce.Sent
		return parseEximAttempt(eximSent, rest, ev)
	case "**":
		ev.Outcome = bounce.Bounced
		return parseEximAttempt(eximFailed, rest, ev)
	}
	ev.Outcome = bounce.Deferred
	return parseEximAttempt(eximDeferred, rest, ev)
}

// parseEximAttempt reads what follows the mark of a delivery or a failure.
func parseEximAttempt(pattern *lazyre.Regexp, rest string, ev *bounce.Event) result {
	if eximNames(rest) {
		return resultOther
	}
	who, unclear := cutEximRecipient(rest)
	if unclear {
		return resultUnparsed
	}
	if who.to == "system-filter" {
		return resultOther
	}
	m, ok := match(pattern, who.rest)
	if cut, found := strings.CutSuffix(who.rest, ":"); !ok && found { // the message is in the next line
		m, ok = match(pattern, cut)
	}
	if !ok || who.to == "" && (isCommandLine(m.raw("to")) || isEximField(m.raw("to"))) || !who.quoted && missesQuoted(rest, pattern, m) {
		return resultUnparsed
	}
	ev.Kind = bounce.EventAttempt
	ev.Recipient, ev.OriginalRecipient = cleanAddress(who.to), cleanAddress(who.original)
	if who.to == "" && !takeEximRecipient(ev, m) {
		return resultOther
	}
	if ev.Outcome != bounce.Sent {
		return takeEximFailure(ev, m, who.elsewhere)
	}
	// :blackhole: and, with T=**bypassed**, /dev/null deliver nothing, nor does
	// a filter that says so. An autoreply is another message, to whom it names.
	fields := m.raw("fields")
	takeEximSent(ev, fields)
	ev.Discarded = ev.Discarded || oneof.HasPrefix(who.elsewhere, ":blackhole:", "/dev/null", ">") ||
		m.raw("to") == "discarded" && !strings.Contains(fields, " T=")
	return resultRead
}

// takeEximRecipient takes the recipient out of a line in which it has no quotes. It
// returns false if a success has none: "=> discarded (system filter)".
func takeEximRecipient(ev *bounce.Event, m groups) bool {
	to, original := unescapeAddress(m.raw("to")), unescapeAddress(m.raw("orig"))
	if original == "system-filter" {
		original = "" // which named the recipient
	}
	switch {
	case strings.LastIndexByte(to, '@') >= 0:
		to = quoteLocalPart(to)
	case original != "": // to is the name of a local user (log_as_local)
		to = original
	case ev.Outcome == bounce.Sent:
		return false
	default:
		to = m.address("to")
	}
	ev.Recipient, ev.OriginalRecipient = to, original
	return true
}

// takeEximFailure takes what a line says about a failure.
func takeEximFailure(ev *bounce.Event, m groups, elsewhere string) result {
	fields, deferred := m.raw("fields"), ev.Outcome == bounce.Deferred
	if deferred {
		fields += m.raw("fields2")
	} else if fields == "" && !m.has("message") && !m.has("forced") && elsewhere == "" {
		return resultUnparsed // it was cut, perhaps within the address
	}
	takeEximFields(fields, ev)
	message := eximMessage(m, deferred)
	if eximOfPage.MatchString(message) {
		return resultUnparsed
	}
	parseEximMessage(ev, message)
	if ev.Reply.SMTPCode == 0 && oneof.Contains(message, " ** ", " == ", "=> ", "-> ") && gluedExim.MatchString(message) {
		return resultUnparsed
	}
	if elsewhere != "" {
		// Whatever failed, the address is not to blame.
		shown, _ := cutEximParents(elsewhere)
		ev.Reply.Text = clean(shown) + ": " + ev.Reply.Text
	}
	if ev.Reply.SMTPCode == 0 && eximCut.MatchString(message) && isRecipient(ev.Recipient) {
		return resultCut
	}
	return resultRead
}

// isCommandLine reports whether a recipient is a command with arguments. Whose it was
// is not known.
func isCommandLine(to string) bool {
	return strings.IndexByte(to, ' ') > 0 && strings.IndexByte("|/:", to[0]) >= 0
}

// isEximField reports whether a page lost the recipient, so that a field is in its place.
func isEximField(to string) bool {
	return len(to) > 1 && to[1] == '=' && 'A' <= to[0] && to[0] <= 'Z' && strings.IndexByte(to, '@') < 0
}

// missesQuoted reports whether the address as it arrived has quotes and was found
// nowhere. Only the reply of a server, which H= names, may hold similar text.
func missesQuoted(rest string, pattern *lazyre.Regexp, m groups) bool {
	return strings.Contains(rest, ` <"`) && (pattern == eximSent || pattern == eximFailed && !strings.Contains(m.raw("fields"), " H="))
}

// eximNames reports whether a line with the mark of a delivery or failure is
// about no recipient.
//
//	=> blackhole (DATA ACL discarded recipients)
//	** mua_wrapper is set but recipients cannot all be routed as a single-recipient …
func eximNames(rest string) bool {
	return strings.HasPrefix(rest, "blackhole ") || strings.HasPrefix(rest, "mua_wrapper is set ")
}
