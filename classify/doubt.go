package classify

import (
	"slices"
	"strings"
)

// What else a reply says may make a statement a guess, or one about somebody else: that it
// is one of several causes, or that it is temporary.

// The words that these functions look for.
var (
	// folders are mailboxes within a mailbox: "mailbox does not exist: INBOX" (Dovecot).
	folders = []string{"inbox", "junk", "trash", "sent", "drafts", "archive"}
	// creations are what has not been done for somebody who may be known: "not created yet".
	creations = []string{"created", "set up", "provisioned", "configured", "registered", "assigned", "enrolled", "defined", "in use", "used"}
	// disuses are words before a time for which nobody used a mailbox: "dormant for 90 days".
	disuses = []string{"unused", "dormant", "idle", "used", "logged", "accessed", "opened", "active"}
	// attempts ask for another one, and do not say when.
	attempts = []string{"try again", "send again", "resend", "try once more"}
	// notices are words about the session: "user unknown, closing connection".
	notices = []string{"connection", "command", "transaction", "channel", "access"}
	// checks ask the sender to look at the address: "check the address and try again".
	checks = []string{"check", "verify the", "verify your", "correct", "double-check", "spelling", "typos", "checking", "verify"}
)

// alternatives marks statements as guesses that are one of several causes: "no
// such user, or access denied", "user unknown, or your account is disabled". A
// list of causes may have commas before its "or".
func (r *reader) alternatives() {
	for i := 1; i < len(r.clauses); i++ {
		if !r.clauses[i].or {
			continue
		}
		first, last := i-1, i
		for first > 0 && r.clauses[first].mark == ',' && r.clauses[first-1].sentence == r.clauses[i].sentence {
			first--
		}
		for last+1 < len(r.clauses) && r.clauses[last+1].or {
			last++
		}
		doubt := r.doubtOfOne(first, last)
		for _, s := range r.statementsOf(first, last) {
			s.doubt = max(s.doubt, doubt)
		}
		i = last
	}
}

// doubtOfOne returns the doubt of each statement of clauses of which one is true. They
// are all guesses if one names another cause, or if some are said of the recipient
// and some are not.
func (r *reader) doubtOfOne(first, last int) doubt {
	for i := first; i <= last; i++ {
		if r.isCause(i) {
			return hedged
		}
	}
	doubt, ofRecipient, ofOther := certain, false, false
	for _, s := range r.statementsOf(first, last) {
		doubt = max(doubt, s.doubt)
		ofRecipient = ofRecipient || s.mayBeOfRecipient()
		ofOther = ofOther || !s.mayBeOfRecipient()
	}
	if ofRecipient && ofOther {
		return hedged
	}
	return doubt
}

// statementsOf returns the statements of some clauses.
func (r *reader) statementsOf(first, last int) []*statement {
	var all []*statement
	for i := first; i <= last; i++ {
		for _, s := range r.topics[i].statements {
			all = append(all, &r.statements[s])
		}
	}
	return all
}

// isCause reports whether a clause names another cause than a bad address.
func (r *reader) isCause(i int) bool {
	c := &r.clauses[i]
	if len(c.words) == 2 && c.is(0, or) && c.isName(1) {
		return true // "user unknown or unwilling"
	}
	return len(r.topics[i].statements) == 0 && !r.topics[i].idle && !c.onlyNames()
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

// reported gives a statement the subject place if a program reports it, and not the server
// of the recipient, unless the clause names the recipient: "autoresponder: mailbox not found", "user unknown, so says
// your server".
func (r *reader) reported() {
	for i := 1; i < len(r.clauses); i++ {
		c := &r.clauses[i]
		said := i // the clause that is said
		switch {
		case (c.mark == ':' || c.mark == '-') && r.clauses[i-1].isProgram() && !c.hasWord("<>", "recipient"):
		case c.mark == ',' && c.hasWord("says", "said", "reports", "reported", "told") && c.isProgram():
			said = i - 1
		default:
			continue
		}
		for _, s := range r.statementsOf(said, said) {
			s.subject = place
		}
	}
}

// isProgram reports whether a clause names a program or a server of the sender, and no
// recipient: "our milter", "your server told us".
func (c *clause) isProgram() bool {
	roles := c.roles()
	return roles&recipient == 0 && (roles&program != 0 || c.hasWord("exited", "crashed", "aborted", "died") || roles&place != 0 && c.isYours(0, len(c.words)))
}

// excused marks what is missing as a guess if the next clause says that something else is
// the reason.
func (r *reader) excused() {
	for i := 1; i < len(r.clauses); i++ {
		if !r.clauses[i].isExcuse() {
			continue
		}
		for _, s := range r.statementsOf(i-1, i-1) {
			if s.predicate == missing {
				s.doubt = max(s.doubt, hedged)
			}
		}
	}
}

// explained turns statements that the clause behind a colon explains to be about
// the sender, a header field or another person: "invalid address: sender address
// syntax", "invalid address in To: header field".
func (r *reader) explained() {
	for i := 0; i+1 < len(r.clauses); i++ {
		next := &r.clauses[i+1]
		if next.mark != ':' || next.isAdvice() {
			continue
		}
		subject := role(0)
		switch {
		case len(next.words) == 1 && next.isWord(0, anotherPerson) && !r.clauses[i].hasWord("<>"):
			subject = other // "address does not exist: old@c.example"
		case len(next.words) == 1 && next.isWord(0, folders...):
			subject = other
		case next.roles()&sender != 0 || next.is(0, field):
			subject = sender
		default:
			continue
		}
		for _, s := range r.statementsOf(i, i) {
			s.subject = subject
		}
	}
}

// whileMoved marks what is disabled as temporary if the next clause says for how
// long: "user locked while the mailbox is moved".
func (r *reader) whileMoved() {
	for i := 1; i < len(r.clauses); i++ {
		if !r.clauses[i].isWord(0, "while") {
			continue
		}
		for _, s := range r.statementsOf(i-1, i-1) {
			if s.predicate == disabled {
				s.doubt = max(s.doubt, passing)
			}
		}
	}
}

// isSoFar reports whether the only doubt of a statement is "yet", and the recipient is
// missing all the same: "no such user yet". What is "not created yet" may belong to
// somebody who is known.
func (c *clause) isSoFar(s *statement) bool {
	return s.predicate == missing && !c.doubts("yet") && !c.hasWord(creations...)
}

// doubts reports whether a clause says what may be or will be, by other words than some.
func (c *clause) doubts(but ...string) bool {
	for k := range c.words {
		if c.is(k, hedge|future) && !slices.Contains(but, c.words[k].text) {
			return true
		}
	}
	return false
}

// isCited reports whether a statement stands in quotes, behind words about the
// message: "your message "user unknown" was refused". The quoted text may be several
// clauses: "the subject "closed: user unknown" is spam".
func (r *reader) isCited(i int, s *statement) bool {
	first := r.sentenceStart(i)
	start := r.clauses[first].words[0].start
	before := span{r.text, start, s.says.start}.String()
	at := strings.LastIndexByte(before, '"')
	if at <= 0 || strings.Count(before, "\"")%2 == 0 {
		return false
	}
	at += start
	for k := first; k <= i; k++ {
		c := &r.clauses[k]
		if beginsHere := c.words[len(c.words)-1].start >= at; beginsHere && c.rolesBefore(at)&(mail|your|you|sender|other) != 0 {
			return true
		}
	}
	return false
}

// sentenceStart returns the first clause of the sentence that a clause is a part of.
func (r *reader) sentenceStart(clause int) int {
	first := clause
	for first > 0 && r.clauses[first-1].sentence == r.clauses[clause].sentence {
		first--
	}
	return first
}

// isInSender reports whether a clause stands in parentheses, behind words about
// the sender: "phishing found (account suspended)". The clause around parentheses comes
// after the one in them.
func (r *reader) isInSender(i int) bool {
	start := r.clauses[i].words[0].start
	for k := i + 1; k < len(r.clauses); k++ {
		if r.clauses[k].rolesBefore(start)&sender != 0 {
			return true
		}
	}
	return false
}

// pointsToSender reports whether the parentheses behind a statement hold the sender and
// nothing else, in a sentence that does not name the recipient: "no such user (from <>)".
// They are read before the clause around them.
func (r *reader) pointsToSender(i int, s *statement) bool {
	found := false
	for k := r.sentenceStart(i); k <= i; k++ {
		c := &r.clauses[k]
		isInside := c.words[0].start > s.says.start
		switch {
		case c.hasWord("<>", "recipient", "addressee"), isInside && (c.roles()&(recipient|verb|or) != 0 || c.hasName()):
			return false
		case isInside:
			found = found || c.roles()&sender != 0
		}
	}
	return found
}

// hasName reports whether a word of a clause is not in the lexicon.
func (c *clause) hasName() bool {
	return slices.ContainsFunc(c.words, func(w word) bool { return w.isName() })
}

// quotesField reports whether a clause ends with the name of a header field, so
// that what follows is its text: "spam with subject: user unknown".
func (c *clause) quotesField() bool {
	name := c.words[len(c.words)-1].text
	return name == "subject" || strings.HasPrefix(name, "x-")
}

// isField reports whether a clause is the name of a header field, or of a login:
// "From: unknown user", "authentication: user unknown".
func (c *clause) isField() bool {
	named := false
	for k := range c.words {
		switch {
		case c.is(k, field|login) || c.isWord(k, "from"):
			named = true
		case !c.isWord(k, "to", "in", "the"):
			return false
		}
	}
	return named
}

// isAdvice reports whether a clause says what to do, and not what is.
func (c *clause) isAdvice() bool {
	k := 0
	for c.is(k, filler|or|cut) && !c.is(k, advice) {
		k++
	}
	return c.is(k, advice)
}

// isPassing reports whether a clause says that something is temporary. How long
// nobody used a mailbox does not: "inactive for 90 days".
func (c *clause) isPassing() bool {
	unused := false
	for k := range c.words {
		text := c.words[k].text
		if c.is(k, temporary) && !(unused && strings.HasPrefix(text, "for #")) && !c.isForbidden(k) {
			return true
		}
		unused = unused || strings.HasPrefix(text, "inactiv") || c.isWord(k, disuses...)
	}
	return false
}

// isForbidden reports whether a clause says that there is no point in another attempt:
// "do not retry", but not "do not retry within an hour".
func (c *clause) isForbidden(at int) bool {
	if !c.isWord(at, attempts...) && !c.isWord(at, "retry", "retrying", "try later", "try again later") {
		return false
	}
	denied := c.is(at-1, not) || c.is(at-2, not) || c.is(at-3, not)
	return denied && !c.hasWord("within", "before", "for", "too", "in")
}

// isAfterCheck reports whether a clause only asks to try again with another
// address: "please check the address and try again".
func (r *reader) isAfterCheck(i int) bool {
	c := &r.clauses[i]
	for k := range c.words {
		if c.is(k, temporary) && !c.isWord(k, attempts...) {
			return false
		}
	}
	for k := i; k >= 0 && r.clauses[k].sentence >= c.sentence-1; k-- {
		if r.clauses[k].hasWord(checks...) {
			return true
		}
	}
	return false
}

// unexplained marks statements as guesses if a clause behind them in their sentence tells
// of something other than the recipient that nobody knows the meaning of: "user unknown,
// ask node 4". Whoever understands only half of a reply does not know what it says.
func (r *reader) unexplained() {
	for i := 1; i < len(r.clauses); i++ {
		if !r.isUnexplained(i) {
			continue
		}
		for _, s := range r.statementsOf(r.sentenceStart(i), i-1) {
			s.doubt = max(s.doubt, hedged)
		}
	}
}

// isUnexplained reports whether a clause behind a comma names a server or a thing, or what
// it does, and is neither advice nor about the recipient or the message.
func (r *reader) isUnexplained(i int) bool {
	c := &r.clauses[i]
	isRider := (c.mark == ',' || c.mark == ';' || c.mark == '-') && !c.or && !c.isAdvice()
	if !isRider || len(r.topics[i].statements) > 0 {
		return false
	}
	roles := c.roles()
	if roles&(recipient|mail|not|none) != 0 || c.hasWord(notices...) {
		return false
	}
	isDeed := roles&(place|other) != 0 && roles&(verb|unavailable|missing|disabled) != 0
	return isDeed || roles&(place|other|verb|find|known) != 0 && slices.ContainsFunc(c.words, r.isUnknownWord)
}

// isUnknownWord reports whether a word is not in the lexicon and is no label, such as an
// id, a number or the name of a host: "server at mx.b.example", "session id #", "gw-4".
func (r *reader) isUnknownWord(w word) bool {
	return w.isName() && w.text != "id" && !strings.ContainsAny(w.text, "#.0123456789") && byteAt(r.text, w.end()) != '-'
}
