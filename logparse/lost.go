package logparse

import (
	"strings"

	"github.com/bouncetail/bouncetail/internal/lazyre"
	"github.com/bouncetail/bouncetail/internal/oneof"
)

// No delivery may disappear. What the grammars and the readers of headers do not know
// is searched for the signs of a delivery, and counted if it has them. Templates,
// copies and new versions change more than the grammars can accept: they double
// spaces, add words and fields, and cut lines.

// deliveryAgents are the programs of Postfix that log deliveries.
var deliveryAgents = makeSet(`smtp lmtp local virtual pipe error retry discard`)

// losesDelivery reports whether a line of an MTA holds a delivery that its grammar
// does not read.
func (g *grammar) losesDelivery(h *header) bool {
	if !g.loses(h) || strings.HasPrefix(h.body, "message repeated ") { // rsyslog repeats the line before
		return false
	}
	return !isServerTag(h.tag) || !beginsLine(h.body) && !beginsWithTag(h.body) // else the tag is a container's
}

// maxBefore is how many bytes of words that are not known may stand before the
// beginning of a delivery. Behind more, a message quotes something.
const maxBefore = 100

// usualForm undoes what can be undone in a line without knowing its form: zero bytes, tabs
// and doubled and fixed spaces, entities of HTML, and names of fields in upper case.
func usualForm(line string) string {
	if strings.IndexByte(line, 0) >= 0 {
		line = strings.ReplaceAll(line, "\x00", "")
	}
	if strings.IndexByte(line, '\t') >= 0 || strings.Contains(line, "  ") || strings.IndexByte(line, "\u00a0"[0]) >= 0 {
		line = strings.Join(strings.Fields(line), " ")
	}
	if oneof.Contains(line, "&lt;", "&gt;", `\u003c`, `to\=`) {
		line = entities.Replace(line)
	}
	if strings.Contains(line, "TO=") || strings.Contains(line, "EVPID=") {
		line = upperFields.Replace(line)
	}
	return line
}

var (
	entities = strings.NewReplacer(
		"&lt;", "<", "&gt;", ">", "&quot;", `"`, "&nbsp;", " ", "&amp;", "&", `\u003c`, "<", `\u003e`, ">", `\=`, "=")
	upperFields = strings.NewReplacer(
		"TO=", "to=", "STATUS=", "status=", "STAT=", "stat=", "DELAY=", "delay=", "EVPID=", "evpid=", "RESULT=", "result=")
)

// eximMark matches the mark of a delivery or a failure.
const eximMark = `(?:\*\*|==|=>|->|>>)`

const lostEximID = `[0-9A-Za-z]{5,64}-[0-9A-Za-z]{4,20}-[0-9A-Za-z]{2,8} ?`

// lostFields match fields that may stand before to= in another order.
const lostFields = `(?:(?:relay|orig_to|ctladdr|delay|delays|xdelay|mailer|dsn)=(?:<[^<>]*>|[^,;|<>]*)[,;| ]+){0,6}to=`

var (
	// The recipient follows directly behind the queue ID, or nothing is before it.
	lostRecipient = lazyre.New(`^(?:(?:[^\s:]{1,64}|<[\w -]{1,40}>|\[[\w -]{1,40}\])[: ] ?)?` + lostFields)
	// Plain words are before the queue ID.
	lostBehindWords = lazyre.New(`^[^<>()@="]{1,100}\b[0-9A-Za-z]{5,64}: ?` + lostFields)
	// An id of Exim's, of whatever length its parts will have, or none.
	lostExim = lazyre.New(`^(?:(?:` + lostEximID + `)?` + eximMark + `[ ;,|]{1,3}|` + lostEximID + eximMark + `)` +
		`(?:[^ ;,|]*(?:@|R=)|[^ ;,|]+ <[^<> ]*@)`)
	// The id was shortened or masked.
	lostEximMasked = lazyre.New(`^[^\s<>@=:]{1,64} ` + eximMark + ` [^\s@]+@[^\s@]+ (?:<[^<>]*> |\([^()]*\) )*` +
		`(?:[A-Z]+=\S|routing defer|defer \()`)
	// Plain words are before it.
	lostEximBehindWords = lazyre.New(`^[^<>()@="]{1,100}\b` + eximIDPattern + ` ` + eximMark + ` `)
	// What OpenSMTPD delivers, and the kinds of version 5.
	lostOpenSMTPD    = lazyre.New(`^[^<>"=]{0,100}\b(?:mta|mda)[ ,;|]{1,3}(?:event=)?delivery\b`)
	lostOpenSMTPDOld = lazyre.New(`^[^<>"=]{0,100}(?:relay|delivery): (?:Ok|TempFail|PermFail|Loop|Expire) for `)
	// As exim -v prints it, perhaps into a field of an object.
	lostEximVerbose = lazyre.New(`^((?:[^<>@="]{0,60}[|:] |(?:[^\s<>@="]{1,60} ){1,4}|\{"[^<>@=]{1,200}": ?" ?)?)` +
		`(?:\d+ )?(?:\*\*|==|=>|->) \S+@[^\s:]+` +
		`(?: (?:.* )?R=\S+ (?:(?:.* )?T=\S|defer \(|: )| routing defer \(| ?: (?:Unrouteable address|retry timeout exceeded)(?:$|\\n"|"))`)
)

// namesRecipient reports whether a line has a field to=, in lower or upper case.
func namesRecipient(line string) bool {
	for {
		at := strings.IndexByte(line, '=')
		if at < 0 {
			return false
		}
		if at >= 2 && line[at-2]|0x20 == 't' && line[at-1]|0x20 == 'o' {
			return true
		}
		line = line[at+1:]
	}
}

// leadsToRecipient reports whether a line begins with a recipient, behind a queue ID
// and plain words or without them. The test for to= turns most lines away.
func leadsToRecipient(body string) bool {
	return strings.Contains(body[:min(len(body), 2*maxBefore)], "to=") &&
		(lostRecipient.MatchString(body) || !beginsWithID(body) && lostBehindWords.MatchString(body))
}

// beginsWithID reports whether a line begins with a word and a colon, as lines about a
// message do. They may quote another server.
func beginsWithID(body string) bool {
	id := alphanumerics(body)
	return id >= 5 && id < len(body) && body[id] == ':'
}

// behindFiller reports whether a delivery is behind words that are not known, of which
// none is about what another server said.
func behindFiller(body string) bool {
	before, _, found := strings.Cut(body[:min(len(body), 2*maxBefore)], "to=<")
	if !found || oneof.Contains(before, "said", "to me: ", "from=") {
		return false
	}
	_, found = findDelivery(body)
	return found
}

func losesPostfix(h *header) bool {
	if !namesRecipient(h.body) {
		return false // as nearly all lines, before anything else is looked for
	}
	body := usualForm(h.body)
	if isGlued(body) {
		return true
	}
	if body[0] == '{' || strings.HasPrefix(body, cee) {
		_, found := findDelivery(body)
		return found
	}
	if !deliveryAgents[postfixDaemon(h.tag)] && h.tag != "postfix" && !strings.HasPrefix(body, "to=") {
		return false
	}
	if oneof.HasPrefix(body, "< ", "> ") || beginsWithTag(body) || !leadsToRecipient(body) && !behindFiller(body) {
		return false
	}
	at := strings.Index(body, "status=")
	return at < 0 || !isProbe(body[at:]) // without a status it was cut off before it
}

// isGlued reports whether a line holds a delivery of another line, as pages do that lost
// the ends of the lines. It is not read: a stranger may have written it.
func isGlued(body string) bool {
	if !oneof.Contains(body, ", status=", ", stat=") {
		return false
	}
	at := gluedDelivery.FindStringIndex(body)
	return at != nil && !quotes.MatchString(body[:at[0]])
}

// quotes matches the words before what another server said, or what a message holds: a
// header check logs "4XabcZ1y2z: info: header Subject: …".
var quotes = lazyre.New(`\b(?:said|warning|reject): |^[0-9A-Za-z]{5,24}: [a-z]+: `)

var gluedDelivery = lazyre.New(`(?:[A-Z][a-z]{2} [ 1-3]?\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\S{1,40}) \S{1,100} ` +
	`(?:postfix[\w-]{0,40}/\w{1,40}\[\d+\]: [0-9A-Za-z]{5,24}: to=<[^<>]*>, (?:orig_to=<[^<>]*>, )?relay=|` +
	`s(?:endmail|m-[a-z-]+)\[\d+\]: [0-9A-Za-z]{5,24}: to=[^=]*, (?:<br ?/?>)?(?:ctladdr|delay)=)`)

// gluedExim matches the beginning of a second line of Exim.
var gluedExim = lazyre.New(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\S* (?:[+-]\d{4} )?(?:\[\d+\] )?` + eximIDPattern + ` ` + eximMark + ` `)

func losesSendmail(h *header) bool {
	if !namesRecipient(h.body) {
		return false
	}
	body := usualForm(h.body)
	return isGlued(body) || leadsToRecipient(body) && !strings.Contains(body, "stat=queued") && !strings.Contains(body, "quarantine")
}

func losesOpenSMTPD(h *header) bool {
	body := usualForm(h.body)
	if strings.Contains(body[:min(len(body), maxBefore)], "relay: Remove for ") {
		return false // by the administrator
	}
	return strings.Contains(body, "delivery") && lostOpenSMTPD.MatchString(body) ||
		strings.Contains(body, " for ") && lostOpenSMTPDOld.MatchString(body) ||
		strings.Contains(body, "to=<") && strings.Contains(body, "stat=") && !strings.Contains(body[:min(len(body), maxBefore)], "smtp ")
}

func losesExim(h *header) bool {
	body := usualForm(h.body)
	if h.tag != "" && losesEximBehindWords(body) { // without a tag, words before the id may be a header
		return true
	}
	// Of words in their usual form the grammar knows those that begin as it wants, and
	// that they are about no recipient.
	if id := eximIDLength(body); body == h.body && id > 0 && eximMarked(body[id:]) {
		return false
	}
	return strings.ContainsAny(body[:min(len(body), 2*maxBefore)], "*>=") && (lostExim.MatchString(body) || beginsMasked(body) && lostEximMasked.MatchString(body))
}

// beginsMasked reports whether the first word of a line may be an id that was shortened or
// masked, and is no word of a language.
func beginsMasked(body string) bool {
	word, _, _ := strings.Cut(body, " ")
	return strings.Trim(strings.ToLower(word), "abcdefghijklmnopqrstuvwxyz") != "" || word == strings.ToUpper(word)
}

func losesEximBehindWords(body string) bool {
	for _, mark := range [...]string{" ** ", " == ", "> "} {
		if strings.Contains(body, mark) {
			return eximIDLength(body) == 0 && lostEximBehindWords.MatchString(body)
		}
	}
	return false
}
