package classify

import (
	"slices"
	"strings"
)

// statement is what one clause of a reply says: that the recipient is missing,
// that the sender's account is disabled, and how sure that is.
//
//	550 <>: recipient address rejected: user unknown       recipient is missing
//	550 the mailbox may be closed                          recipient may be disabled
//	550 user unknown, try again later                      recipient is temporarily missing
//	550 your account has been suspended                    someone else is disabled
//	550 unknown                                            something is missing
type statement struct {
	subject   role // recipient, domain, sender, other, or 0 if nothing is named
	predicate role // missing, disabled, moved, unavailable, or served: "not served"
	doubt     doubt
	// clause, named and says are the parts of the text: the clause, the words of
	// the subject and those of the predicate.
	clause, named, says span
}

// doubt is why a statement does not hold as it stands.
type doubt uint8

const (
	certain doubt = iota
	passing       // a word says that it is temporary
	hedged        // a word says that it is one of several causes, or a guess
)

// String returns a statement as rules name it.
func (s *statement) String() string {
	var subject string
	switch s.subject {
	case recipient:
		subject = "recipient"
	case domain:
		subject = "domain"
	case sender:
		subject = "sender"
	case other, place, you, mail:
		subject = "someone else"
	default:
		subject = "something"
	}
	verb := " is "
	switch s.doubt {
	case certain:
	case passing:
		verb = " is temporarily "
	case hedged:
		verb = " may be "
	}
	var predicate string
	switch s.predicate {
	case disabled:
		predicate = "disabled"
	case moved:
		predicate = "moved"
	case unavailable:
		predicate = "unavailable"
	case served:
		predicate = "not served"
	default:
		predicate = "missing"
	}
	return subject + verb + predicate
}

// reading is what a reply says, clause by clause.
type reading struct {
	text       string
	clauses    []clause
	statements []statement
	// passing reports that some clause asks to try again, or says that
	// something is temporary.
	passing bool
	// elsewhere reports that some clause names a sender, or a thing of a sender.
	elsewhere bool
	// ofSender reports that some clause names a sender or calls something yours.
	ofSender bool
	// denied reports that some clause denies that the recipient is bad.
	denied bool
	// known reports that a word other than an address plays a part in a sentence, so
	// that the language is one that is read.
	known bool
	// mentioned reports that a word means the recipient, or is its address.
	mentioned bool
	// words counts the words of all clauses, told those that play a part as in known.
	words, told int
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
	r := &reader{reading: reading{text: text, clauses: clausesOf(text, l)}}
	r.topics = make([]topic, len(r.clauses))
	for i := range r.clauses {
		r.clause(i)
	}
	r.alternatives()
	r.explained()
	r.whileMoved()
	if r.passing {
		for i := range r.statements {
			if r.statements[i].doubt == certain {
				r.statements[i].doubt = passing
			}
		}
	}
	return &r.reading
}

// undisputed reports whether nothing in the reply speaks against a code that says
// that the address is bad: no word about the sender, no doubt, nothing temporary.
func (r *reading) undisputed() bool {
	if r.passing || r.elsewhere || r.denied || r.strays() {
		return false
	}
	for i := range r.statements {
		if s := &r.statements[i]; s.doubt != certain || s.predicate == served || s.subject == domain && s.predicate == moved || s.subject == sender || s.subject == other {
			return false
		}
	}
	return true
}

// A reply of fewWords, or with less than someTold that play a part, need not mention the
// recipient to be about it: "550 5.1.1 Rejected", "550 5.1.1 second server says no".
const (
	fewWords = 4
	someTold = 2
)

// strays reports whether the reply says something, and nothing of the recipient:
// "550 5.1.1 rejected by rule 17 of the firewall".
func (r *reading) strays() bool {
	return !r.mentioned && len(r.statements) == 0 && r.words > fewWords && r.told >= someTold
}

// holds returns the first statement of those that a rule names. A guess holds
// only if no statement about the recipient is certain.
func (r *reading) holds(names []string) (*statement, bool) {
	sure := r.certain()
	for i := range r.statements {
		s := &r.statements[i]
		if s.doubt == hedged && sure {
			continue
		}
		name := s.String()
		if slices.Contains(names, name) {
			return s, true
		}
	}
	return nil, false
}

// certain reports whether the reply says for certain that the recipient is bad.
func (r *reading) certain() bool {
	for i := range r.statements {
		if s := &r.statements[i]; s.doubt == certain && s.subject == recipient && s.predicate != unavailable {
			return true
		}
	}
	return false
}

// reader reads the clauses of a text, one after the other.
type reader struct {
	reading
	topics      []topic
	senderFrom  int  // where the first clause about the sender begins, plus 1
	fieldQuoted bool // the text of a header field of the message began before
	hedgeBefore bool // the clause before this one only says that what follows is a guess
	manyIn      int  // the sentence that counts addresses, plus 1
	otherIn     int  // the sentence that began with the address of another person, plus 1
	hedgedUntil int  // the sentence that holds "either" or "whether", plus 1
}

// topic is what a clause is about, for the clauses after it that do not say.
type topic struct {
	subject role
	at      span
	idle    bool // it says nothing that could be an alternative
	// statements are those of the clause, by their place in the reading.
	statements []int
}

// clause reads one clause.
func (r *reader) clause(i int) {
	c := &r.clauses[i]
	t := &r.topics[i]
	all := c.roles()
	for k := range c.words {
		if !c.words[k].address && c.words[k].role&(noun|verb|served) != 0 {
			r.known = true
			r.told++
		}
		r.mentioned = r.mentioned || c.words[k].role&recipient != 0 || strings.Contains(c.words[k].text, "recipient")
	}
	r.words += len(c.words)
	if all&temporary != 0 && c.isPassing() && !r.isAfterCheck(i) {
		r.passing = true
	}
	if all&place != 0 && all&unavailable != 0 && all&recipient == 0 && !c.hasWord("service", "services") {
		r.passing = true // a directory that cannot be asked
	}
	if c.isAdvice() {
		t.idle = true
		return
	}
	*t = c.topicOf()
	if all&hedge != 0 && c.hasWord("either", "whether") {
		r.hedgedUntil = c.sentence + 1
	}
	if all&sender != 0 || c.isYours(0, len(c.words)) {
		r.elsewhere, r.ofSender = true, true
	}
	if t.subject&(other|you|place) != 0 {
		r.elsewhere = true
	}
	if i > 0 && c.mark == ':' && r.clauses[i-1].quotesField() {
		r.fieldQuoted, r.elsewhere = true, true
	}
	if all&many != 0 {
		r.manyIn = c.sentence + 1
	}
	var found []statement
	switch {
	case !r.fieldQuoted && r.manyIn != c.sentence+1:
		found = r.find(i)
	case all&(missing|disabled) != 0:
		r.elsewhere = true // a count of addresses, not this one
	}
	if t.subject == recipient && len(found) == 0 && (c.acts() || c.words[len(c.words)-1].role&you != 0) { // "has muted you"
		r.elsewhere = true
	}
	if c.hasWord(anotherPerson) && len(found) == 0 {
		r.otherIn = c.sentence + 1
	}
	if i > 0 && c.mark == ':' && r.clauses[i-1].isField() {
		r.foundSender(c)
	}
	for k := range found {
		s := &found[k]
		s.clause = span{c.text, c.words[0].start, c.words[len(c.words)-1].end()}
		if all&sender != 0 || r.isAfterSender(c) && !c.namesRecipient() || r.isInSender(i) {
			s.subject = sender
		}
		if r.otherIn == c.sentence+1 {
			s.subject = other
		}
		if all&(hedge|future) != 0 && !c.isSoFar(s) || c.denies(s) || c.question || r.hedgeBefore || r.hedgedUntil == c.sentence+1 {
			s.doubt = hedged
		}
		if r.isCited(i, s) {
			s.subject, s.doubt = other, hedged
		}
		t.statements = append(t.statements, len(r.statements))
		r.statements = append(r.statements, *s)
	}
	r.hedgeBefore = all&hedge != 0 && all&^(hedge|filler|preposition|takeover|mail|not) == 0
	if all&sender != 0 {
		r.foundSender(c)
	}
}

// foundSender notes that a clause is about the sender.
func (r *reader) foundSender(c *clause) {
	if at := c.words[0].start + 1; r.senderFrom == 0 || at < r.senderFrom {
		r.senderFrom = at
	}
}

// isAfterSender reports whether the text speaks of the sender before a clause begins. A
// clause in parentheses is read before the one around it: "unknown user (from <>)".
func (r *reader) isAfterSender(c *clause) bool {
	return r.senderFrom > 0 && c.words[0].start >= r.senderFrom-1
}

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
		w := c.words[i].role
		if w&(verb|other|sender|place|you|many|mail) != 0 {
			t.idle = false
		}
		if t.subject != 0 || w&noun == 0 || i > 0 && c.words[i-1].role&preposition != 0 {
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
