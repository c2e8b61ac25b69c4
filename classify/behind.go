package classify

import (
	"strings"

	"github.com/bouncetail/bouncetail/internal/oneof"
)

// What stands behind a predicate may make it say something else: "the user closed
// this thread", "disabled for external mail", "moved to another folder".

// The words that these functions look for behind a predicate, in front of it, or behind
// the noun that it is said of.
var (
	// faults are what breaks in a server: "unknown due to a configuration error".
	faults = []string{"error", "errors", "fault", "outage", "misconfiguration", "crash", "malfunction", "upgrade", "failover"}
	// reports are what a quality is of that says nothing of the recipient: "unknown error".
	reports = []string{"error", "errors", "problem", "failure", "exception", "response", "reply", "code", "reason", "cause"}
	// counts are properties of several recipients: "user unknown limit exceeded".
	counts = []string{
		"limit", "limits", "rate", "ratio", "threshold", "count", "percentage", "attempts", "parameter", "parameters", "option", "argument",
	}
	// properties are of one recipient, or of many: "invalid address format", "unknown user throttle".
	properties = []string{"limit", "limits", "throttle", "quota", "rate", "threshold", "type", "format", "class", "driver", "version"}
	// deeds are what unknown users do to others: "unknown users complained".
	deeds = []string{"complained", "complains", "reported", "sends", "sent", "wrote", "writes", "wants"}
	// persons can do something, and are no mailbox.
	persons = []string{"user", "recipient", "addressee", "customer", "person", "employee", "subscriber", "receiver"}
	// determiners point at what somebody does something to: "the user deleted this thread".
	determiners = []string{"the", "this", "that", "these", "those", "a", "an", "any", "all", "his", "her", "its", "their", "our", "my", "you"}
	passives    = []string{"is", "are", "was", "were", "be", "been", "being", "got"}
	// charges are what the owner of a mailbox has done: "terminated for violation of our terms".
	charges = []string{"violation", "violations", "violating", "breach", "breaching", "misuse", "non-payment", "lack"}
	// closers may close the mailbox of somebody: "the owner has closed this account".
	closers = []string{"owner", "holder", "administrator", "admin", "management", "we"}
	// idlings are reasons for which a mailbox is closed for good: "closed for inactivity".
	idlings = []string{"inactivity", "idleness", "disuse", "nonuse", "non-use", "nonpayment", "security", "administrative", "legal", "abusive"}
	// anyMail are words for mail of all kinds: "no longer receives new mail".
	anyMail = []string{"new", "incoming", "inbound", "further", "more", "electronic", "correspondence", "anything"}
	// sharedLists are what somebody may leave without being gone: "removed from the list".
	sharedLists = []string{"list", "lists", "whitelist", "queue", "group", "groups", "team", "contacts"}
	// machines are where a mailbox is moved to within a system.
	machines = []string{"server", "store", "database", "host", "node"}
	// hostings are parts of a predicate that say where a domain is not served.
	hostings = []string{" in ", " local", " hosted", " listed", " configured", " provisioned", " here", " on ", " our", " defined"}
)

// isFault reports whether a fault is named as the reason: "unknown due to a configuration
// error". What is missing is so for any reason that is not the recipient.
func (c *clause) isFault(at int, predicate role) bool {
	because := false
	for k := at; k < len(c.words); k++ {
		because = because || c.isWord(k, "due to", "because of", "after", "following")
		if because && (c.isWord(k, faults...) || predicate == missing && c.is(k, other|place|sender|your)) {
			return true
		}
	}
	return false
}

// isExcuse reports whether a clause says that something other than the recipient is the
// reason: "because your IP is listed", "because the message is spam".
func (c *clause) isExcuse() bool {
	return c.isWord(0, "because", "since") && c.roles()&recipient == 0 && c.topicOf().subject&^(recipient|domain) != 0
}

// isOfThing reports whether a quality is not that of a recipient, but of what stands
// behind it: "user unknown limit exceeded", "unknown error", "mailbox has invalid
// permissions". left means that a subject stands to the left.
func (c *clause) isOfThing(lo, hi int, predicate role, left bool) bool {
	switch {
	case hi == len(c.words):
		return false
	case c.isWord(hi, counts...):
		return true
	case !left:
		return c.isWord(hi, reports...)
	case predicate == missing && c.isWord(lo-1, "in", "with", "by", "to"):
		return !c.is(hi, recipient|domain|filler) // "account in unknown state"
	}
	return c.isOfProperty(lo, hi, predicate)
}

// isOfProperty reports whether a quality is that of a thing that its subject has:
// "mailbox has invalid permissions", "the user has a closed profile". It is not so if
// the thing is an address: "alias has an invalid address", "has an unknown target user".
func (c *clause) isOfProperty(lo, hi int, predicate role) bool {
	at := lo - 1
	for at > 0 && c.isWord(at, "a", "an", "some", "this", "that") {
		at--
	}
	hasArticle := at < lo-1
	switch {
	case !c.isWord(at, "has", "have", "had", "with", "contains", "uses"), predicate != missing && !hasArticle:
		return false // "the account has expired today"
	case c.isName(hi):
		return !c.is(hi+1, recipient)
	case !c.is(hi, noun):
		return false
	}
	_, to := c.phrase(hi)
	return c.kind(hi, to)&(recipient|domain) == 0 || c.isName(to)
}

// isAnyones reports whether a quality in front of a noun is not that of this recipient:
// "unknown users complained", "mail to unknown users is refused", "because of unknown
// users", "unknown mailbox error".
func (c *clause) isAnyones(quality, to int) bool {
	if c.isObject(quality) || c.isWord(to, properties...) || c.isWord(to, deeds...) ||
		to < len(c.words) && strings.HasPrefix(c.words[to].text, "error") {
		return true
	}
	return c.isPlural(to) && (c.roles()&verb != 0 || c.isWord(quality-1, "due to", "because of", "#"))
}

// isPlural reports whether a noun is several: "mail to unknown users is not accepted".
func (c *clause) isPlural(to int) bool {
	noun := c.words[to-1].text
	return strings.HasSuffix(noun, "s") && !strings.HasSuffix(noun, "ss")
}

// hasObject reports whether a predicate is a verb that does something to a
// message or a list: "the user deleted your message", "recipient has closed the
// list".
func (c *clause) hasObject(lo, hi int) bool {
	pointed := c.isWord(hi, determiners...)
	active := c.isWord(lo-1, persons...) || c.isWord(lo-1, "has", "have") || pointed && !c.isWord(lo-1, passives...)
	names := 0
	for k := hi; k < len(c.words); k++ {
		switch {
		case c.is(k, your):
			return true
		case c.isWord(k, "subscription", "contract", "service") && c.isWord(k-1, "his", "her", "their", "the"):
			return false // that of the mailbox
		case c.is(k, mail):
			return k > hi || active
		case c.is(k, place|other|you):
			return active
		case c.isName(k) && names < 2 && active:
			names++
		case !c.is(k, filler):
			return pointed && names > 0
		}
	}
	return (pointed || c.isDeed(lo)) && names > 0
}

// isDeed reports whether a person has done what a predicate says: "the user has disabled".
func (c *clause) isDeed(at int) bool {
	return c.isWord(at-1, "has", "have") && c.isWord(at-2, persons...) && !c.isWord(at, "expired", "ceased")
}

// isCloser reports whether somebody who may close a mailbox stands before a predicate:
// "the owner has closed this account".
func (c *clause) isCloser(at int) bool {
	for c.is(at-1, filler) {
		at--
	}
	return c.isWord(at-1, closers...) && !c.isYours(0, at)
}

// isFor reports whether a predicate holds for something that is no recipient, or
// for a time: "disabled for external mail", "closed to strangers", "removed from
// the list", "closed during the move".
func (c *clause) isFor(at int) bool {
	switch {
	case at+1 >= len(c.words) || c.isCharge(at):
		return false
	case c.isWord(at, "during", "between"):
		return true
	case c.isWord(at, "from"):
		return c.isFromList(at + 1)
	case !c.isWord(at, "for", "to"):
		return false
	}
	reason := false
	for k := at + 1; k < len(c.words); k++ {
		switch {
		case c.is(k, recipient|temporary|domain|disabled):
			return false
		case c.isWord(k, idlings...):
			return false
		case c.isName(k) && c.isWord(at, "for"):
			reason = true // "locked for reindexing"
		case !c.is(k, filler):
			return true
		}
	}
	return reason
}

// skipTime returns where words end that say when something was done: "suspended an hour ago
// for review".
func (c *clause) skipTime(at int) int {
	for k := at; k < at+5 && k < len(c.words); k++ {
		if c.isWord(k, "ago") {
			return k + 1
		}
	}
	return at
}

// isCharge reports whether a preposition says what the owner of a mailbox has done:
// "terminated for violation of our terms of service".
func (c *clause) isCharge(at int) bool { return c.isWord(at, "for") && c.isWord(at+1, charges...) }

// isFromList reports whether somebody was removed from a list or from something
// unknown, and not from a system.
func (c *clause) isFromList(at int) bool {
	for c.is(at, filler) {
		at++
	}
	from, to, ok := c.nounAfter(at)
	if !ok {
		return c.isName(at) && !strings.Contains(c.words[at].text, ".")
	}
	for k := to - 1; k < len(c.words); k++ {
		if c.isWord(k, sharedLists...) {
			return true
		}
	}
	return c.isYours(from, to)
}

// acts reports whether a clause says what somebody does, who then exists: "the addressee
// refuses delivery", "this alias works inside the company", "has opted out".
func (c *clause) acts() bool {
	for k := 1; k < len(c.words); k++ {
		if !c.is(k, verb) || c.is(k, noun) {
			continue
		}
		if strings.HasSuffix(c.words[k].text, "s") && c.is(k-1, recipient|filler) || c.isWord(k-1, "has", "have") {
			return true
		}
	}
	return false
}

// affirms reports whether a clause says that the recipient exists: "the user is known".
func (c *clause) affirms() bool {
	roles := c.roles()
	return roles&recipient != 0 && roles&(not|none|gone|hedge|missing) == 0 && c.hasWord("exists", "known")
}

// isByRecipient reports whether a clause says that a person did something, who then exists:
// "refused by the user".
func (c *clause) isByRecipient() bool {
	for k := 1; k+1 < len(c.words); k++ {
		if !c.isWord(k, "by") || !c.is(k-1, verb) {
			continue
		}
		next := k + 1
		for c.is(next, filler) {
			next++
		}
		if c.isWord(next, persons...) || c.isWord(next, "owner") {
			return true
		}
	}
	return false
}

// isSomeMail reports whether a verb is said of one kind of mail, or of mail from
// somebody: "no longer accepts bulk mail", "no longer receives mail from lists",
// "no longer receives invoices".
func (c *clause) isSomeMail(at int) bool {
	isKind := false
	for ; at < len(c.words); at++ {
		switch {
		case c.is(at, mail):
			return isKind || c.isWord(at+1, "from", "with", "larger", "bigger", "over", "of")
		case c.isWord(at, anyMail...):
		case c.is(at, other) || c.isName(at):
			isKind = true
		case !c.is(at, filler):
			return isKind
		}
	}
	return isKind
}

// isForSomeMail reports whether what follows a noun says which mail it is not for: "not
// a valid destination for anonymous mail".
func (c *clause) isForSomeMail(at int) bool {
	last := len(c.words) - 1
	return at+1 < last && c.isWord(at, "for") && c.is(last, mail) && !c.is(last-1, filler)
}

// isGone reports whether somebody who has moved is gone for good, and not only
// "moved to another folder" or "has left for lunch".
func (c *clause) isGone(at int) bool {
	for c.is(at, filler) && !c.is(at, preposition) {
		at++
	}
	if at == len(c.words) || c.is(at, place|recipient|domain|missing|none|not) {
		return true
	}
	if !c.is(at, preposition) {
		return false
	}
	for k := at + 1; k < len(c.words); k++ {
		switch {
		case c.isWord(k, machines...):
			return false
		case c.is(k, recipient|domain|place), c.words[k].address, c.isName(k) && strings.ContainsAny(c.words[k].text, ".#"):
			return true
		}
	}
	return false
}

// endsClause reports whether nothing but a place follows a predicate that has no
// subject in the lexicon: "jane does not exist here", "not known at this site". "The
// wrong quarter" says nothing.
func (c *clause) endsClause(lo, hi int) bool {
	if lo > 0 && c.isWord(lo, "wrong", "bad", "incorrect", "illegal", "missing", "invalid") {
		return false
	}
	return hi == len(c.words) || c.is(hi, filler|preposition) || c.is(lo, not) && c.isPlace(hi)
}

// isNotServed reports whether a statement only says that a server does not serve a
// domain, or does not any more: "that domain is not in my list of rcpthosts", "the
// domain does not exist on this server any longer", "b.example is no domain of ours".
func (c *clause) isNotServed(s *statement, at int) bool {
	if s.subject != domain || s.predicate != missing && !(s.predicate == disabled && c.is(at, gone|not)) {
		return false
	}
	return oneof.Contains(s.says.String(), hostings...) || c.hasWord("of ours", "ours", "one of ours") || c.namesServer()
}

// namesServer reports whether a clause says what a server does for a domain, or names a
// place behind a preposition: "not one of the domains of this server".
func (c *clause) namesServer() bool {
	behind := false // a preposition stands before
	for k := range c.words {
		if c.is(k, served) || behind && c.is(k, place) {
			return true
		}
		behind = c.is(k, preposition) || behind && c.is(k, filler|noun)
	}
	return false
}

// isService reports whether a word says what a server does for a domain.
func (c *clause) isService(at int) bool {
	return c.is(at, served) && !c.is(at, known) || c.isWord(at, "host", "hosts", "serve", "serves")
}

// notServed returns the statement that the domain that a clause names is not
// served: "we do not handle this domain".
func (c *clause) notServed(lo, hi int) statement {
	for k := range c.words {
		if !c.is(k, domain) {
			continue
		}
		if from, to := c.phrase(k); c.kind(from, to) == domain {
			return statement{subject: domain, predicate: served, named: c.span(from, to), says: c.span(lo, hi)}
		}
	}
	return statement{}
}
