package classify

import (
	"strconv"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/lazyre"
)

// Delivery makes a delivery out of a bare reply, as a person pastes it: the
// codes are those of its start, and what the MTA did follows from their class.
func Delivery(reply string) bounce.Delivery {
	d := bounce.Delivery{Outcome: bounce.Bounced}
	lines := lineBreaks.Split(strings.TrimSpace(reply), -1)
	text := strings.Join(lines, " ")
	if m := stageInText.FindStringSubmatch(text); m != nil {
		d.Reply.Stage = stages[strings.ToUpper(m[1]+m[2])]
	}
	d.Reply.Text = withoutWrapper(text)
	m := bareCodes.FindStringSubmatch(d.Reply.Text)
	d.Reply.SMTPCode, _ = strconv.Atoi(m[1])
	d.Reply.EnhancedCode = m[2]
	if d.Reply.EnhancedCode == "" {
		// Of several lines, the last may alone have the enhanced code.
		if last := bareCodes.FindStringSubmatch(lines[len(lines)-1]); last[1] == m[1] {
			d.Reply.EnhancedCode = last[2]
		}
	}
	if d.Reply.SMTPCode/100 == 4 {
		d.Outcome = bounce.Deferred
	}
	return d
}

var bareCodes = lazyre.New(`^\s*(?:([2-7]\d\d)(?:[-\s:]+|$))?(?:[(\[]?#?([245]\.\d{1,3}\.\d{1,3})\b)?`)

// lineBreaks are those of a reply as it is pasted: real ones, or written \n.
var lineBreaks = lazyre.New(`\r?\n|\\r\\n|\\n`)

// stageInText finds the stage where an MTA wrote it around the reply:
//
//	host mx.b.example[192.0.2.1] said: 550 no (in reply to MAIL FROM command)
//	SMTP error from remote mail server after RCPT TO:<a@b.example>: 550 no
var stageInText = lazyre.New(`(?i)(?:in reply to (?:end of )?|remote (?:mail )?(?:server|mailer) after (?:pipelined |end of )?|` +
	`did not like our (?:final )?|>>> ?|error following )(initial connection|HELO|EHLO|AUTH|MAIL FROM|RCPT TO|DATA)|` +
	`\b(MAIL FROM|RCPT TO|EHLO|HELO) command\b`)

var stages = map[string]bounce.Stage{
	"INITIAL CONNECTION": bounce.StageGreeting, "HELO": bounce.StageEHLO, "EHLO": bounce.StageEHLO, "AUTH": bounce.StageAuth,
	"MAIL FROM": bounce.StageMailFrom, "RCPT TO": bounce.StageRcptTo, "DATA": bounce.StageEndOfData,
}

// wrappers are what programs write before a reply, each followed by its code.
var wrappers = []*lazyre.Regexp{
	lazyre.New(`(?i)^(?:diagnostic-code: *)?(?:smtp|lmtp|x-[a-z-]+); *(["'(\[]*[245]\d\d[-\s].*)$`),
	lazyre.New(`(?i)^(?:host )?\S+ ?\[[^\]]+\](?::\d+)?:? (?:said|refused to talk to me): *(["']?[245]\d\d[-\s].*)$`),
	lazyre.New(`(?i)^host \S+ ?\[[^\]]+\]:? *([245]\d\d[-\s].*)$`),
	lazyre.New(`(?i)^.{0,200}(?:SMTP|LMTP|PRDR) error from remote (?:mail )?(?:server|mailer) after .{1,300}?: *` +
		`(?:host \S+ \[[^\]]+\]: *)?([245]\d\d[-\s].*)$`),
	lazyre.New(`(?i)^(?:host \S+|the remote server|remote host|remote (?:smtp |mail )?server|the other server|server|it) ` +
		`(?:said|responded|replied|answered|returned):? *(["']?[245]\d\d[-\s].*)$`),
	lazyre.New(`(?i)^\S+ does not like (?:recipient|sender|message)\. ?Remote host said: *(["']?[245]\d\d[-\s].*)$`),
	lazyre.New(`(?i)^(?:<<<|>>>|stat=|status=\w+|reply:|response:|error:|reason:|deferred:?|bounced:?|deferred \(|bounced \() *` +
		`(?:host \S+ said: *)?(["'(]*[245]\d\d[-\s].*)$`),
	lazyre.New(`^["'“”„«(\[]+ *([245]\d\d[-\s].*)$`),
}

var inReplyTo = lazyre.New(` ?\(in reply to [\w ]+ command\)\)?$`)

// withoutWrapper returns the reply without what a program wrote around it.
func withoutWrapper(text string) string {
	for range 4 { // wrappers may stand in each other
		found := false
		for _, w := range wrappers {
			if m := w.FindStringSubmatch(text); m != nil {
				text = inReplyTo.ReplaceAllString(m[1], "")
				found = true
				break
			}
		}
		if !found {
			break
		}
	}
	return text
}
