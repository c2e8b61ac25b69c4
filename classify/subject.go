package classify

import (
	"slices"
	"strings"
)

// The words that these functions look for.
var (
	// arrivals are nouns whose predicate is about the mailbox: "delivery to <> is disabled".
	arrivals = []string{"delivery", "mail", "e-mail", "email", "reception"}
	// endsOfMail are predicates that a message has for itself: "mail to <> was deleted".
	endsOfMail = []string{"expired", "deleted", "removed", "cancelled", "canceled"}
	// thingEndings are endings of words for a thing or a quality: "address verification".
	thingEndings = []string{"tion", "sion", "ment", "ness", "ance", "ence", "ship"}
	// relatives begin a relative clause: "the server that hosts this mailbox".
	relatives = []string{"that", "which", "who"}
	// towards are prepositions of several languages that say where something leads.
	towards = []string{
		"to", "an", "zu", "zum", "zur", "vers", "au", "à", "hacia", "al", "a", "verso", "alla", "allo", "para", "ao", "naar", "do", "k", "ke", "к", "ко",
	}
	// permitted are words for somebody who may do something, and then is a sender.
	permitted = []string{"authorized", "authorised", "allowed", "permitted", "entitled"}
)

// subjectBefore looks for the subject of a predicate to the left of it. Names
// and places may stand between: "user jane in table aliases does not exist".
func (c *clause) subjectBefore(at int) (role, span, bool) {
	s := search{clause: c, predicate: at}
	names := 0
	for k := at - 1; k >= 0; k-- {
		switch {
		case c.is(k, noun):
			kind, named, next := s.takeNoun(k)
			if kind != 0 {
				return kind, named, true
			}
			k = next
		case c.isThing(k):
			return other, c.span(k, k+1), true
		case c.isName(k):
			if names++; names > 4 {
				return 0, span{}, false
			}
		case c.is(k, verb) || !c.is(k, filler|genitive|hedge|temporary|future|known|or|cut|preposition):
			return other, span{}, c.is(k, verb|not|none|gone) && c.rolesBefore(c.words[k].start)&noun != 0
		}
	}
	return s.toward, s.towardAt, s.toward != 0
}

// search looks for the subject of a predicate, from right to left.
type search struct {
	*clause
	predicate int
	toward    role // what mail goes to: "delivery to this mailbox is disabled"
	towardAt  span
	ofPlace   bool // the place that an address belongs to: "the address of this host"
}

// takeNoun takes the noun phrase whose last word is at k. It returns the subject, or 0 and
// where to go on.
func (s *search) takeNoun(k int) (kind role, named span, next int) {
	lo, _ := s.phrase(k)
	kind, named = s.subjectKind(lo, k, s.predicate), s.span(lo, k+1)
	to := s.prepositionBefore(lo)
	switch {
	case s.ofPlace && kind == recipient && s.isWord(k, "address"):
		return other, named, k
	case to < 0 && kind == mail && s.toward != 0 && s.isWord(k, arrivals...) && !s.isWord(s.predicate, endsOfMail...):
		return s.toward, s.towardAt, k
	case kind == recipient && (s.isCounted(lo, k) || s.isIndefinite(lo, k)):
		return other, named, k // "900 mailboxes", "impersonates a user that does not exist"
	case kind == recipient && s.is(k, possessive) && s.isName(s.beforeFillers(lo)):
		owned := s.beforeFillers(lo)
		return other, s.span(owned, owned+1), k // "маршрут получателя"
	case kind == recipient && s.holderBefore(lo) >= 0:
		kind, named = s.holder(s.holderBefore(lo))
		return kind, named, k
	case to < 0:
		return kind, named, k
	case s.is(to, takeover) && kind&(sender|other|you) != 0, kind == other && (s.isYours(lo, k+1) || s.is(k, field) || s.isWord(to, "in")):
		return other, named, k // "address of the client", "address in your To header", "user in the subject"
	case kind&(place|other) != 0 && s.isRelative(k+1):
		return kind, named, k // "lives on a server that no longer exists"
	case kind == recipient && s.isOwned(to):
		return other, s.span(to-1, to), k
	case kind == recipient && s.isFrom(to):
		s.toward, s.towardAt = other, named
	case kind == recipient:
		s.toward, s.towardAt = recipient, named
	case kind == place && s.is(to, takeover):
		s.ofPlace = true
	}
	return 0, span{}, to
}

// isRelative reports whether a relative pronoun stands before the predicate.
func (s *search) isRelative(at int) bool {
	if !s.isWord(at, relatives...) {
		return false
	}
	for at++; s.is(at, filler); at++ {
	}
	return at >= s.predicate
}

// isCounted reports whether a phrase is a number of recipients.
func (c *clause) isCounted(lo, last int) bool { return c.isPlural(last+1) && c.isWord(lo-1, "#") }

// isIndefinite reports whether a phrase is any recipient of whom something is said in a
// relative clause, and stands behind a word that is not in the lexicon or a preposition that
// leads to nobody: "claims to come from a user that", but not "sent to a user that".
func (c *clause) isIndefinite(lo, last int) bool {
	isAny := c.isWord(lo-1, "a", "an", "some") && c.isWord(last+1, relatives...)
	return isAny && (c.isName(lo-2) || c.isWord(lo-2, "with", "from", "as", "by", "of"))
}

// beforeFillers returns where the last word before a phrase stands that is no filler.
func (c *clause) beforeFillers(phrase int) int {
	at := phrase - 1
	for c.is(at, filler) && !c.is(at, preposition) {
		at--
	}
	return at
}

// holderBefore returns where the word stands that a relative clause with a recipient
// belongs to, or -1: "the shard that holds this mailbox".
func (c *clause) holderBefore(phrase int) int {
	at := phrase - 1
	for c.is(at, filler) && !c.isWord(at, relatives...) {
		at--
	}
	if !c.isName(at) && !c.is(at, verb|find|served|known) || !c.isWord(at-1, relatives...) || at < 2 || c.is(at-2, recipient) {
		return -1
	}
	return at - 2
}

// holder returns what a word is that a relative clause with a recipient belongs to.
func (c *clause) holder(at int) (role, span) {
	if c.is(at, place) {
		return place, c.span(at, at+1)
	}
	return other, c.span(at, at+1)
}

// isOwned reports whether a preposition joins a recipient to a thing that is not in the
// lexicon: "the calendar of the recipient", "a slot for this user".
func (c *clause) isOwned(preposition int) bool {
	at := preposition - 1
	if !c.isName(at) || c.words[at].address || strings.HasSuffix(c.words[at].text, "ed") {
		return false // "addressed to this user"
	}
	return c.is(preposition, takeover) || c.isWord(preposition, towards...)
}

// subjectKind returns what the noun phrase from lo to last names, as the subject of a
// predicate: a thing of a recipient, or an account of the sender, is something else.
func (c *clause) subjectKind(lo, last, predicate int) role {
	kind := c.kind(lo, last+1)
	if kind == domain && c.isPlainName(last+1, predicate) {
		return other // "domain controller"
	}
	if kind == recipient && (c.isThing(lo-1) || c.ownsThing(last, predicate) || c.isYourKind(lo)) {
		return other
	}
	return kind
}

// isPlainName reports whether a word before a predicate is not in the lexicon, and is no
// name of a host.
func (c *clause) isPlainName(at, predicate int) bool {
	return at < predicate && c.isName(at) && !strings.ContainsAny(c.words[at].text, ".-#") && !strings.HasSuffix(c.words[at].text, "ed")
}

// prepositionBefore returns where the preposition stands that a noun phrase follows,
// or -1: "for user <>", "in table aliases".
func (c *clause) prepositionBefore(phrase int) int {
	at := phrase - 1
	for c.is(at, recipient) && !c.words[at].address {
		at-- // "backend for user <> unknown"
	}
	for !c.is(at, preposition) && (c.is(at, filler) || c.isName(at) && c.is(at-1, preposition)) {
		at--
	}
	if !c.is(at, preposition) {
		return -1
	}
	return at
}

// isFrom reports whether a preposition says where mail comes from.
func (c *clause) isFrom(at int) bool {
	return c.isWord(at, "from", "by", "via", "through")
}

// ownsThing reports whether a predicate is said of what a recipient owns: "user's
// spooler does not exist".
func (c *clause) ownsThing(k, at int) bool {
	if c.is(k+1, genitive) {
		return k+2 < at && c.isName(k+2)
	}
	return k+1 < at && c.isName(k+1) && strings.HasSuffix(c.words[k].text, "'s")
}

// isYourKind reports whether a noun is the sender's, with a word that is not in
// the lexicon between: "your billing account", "your server's postmaster address".
func (c *clause) isYourKind(phrase int) bool {
	for k := phrase - 1; k >= 0; k-- {
		w := c.words[k]
		if w.role&your != 0 {
			return true
		}
		if !w.isName() && !strings.HasSuffix(w.text, "'s") && !strings.HasPrefix(c.text[w.end():], "'s") {
			return false
		}
	}
	return false
}

// isThing reports whether a word that is not in the lexicon is a thing or a
// quality, and no name, by its ending: "address verification", "archiving account".
func (c *clause) isThing(at int) bool {
	if !c.isName(at) {
		return false
	}
	w := c.words[at].text
	if len(w) < 6 || strings.ContainsAny(w, ".-#") {
		return false
	}
	isActing := strings.HasSuffix(w, "ing")
	if isActing && c.isWord(at-1, "address", "mailbox", "account", "recipient") {
		return true // "address rewriting"
	}
	if slices.ContainsFunc(thingEndings, func(ending string) bool { return strings.HasSuffix(w, ending) }) {
		return true
	}
	return (isActing || strings.HasSuffix(w, "ed")) && c.is(at+1, recipient)
}

// isAddress reports whether a clause begins with the word for e-mail, meaning an
// address: "this e-mail is no longer in use", "email not found".
func (c *clause) isAddress(at int) bool {
	k := 0
	for c.isWord(k, "this", "that", "the") {
		k++
	}
	return k < at && c.isWord(k, "email", "e-mail")
}

// sharedNoun returns the noun that follows a second quality, if the first one ends a
// clause: "unknown or illegal alias".
func (r *reader) sharedNoun(i, hi int) (from, to int, ok bool) {
	if hi < len(r.clauses[i].words) || i+1 == len(r.clauses) || !r.clauses[i+1].or {
		return 0, 0, false
	}
	next := &r.clauses[i+1]
	for k := range next.words {
		switch {
		case next.is(k, missing|disabled):
			return next.nounAfter(k + 1)
		case !next.is(k, or|filler):
			return 0, 0, false
		}
	}
	return 0, 0, false
}

// inherited returns the subject of a predicate whose clause names none: that of
// the clauses before it in the sentence.
func (r *reader) inherited(i, at int) (role, span) {
	c := &r.clauses[i]
	for k := range at {
		if c.isName(k) {
			return 0, c.span(k, at) // "jane does not exist"
		}
	}
	for k := i - 1; k >= 0 && r.clauses[k].sentence >= c.sentence-1; k-- {
		if t := r.topics[k]; t.subject != 0 {
			return t.subject, t.at
		}
	}
	return 0, span{}
}

// owned returns what a phrase is about if a noun behind it makes it something
// else: "address of the client", "unknown user in MAIL FROM", "unknown to the
// filter". Who disabled something does not own it.
func (c *clause) owned(kind role, at int, predicate role) role {
	if kind != recipient && kind != domain {
		return kind
	}
	for k := at; k+1 < len(c.words); k++ {
		if predicate == disabled && c.isCharge(k) {
			return kind
		}
		if !c.is(k, preposition) || c.isCircumstance(k, predicate) {
			continue
		}
		owners := sender | you
		if kind == recipient && (predicate != disabled || !c.isFrom(k)) {
			owners |= other
		}
		if c.hasOwner(k+1, owners, predicate) {
			return other
		}
	}
	return kind
}

// isCircumstance reports whether a preposition says why something was disabled, or where
// it has moved: "suspended due to a policy violation", "deleted after a year without
// login", "closed at the owner's request", "moved to <>".
func (c *clause) isCircumstance(at int, predicate role) bool {
	switch predicate {
	case disabled:
		return c.isWord(at, "due to", "because of", "without", "after") || c.hasWord("request")
	case moved:
		return c.words[at+1].address
	default:
		return false
	}
}

// hasOwner reports whether the words behind a preposition name an owner other than the
// recipient: "of the client", "in your message", "in Cc header".
func (c *clause) hasOwner(at int, owners, predicate role) bool {
	for ; at < len(c.words); at++ {
		switch {
		case c.isInPlace(at), predicate == disabled && c.isWord(at, "owner", "holder"):
			return false // "in relay recipient table", "closed after the death of its owner"
		case c.is(at, owners), c.isYours(at, at+1), c.isFieldName(at), c.isSenderList(at), c.isName(at) && c.is(at+1, owners):
			return true
		case !c.is(at, filler|mail) && !c.isDirectory(at):
			return false
		}
	}
	return false
}

// isInPlace reports whether a noun phrase ends with a place: "relay recipient table".
func (c *clause) isInPlace(at int) bool {
	if !c.is(at, noun) {
		return false
	}
	_, hi := c.phrase(at)
	return c.is(hi-1, place)
}

// isFieldName reports whether a word names a field of the header: "in Cc header", "in To
// line".
func (c *clause) isFieldName(at int) bool {
	return (c.isName(at) || c.isWord(at, "to")) && (c.is(at+1, field) || c.isWord(at+1, "line"))
}

// isSenderList reports whether a list of those who may send begins here: "not found in
// permitted list".
func (c *clause) isSenderList(at int) bool {
	return (c.isWord(at, permitted...) || c.isWord(at, "approved", "trusted", "accepted")) && c.isWord(at+1, "list", "lists", "senders")
}

// isDirectory reports whether a path goes on behind a word: "in /var/spool/script".
func (c *clause) isDirectory(at int) bool {
	return strings.HasPrefix(c.text[c.words[at].end():], "/")
}

// isPermitted reports whether what follows a noun is what somebody may do, who then
// is a sender: "no such user is authorized to submit mail".
func (c *clause) isPermitted(at int) bool {
	for c.is(at, filler|hedge) && !c.is(at, verb) {
		at++
	}
	return c.isWord(at, permitted...)
}
