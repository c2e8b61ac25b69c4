package logparse

import (
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/oneof"
)

// findDelivery looks for a delivery anywhere in a line whose header is not known, up to
// the length of the longest, and returns whose it is.
func findDelivery(line string) (mta bounce.MTA, found bool) {
	line = line[:min(len(line), longest)]
	if mta, found = findFields(line); found {
		return mta, true
	}
	line = usualForm(line)
	if mta, found = findRecipient(line); found {
		return mta, true
	}
	switch {
	case losesID(line), namesExpired(line):
		return bounce.Postfix, true
	case namesOldOpenSMTPD(line):
		return bounce.OpenSMTPD, true
	case namesExim(line), namesEximVerbose(line):
		return bounce.Exim, true
	case namesOpenSMTPD(line):
		return bounce.OpenSMTPD, true
	case namesFortiMail(line):
		return bounce.Sendmail, true
	}
	return "", false
}

// findRecipient looks for a recipient behind a queue ID, and the outcome behind it:
//
//	4XabcZ1y2z: to=<a@b.example>, relay=none, …, status=bounced (no)
//	6AND4fXN000084: to=a@b.example, delay=00:00:01, …, stat=User unknown
func findRecipient(line string) (mta bounce.MTA, found bool) {
	const mark = ": to="
	delay, stat := sendmailEnd(line)
	for at := strings.Index(line, mark); at > 0; at = indexFrom(line, mark, at+1) {
		if !isQueueID(line[:at]) {
			continue
		}
		switch {
		case (bracketsRecipient(line[at+len(mark):]) || strings.Contains(line[at:], "relay=")) && hasOutcome(line[at:]):
			return bounce.Postfix, true
		case at < delay && delay < stat:
			return bounce.Sendmail, true
		case isCutDelivery(line, at):
			return bounce.Postfix, true
		}
	}
	return "", false
}

// sendmailEnd returns where the last fields of an attempt of Sendmail are.
func sendmailEnd(line string) (delay, stat int) {
	return max(strings.LastIndex(line, "delay="), strings.LastIndex(line, "dsn=")), strings.LastIndex(line, "stat=")
}

// namesExpired reports whether Postfix gave up on a message for its age.
func namesExpired(line string) bool {
	id, sender, found := strings.Cut(line, ": from=<")
	return found && isQueueID(id) && strings.Contains(sender, ">, status=expired, returned to sender")
}

// namesOldOpenSMTPD reports whether a line holds a failure of version 5:
//
//	relay: PermFail for 6430369adcce4408: session=…, …, stat=550 Invalid recipient
func namesOldOpenSMTPD(line string) bool {
	for _, mark := range [...]string{"relay: ", "delivery: "} {
		if at := strings.Index(line, mark); at >= 0 && strings.Contains(line[at:], "Fail for ") && strings.Contains(line[at:], " stat=") {
			return true
		}
	}
	return false
}

// namesOpenSMTPD reports whether a line holds an attempt of later versions.
func namesOpenSMTPD(line string) bool {
	at := strings.Index(line, " evpid=")
	return at > 0 && (strings.HasSuffix(line[:at], " delivery") || strings.Contains(line[at:], " result="))
}

// namesExim reports whether the mark of a delivery follows the id of a message.
func namesExim(line string) bool {
	for _, mark := range [...]string{" ** ", " == ", " => ", " -> ", " >> "} {
		if at := strings.Index(line, mark); at >= 16 && (endsWithEximID(line[:at], 16) || endsWithEximID(line[:at], 23)) {
			return true
		}
	}
	return false
}

// namesEximVerbose reports whether a line is one that exim -v prints.
func namesEximVerbose(line string) bool {
	if !oneof.Contains(line, " R=", " routing defer (", ": Unrouteable address", ": retry timeout") {
		return false
	}
	m := lostEximVerbose.FindStringSubmatch(line)
	return m != nil && !endsWithOtherProgram(m[1])
}

// namesFortiMail reports whether a field holds an attempt, as FortiMail logs those of its
// Sendmail.
func namesFortiMail(line string) bool {
	at := strings.Index(line, `"to=`)
	delay, stat := sendmailEnd(line)
	return at > 0 && at < delay && delay < stat && strings.Contains(line[at:], " mailer=")
}

// isCutDelivery reports whether a line has the tag of a delivery agent of Postfix before
// the queue ID that ends at a place and no status behind it.
//
//	INFO postfix/smtp[474]: 4XabcZ1y2z: to=< <a@b.example> >, relay=
//	`Nov 23 12:57:36 mx postfix/smtp[474]: 4XabcZ1y2z: to=, relay=
func isCutDelivery(line string, at int) bool {
	before := strings.TrimRight(line[:strings.LastIndexByte(line[:at], ' ')+1], " ")
	tag, pid, after, _ := cutAnyTag(before[strings.LastIndexByte(before, ' ')+1:])
	return pid != "" && after == "" && deliveryAgents[postfixDaemon(tag)] &&
		oneof.HasPrefix(line[at+len(": to="):], "<", ", ") && !strings.Contains(line[at:], "status=")
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
	if at < 0 || at > 0 && strings.IndexByte(" \"':", line[at-1]) < 0 {
		return false
	}
	if strings.Contains(line[:at], " said: ") || endsWithOtherProgram(line[:at]) {
		return false
	}
	if oneof.HasPrefix(line[at+len("to=<"):], "sip:", "sips:", "tel:") {
		return false
	}
	_, after := cutBracketed(line[at+len("to="):])
	words := strings.TrimRight(line[:at], " ")
	if words != "" && isPlainWords(words[len(words)-1:]) && !oneof.Contains(line[at:], "delay=", "dsn=") {
		return false // "sending a mail to=<"
	}
	return oneof.HasPrefix(after, ", relay=", ", orig_to=<") && hasOutcome(line[at:])
}

// hasOutcome reports whether a recipient is followed by the outcome of a delivery of
// Postfix, with its other fields or a reason. It may have been cut off behind them.
func hasOutcome(text string) bool {
	for at := strings.Index(text, "status="); at >= 0; at = indexFrom(text, "status=", at+1) {
		fields := oneof.Contains(text[:at], "delay=", "dsn=")
		rest := strings.TrimLeft(text[at+len("status="):], `"'\<`)
		word, _ := cutWord(rest)
		if fields && word != "" && isPlainWords(word) && !isProbe(text[at:]) && strings.HasPrefix(rest[len(word):], " (") {
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
	return false
}

// endsWithOtherProgram reports whether a text ends with the tag of a program that is no
// mail server: "newsletter[12]: ", "notify: ".
func endsWithOtherProgram(text string) bool {
	text = strings.TrimRight(text, " ")
	tag, pid, after, marked := cutAnyTag(text[strings.LastIndexByte(text, ' ')+1:])
	if !marked || after != "" || isDaemonTag(tag) || isServerTag(tag) || postfixDaemons[tag] || isLevel(tag) || isFacility(tag) {
		return false
	}
	return pid != "" || isPlainWords(tag)
}

// isProbe reports whether a status is that of the probe of an address.
func isProbe(status string) bool {
	return oneof.HasPrefix(status, "status=deliverable", "status=undeliverable")
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
