package logparse

import (
	"net/netip"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/lazyre"
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
	eximHostField = `H=(?:[^\s\[]\S*(?: \([^)]*\))?(?: DS)? )?\[[^\]]*\](?::\w+)?\*?`
	eximFields    = `(?: (?:` + eximHostField + `|[A-Z][A-Za-z0-9_]{0,15}\*?=(?:<` + eximMailbox + `>|"(?:[^"]|"[^ :])*"+|[^\s<"]\S*)|L\*?|K|PRDR|TFO\*{0,2}))*?`
)

// eximAddress is the address of a recipient, and the original one behind it if
// that has no quotes (exim_recipient.go reads the others). Exim takes the quotes
// off a local part that it reports, so that one with spaces may come out of an
// alias. Failures before routing name the address as it came.
//
//	loop1@b.example (loop2@b.example) <loop1@b.example>: …
//	john doe@b.example <list@b.example> R=dnslookup …
//	"john doe"@b.example: retry timeout exceeded
const eximAddress = `(?P<to>[|/:][^<>]*?|"(?:[^"\\]|\\.)*"@[^\s"<>]+|(?:\\.|[^\s"\\<>])+|[^<>:=@"\\]+@[^\s"<>]+)(?: \([^)]*\))?(?: <(?P<orig>[^"\\> ]*)>)?`

// eximElsewhere reads what is no address, with the address behind: a program, a
// file, :blackhole:, a reply made by Exim, and a file that a filter named. No
// field stands before that address: what is behind one may be the remote's.
//
//	|/usr/bin/filter --x <y> (c@b.example) <a@b.example> R=aliases T=address_pipe: …
//	>news@a.example <a@b.example> R=vacation T=autoreply: …
//	save inbox <a@b.example> R=userforward T=address_file: …
//	sales+spam |/home/x/script.php (sales@b.example) <sales@b.example> R=aliases T=address_pipe: …
var eximElsewhere = lazyre.New(`^(?P<what>(?:` + eximPlaces + `).*?) <(?P<orig>[^<>"\\@ ]+@[^<>"\\ ]+|system-filter)>(?P<after>(?:$| ?: | defer \(| [A-Z]+=).*)`)

// eximPlaces is how those begin. cPanel puts a local part before them.
const eximPlaces = `[|/:>]|save |[^\s<>"|@:=]+ [|/>]`

var (
	eximFailed = lazyre.New(`^` + eximAddress + `(?P<fields>` + eximFields + `)(?: ?: (?P<message>.*)| (?P<forced>mua_wrapper forced failure for deferred delivery|routing yielded an? [a-z]+ delivery))?$`)
	// since 4.8x: defer (ERRNO), the system's words, who was asked, the message
	eximDeferred = lazyre.New(`^` + eximAddress + `(?P<fields>` + eximFields + `)(?: routing| transporting)? defer \((?P<code>-?\w+)\)(?:: (?P<words>[^:]*?))?(?P<fields2>` + eximFields + `)(?: ?: (?P<message>.*))?$`)
	eximSent     = lazyre.New(`^` + eximAddress + `(?P<fields>(?: [A-Z][A-Za-z0-9_]*=.*)|: .*|$)`)
	eximField    = lazyre.New(` (?:[A-Z]+=|defer \()`)
	eximTimes    = lazyre.New(`(?: [DQ]T=[0-9dhms.]+)+$`) // log_selector +deliver_time, +queue_time
	eximHost     = lazyre.New(`^(?:(?P<host>[^ \[]+) )?(?:\([^)]*\) )?(?:DS )?\[(?P<ip>[^\]]*)\](?::(?P<port>\d+))?`)
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
	who, quoted, unclear := cutEximQuoted(rest)
	if unclear {
		return resultUnparsed
	}
	if !quoted {
		// A space in front of an address is a copy's: Exim would repeat such an
		// address with its quotes.
		rest = strings.TrimLeft(rest, " ")
	}
	line := rest
	if quoted {
		line = "quoted" + who.rest
	} else if at, after, found, unclear := cutEximElsewhere(rest); unclear {
		return resultUnparsed
	} else if found {
		if at.to == "system-filter" {
			return resultOther
		}
		who, line = at, "elsewhere"+after
	}
	m, ok := match(pattern, line)
	if cut, found := strings.CutSuffix(line, ":"); !ok && found { // the message is in the next line
		m, ok = match(pattern, cut)
	}
	if !ok {
		return resultUnparsed
	}
	fields := m.raw("fields")
	if to := m.raw("to"); who.to == "" && strings.IndexByte(to, ' ') > 0 && strings.IndexByte("|/:", to[0]) >= 0 {
		return resultUnparsed // a command with arguments, and whose it was is not known
	}
	if !quoted && strings.Contains(rest, ` <"`) && (pattern == eximSent || !strings.Contains(fields, " H=") && pattern == eximFailed) {
		// The address as it arrived has quotes and was found nowhere. Only the
		// reply of a server, which H= names, may hold similar text.
		return resultUnparsed
	}
	ev.Kind = bounce.EventAttempt
	ev.Recipient, ev.OriginalRecipient = cleanAddress(who.to), cleanAddress(who.original)
	if who.to == "" {
		ev.Recipient, ev.OriginalRecipient = unescapeAddress(m.raw("to")), unescapeAddress(m.raw("orig"))
		if ev.OriginalRecipient == "system-filter" {
			ev.OriginalRecipient = "" // which named the recipient
		}
		if strings.LastIndexByte(ev.Recipient, '@') < 0 {
			// The name of a local user (log_as_local).
			ev.Recipient = ev.OriginalRecipient
		} else {
			ev.Recipient = quoteLocalPart(ev.Recipient)
		}
		if ev.Recipient == "" {
			if ev.Outcome == bounce.Sent {
				return resultOther // "=> discarded (system filter)"
			}
			ev.Recipient = m.address("to")
		}
	}
	if ev.Outcome == bounce.Sent {
		// :blackhole: and, with T=**bypassed**, /dev/null deliver nothing, nor does
		// a filter that says so. An autoreply is another message, to whom it names.
		takeEximSent(ev, fields)
		ev.Discarded = ev.Discarded || hasAnyPrefix(who.elsewhere, ":blackhole:", "/dev/null", ">") ||
			m.raw("to") == "discarded" && !strings.Contains(fields, " T=")
		return resultRead
	}
	if pattern == eximDeferred {
		fields += m.raw("fields2")
	}
	takeEximFields(fields, ev)
	message := eximMessage(m, pattern == eximDeferred)
	if eximOfPage.MatchString(message) {
		return resultUnparsed
	}
	parseEximMessage(ev, message)
	if who.elsewhere != "" {
		// Whatever failed, the address is not to blame.
		shown, _ := cutEximParents(who.elsewhere)
		ev.Reply.Text = clean(shown) + ": " + ev.Reply.Text
	}
	if ev.Reply.SMTPCode == 0 && eximCut.MatchString(message) && isRecipient(ev.Recipient) {
		return resultCut
	}
	return resultRead
}

// eximNames reports whether a line with the mark of a delivery or failure is
// about no recipient.
//
//	=> blackhole (DATA ACL discarded recipients)
//	** mua_wrapper is set but recipients cannot all be routed as a single-recipient …
func eximNames(rest string) bool {
	return strings.HasPrefix(rest, "blackhole ") || strings.HasPrefix(rest, "mua_wrapper is set ")
}

// cutEximField reads the first of the fields, each with a space before it. A flag
// such as PRDR is a name without a value. It returns false at the end of the
// fields.
func cutEximField(s string) (name, value, rest string, ok bool) {
	if len(s) < 2 || s[0] != ' ' || s[1] < 'A' || 'Z' < s[1] {
		return "", "", s, false
	}
	end := 1
	for end < len(s) && s[end] != '=' && s[end] != ' ' {
		end++
	}
	name, s = s[1:end], s[end:]
	if s == "" || s[0] == ' ' {
		return name, "", s, true
	}
	s = s[1:]
	switch {
	case strings.HasPrefix(s, "<"):
		if end = unquotedIndex(s, '>') + 1; end == 0 {
			end = len(s)
		}
	case strings.HasPrefix(s, `"`):
		for end = 1; end < len(s) && (s[end] != '"' || end+1 < len(s) && s[end+1] != ' '); end++ {
		}
		end++
	default:
		if end = strings.IndexByte(s, ' '); end < 0 {
			end = len(s)
		}
		if name == "H" && end > 0 && s[0] != '[' {
			at := strings.IndexByte(s, '[')
			if closing := strings.IndexByte(s, ']'); 0 < at && at < closing {
				for end = closing; end < len(s) && s[end] != ' '; end++ {
				}
			}
		}
	}
	end = min(end, len(s))
	return name, s[:end], s[end:], true
}

// takeEximFields takes router, transport and host out of the fields of a failure.
func takeEximFields(fields string, ev *bounce.Event) {
	for {
		name, value, rest, ok := cutEximField(fields)
		if !ok {
			return
		}
		switch fields = rest; name {
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

// isNear reports whether an address is this machine's or of a private network.
func isNear(ip string) bool {
	a, err := netip.ParseAddr(ip)
	return err == nil && (a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() || sharedSpace.Contains(a.Unmap()))
}

// sharedSpace is that of carriers (RFC 6598), which overlay networks and clusters
// use too.
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")
