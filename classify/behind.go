package classify

import "strings"

// What stands behind a predicate may make it say something else: "the user closed
// this thread", "disabled for external mail", "moved to another folder".

// isFault reports whether a fault is named as the reason: "unknown due to a configuration
// error".
func (c *clause) isFault(at int) bool {
	because := false
	for k := at; k < len(c.words); k++ {
		because = because || c.isWord(k, "due to", "because of", "after", "following")
		if because && c.isWord(k, "error", "errors", "fault", "outage", "misconfiguration", "crash", "malfunction", "upgrade", "failover") {
			return true
		}
	}
	return false
}

// isOfThing reports whether a quality is not that of a recipient, but of what stands
// behind it: "user unknown limit exceeded", "unknown error", "mailbox has invalid
// permissions".
func (c *clause) isOfThing(lo, hi int, predicate role, left bool) bool {
	switch {
	case hi == len(c.words):
		return false
	case c.isWord(hi, "limit", "limits", "rate", "ratio", "threshold", "count", "percentage", "attempts", "parameter", "parameters", "option", "argument"):
		return true
	case left && c.isWord(lo-1, "in", "with", "by", "to") && predicate == missing:
		return c.words[hi].role&(recipient|domain|filler) == 0 // "account in unknown state"
	case left:
		return c.isOfProperty(lo, hi, predicate)
	}
	return c.isWord(hi, "error", "errors", "problem", "failure", "exception", "response", "reply", "code", "reason", "cause")
}

// isAnyones reports whether a quality in front of a noun is not that of this recipient:
// "unknown users complained", "mail to unknown users is refused", "because of unknown users".
func (c *clause) isAnyones(lo, to int) bool {
	switch {
	case c.isObject(lo) || c.isError(to):
		return true
	case c.isWord(to, "limit", "limits", "throttle", "quota", "rate", "threshold", "type", "format", "class", "driver", "version"):
		return true
	case c.isWord(to, "complained", "complains", "reported", "sends", "sent", "wrote", "writes", "wants"):
		return true
	}
	return c.isPlural(to) && (c.roles()&verb != 0 || c.isWord(lo-1, "due to", "because of"))
}

// isError reports whether an error follows a noun: "unknown mailbox error".
func (c *clause) isError(at int) bool {
	return at < len(c.words) && strings.HasPrefix(c.words[at].text, "error")
}

// isPlural reports whether a noun is several: "mail to unknown users is not accepted".
func (c *clause) isPlural(to int) bool {
	noun := c.words[to-1].text
	return strings.HasSuffix(noun, "s") && !strings.HasSuffix(noun, "ss")
}

// isOfProperty reports whether a quality is that of a thing that its subject has:
// "mailbox has invalid permissions", "the user has a closed profile". It is not so if
// the thing is an address: "alias has an invalid address", "has an unknown target user".
func (c *clause) isOfProperty(lo, hi int, predicate role) bool {
	at, article := lo-1, false
	for at > 0 && c.isWord(at, "a", "an", "some", "this", "that") {
		at, article = at-1, true
	}
	if at < 0 || !c.isWord(at, "has", "have", "had", "with", "contains", "uses") || predicate != missing && !article {
		return false // "the account has expired today"
	}
	if c.words[hi].isName() {
		return hi+1 == len(c.words) || c.words[hi+1].role&recipient == 0
	}
	if c.words[hi].role&noun == 0 {
		return false
	}
	_, to := c.phrase(hi)
	return c.kind(hi, to)&(recipient|domain) == 0 || to < len(c.words) && c.words[to].isName()
}

// hasObject reports whether a predicate is a verb that does something to a
// message or a list: "the user deleted your message", "recipient has closed the
// list".
func (c *clause) hasObject(lo, hi int) bool {
	active := lo > 0 && (c.isPerson(lo-1) || c.isWord(lo-1, "has", "have"))
	pointed := c.isWord(hi, "the", "this", "that", "these", "those", "a", "an", "any", "all", "his", "her", "its", "their", "our", "my", "you")
	if pointed && !(c.isWord(lo-1, "is", "are", "was", "were", "be", "been", "being", "got")) {
		active = true
	}
	names := 0
	for k := hi; k < len(c.words); k++ {
		w := c.words[k].role
		switch {
		case w&your != 0:
			return true
		case k > 0 && c.isWord(k, "subscription", "contract", "service") && c.isWord(k-1, "his", "her", "their", "the"):
			return false // that of the mailbox
		case w&mail != 0:
			return k > hi || active
		case w&(place|other|you) != 0:
			return active
		case c.words[k].isName() && names < 2 && active:
			names++
		case w&filler == 0:
			return active && pointed && names > 0
		}
	}
	return active && pointed && names > 0
}

// isPerson reports whether a word is a person, who can do something, and not a
// mailbox.
func (c *clause) isPerson(k int) bool {
	return c.isWord(k, "user", "recipient", "addressee", "customer", "person", "employee", "subscriber", "receiver")
}

// isFor reports whether a predicate holds for something that is no recipient, or
// for a time: "disabled for external mail", "closed to strangers", "removed from
// the list", "closed during the move".
func (c *clause) isFor(at int) bool {
	if at+1 >= len(c.words) {
		return false
	}
	isFor := c.isWord(at, "for")
	if c.isCharge(at) {
		return false
	}
	switch c.words[at].text {
	case "for", "to":
	case "during", "between":
		return true
	case "from":
		return c.isFromList(at + 1)
	default:
		return false
	}
	for k := at + 1; k < len(c.words); k++ {
		w := c.words[k].role
		if w&(recipient|temporary|domain|disabled) != 0 {
			return false
		}
		if isFor && c.words[k].isName() {
			continue // "for inactivity"
		}
		if w&filler == 0 {
			return true
		}
	}
	return false
}

// isCharge reports whether a preposition says what the owner of a mailbox has done:
// "terminated for violation of our terms of service".
func (c *clause) isCharge(at int) bool {
	return at+1 < len(c.words) && c.isWord(at, "for") &&
		c.isWord(at+1, "violation", "violations", "violating", "breach", "breaching", "misuse", "non-payment", "lack")
}

// acts reports whether a clause says what somebody does, who then exists: "the addressee
// refuses delivery", "this alias works inside the company".
func (c *clause) acts() bool {
	for k := 1; k < len(c.words); k++ {
		before := c.words[k-1].role
		w := c.words[k]
		if w.role&verb == 0 || w.role&noun != 0 {
			continue
		}
		if strings.HasSuffix(w.text, "s") && before&(recipient|filler) != 0 || c.isWord(k-1, "has", "have") {
			return true // "rejects your mail", "has opted out"
		}
	}
	return false
}

// isSomeMail reports whether a verb is said of one kind of mail, or of mail from
// somebody: "no longer accepts bulk mail", "no longer receives mail from lists",
// "no longer receives invoices".
func (c *clause) isSomeMail(at int) bool {
	kind := false
	for ; at < len(c.words); at++ {
		w := c.words[at].role
		switch {
		case w&mail != 0:
			return kind || c.isWord(at+1, "from", "with", "larger", "bigger", "over", "of")
		case c.isWord(at, "new", "incoming", "inbound", "further", "more", "electronic", "correspondence", "anything"):
		case w&other != 0 || c.words[at].isName():
			kind = true
		case w&filler == 0:
			return kind
		}
	}
	return kind
}

// isFromList reports whether somebody was removed from a list or from something
// unknown, and not from a system.
func (c *clause) isFromList(at int) bool {
	for at < len(c.words) && c.words[at].role&filler != 0 {
		at++
	}
	if from, to, ok := c.nounAfter(at); ok {
		if c.isYours(from, to) {
			return true
		}
		for k := to - 1; k < len(c.words); k++ {
			if c.isWord(k, "list", "lists", "whitelist", "queue", "group", "groups", "team", "contacts") {
				return true
			}
		}
		return false
	}
	return at < len(c.words) && c.words[at].isName() && !strings.Contains(c.words[at].text, ".")
}

// isGone reports whether somebody who has moved is gone for good, and not only
// "moved to another folder" or "has left for lunch".
func (c *clause) isGone(at int) bool {
	for at < len(c.words) && c.words[at].role&filler != 0 && c.words[at].role&preposition == 0 {
		at++
	}
	if at == len(c.words) || c.words[at].role&(place|recipient|domain|missing|none|not) != 0 {
		return true
	}
	if c.words[at].role&preposition == 0 {
		return false
	}
	for k := at + 1; k < len(c.words); k++ {
		w := c.words[k]
		switch text := w.text; {
		case text == "server" || text == "store" || text == "database" || text == "host" || text == "node":
			return false
		case w.role&(recipient|domain|place) != 0 || w.address || w.isName() && strings.ContainsAny(text, ".#"):
			return true
		}
	}
	return false
}

// endsClause reports whether nothing but a place follows a predicate that has no
// subject in the lexicon, as in "jane does not exist here". "The wrong quarter"
// says nothing.
func (c *clause) endsClause(lo, hi int) bool {
	switch c.words[lo].text {
	case "wrong", "bad", "incorrect", "illegal", "missing", "invalid":
		if lo > 0 {
			return false
		}
	}
	return hi == len(c.words) || c.words[hi].role&(filler|preposition) != 0 ||
		c.words[lo].role&not != 0 && c.isPlace(hi) // "not known at this site"
}

// isNotServed reports whether a statement only says that a server does not serve a
// domain, or does not any more: "that domain is not in my list of rcpthosts", "the
// domain does not exist on this server any longer".
func (c *clause) isNotServed(s *statement, at int) bool {
	if s.subject != domain || s.predicate != missing && (s.predicate != disabled || c.words[at].role&(gone|not) == 0) {
		return false
	}
	says := s.says.String()
	for _, w := range []string{" in ", " local", " hosted", " listed", " configured", " provisioned", " here", " on ", " our", " defined"} {
		if strings.Contains(says, w) {
			return true
		}
	}
	if c.hasWord("of ours", "ours", "one of ours") {
		return true // "b.example is no domain of ours"
	}
	before := false // a preposition stands before
	for k := range c.words {
		w := c.words[k].role
		if w&served != 0 || before && w&place != 0 {
			return true
		}
		before = w&preposition != 0 || before && w&(filler|noun) != 0
	}
	return false
}

// isService reports whether a word says what a server does for a domain.
func (c *clause) isService(k int) bool {
	return c.words[k].role&served != 0 && c.words[k].role&known == 0 || c.isWord(k, "host", "hosts", "serve", "serves")
}

// notServed returns the statement that the domain that a clause names is not
// served: "we do not handle this domain".
func (c *clause) notServed(lo, hi int) statement {
	for k := range c.words {
		if c.words[k].role&domain == 0 {
			continue
		}
		from, to := c.phrase(k)
		if c.kind(from, to) == domain {
			return statement{subject: domain, predicate: served, named: c.span(from, to), says: c.span(lo, hi)}
		}
	}
	return statement{}
}

// isForSomeMail reports whether what follows a noun says which mail it is not for: "not
// a valid destination for anonymous mail".
func (c *clause) isForSomeMail(at int) bool {
	last := len(c.words) - 1
	return at+1 < last && c.isWord(at, "for") && c.words[last].role&mail != 0 && c.words[last-1].role&filler == 0
}
