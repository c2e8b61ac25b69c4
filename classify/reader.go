package classify

import "strings"

// reader reads the clauses of a reply, one after the other.
type reader struct {
	reading
	topics      []topic
	senderFrom  int  // where the first clause about the sender begins, in the reply
	fieldQuoted bool // the text of a header field of the message began before
	hedgeBefore bool // the clause before this one only says that what follows is a guess
	// The sentence that counts addresses, that began with the address of another
	// person, and that holds "either" or "whether"; -1 if there is none.
	manyIn, otherIn, eitherIn int
}

// topic is what a clause is about, for the clauses after it that do not say.
type topic struct {
	subject role
	at      span
	idle    bool // it says nothing that could be an alternative
	// statements are those of the clause, by their place in the reading.
	statements []int
}

// read finds the statements of a text in the form that rules read.
func read(text string) *reading {
	v := builtIn()
	first := readIn(text, v.english)
	if l, words := v.languageOf(text); l != nil && (words > 1 || !first.certain()) {
		return readIn(text, l)
	}
	return first
}

// readIn finds the statements of a text in one language, and English.
func readIn(text string, l *lexicon) *reading {
	r := &reader{
		reading:    reading{text: text, clauses: clausesOf(text, l)},
		senderFrom: len(text), manyIn: -1, otherIn: -1, eitherIn: -1,
	}
	r.topics = make([]topic, len(r.clauses))
	for i := range r.clauses {
		r.clause(i)
	}
	r.alternatives()
	r.explained()
	r.reported()
	r.excused()
	r.unexplained()
	r.whileMoved()
	if r.passing {
		for i := range r.statements {
			r.statements[i].doubt = max(r.statements[i].doubt, passing)
		}
	}
	return &r.reading
}

// clause reads one clause.
func (r *reader) clause(i int) {
	c, t := &r.clauses[i], &r.topics[i]
	roles := c.roles()
	r.count(c)
	if roles&temporary != 0 && c.isPassing() && !r.isAfterCheck(i) || roles&unavailable != 0 && c.isDown() {
		r.passing = true
	}
	if c.isAdvice() {
		t.idle = true
		return
	}
	*t = c.topicOf()
	r.note(i, roles)
	var found []statement
	switch {
	case !r.fieldQuoted && r.manyIn != c.sentence:
		found = r.find(i)
	case roles&(missing|disabled) != 0:
		r.elsewhere = true // a count of addresses, not this one
	}
	if len(found) == 0 {
		r.noteSilence(c, t)
	}
	if i > 0 && c.mark == ':' && r.clauses[i-1].isField() {
		r.foundSender(c)
	}
	for k := range found {
		s := &found[k]
		s.clause = c.span(0, len(c.words))
		r.weigh(i, s, roles)
		t.statements = append(t.statements, len(r.statements))
		r.statements = append(r.statements, *s)
	}
	r.hedgeBefore = roles&hedge != 0 && roles&^(hedge|filler|preposition|takeover|mail|not) == 0
	if roles&sender != 0 {
		r.foundSender(c)
	}
}

// count counts the words of a clause, and notes whether they mention the recipient.
func (r *reader) count(c *clause) {
	r.words += len(c.words)
	for k := range c.words {
		w := &c.words[k]
		if !w.address && w.role&(noun|verb|served) != 0 {
			r.knownWords++
		}
		r.mentioned = r.mentioned || w.role&recipient != 0 || strings.Contains(w.text, "recipient")
	}
}

// isDown reports whether what is unavailable in a clause is a server, which is temporary:
// "directory unavailable", but not "service unavailable".
func (c *clause) isDown() bool {
	roles := c.roles()
	return roles&place != 0 && roles&recipient == 0 && !c.hasWord("service", "services")
}

// note notes that a clause is about a sender or a thing of a sender, that it quotes the
// sender's message, and words that change the meaning of the rest of their sentence.
func (r *reader) note(i int, roles role) {
	c := &r.clauses[i]
	r.foreign = r.foreign || roles&foreign != 0
	if roles&sender != 0 || c.isYours(0, len(c.words)) {
		r.elsewhere, r.ofSender = true, true
	}
	if r.topics[i].subject&(other|you|place) != 0 && !c.saysNo() {
		r.elsewhere = true
	}
	if i > 0 && c.mark == ':' && r.clauses[i-1].quotesField() {
		r.fieldQuoted, r.elsewhere = true, true
	}
	if roles&hedge != 0 && c.hasWord("either", "whether") {
		r.eitherIn = c.sentence
	}
	if roles&many != 0 {
		r.manyIn = c.sentence
	}
}

// saysNo reports whether a clause only says who has refused: "the second server says no".
func (c *clause) saysNo() bool {
	last := len(c.words) - 1
	return c.roles()&place != 0 && c.isWord(last, "no") && c.isWord(last-1, "says", "said", "answers", "answered")
}

// noteSilence notes what follows from a clause without a statement: the recipient exists
// if it does something ("the user rejects your mail", "has muted you"), and what the
// rest of the sentence says is said of another person whose address the clause holds.
func (r *reader) noteSilence(c *clause, t *topic) {
	if t.subject == recipient && (c.acts() || c.is(len(c.words)-1, you)) || c.isByRecipient() || c.affirms() {
		r.elsewhere = true
	}
	if c.hasWord(anotherPerson) {
		r.otherIn = c.sentence
	}
}

// weigh changes whom a statement is said of, and how sure it is, by the words around it.
func (r *reader) weigh(i int, s *statement, roles role) {
	c := &r.clauses[i]
	if roles&sender != 0 || r.isAfterSender(c) && !c.namesRecipient() || r.isInSender(i) {
		s.subject = sender
	}
	if r.otherIn == c.sentence {
		s.subject = other
	}
	if s.subject == recipient && r.pointsToSender(i, s) {
		s.subject = sender
	}
	isGuess := roles&(hedge|future) != 0 && !c.isSoFar(s)
	isDenied := c.rolesBefore(s.says.start)&not != 0 // "it is not true that the user is unknown"
	if isGuess || isDenied || c.question || r.hedgeBefore || r.eitherIn == c.sentence {
		s.doubt = hedged
	}
	if r.isCited(i, s) {
		s.subject, s.doubt = other, hedged
	}
}

// foundSender notes that a clause is about the sender.
func (r *reader) foundSender(c *clause) { r.senderFrom = min(r.senderFrom, c.words[0].start) }

// isAfterSender reports whether the text speaks of the sender before a clause begins. A
// clause in parentheses is read before the one around it: "unknown user (from <>)".
func (r *reader) isAfterSender(c *clause) bool { return c.words[0].start >= r.senderFrom }

// namesRecipient reports whether a clause that does not explain the one before it
// names the recipient by that word, so that words about the sender before it do not
// count: "sender known, recipient unknown", "sender ok, no such recipient".
func (c *clause) namesRecipient() bool {
	switch c.mark {
	case ',', ';':
		return c.hasWord("recipient", "addressee", "receiver")
	case '.':
		return c.isWord(0, "recipient", "addressee", "receiver")
	}
	return false
}

// topicOf returns what a clause is about.
func (c *clause) topicOf() topic {
	t := topic{idle: true}
	for i := 0; i < len(c.words); i++ {
		if c.is(i, verb|other|sender|place|you|many|mail) {
			t.idle = false
		}
		if t.subject != 0 || !c.is(i, noun) || c.is(i-1, preposition) {
			continue
		}
		lo, hi := c.phrase(i)
		if kind := c.kind(lo, hi); kind&^mail != 0 {
			t.subject, t.at = kind, c.span(lo, hi)
		}
		i = hi - 1
	}
	return t
}
