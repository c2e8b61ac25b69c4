package classify

import (
	"slices"
	"strings"
)

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
// does, and the word after it.
func (r *reader) statementAt(i, at int) (statement, int) {
	c := &r.clauses[i]
	w := c.words[at].role
	switch {
	case w&missing != 0 && w&recipient != 0: // "nobody here by that name", but not "nobody here wants your mail"
		for k := at + 1; k < len(c.words); k++ {
			if c.words[k].role&verb != 0 {
				return statement{}, k
			}
			if c.words[k].role&filler == 0 {
				break
			}
		}
		return statement{subject: recipient, predicate: missing, named: c.span(at, at+1), says: c.span(at, at+1)}, at + 1
	case w&gone != 0:
		return r.goneAt(i, at)
	case w&not != 0:
		return r.negatedAt(i, at)
	case w&none != 0:
		return r.noneAt(i, at)
	case w&missing != 0:
		return r.qualityAt(i, at, at+1, missing)
	case w&disabled != 0:
		return r.qualityAt(i, at, at+1, disabled)
	case w&moved != 0:
		return r.qualityAt(i, at, at+1, moved)
	case w&unavailable != 0:
		return r.qualityAt(i, at, at+1, unavailable)
	}
	return statement{}, at + 1
}

// qualityAt reads a quality of something: "user unknown", "unknown user". The
// words of the quality are those from lo to hi.
func (r *reader) qualityAt(i, lo, hi int, predicate role) (statement, int) {
	c := &r.clauses[i]
	s := statement{predicate: predicate, says: c.span(lo, hi)}
	if c.isNegated(lo) {
		r.denied = true
		return statement{}, hi
	}
	subject, named, left := c.subjectBefore(lo)
	if c.isOfThing(lo, hi, predicate, left) {
		r.elsewhere = true
		return statement{}, hi
	}
	if predicate&(missing|disabled) != 0 && (!left || subject == mail || subject == place) {
		if from, to, ok := c.nounAfter(hi); ok {
			kind := c.kind(from, to)
			if kind == recipient && c.isAnyones(lo, to) {
				if c.isObject(lo) && c.isPlural(to) && c.isWord(lo-1, "of", "from", "by") {
					r.elsewhere = true // "mail from unknown users"
				}
				return statement{}, to
			}
			s.subject, s.named = c.owned(kind, to, predicate), c.span(from, to)
			if predicate == disabled && c.isFor(to) {
				s.doubt = hedged // "has closed her mailbox to strangers"
			}
			return s, to
		}
	}
	s.subject, s.named = subject, named
	if !left {
		if from, to, ok := r.sharedNoun(i, hi); ok {
			next := &r.clauses[i+1]
			s.subject, s.named = next.kind(from, to), next.span(from, to)
		} else {
			s.subject, s.named = r.inherited(i, lo)
			if s.subject != 0 && predicate == missing && hi < len(c.words) && c.words[hi].isName() {
				s.doubt = hedged // "recipient not allowed: unknown consent"
			}
		}
	}
	if s.subject == mail && c.words[lo].role&(gone|not) != 0 && c.isAddress(lo) {
		s.subject = recipient
	}
	if s.subject == mail {
		s.subject = 0
		if predicate != missing {
			return statement{}, hi // "the message was deleted"
		}
	}
	s.subject = c.owned(s.subject, hi, predicate)
	if c.words[lo].role&disabled != 0 && c.hasObject(lo, hi) || c.words[lo].role&gone != 0 && hi < len(c.words) && c.words[hi].role&your != 0 {
		r.elsewhere = true // "recipient has disabled newsletters", "accepts your mail no more"
		return statement{}, hi
	}
	if s.subject == 0 && !c.endsClause(lo, hi) {
		return statement{}, hi
	}
	if s.subject == 0 && s.named.end > 0 && !c.isThis() && (predicate != moved || !hasLeft(s.says.String())) {
		s.doubt = hedged // "moderator not found": nobody knows what that is; "jane has left the company" says it
	}
	if c.isFault(hi) || predicate == disabled && c.isFor(hi) || predicate == moved && !c.isGone(hi) {
		s.doubt = hedged // "disabled for external mail", "moved to another folder"
	}
	return s, hi
}

// leaving are words of phrases that say that somebody works elsewhere now, so that
// whoever is named before them is the recipient.
var leaving = []string{"left", "verlassen", "ausgeschieden", "quitté", "dejado la", "lasciato", "saiu", "deixou", "odszedł", "odešel", "покинул", "退職", "离职", "퇴사"}

func hasLeft(predicate string) bool {
	return slices.ContainsFunc(leaving, func(word string) bool { return strings.Contains(predicate, word) })
}

// isThis reports whether a clause begins with a word that points at the
// recipient: "this spectator does not exist".
func (c *clause) isThis() bool {
	switch c.words[0].text {
	case "this", "that":
		return true
	}
	return false
}

// isNegated reports whether a quality is denied: "is not unknown".
func (c *clause) isNegated(at int) bool {
	for k := at - 1; k >= 0 && k >= at-4; k-- {
		r := c.words[k].role
		if r&(not|gone) != 0 || r&none != 0 {
			return true
		}
		if r&filler == 0 && !c.words[k].isName() {
			return false
		}
	}
	return false
}

// isObject reports whether a phrase is what a server accepts or a preposition's
// object: "accepts unknown users", "mail from unknown users".
func (c *clause) isObject(at int) bool {
	for k := at - 1; k >= 0; k-- {
		switch r := c.words[k].role; {
		case r&preposition != 0:
			return r&takeover != 0
		case r&(filler|mail) != 0:
		case r&verb != 0:
			return true
		default:
			return false
		}
	}
	return false
}

// negatedAt reads what is denied: "does not exist", "is not active", "can not
// find this user", "is not a user here".
func (r *reader) negatedAt(i, at int) (statement, int) {
	c := &r.clauses[i]
	if at > 0 && c.isService(at-1) { // "ne gère pas le domaine"
		return c.notServed(at-1, at+1), at + 1
	}
	k := at + 1
	for k < len(c.words) && k < at+7 && c.words[k].role&filler != 0 && c.words[k].role&(known|active|find) == 0 {
		k++
	}
	if k == len(c.words) {
		return statement{}, k
	}
	w := c.words[k].role
	switch {
	case c.isService(k):
		return c.notServed(at, k+1), k + 1
	case w&(find|known) != 0:
		from, to, ok := c.nounAfter(k + 1)
		if ok && c.kind(from, to) != place && !c.isPlace(k) {
			return c.notFound(at, from, to)
		}
		if w&known != 0 {
			return r.qualityAt(i, at, k+1, missing)
		}
	case w&active != 0:
		return r.qualityAt(i, at, k+1, disabled)
	case w&recipient != 0 && (k > at+1 || at == 0 && k+1 < len(c.words) && c.words[k+1].role&preposition != 0): // "is not a user here", "not user of this server"
		_, to := c.phrase(k)
		return c.notFound(at, k, to)
	}
	return statement{}, k
}

// isPlace reports whether a word of the role known is a phrase such as "in our
// directory" whose noun is part of it.
func (c *clause) isPlace(k int) bool {
	w := c.words[k]
	text := w.text
	return len(text) > 3 && (text[:3] == "in " || text[:3] == "on " || text[:3] == "at ")
}

// notFound reads a noun that was not found, or that the subject is not.
func (c *clause) notFound(at, from, to int) (statement, int) {
	s := statement{predicate: missing, named: c.span(from, to), says: c.span(at, to)}
	s.subject = c.owned(c.kind(from, to), to, missing)
	if s.subject != recipient && s.subject != domain {
		return statement{}, to
	}
	if c.isForSomeMail(to) {
		s.doubt = hedged
	}
	if left, named, ok := c.subjectBefore(at); ok && left&(sender|other|you) != 0 && left&place == 0 {
		if c.isWe(at) {
			return s, to
		}
		s.subject, s.named = left, named
	}
	return s, to
}

// isWe reports whether a server speaks of itself: "we do not know this user".
func (c *clause) isWe(at int) bool {
	for k := range at {
		switch c.words[k].text {
		case "we", "i":
			return true
		}
	}
	return false
}

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
	if c.isPermitted(to) {
		r.elsewhere = true
		return statement{}, to
	}
	if !c.isSuch(at, from) {
		if at > 0 && to == len(c.words) && c.isPlural(to) {
			r.elsewhere = true
			return statement{}, to // "this server knows no users"
		}
		if !c.namesOne(to) {
			return statement{}, to
		}
	}
	if c.isYours(0, at) || c.saysYou(at) || c.namesNumber(at) {
		s.subject = other // "your domain has no such mailbox", "you have no account here", "192.0.2.1 has no good name"
	} else if left, _, ok := c.subjectBefore(at); ok && left&(sender|other|you) != 0 && !c.isWe(at) && c.words[max(at-1, 0)].role&find == 0 {
		s.subject = other
	} else if ok && left&(sender|you) != 0 && !c.isWe(at) {
		s.subject = other
	}
	return s, to
}

// saysYou reports whether the words before a place speak to the sender.
func (c *clause) saysYou(at int) bool {
	for k := range at {
		if c.isWord(k, "you") {
			return true
		}
	}
	return false
}

// namesNumber reports whether a clause begins with a number, such as an IP, that
// has or has not what follows.
func (c *clause) namesNumber(at int) bool {
	return at == 2 && c.isWord(0, "#") && c.isWord(1, "has")
}

// isSuch reports whether the words between a negation and its noun point at the
// recipient.
func (c *clause) isSuch(at, noun int) bool {
	for k := at; k < noun; k++ {
		text := c.words[k].text
		if len(text) >= 4 && text[len(text)-4:] == "such" || c.words[k].role&none != 0 && text[0] >= 0x80 {
			return true
		}
		switch text {
		case "this", "that", "existing", "known", "local":
			return true
		}
	}
	return false
}

// namesOne reports whether the words after "no user" say which one: nothing, a
// name, or a place.
func (c *clause) namesOne(at int) bool {
	for names := 0; at < len(c.words); at++ {
		w := c.words[at].role
		switch {
		case c.words[at].isName():
			if names++; names > 1 {
				return false
			}
		case c.words[at].address:
		case w&(preposition|known|or|place|moved) != 0:
			return true
		case w&filler != 0:
			switch c.words[at].text {
			case "specified", "given", "supplied", "stated", "longer":
				return false
			}
		default:
			return false
		}
	}
	return true
}

// goneAt reads "no longer": the recipient is disabled if it was something good
// before.
func (r *reader) goneAt(i, at int) (statement, int) {
	c := &r.clauses[i]
	for k := at + 1; k < len(c.words) && k < at+4; k++ {
		w := c.words[k].role
		if w&(missing|disabled|moved|unavailable|not|temporary) != 0 {
			return statement{}, k + 1
		}
		if c.isService(k) {
			return c.notServed(at, k+1), k + 1
		}
		if w&(known|active|preposition) != 0 {
			return r.qualityAt(i, at, k+1, disabled)
		}
		if w&verb != 0 {
			switch c.words[k].text {
			case "accept", "accepts", "accepting", "receive", "receives", "receiving", "work", "works", "working", "supported", "subscribed", "use", "uses", "read", "reads":
				if c.isSomeMail(k + 1) {
					r.elsewhere = true // who takes no newsletters any more is still there
					return statement{}, k + 1
				}
				return r.qualityAt(i, at, k+1, disabled)
			}
			return statement{}, k + 1
		}
		if c.words[k].isName() || w&filler != 0 {
			continue
		}
		break
	}
	return r.qualityAt(i, at, at+1, disabled)
}
