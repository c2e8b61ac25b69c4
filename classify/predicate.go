package classify

import (
	"slices"
	"strings"

	"github.com/bouncetail/bouncetail/internal/oneof"
)

// leaving are words of phrases that say that somebody works elsewhere now, so that
// whoever is named before them is the recipient.
var leaving = []string{
	"left", "verlassen", "ausgeschieden", "quitté", "dejado la", "lasciato", "saiu", "deixou", "odszedł", "odešel", "покинул", "退職", "离职", "퇴사",
}

// pointing are words before a noun that make it this recipient: "no existing user".
var pointing = []string{"this", "that", "existing", "known", "local"}

// circumstances are prepositions whose noun is not what a sentence is about: "closed after an
// unknown recipient".
var circumstances = []string{"after", "before", "without", "about", "against", "among", "during", "between", "than"}

// results are verbs whose object a search found, or did not: "the query returned no user".
var results = []string{"returned", "returns", "gave", "gives", "shows", "showed", "yielded", "lists"}

// uses are what a mailbox is for: who does it no longer is gone.
var uses = []string{
	"accept", "accepts", "accepting", "receive", "receives", "receiving", "work", "works", "working", "supported", "subscribed",
	"use", "uses", "read", "reads",
}

// find returns the statements of a clause.
func (r *reader) find(i int) []statement {
	c := &r.clauses[i]
	var all []statement
	for at := 0; at < len(c.words); {
		s, next := r.statementAt(i, at)
		if c.isNotServed(&s, at) {
			s.predicate = served
		}
		if s.predicate != 0 {
			all = append(all, s)
		}
		at = max(next, at+1)
	}
	return all
}

// statementAt returns the statement whose predicate begins at a word, if one
// does, and the word after it. The functions for each kind of predicate return the same.
func (r *reader) statementAt(i, at int) (statement, int) {
	c := &r.clauses[i]
	switch {
	case c.is(at, missing) && c.is(at, recipient):
		return c.nobodyAt(at)
	case c.is(at, gone):
		return r.goneAt(i, at)
	case c.is(at, not):
		return r.negatedAt(i, at)
	case c.is(at, none):
		return r.noneAt(i, at)
	case !c.is(at, missing|disabled|moved|unavailable): // as nearly all words
		return statement{}, at + 1
	}
	for _, predicate := range []role{missing, disabled, moved, unavailable} {
		if c.is(at, predicate) {
			return r.qualityAt(i, at, at+1, predicate)
		}
	}
	return statement{}, at + 1
}

// nobodyAt reads a phrase that names the recipient and what is said of it: "nobody here
// by that name", but not "nobody here wants your mail".
func (c *clause) nobodyAt(at int) (statement, int) {
	next := at + 1
	for c.is(next, filler) && !c.is(next, verb) {
		next++
	}
	if c.is(next, verb) {
		return statement{}, next
	}
	return statement{subject: recipient, predicate: missing, named: c.span(at, at+1), says: c.span(at, at+1)}, at + 1
}

// qualityAt reads a quality of something: "user unknown", "unknown user". The
// words of the quality are those from lo to hi.
func (r *reader) qualityAt(i, lo, hi int, predicate role) (statement, int) {
	c := &r.clauses[i]
	if c.isNegated(lo) {
		r.denied = true
		return statement{}, hi
	}
	subject, named, left := c.subjectBefore(lo)
	if c.isOfThing(lo, hi, predicate, left) {
		r.elsewhere = true
		return statement{}, hi
	}
	s := statement{subject: subject, predicate: predicate, named: named, says: c.span(lo, hi)}
	if predicate&(missing|disabled) != 0 && (!left || subject == mail || subject == place) || predicate == disabled && c.isCloser(lo) {
		if from, to, ok := c.nounAfter(hi); ok {
			return r.attributeOf(c, s, lo, from, to)
		}
	}
	if !left {
		r.takeSubject(i, lo, hi, &s)
	}
	if s.subject == mail {
		switch {
		case c.is(lo, gone|not) && c.isAddress(lo):
			s.subject = recipient
		case predicate == missing:
			s.subject = 0
		default:
			return statement{}, hi // "the message was deleted"
		}
	}
	s.subject = c.owned(s.subject, hi, predicate)
	switch {
	case c.is(lo, disabled) && c.hasObject(lo, hi), c.is(lo, gone) && c.is(hi, your):
		r.elsewhere = true // "recipient has disabled newsletters", "accepts your mail no more"
		return statement{}, hi
	case s.subject == 0 && !c.endsClause(lo, hi):
		return statement{}, hi
	case s.subject == 0 && c.isUnclear(&s), c.isLimited(hi, predicate):
		s.doubt = hedged
	}
	return s, hi
}

// attributeOf reads a quality that stands before its noun, which is from from to to:
// "unknown local user".
func (r *reader) attributeOf(c *clause, s statement, quality, from, to int) (statement, int) {
	kind := c.kind(from, to)
	if kind == recipient && c.isAnyones(quality, to) {
		if c.isObject(quality) && c.isPlural(to) && c.isWord(quality-1, "of", "from", "by") || c.isWord(c.governor(quality), circumstances...) {
			r.elsewhere = true // "mail from unknown users", "closed after an unknown user"
		}
		return statement{}, to
	}
	s.subject, s.named = c.owned(kind, to, s.predicate), c.span(from, to)
	if s.predicate == disabled && c.isFor(to) {
		s.doubt = hedged // "has closed her mailbox to strangers"
	}
	return s, to
}

// takeSubject takes the subject of a quality from another clause.
func (r *reader) takeSubject(i, lo, hi int, s *statement) {
	if from, to, ok := r.sharedNoun(i, hi); ok {
		next := &r.clauses[i+1]
		s.subject, s.named = next.kind(from, to), next.span(from, to)
		return
	}
	s.subject, s.named = r.inherited(i, lo)
	if s.predicate == missing && r.clauses[i].isName(hi) {
		s.doubt = hedged // "recipient not allowed: unknown consent"
	}
}

// isUnclear reports whether nobody knows what a name is that is the subject: "moderator
// not found", but not "this spectator does not exist", "jane has left the company".
func (c *clause) isUnclear(s *statement) bool {
	if s.named.end == 0 || c.isWord(0, "this", "that") {
		return false
	}
	return s.predicate != moved || !oneof.Contains(s.says.String(), leaving...)
}

// isLimited reports whether what follows a predicate makes it hold for something only:
// "unknown due to a configuration error", "disabled for external mail", "moved to another
// folder"; or that it is only spoken of: "user unknown is our answer to spammers".
func (c *clause) isLimited(at int, predicate role) bool {
	switch {
	case c.isWord(at, "is", "are", "was", "were"), c.isWord(at, "to") && c.isWord(at+1, "have", "be", "do"), c.isFault(at, predicate):
		return true
	case predicate == missing:
		return c.isWord(at, "before", "during") // "before the import is done"
	case predicate == disabled:
		return c.isFor(c.skipTime(at))
	case predicate == moved:
		return !c.isGone(at)
	}
	return false
}

// isNegated reports whether a quality is denied: "is not unknown".
func (c *clause) isNegated(at int) bool {
	for k := at - 1; k >= 0 && k >= at-4; k-- {
		if c.is(k, not|gone|none) {
			return true
		}
		if !c.is(k, filler) && !c.isName(k) {
			return false
		}
	}
	return false
}

// isObject reports whether a phrase is what a server accepts or a preposition's
// object: "accepts unknown users", "mail from unknown users".
func (c *clause) isObject(at int) bool {
	k := c.governor(at)
	if c.is(k, preposition) {
		return c.is(k, takeover) || c.isWord(k, circumstances...)
	}
	return c.is(k, verb)
}

// governor returns where the preposition or the verb stands that a phrase may belong to.
func (c *clause) governor(at int) int {
	k := at - 1
	for c.is(k, filler|mail) && !c.is(k, preposition) {
		k--
	}
	return k
}

// negatedAt reads what is denied: "does not exist", "is not active", "can not
// find this user", "is not a user here".
func (r *reader) negatedAt(i, at int) (statement, int) {
	c := &r.clauses[i]
	if at > 0 && c.isService(at-1) { // "ne gère pas le domaine"
		return c.notServed(at-1, at+1), at + 1
	}
	k := at + 1
	for c.is(k, filler) && !c.is(k, known|active|find) {
		k++
	}
	switch {
	case k == len(c.words):
	case c.isService(k):
		return c.notServed(at, k+1), k + 1
	case c.is(k, find|known):
		if from, to, ok := c.nounAfter(k + 1); ok && c.kind(from, to) != place && !c.isPlace(k) {
			return c.notFound(at, from, to)
		}
		if c.is(k, known) {
			return r.qualityAt(i, at, k+1, missing)
		}
	case c.is(k, active):
		return r.qualityAt(i, at, k+1, disabled)
	case c.is(k, recipient) && (k > at+1 || at == 0 && c.is(k+1, preposition)): // "is not a user here", "not user of this server"
		_, to := c.phrase(k)
		if c.is(to, missing|disabled|not|gone) {
			return statement{}, to // "this is not a user unknown error", "we never said the user is gone"
		}
		return c.notFound(at, k, to)
	}
	return statement{}, k
}

// isPlace reports whether a word of the role known is a phrase such as "in our
// directory" whose noun is part of it.
func (c *clause) isPlace(at int) bool {
	return oneof.HasPrefix(c.words[at].text, "in ", "on ", "at ")
}

// notFound reads a noun that was not found, or that the subject is not.
func (c *clause) notFound(at, from, to int) (statement, int) {
	s := statement{predicate: missing, named: c.span(from, to), says: c.span(at, to)}
	s.subject = c.owned(c.kind(from, to), to, missing)
	if s.subject != recipient && s.subject != domain {
		return statement{}, to
	}
	if c.isForSomeMail(to) || c.isLimited(to, missing) {
		s.doubt = hedged
	}
	if left, named, ok := c.subjectBefore(at); ok && left&(sender|other|you) != 0 && !c.isWe(at) {
		s.subject, s.named = left, named
	}
	return s, to
}

// isWe reports whether a server speaks of itself: "we do not know this user".
func (c *clause) isWe(at int) bool { return c.hasWordBefore(at, "we", "i") }

// noneAt reads "no such user", and "no user" if what follows shows that it means
// this recipient: "no user here by that name", "no mailbox for jane".
func (r *reader) noneAt(i, at int) (statement, int) {
	c := &r.clauses[i]
	from, to, ok := c.nounAfter(at + 1)
	if !ok {
		return statement{}, at + 1
	}
	s := statement{predicate: missing, named: c.span(from, to), says: c.span(at, to)}
	s.subject = c.owned(c.kind(from, to), to, missing)
	if s.subject != recipient && s.subject != domain {
		return statement{}, to
	}
	such := c.isSuch(at, from)
	switch {
	case c.isPermitted(to), !such && at > 0 && to == len(c.words) && c.isPlural(to):
		r.elsewhere = true // "this server knows no users"
		return statement{}, to
	case !such && (!c.namesOne(to) || c.isPlural(to) && c.isWord(to, "to")):
		return statement{}, to // "no user specified", "we show no users to strangers"
	case c.isOfSender(at):
		s.subject = other
	case c.isLimited(to, missing):
		s.doubt = hedged // "no such user before the import is done"
	}
	return s, to
}

// isOfSender reports whether it is a sender or a thing that has none: "your domain has no
// such mailbox", "you have no account here", "192.0.2.1 has no good name", "the policy
// has no such user".
func (c *clause) isOfSender(at int) bool {
	if c.isYours(0, at) || c.hasWordBefore(at, "you") || at == 2 && c.isWord(0, "#") && c.isWord(1, "has") {
		return true
	}
	left, _, ok := c.subjectBefore(at)
	return ok && !c.isWe(at) && (left&(sender|you) != 0 || left == other && !c.is(at-1, find) && !c.isWord(at-1, results...))
}

// isSuch reports whether the words between a negation and its noun point at the
// recipient.
func (c *clause) isSuch(at, noun int) bool {
	for k := at; k < noun; k++ {
		text := c.words[k].text
		if strings.HasSuffix(text, "such") || c.is(k, none) && text[0] >= 0x80 || slices.Contains(pointing, text) {
			return true
		}
	}
	return false
}

// namesOne reports whether the words after "no user" say which one: nothing, a
// name, or a place, but not "no user specified".
func (c *clause) namesOne(at int) bool {
	for names := 0; at < len(c.words); at++ {
		switch {
		case c.isName(at):
			if names++; names > 1 {
				return false
			}
		case c.words[at].address:
		case c.is(at, preposition|known|or|place|moved):
			return true
		case !c.is(at, filler), c.isWord(at, "specified", "given", "supplied", "stated", "longer"):
			return false
		}
	}
	return true
}

// goneAt reads "no longer": the recipient is disabled if it was something good
// before.
func (r *reader) goneAt(i, at int) (statement, int) {
	c := &r.clauses[i]
	for k := at + 1; k < at+4; k++ {
		switch {
		case c.is(k, missing|disabled|moved|unavailable|not|temporary):
			return statement{}, k + 1
		case c.isService(k):
			return c.notServed(at, k+1), k + 1
		case c.is(k, known|active|preposition), c.isWord(k, uses...) && !c.isSomeMail(k+1):
			return r.qualityAt(i, at, k+1, disabled)
		case c.is(k, verb):
			r.elsewhere = r.elsewhere || c.isWord(k, uses...) // who takes no newsletters any more is still there
			return statement{}, k + 1
		}
		if !c.isName(k) && !c.is(k, filler) {
			break
		}
	}
	return r.qualityAt(i, at, at+1, disabled)
}
