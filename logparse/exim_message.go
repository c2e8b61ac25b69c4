package logparse

import (
	"cmp"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/lazyre"
)

// eximReply reads the message of a failure that another server worded
// (src/transports/smtp.c). Before 2014 the host stood behind the command. With
// PRDR and LMTP each recipient gets a reply to the data:
//
//	SMTP error from remote mail server after RCPT TO:<a@b.example>: 550 5.1.1 No such user
//	SMTP error from remote mail server after RCPT TO:<a@b.example>: host mx [192.0.2.1]: 550 No
//	SMTP error from remote mailer after RCPT TO:<a@b.example>: host mx [192.0.2.1]: 550 No
//	PRDR error after DATA: 550 No
//	SMTP error from remote mail server after RCPT TO: : 550 No          a page took the address for a tag
var eximReply = lazyre.New(`^(?P<protocol>SMTP|LMTP|PRDR) error(?: from remote mail(?: server|er))? after (?:pipelined )?(?:sending )?` +
	`(?P<command>initial connection|end of data|data block|DATA|QUIT|(?:HELO|EHLO|LHLO)(?:[^:]|:[^ ])*|` +
	`(?:BDAT|STARTTLS|AUTH|XCLIENT)[^:]*|(?:MAIL FROM|RCPT TO)(?::(?:<` + address + `>[^:]*| )?)?)` +
	`: (?:host (?P<host>\S+) \[(?P<ip>[^\]]*)\]: )?(?P<reply>.*)$`)

// eximOfPage matches what a page that was copied makes of the beginning of such a
// message.
var eximOfPage = lazyre.New(`^[A-Z]{4} error [a-z ]*after [a-z ]*(?:MAIL FROM|RCPT TO):&lt;`)

// eximCut matches such a message that ends before the reply.
var eximCut = lazyre.New(`^(?:[SLP][DMPRT]{0,3}(?: (?:e[ro]{0,4}|error[^:]*)?)?(?::<[^>]*(?:>[^:]*)?)?(?:: host[^\]]*\]?)?:?)?$`)

// eximUndecided matches a line that ends before the words that say why it was deferred, or
// behind the recipient of a failure.
var eximUndecided = lazyre.New(`^` + eximIDPattern + ` (?:\*\* [^\s<>"]+@[^\s<>"]+(?: <[^<>"]*>)?|` +
	`== [^\s<>"]+@[^\s<>"]+(?: <[^<>"]*>)?(?: [RT](?:=\S*)?){0,2}(?: d?[efr]{0,4}(?: \(?-?\d*)?)?)$`)

// eximSession reads the stage from messages that Exim words itself:
//
//	SMTP timeout after RCPT TO:<a@b.example>
//	LMTP connection closed after end of data
//	Remote host closed connection in response to initial connection
//	Malformed SMTP reply in response to EHLO mx.a.example: garbage
var eximSession = lazyre.New(`^(?:(?:SMTP|LMTP) timeout after|Remote host closed connection in response to|` +
	`Malformed SMTP reply(?: \(an empty line\))? in response to|Malformed LMTP response after|LMTP connection closed after|` +
	`(?:SMTP|LMTP) timeout while|an unexpected EOF)(?: (?:pipelined |sending ))* ?(?P<command>.*)$`)

// eximGaveUp reads the message of an expiry. The retry data are kept for each
// host, so later messages to a host that has been failing for long are given up
// at once (src/retry.c, src/transports/smtp.c, and the wording before 4.80):
//
//	retry timeout exceeded
//	all hosts for 'b.example' have been failing for a long time (and retry time not reached)
//	all hosts have been failing for a long time and were last tried after this message arrived
//	retry time not reached for any host after a long failure period
var eximGaveUp = lazyre.New(`^(?:retry timeout exceeded|all hosts(?: for '[^']*')? have been failing for a long time|` +
	`retry time not reached for any host(?: for '[^']*')? after a long failure period)`)

// eximNotTried begins the message of a deferral of which no server was asked:
// Exim remembers for each host when to try again (src/retry.c).
const eximNotTried = "retry time not reached"

// eximErrno reads the system's words before Exim's own:
//
//	Connection timed out : SMTP timeout after RCPT TO:<a@b.example>
//	Connection timed out: SMTP timeout after RCPT TO:<a@b.example>
var eximErrno = lazyre.New(`^[A-Z][A-Za-z ]{3,60}? ?: (?P<rest>(?:SMTP|LMTP|PRDR|Remote host|Malformed) .*)$`)

// eximMessage returns the message of a failure, without the system's words where
// Exim's own say it all.
func eximMessage(m groups, deferred bool) string {
	message := strings.TrimLeft(eximTimes.ReplaceAllString(m.text("message"), ""), " ")
	if e, ok := match(eximErrno, message); ok && worded(e.raw("rest")) {
		message = e.raw("rest")
	}
	if !deferred {
		return cmp.Or(m.text("forced"), message)
	}
	switch words := m.text("words"); {
	case message == "":
		return words
	case words != "" && !worded(message):
		return words + ": " + message
	}
	return message
}

// worded reports whether a message is complete without the system's words.
func worded(message string) bool {
	return eximReply.MatchString(message) || eximSession.MatchString(message)
}

func parseEximMessage(ev *bounce.Event, message string) {
	r := &ev.Reply
	if ev.Outcome == bounce.Bounced && eximGaveUp.MatchString(message) {
		ev.Outcome = bounce.Expired
		r.Text = message
		return
	}
	m, ok := match(eximReply, message)
	if !ok {
		r.Text = joinLines(message)
		ev.Echo = ev.Outcome == bounce.Deferred && strings.HasPrefix(r.Text, eximNotTried)
		if s, ok := match(eximSession, message); ok {
			r.Stage = stageOf(s.raw("command"))
		}
		return
	}
	r.Stage = stageOf(m.raw("command"))
	if m.raw("protocol") == "PRDR" {
		r.Stage = bounce.StageEndOfData
	}
	if m.has("host") {
		setRelay(r, m.raw("host"), m.raw("ip"))
	}
	reply := m.raw("reply")
	first, _, _ := strings.Cut(reply, `\n`)
	setReply(r, joinLines(reply), unescape(first))
}

var rsyslogControl = lazyre.New(`#0[0-3][0-7]`)

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
		if c, ok := octalByte(s[i:]); ok {
			out = append(out, c)
			i += 3
			continue
		}
		if s[i] == '\\' && i+1 < len(s) {
			if c, known := eximEscape(s[i+1:]); known {
				out = append(out, c)
				i++
				continue
			}
		}
		out = append(out, s[i])
	}
	return clean(out)
}

// eximEscape reads the letter of an escape such as \t. A backslash of the reply
// itself is often followed by a letter, as in DOMAIN\backup, so that \b, \v and
// \f count only where no word follows.
func eximEscape(s string) (c byte, known bool) {
	switch s[0] {
	case 't', 'r':
		return ' ', true
	case 'b', 'v', 'f':
		if len(s) == 1 || !isAlphanumeric[s[1]] {
			return '?', true
		}
	}
	return 0, false
}

// octalByte reads the byte that a text begins with as Exim writes it: \303.
func octalByte(s string) (c byte, ok bool) {
	if len(s) < 4 || s[0] != '\\' || s[1] < '0' || '3' < s[1] || !isOctal(s[2]) || !isOctal(s[3]) {
		return 0, false
	}
	return (s[1]-'0')<<6 | (s[2]-'0')<<3 | (s[3] - '0'), true
}

func isOctal(c byte) bool { return '0' <= c && c <= '7' }
