package classify

import (
	"slices"
	"strconv"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/lazyre"
	"github.com/bouncetail/bouncetail/internal/oneof"
)

// speaker says whose words a reply is.
type speaker uint8

const (
	remote  speaker = iota // the other side
	ourMTA                 // our own mail server, read from its log
	nobody                 // a bare text without a code: nothing says who wrote it
	gateway                // the server that the other side asked, quoted in its reply
)

// way is how our mail server delivers to the recipient.
type way uint8

const (
	unknownWay way = iota
	localWay       // a mailbox or a program of this machine
	relayWay       // a smart host, or a relay that the configuration names
)

// shape is all that a verdict depends on. Names and addresses are not in it, only
// how they relate to the recipient, so that the shapes are few.
type shape struct {
	text string // see fold
	facts
}

// facts are what a shape holds beside the text.
type facts struct {
	enhanced, provider string
	code               int
	stage              bounce.Stage
	outcome            bounce.Outcome
	speaker            speaker
	way                way
	mta                bounce.MTA // dsn and mta are empty if the reply has a code
	dsn                string     // the status that the MTA logged
	known              bool       // the recipient is known, so a name in the text is its domain or another
	elsewhere          bool       // the recipient is a program, a file or an autoreply
}

// commandOutput separates what a mail server reports about a program from what the
// program printed, which decides nothing:
//
//	Command died with status 1: "/usr/local/bin/deliver". Command output: sudo: unknown user: vmail
const commandOutput = "Command output:"

// factsOf returns the facts of a delivery, and the text to fold.
func factsOf(d *bounce.Delivery) (facts, string) {
	s := facts{
		enhanced: d.Reply.EnhancedCode, provider: provider(d.Reply.RelayHost), code: d.Reply.SMTPCode,
		stage: d.Reply.Stage, outcome: d.Outcome, known: strings.Contains(d.Recipient, "@"),
	}
	text := d.Reply.Text
	if s.code != 0 {
		return s, text
	}
	s.speaker, s.dsn, s.mta = ourMTA, d.DSN, d.MTA
	if d.MTA == "" {
		s.speaker = nobody
	}
	s.way = wayOf(d)
	s.elsewhere = isElsewhere(d.Recipient) || isElsewhere(d.OriginalRecipient)
	if at := strings.Index(text, commandOutput); at > 0 {
		text = withoutOutput(text[:at], text[at:])
	}
	return s, text
}

// withoutOutput returns what the mail server said of a program. Only a full
// mailbox is taken from what the program printed, and only if the program did
// not break: it asks to try again, and gives no address up.
func withoutOutput(said, printed string) string {
	said = strings.TrimRight(said, " .")
	isUnbroken := strings.HasSuffix(said, "temporary failure") || strings.HasPrefix(said, "can't create user output file")
	if isUnbroken && oneof.Contains(bounce.LowerASCII(printed), "quota exceeded", "over quota", "mailbox full") {
		return said + ". Quota exceeded"
	}
	return said
}

// The names of daemons, mailers and transports, or parts of them, that deliver locally.
var (
	localOfPostfix  = []string{"local", "virtual", "pipe"}
	localOfSendmail = []string{"local", "prog", "cyrus", "cyrusv2", "procmail", "*file*", "*include*", "lmtp"}
	localOfExim     = []string{"pipe", "local", "spool", "maildir"}
)

// wayOf recognizes local deliveries and smart hosts by the names of daemons, mailers,
// routers and transports.
func wayOf(d *bounce.Delivery) way {
	transport, router := bounce.LowerASCII(d.Transport), bounce.LowerASCII(d.Router)
	switch d.MTA {
	case bounce.Postfix:
		if slices.Contains(localOfPostfix, transport) {
			return localWay
		}
	case bounce.Sendmail:
		switch {
		case slices.Contains(localOfSendmail, transport):
			return localWay
		case transport == "relay":
			return relayWay
		}
	case bounce.Exim:
		switch {
		case oneof.Contains(transport+router, "smart", "relay") || strings.Contains(router, "manualroute"):
			return relayWay
		case oneof.Contains(transport, localOfExim...):
			return localWay
		}
	case bounce.OpenSMTPD:
		// Without a connection, relay= names what was looked up: the domain of the
		// recipient, or a smart host.
		looked, own := d.Reply.RelayHost, d.Recipient[strings.LastIndexByte(d.Recipient, '@')+1:]
		if looked != "" && d.Reply.RelayIP == "" && !strings.EqualFold(looked, own) {
			return relayWay
		}
	}
	return unknownWay
}

// isElsewhere reports whether a recipient is a program, a file or an autoreply.
func isElsewhere(address string) bool {
	return oneof.HasPrefix(address, ">", "|") || strings.HasPrefix(address, "/") && !strings.Contains(address, "@")
}

// probe finds the reply that a server got when it asked the recipient's server
// for the address (Postfix, ADDRESS_VERIFICATION_README), or delivered to it.
// Only that one counts:
//
//	550 5.1.1 <>: recipient address rejected: undeliverable address: host #[#] said:
//	550 5.1.8 <>: sender address rejected: domain not found (in reply to rcpt to command)
var (
	probe      = lazyre.New(`(?:undeliverable|unverified) address: (?:host \S+ (?:said|refused to talk to me): )?|\bhost \S+ said: `)
	probeStage = lazyre.New(` ?\(in reply to (end of data|mail from|rcpt to|ehlo|helo|data|initial server greeting)[^)]*\)`)
	leading    = lazyre.New(`^["' ]*([45]\d\d)(?:[ :-]+|$)(?:#?([45]\.\d{1,3}\.\d{1,3})\b)?`)
)

// quoted finds the reply in the report that a server writes of it.
//
//	your message wasn't delivered to <>. the response from the remote server was: 550 5.1.1 <>: user unknown
var quoted = lazyre.New(`(?:the response(?: from the remote server)? was|it responded as follows|the error that the other server returned was|` +
	`returned the following error|remote server returned|remote host said):? ?["'\[(]*([45]\d\d[ -].*)`)

// inside replaces what is judged by the reply that a probe got, or that a report
// quotes.
func (j *judged) inside() {
	if j.code == 0 && oneof.Contains(j.text, " was: ", "follows: ", "returned", "said:") {
		if m := quoted.FindStringSubmatch(j.text); m != nil {
			j.quote(m[1])
		}
	}
	if !strings.Contains(j.text, " address: ") && !strings.Contains(j.text, " said: ") {
		return
	}
	at := probe.FindStringIndex(j.text)
	if at == nil || at[1] == len(j.text) {
		return
	}
	if strings.Contains(j.text[:at[0]], "sender address") {
		j.stage = bounce.StageMailFrom // the gateway asked for the sender's address
		j.quote(j.text[at[1]:])
		return
	}
	text := j.text[at[1]:]
	if m := probeStage.FindStringSubmatchIndex(text); m != nil {
		j.stage = probeStages[text[m[2]:m[3]]]
		text = text[:m[0]]
	}
	j.speaker = gateway
	j.quote(text)
}

// quote makes a reply inside the text the one that is judged.
func (j *judged) quote(text string) {
	if at := strings.Index(text, "command output:"); at > 0 {
		text = text[:at]
	}
	j.inner = true
	j.code, j.enhanced, j.text = 0, "", text
	if m := leading.FindStringSubmatch(text); m != nil {
		j.code, _ = strconv.Atoi(m[1])
		j.enhanced = m[2]
	}
}

var probeStages = map[string]bounce.Stage{
	"end of data": bounce.StageEndOfData, "mail from": bounce.StageMailFrom, "rcpt to": bounce.StageRcptTo, "ehlo": bounce.StageEHLO,
	"helo": bounce.StageEHLO, "data": bounce.StageData, "initial server greeting": bounce.StageGreeting,
}

// relation says how the names in a sentence relate to the recipient's domain.
type relation uint8

const (
	noName  relation = iota // no host or domain is named
	unknown                 // one is, and nobody knows the recipient
	same                    // the recipient's domain is named
	another                 // another one is
)

func (r relation) String() string {
	return [...]string{
		"no domain is named", "a domain is named, and the recipient is not known", "the recipient's domain is named",
		"another domain or host is named",
	}[r]
}

var hostName = lazyre.New(`(?:#|\b[a-z0-9_])[a-z0-9_-]*(?:\.[a-z0-9_-]+)*\.[a-z][a-z0-9-]*[a-z]\b`)

// relation returns how the names in the text relate to the recipient.
func (j *judged) relation() relation {
	switch {
	case strings.Contains(j.named, "(own)") || strings.Contains(j.named, "domain <>"):
		return same
	case strings.Contains(j.words, "(other)"):
		return another
	}
	for _, name := range hostName.FindAllString(j.words, -1) {
		switch {
		case oneof.HasPrefix(name, "resolver.", "storedrv.", "smtpsend.", "routing."): // parts of Exchange
		case j.known:
			return another
		default:
			return unknown
		}
	}
	return noName
}
