package classify

import (
	"slices"
	"strings"
)

// What else a reply says may take a statement back: that it is one of several
// causes, that it is temporary, or that it is said of a sender.

// alternatives marks statements as guesses that are one of several causes: "no
// such user, or access denied", "user unknown, or your account is disabled". A
// list of causes may have commas before its "or".
func (r *reader) alternatives() {
	for i := 1; i < len(r.clauses); i++ {
		if !r.clauses[i].or {
			continue
		}
		first := i - 1
		for first > 0 && r.clauses[first].mark == ',' && r.clauses[first-1].sentence == r.clauses[i].sentence {
			first--
		}
		last := i
		for last+1 < len(r.clauses) && r.clauses[last+1].or {
			last++
		}
		doubt, theirs, ours := certain, false, false
		for k := first; k <= last; k++ {
			if r.isCause(k) {
				doubt = hedged
			}
			for _, s := range r.topics[k].statements {
				doubt = max(doubt, r.statements[s].doubt)
				switch r.statements[s].subject {
				case recipient, domain, 0:
					theirs = true
				default:
					ours = true
				}
			}
		}
		if theirs && ours {
			doubt = hedged
		}
		for k := first; k <= last; k++ {
			for _, s := range r.topics[k].statements {
				r.statements[s].doubt = max(r.statements[s].doubt, doubt)
			}
		}
		i = last
	}
}

// isCause reports whether a clause names another cause than a bad address.
func (r *reader) isCause(i int) bool {
	return len(r.topics[i].statements) == 0 && !r.topics[i].idle && !r.clauses[i].onlyNames()
}

// onlyNames reports whether a clause only names what somebody or something is: "or group
// of b.example".
func (c *clause) onlyNames() bool {
	for k := range c.words {
		if w := &c.words[k]; w.isName() || w.role&filler == 0 && w.role&^(recipient|place|domain|preposition|takeover|or) != 0 {
			return false
		}
	}
	return true
}

// explained turns statements that the clause behind a colon explains to be about
// the sender, a header field or another person: "invalid address: sender address
// syntax", "invalid address in To: header field".
func (r *reader) explained() {
	for i := range r.clauses {
		if i+1 == len(r.clauses) || r.clauses[i+1].mark != ':' || r.clauses[i+1].isAdvice() {
			continue
		}
		var whose role
		switch next := &r.clauses[i+1]; {
		case len(next.words) == 1 && next.hasWord(anotherPerson) && !r.clauses[i].hasWord("<>"):
			whose = other // "address does not exist: old@c.example"
		case len(next.words) == 1 && next.isWord(0, "inbox", "junk", "trash", "sent", "drafts", "archive"):
			whose = other // "mailbox does not exist: INBOX" is about a folder (Dovecot)
		case next.roles()&sender != 0 || next.words[0].role&field != 0:
			whose = sender
		default:
			continue
		}
		for _, s := range r.topics[i].statements {
			r.statements[s].subject = whose
		}
	}
}

// whileMoved marks what is disabled as temporary if the next clause says for how
// long: "user locked while the mailbox is moved".
func (r *reader) whileMoved() {
	for i := 1; i < len(r.clauses); i++ {
		if w := r.clauses[i].words[0]; w.text != "while" {
			continue
		}
		for _, s := range r.topics[i-1].statements {
			if r.statements[s].predicate == disabled {
				r.statements[s].doubt = max(r.statements[s].doubt, passing)
			}
		}
	}
}

// denies reports whether a clause holds a negation before a statement that is no
// part of it: "it is not true that the user is unknown".
func (c *clause) denies(s *statement) bool {
	for i := range c.words {
		w := &c.words[i]
		if w.role&not != 0 && w.role&filler == 0 && w.start < s.says.start {
			return true
		}
	}
	return false
}

// isSoFar reports whether the only doubt of a statement is "yet", and the recipient is
// missing all the same: "no such user yet". What is "not created yet" may belong to
// somebody who is known.
func (c *clause) isSoFar(s *statement) bool {
	if s.predicate != missing || c.doubts("yet") {
		return false
	}
	for k := range c.words {
		if c.isWord(k, "created", "set up", "provisioned", "configured", "registered", "assigned", "enrolled", "defined", "in use", "used") {
			return false
		}
	}
	return true
}

// doubts reports whether a clause says what may be or will be, by other words than some.
func (c *clause) doubts(but ...string) bool {
	for k := range c.words {
		if w := &c.words[k]; w.role&(hedge|future) != 0 && !slices.Contains(but, w.text) {
			return true
		}
	}
	return false
}

// isCited reports whether a statement stands in quotes, behind words about the
// message: "your message "user unknown" was refused". The quoted text may be several
// clauses: "the subject "closed: user unknown" is spam".
func (r *reader) isCited(i int, s *statement) bool {
	sentence := r.clauses[i].sentence
	first := i
	for first > 0 && r.clauses[first-1].sentence == sentence {
		first--
	}
	start := r.clauses[first].words[0].start
	before := span{r.text, start, s.says.start}.String()
	at := strings.LastIndexByte(before, '"')
	if at <= 0 || strings.Count(before, "\"")%2 == 0 {
		return false
	}
	at += start
	for k := first; k <= i; k++ {
		c := &r.clauses[k]
		if last := c.words[len(c.words)-1].start; c.words[0].start > at || last < at {
			continue // the quote begins in another clause
		}
		for n := range c.words {
			if w := &c.words[n]; w.start < at && w.role&(mail|your|you|sender|other) != 0 {
				return true
			}
		}
	}
	return false
}

// isInSender reports whether a clause stands in parentheses, behind words about
// the sender: "phishing found (account suspended)".
func (r *reader) isInSender(i int) bool {
	start := r.clauses[i].words[0].start
	for k := i + 1; k < len(r.clauses); k++ {
		around := &r.clauses[k]
		if around.words[0].start > start {
			continue // it comes later; only the words around parentheses come first
		}
		for n := range around.words {
			if around.words[n].start < start && around.words[n].role&sender != 0 {
				return true
			}
		}
	}
	return false
}

// quotesField reports whether a clause ends with the name of a header field, so
// that what follows is its text: "spam with subject: user unknown".
func (c *clause) quotesField() bool {
	last := c.words[len(c.words)-1]
	name := last.text
	return name == "subject" || strings.HasPrefix(name, "x-")
}

// isField reports whether a clause is the name of a header field, or of a login:
// "From: unknown user", "authentication: user unknown".
func (c *clause) isField() bool {
	named := false
	for k := range c.words {
		switch {
		case c.words[k].role&(field|login) != 0 || c.isWord(k, "from"):
			named = true
		case !c.isWord(k, "to", "in", "the"):
			return false
		}
	}
	return named
}

// isAdvice reports whether a clause says what to do, and not what is.
func (c *clause) isAdvice() bool {
	for i := range c.words {
		switch r := c.words[i].role; {
		case r&advice != 0:
			return true
		case r&(filler|or|cut) == 0:
			return false
		}
	}
	return false
}

// isPassing reports whether a clause says that something is temporary. How long
// nobody used a mailbox does not: "inactive for 90 days".
func (c *clause) isPassing() bool {
	unused := false
	for k := range c.words {
		w := c.words[k]
		text := w.text
		if w.role&temporary != 0 && !(unused && strings.HasPrefix(text, "for #")) && !c.isForbidden(k) {
			return true
		}
		unused = unused || strings.HasPrefix(text, "inactiv") || c.isWord(k, "unused", "dormant", "idle", "used", "logged", "accessed", "opened", "active")
	}
	return false
}

// isForbidden reports whether a clause says that there is no point in another attempt:
// "do not retry", but not "do not retry within an hour".
func (c *clause) isForbidden(at int) bool {
	if !c.isWord(at, "retry", "retrying", "resend", "send again", "try again", "try once more", "try later", "try again later") || c.hasWord("within", "before", "for", "too", "in") {
		return false
	}
	for k := max(at-3, 0); k < at; k++ {
		if c.words[k].role&not != 0 {
			return true
		}
	}
	return false
}

// isAfterCheck reports whether a clause only asks to try again with another
// address: "please check the address and try again".
func (r *reader) isAfterCheck(i int) bool {
	c := &r.clauses[i]
	for k := range c.words {
		if c.words[k].role&temporary != 0 && !c.isWord(k, "try again", "send again", "resend", "try once more") {
			return false
		}
	}
	for k := i; k >= 0 && r.clauses[k].sentence >= c.sentence-1; k-- {
		if r.clauses[k].hasWord("check", "verify the", "verify your", "correct", "double-check", "spelling", "typos", "checking", "verify") {
			return true
		}
	}
	return false
}
