package logparse

import (
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/lazyre"
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
	if containsAny(line, "&lt;", "&gt;", `\u003c`, `to\=`) {
		line = entities.Replace(line)
	}
	if strings.Contains(line, "TO=") || strings.Contains(line, "EVPID=") {
		line = upperFields.Replace(line)
	}
	return line
}

var (
	entities    = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&quot;", `"`, "&nbsp;", " ", "&amp;", "&", `\u003c`, "<", `\u003e`, ">", `\=`, "=")
	upperFields = strings.NewReplacer("TO=", "to=", "STATUS=", "status=", "STAT=", "stat=", "DELAY=", "delay=", "EVPID=", "evpid=", "RESULT=", "result=")
)

const lostEximID = `[0-9A-Za-z]{5,64}-[0-9A-Za-z]{4,20}-[0-9A-Za-z]{2,8} ?`

// lostFields match fields that may stand before to= in another order.
const lostFields = `(?:(?:relay|orig_to|ctladdr|delay|delays|xdelay|mailer|dsn)=(?:<[^<>]*>|[^,;|<>]*)[,;| ]+){0,6}to=`

var (
	// The recipient follows directly behind the queue ID, or nothing is before it.
	lostRecipient = lazyre.New(`^(?:(?:[^\s:]{1,64}|<[\w -]{1,40}>|\[[\w -]{1,40}\])[: ] ?)?` + lostFields)
	// Plain words are before the queue ID.
	lostBehindWords = lazyre.New(`^[^<>()@="]{1,100}\b[0-9A-Za-z]{5,64}: ?` + lostFields)
	// An id of Exim's, of whatever length its parts will have, or none.
	lostExim = lazyre.New(`^(?:(?:` + lostEximID + `)?(?:\*\*|==|=>|->|>>)[ ;,|]{1,3}|` + lostEximID + `(?:\*\*|==|=>|->|>>))(?:[^ ;,|]*(?:@|R=)|[^ ;,|]+ <[^<> ]*@)`)
	// The id was shortened or masked.
	lostEximMasked = lazyre.New(`^[^\s<>@=:]{1,64} (?:\*\*|==|=>|->|>>) [^\s@]+@[^\s@]+ (?:<[^<>]*> |\([^()]*\) )*(?:[A-Z]+=\S|routing defer|defer \()`)
	// Plain words are before it.
	lostEximBehindWords = lazyre.New(`^[^<>()@="]{1,100}\b` + eximIDPattern + ` (?:\*\*|==|=>|->|>>) `)
	// What OpenSMTPD delivers, and the kinds of version 5.
	lostOpenSMTPD    = lazyre.New(`^[^<>"=]{0,100}\b(?:mta|mda)[ ,;|]{1,3}(?:event=)?delivery\b`)
	lostOpenSMTPDOld = lazyre.New(`^[^<>"=]{0,100}(?:relay|delivery): (?:Ok|TempFail|PermFail|Loop|Expire) for `)
	// As exim -v prints it, perhaps into a field of an object.
	lostEximVerbose = lazyre.New(`^((?:[^<>@="]{0,60}[|:] |(?:[^\s<>@="]{1,60} ){1,4}|\{"[^<>@=]{1,200}": ?" ?)?)(?:\d+ )?(?:\*\*|==|=>|->) \S+@[^\s:]+` +
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
	if !found || containsAny(before, "said", "to me: ", "from=") {
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
	if body[0] == '{' || strings.HasPrefix(body, "@cee:") {
		_, found := findDelivery(body)
		return found
	}
	if !deliveryAgents[postfixDaemon(h.tag)] && h.tag != "postfix" && !strings.HasPrefix(body, "to=") {
		return false
	}
	if hasAnyPrefix(body, "< ", "> ") || beginsWithTag(body) || !leadsToRecipient(body) && !behindFiller(body) {
		return false
	}
	at := strings.Index(body, "status=")
	return at < 0 || !isProbe(body[at:]) // without a status it was cut off before it
}

// isGlued reports whether a line holds a delivery of another line, as pages do that lost
// the ends of the lines. It is not read: a stranger may have written it.
func isGlued(body string) bool {
	if !containsAny(body, ", status=", ", stat=") {
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
	return strings.ContainsAny(body[:min(len(body), 2*maxBefore)], "*>=") && (lostExim.MatchString(body) || lostEximMasked.MatchString(body))
}

func losesEximBehindWords(body string) bool {
	for _, mark := range [...]string{" ** ", " == ", "> "} {
		if strings.Contains(body, mark) {
			return eximIDLength(body) == 0 && lostEximBehindWords.MatchString(body)
		}
	}
	return false
}

// findDelivery looks for a delivery anywhere in a line whose header is not known, up to
// the length of the longest, and returns whose it is.
func findDelivery(line string) (mta bounce.MTA, found bool) {
	line = line[:min(len(line), longest)]
	if mta, found = findFields(line); found {
		return mta, true
	}
	line = usualForm(line)
	stat := strings.LastIndex(line, "stat=")
	delay := max(strings.LastIndex(line, "delay="), strings.LastIndex(line, "dsn="))
	for at := strings.Index(line, ": to="); at > 0; {
		if isQueueID(line[:at]) {
			switch {
			case (bracketsRecipient(line[at+len(": to="):]) || strings.Contains(line[at:], "relay=")) && hasOutcome(line[at:]):
				return bounce.Postfix, true
			case at < delay && delay < stat:
				return bounce.Sendmail, true
			case isCutDelivery(line, at):
				return bounce.Postfix, true
			}
		}
		next := strings.Index(line[at+1:], ": to=")
		if next < 0 {
			break
		}
		at += 1 + next
	}
	if losesID(line) {
		return bounce.Postfix, true
	}
	if before, after, found := strings.Cut(line, ": from=<"); found && isQueueID(before) && strings.Contains(after, ">, status=expired, returned to sender") {
		return bounce.Postfix, true
	}
	for _, mark := range [...]string{"relay: ", "delivery: "} {
		if at := strings.Index(line, mark); at >= 0 && strings.Contains(line[at:], "Fail for ") && strings.Contains(line[at:], " stat=") {
			return bounce.OpenSMTPD, true
		}
	}
	for _, mark := range [...]string{" ** ", " == ", " => ", " -> ", " >> "} {
		if at := strings.Index(line, mark); at >= 16 && (endsWithEximID(line[:at], 16) || endsWithEximID(line[:at], 23)) {
			return bounce.Exim, true
		}
	}
	if containsAny(line, " R=", " routing defer (", ": Unrouteable address", ": retry timeout") {
		if m := lostEximVerbose.FindStringSubmatch(line); m != nil && !endsWithOtherProgram(m[1]) {
			return bounce.Exim, true
		}
	}
	if at := strings.Index(line, " evpid="); at > 0 && (strings.HasSuffix(line[:at], " delivery") || strings.Contains(line[at:], " result=")) {
		return bounce.OpenSMTPD, true
	}
	if at := strings.Index(line, `"to=`); at > 0 && at < delay && delay < stat && strings.Contains(line[at:], " mailer=") {
		return bounce.Sendmail, true // FortiMail puts the lines of its Sendmail into a field
	}
	return "", false
}

// isCutDelivery reports whether a line has the tag of a delivery agent of Postfix before
// the queue ID that ends at a place and no status behind it.
//
//	INFO postfix/smtp[474]: 4XabcZ1y2z: to=< <a@b.example> >, relay=
func isCutDelivery(line string, at int) bool {
	before := strings.TrimRight(line[:strings.LastIndexByte(line[:at], ' ')+1], " ")
	tag, pid, after, _ := cutAnyTag(before[strings.LastIndexByte(before, ' ')+1:])
	return pid != "" && after == "" && deliveryAgents[postfixDaemon(tag)] && strings.HasPrefix(line[at+len(": to="):], "<") && !strings.Contains(line[at:], "status=")
}

// bracketsRecipient reports whether a text begins with a recipient in brackets, as
// Postfix separates it from its other fields.
func bracketsRecipient(text string) bool {
	list, rest := cutBracketed(text)
	return strings.HasPrefix(text, "<") && (list == "" || rest != "" && rest[0] != ' ')
}

// losesID reports whether a line has a recipient and the fields of Postfix up to the
// status, but no queue ID before them. A reply may quote a line of another log, and other
// programs write such fields.
func losesID(line string) bool {
	at := strings.Index(line, "to=<")
	if at < 0 || at > 0 && strings.IndexByte(" \"':", line[at-1]) < 0 || strings.Contains(line[:at], " said: ") || endsWithOtherProgram(line[:at]) {
		return false
	}
	_, after := cutBracketed(line[at+len("to="):])
	words := strings.TrimRight(line[:at], " ")
	if words != "" && isWord(words[len(words)-1:]) && !containsAny(line[at:], "delay=", "dsn=") {
		return false // "sending a mail to=<"
	}
	return hasAnyPrefix(after, ", relay=", ", orig_to=<") && hasOutcome(line[at:])
}

// hasOutcome reports whether a recipient is followed by the outcome of a delivery of
// Postfix, with its other fields or a reason. It may have been cut off behind them.
func hasOutcome(text string) bool {
	for at := 0; ; {
		next := strings.Index(text[at:], "status=")
		if next < 0 {
			return false
		}
		fields := strings.Contains(text[:at+next], "delay=") || strings.Contains(text[:at+next], "dsn=")
		at += next + len("status=")
		rest := strings.TrimLeft(text[at:], `"'\<`)
		word, _ := cutWord(rest)
		if fields && word != "" && isWord(word) && !isProbe(text[at-len("status="):]) && strings.HasPrefix(rest[len(word):], " (") {
			return true // perhaps of a later version
		}
		for _, outcome := range [...]string{"sent", "bounced", "deferred", "expired", "SOFTBOUNCE"} {
			if fields && strings.HasPrefix(outcome, rest) {
				return true
			}
			if reason, found := strings.CutPrefix(rest, outcome); found && (fields || strings.HasPrefix(reason, " (")) {
				return true
			}
		}
	}
}

// endsWithOtherProgram reports whether a text ends with the tag of a program that is no
// mail server: "newsletter[12]: ", "notify: ".
func endsWithOtherProgram(text string) bool {
	text = strings.TrimRight(text, " ")
	tag, pid, after, marked := cutAnyTag(text[strings.LastIndexByte(text, ' ')+1:])
	if !marked || after != "" || isDaemonTag(tag) || isServerTag(tag) || postfixDaemons[tag] || isLevel(tag) || isFacility(tag) {
		return false
	}
	return pid != "" || isWord(tag)
}

// isProbe reports whether a status is that of the probe of an address.
func isProbe(status string) bool {
	return hasAnyPrefix(status, "status=deliverable", "status=undeliverable")
}

// isQueueID reports whether a text ends with what may be a queue ID. All that mail
// servers choose have a digit.
func isQueueID(text string) bool {
	n, digit := 0, false
	for n < len(text) && n < 25 && isAlphanumeric[text[len(text)-1-n]] {
		digit = digit || isDigit(text[len(text)-1-n])
		n++
	}
	return 5 <= n && n <= 24 && digit
}

func endsWithEximID(text string, n int) bool {
	return len(text) >= n && fastEximID(text[len(text)-n:]) && (len(text) == n || !isAlphanumeric[text[len(text)-n-1]])
}
