package logparse

import (
	"regexp"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
)

// Exim 4.8x to 4.99. The marker behind the message's id tells what the line is
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
var eximLine = regexp.MustCompile(`^(?P<id>[0-9A-Za-z]{6}-[0-9A-Za-z]{6}(?:[0-9A-Za-z]{5})?-[0-9A-Za-z]{2}(?:[0-9A-Za-z]{2})?) (?P<mark><=|=>|->|>>|\*\*|==|Completed)(?: (?P<rest>.*))?$`)

// eximArrival reads the sender and the message-id; only id= behind S= is
// Exim's own, for HELO names and subjects are the client's. id*= is one that
// Exim made itself (log_selector +msg_id_created).
var eximArrival = regexp.MustCompile(`^(?P<from><>|"(?:[^"\\]|\\.)*"@\S+|\S+) (?:.*? S=\d+(?: .*?)?? id\*?=(?P<messageid>\S+))?`)

const eximSubject = ` T="`

// eximFields are the fields that stand between an address and the message.
const eximFields = `(?: (?:(?:F|P|SRS)=<` + address + `>|[RTSAKQ]=\S+|H=\S+(?: \([^)]*\))?(?: DS)? \[[^\]]*\](?::\d+)?\*?|H=\[[^\]]*\](?::\d+)?|I=\[[^\]]*\](?::\d+)?|DN="(?:[^"]|"[^ :])*"+|L\*?|K|PRDR|TFO\*?|(?:X|CV|SNI|QT|DT|PRX)=\S+))*?`

// eximAddress is the address of a recipient, and the original one behind it.
// Exim takes the quotes off a local part that it reports, but not off the
// original, so that the first may hold anything. An expiry names it as it came.
//
//	loop1@b.example (loop2@b.example) <loop1@b.example>: …
//	john doe@b.example <list@b.example> R=dnslookup …
//	"john doe"@b.example: retry timeout exceeded
const eximAddress = `(?P<to>[|/:][^<>]*?|"(?:[^"\\]|\\.)*"@\S+|\S+|[^<>:=@]+@\S+)(?: \([^)]*\))?(?: <(?P<orig>[^"> ]*)>)?`

// eximElsewhere reads what is no address, with the address behind: a program, a
// file, :blackhole:, a reply made by Exim, and a file that a filter named. No
// field stands before that address: what is behind one may be the remote's.
//
//	|/usr/bin/filter --x <y> (c@b.example) <a@b.example> R=aliases T=address_pipe: …
//	>news@a.example <a@b.example> R=vacation T=autoreply: …
//	save inbox <a@b.example> R=userforward T=address_file: …
var eximElsewhere = regexp.MustCompile(`^(?P<what>(?:[|/:>]|save ).*?) <(?P<orig>[^<>"@ ]+@[^<>" ]+|"(?:[^"\\]|\\.)*"@[^<>" ]+)>(?P<after>(?:$| ?: | defer \(| [A-Z]+=).*)`)

var (
	eximFailed = regexp.MustCompile(`^` + eximAddress + `(?P<fields>` + eximFields + `)(?: ?: (?P<message>.*))?$`)
	// since 4.8x: defer (ERRNO), the system's words, who was asked, the message
	eximDeferred = regexp.MustCompile(`^` + eximAddress + `(?P<fields>` + eximFields + `)(?: routing)? defer \((?P<code>-?\d+)\)(?:: (?P<words>[^:]*?))?(?P<fields2>` + eximFields + `)(?: ?: (?P<message>.*))?$`)
	eximSent     = regexp.MustCompile(`^` + eximAddress + `(?: [A-Z]+=|: |$)`)
	eximField    = regexp.MustCompile(` (?:[A-Z]+=|defer \()`)
	eximQuoted   = regexp.MustCompile(` <(?P<orig>"(?:[^"\\]|\\.)*"@[^> ]+)>`)
	eximTimes    = regexp.MustCompile(`(?: [DQ]T=[0-9dhms.]+)+$`) // log_selector +deliver_time, +queue_time
	eximHost     = regexp.MustCompile(` H=(?:(?P<host>[^ \[]+) )?(?:\([^)]*\) )?(?:DS )?\[(?P<ip>[^\]]*)\](?::(?P<port>\d+))?`)
)

// eximReply reads the message of a failure that another server worded
// (src/transports/smtp.c). Before 2014 the host stood behind the command:
//
//	SMTP error from remote mail server after RCPT TO:<a@b.example>: 550 5.1.1 No such user
//	SMTP error from remote mail server after RCPT TO:<a@b.example>: host mx [192.0.2.1]: 550 No
var eximReply = regexp.MustCompile(`^(?:SMTP|LMTP) error(?: from remote mail server)? after (?:pipelined )?(?:sending )?` +
	`(?P<command>initial connection|end of data|data block|DATA|QUIT|(?:HELO|EHLO|LHLO)(?:[^:]|:[^ ])*|(?:BDAT|STARTTLS|AUTH|XCLIENT)[^:]*|(?:MAIL FROM|RCPT TO):<` + address + `>[^:]*)` +
	`: (?:host (?P<host>\S+) \[(?P<ip>[^\]]*)\]: )?(?P<reply>.*)$`)

// eximSession reads the stage out of what Exim words itself:
//
//	SMTP timeout after RCPT TO:<a@b.example>
//	LMTP connection closed after end of data
//	Remote host closed connection in response to initial connection
//	Malformed SMTP reply in response to EHLO mx.a.example: garbage
var eximSession = regexp.MustCompile(`^(?:(?:SMTP|LMTP) timeout after|Remote host closed connection in response to|Malformed SMTP reply(?: \(an empty line\))? in response to|Malformed LMTP response after|LMTP connection closed after|(?:SMTP|LMTP) timeout while|an unexpected EOF)(?: (?:pipelined |sending ))* ?(?P<command>.*)$`)

func claimsExim(h *header) bool {
	return h.stamp.exim || strings.HasPrefix(h.tag, "exim")
}

func parseExim(h *header, ev *bounce.Event) result {
	body := h.body
	if len(body) < 18 || body[6] != '-' {
		return other
	}
	id := 16
	if !eximMarked(body[id:]) {
		if id = 23; len(body) <= id || !eximMarked(body[id:]) {
			return other
		}
	}
	*ev = bounce.Event{}
	ev.MTA = bounce.Exim
	if plainExim(body, id, ev) {
		return read
	}
	*ev = bounce.Event{Delivery: bounce.Delivery{MTA: bounce.Exim}}
	return parseEximByGrammar(body, ev)
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

// parseEximByGrammar asks the expressions.
func parseEximByGrammar(body string, ev *bounce.Event) result {
	m, ok := match(eximLine, body)
	if !ok {
		return other
	}
	ev.QueueID = m.raw("id")
	rest := m.bytes("rest")
	switch m.raw("mark") {
	case "<=":
		own, _, _ := strings.Cut(rest, eximSubject)
		a, ok := match(eximArrival, own+" ")
		if !ok {
			return unread
		}
		ev.Kind, ev.HasSender, ev.MessageID = bounce.EventMessage, true, a.text("messageid")
		if from := a.text("from"); from != "<>" {
			ev.Sender = from
		}
		return read
	case "Completed":
		ev.Kind = bounce.EventRemoved
		return read
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

func parseEximAttempt(pattern *regexp.Regexp, rest string, ev *bounce.Event) result {
	quoted, rest := cutQuoted(rest)
	var original string
	if e, ok := match(eximElsewhere, rest); ok && quoted == "" && !eximField.MatchString(e.bytes("what")) {
		original = e.text("orig")
		rest = "elsewhere" + e.bytes("after")
	}
	m, ok := match(pattern, rest)
	if !ok {
		return unread
	}
	ev.Kind = bounce.EventAttempt
	ev.Recipient, ev.OriginalRecipient = m.text("to"), m.text("orig")
	at := strings.LastIndexByte(ev.Recipient, '@')
	switch {
	case quoted != "":
		ev.Recipient = quoted
	case original != "":
		ev.Recipient, ev.OriginalRecipient = original, original
	case at < 0 && ev.OriginalRecipient != "":
		// The name of a local user (log_as_local).
		ev.Recipient = ev.OriginalRecipient
	case at < 0 && ev.Outcome == bounce.Sent:
		return other // "=> discarded (system filter)"
	case at > 0 && strings.IndexByte(ev.Recipient[:at], ' ') > 0 && strings.IndexByte(`"|/:`, ev.Recipient[0]) < 0:
		ev.Recipient = `"` + ev.Recipient[:at] + `"` + ev.Recipient[at:]
	}
	if ev.Outcome == bounce.Sent {
		ev.Onward = eximOnward(rest)
		return read
	}
	message := eximTimes.ReplaceAllString(m.text("message"), "")
	fields := m.bytes("fields")
	if pattern == eximDeferred {
		fields = fields + m.bytes("fields2")
		words := m.text("words")
		switch {
		case message == "":
			message = words
		case words != "" && !eximReply.MatchString(message) && !eximSession.MatchString(message):
			message = words + ": " + message
		}
	}
	if host, ok := match(eximHost, fields); ok {
		setRelay(&ev.Reply, host.text("host"), host.raw("ip"))
		setPort(&ev.Reply, host.raw("port"))
	}
	parseEximMessage(ev, message)
	return read
}

// eximOnward returns the id under which an Exim on this machine took a message,
// behind a content filter for instance:
//
//	a@b.example R=amavis T=amavis H=127.0.0.1 [127.0.0.1] C="250 2.0.0 from
//	  MTA(smtp:[127.0.0.1]:10025): 250 OK id=1xVTbv-00000r-1v"
func eximOnward(success string) string {
	at := strings.Index(success, " [127.0.0.1]")
	if at < 0 {
		return ""
	}
	_, id, _ := strings.Cut(success[at:], " OK id=")
	end := 0
	for end < len(id) && (isAlphanumeric[id[end]] || id[end] == '-') {
		end++
	}
	return id[:end]
}

// cutQuoted takes an address with a quoted local part off the front of a line,
// and puts a plain word in its place:
//
//	x R=y T=z: no <"x R=y T=z: no"@b.example> R=dnslookup …
func cutQuoted(rest string) (quoted string, without string) {
	if strings.HasPrefix(rest, `"`) {
		return "", rest
	}
	for _, at := range eximQuoted.FindAllStringSubmatchIndex(rest, 4) {
		orig := rest[at[2]:at[3]]
		end := strings.LastIndex(orig, `"@`)
		bare := unquote(orig[1:end]) + orig[end+1:]
		if strings.EqualFold(rest[:at[0]], bare) { // Exim also lower-cases it
			return clean(orig), "quoted" + rest[at[1]:]
		}
	}
	return "", rest
}

func unquote(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		out.WriteByte(s[i])
	}
	return out.String()
}

func parseEximMessage(ev *bounce.Event, message string) {
	r := &ev.Reply
	if strings.HasPrefix(message, "retry timeout exceeded") {
		// The expiry; the last deferral tells why.
		ev.Outcome = bounce.Expired
		r.Text = message
		return
	}
	m, ok := match(eximReply, message)
	if !ok {
		r.Text = joinLines(message)
		if s, ok := match(eximSession, message); ok {
			r.Stage = eximStage(s.raw("command"))
		}
		return
	}
	r.Stage = eximStage(m.raw("command"))
	if m.has("host") {
		setRelay(r, m.raw("host"), m.raw("ip"))
	}
	reply := m.raw("reply")
	first, _, _ := strings.Cut(reply, `\n`)
	setReply(r, joinLines(reply), unescape(first))
}

var rsyslogControl = regexp.MustCompile(`#0[0-3][0-7]`)

// joinLines puts the lines of a reply, which Exim joins with a literal \n, on
// one line.
func joinLines(s string) string {
	return clean(unescape(strings.ReplaceAll(s, `\n`, " ")))
}

// unescape undoes string_printing (src/string.c): octal numbers for what is
// not printable. Backslashes of the reply itself are not doubled, so anything
// else stays as it is.
//
// Rsyslog writes control characters as #011.
func unescape(s string) string {
	if strings.Contains(s, "#0") {
		s = rsyslogControl.ReplaceAllString(s, " ")
	}
	if !strings.Contains(s, `\`) {
		return s
	}
	var out []byte
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) && '0' <= s[i+1] && s[i+1] <= '3' && isOctal(s[i+2]) && isOctal(s[i+3]) {
			out = append(out, (s[i+1]-'0')<<6|(s[i+2]-'0')<<3|(s[i+3]-'0'))
			i += 3
			continue
		}
		if s[i] == '\\' && i+1 < len(s) && (s[i+1] == 't' || s[i+1] == 'r') {
			out = append(out, ' ')
			i++
			continue
		}
		out = append(out, s[i])
	}
	return clean(out)
}

func isOctal(c byte) bool { return '0' <= c && c <= '7' }

func eximStage(command string) bounce.Stage {
	for _, s := range [...]struct {
		prefix string
		stage  bounce.Stage
	}{
		{"initial connection", bounce.StageGreeting},
		{"end of data", bounce.StageEndOfData},
		{"data block", bounce.StageEndOfData},
		{"BDAT", bounce.StageEndOfData},
		{"DATA", bounce.StageData},
		{"RCPT", bounce.StageRcptTo},
		{"MAIL", bounce.StageMailFrom},
		{"STARTTLS", bounce.StageTLS},
		{"AUTH", bounce.StageAuth},
		{"EHLO", bounce.StageEHLO},
		{"HELO", bounce.StageEHLO},
		{"LHLO", bounce.StageEHLO},
	} {
		if strings.HasPrefix(command, s.prefix) {
			return s.stage
		}
	}
	return ""
}
