package classify

import "strings"

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
		if c.words[k].role&preposition == 0 || predicate == disabled &&
			(c.isWord(k, "due to", "because of", "without") || c.hasWord("request")) || predicate == moved && c.words[k+1].address {
			continue // "suspended due to a policy violation", "deleted after a year without login", "closed at the owner's request", "moved to <>"
		}
		others := sender | you
		if kind == recipient && (predicate != disabled || !c.isFrom(k)) {
			others |= other
		}
		for n := k + 1; n < len(c.words); n++ {
			w := c.words[n].role
			if _, hi := c.phrase(n); w&noun != 0 && c.words[hi-1].role&place != 0 {
				break // "in relay recipient table"
			}
			if c.isWord(n, "permitted", "allowed", "approved", "authorized", "authorised", "trusted", "accepted") && c.isWord(n+1, "list", "lists", "senders") {
				return other // "not found in permitted list"
			}
			if predicate == disabled && c.isWord(n, "owner", "holder") {
				break // "closed after the death of its owner"
			}
			if w&your != 0 && c.isYours(n, n+1) || w&others != 0 && w&recipient == 0 {
				return other
			}
			if (c.words[n].isName() || c.isWord(n, "to")) && n+1 < len(c.words) && (c.words[n+1].role&field != 0 || c.isWord(n+1, "line")) {
				return other // "in Cc header"
			}
			if w&(filler|mail) == 0 && !strings.HasPrefix(c.text[c.words[n].end():], "/") {
				break // behind a path it goes on: "in /etc/procmailrc"
			}
		}
	}
	return kind
}

// subjectBefore looks for the subject of a predicate to the left of it. Names
// and places may stand between: "user jane in table aliases does not exist".
func (c *clause) subjectBefore(at int) (role, span, bool) {
	names := 0
	var toward role // what mail goes to: "delivery to this mailbox is disabled"
	var towardAt span
	ofPlace := false
	for k := at - 1; k >= 0; k-- {
		w := c.words[k].role
		switch {
		case w&noun != 0 && w&(not|none) == 0:
			lo, _ := c.phrase(k)
			kind := c.kind(lo, k+1)
			if kind == recipient && (lo > 0 && c.words[lo-1].isName() && c.isThing(lo-1) || c.ownsThing(k, at) || c.isYourKind(lo)) {
				kind = other
			}
			named := c.span(lo, k+1)
			d := lo - 1
			for c.words[k].address && d >= 0 && c.words[d].role&recipient != 0 && !c.words[d].address {
				d-- // "backend for user <> unknown"
			}
			for d >= 0 && (c.words[d].role&filler != 0 || c.words[d].isName() && d > 0 && c.words[d-1].role&preposition != 0) && c.words[d].role&preposition == 0 {
				d--
			}
			if ofPlace && kind == recipient && c.words[k].text == "address" {
				return other, named, true // "the address of this host"
			}
			if d < 0 || c.words[d].role&preposition == 0 {
				if kind == mail && toward != 0 && c.isWord(k, "delivery", "mail", "e-mail", "email", "reception") && !c.isWord(at, "expired", "deleted", "removed", "cancelled", "canceled") {
					return toward, towardAt, true
				}
				return kind, named, true
			}
			if c.words[d].role&takeover != 0 && kind&(sender|other|you) != 0 ||
				kind == other && (c.isYours(lo, k+1) || w&field != 0) {
				return other, named, true // "address of the client", "address in your To header"
			}
			ofPlace = ofPlace || kind == place && c.words[d].role&takeover != 0
			if kind == recipient {
				toward, towardAt = recipient, named
				if c.isFrom(d) {
					toward = other
				}
			}
			k = d
		case c.words[k].isName():
			if c.isThing(k) {
				return other, c.span(k, k+1), true
			}
			if names++; names > 4 {
				return 0, span{}, false
			}
		case w&(filler|genitive|hedge|temporary|future|known|or|cut|preposition) != 0 && w&verb == 0:
		default:
			return other, span{}, w&(verb|not|none|gone) != 0 && c.hasNounBefore(k)
		}
	}
	return toward, towardAt, toward != 0
}

// isFrom reports whether a preposition says where mail comes from.
func (c *clause) isFrom(at int) bool {
	return c.isWord(at, "from", "by", "via", "through")
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

// isError reports whether an error follows a noun: "unknown mailbox error".
func (c *clause) isError(at int) bool {
	return at < len(c.words) && strings.HasPrefix(c.words[at].text, "error")
}

// isPlural reports whether a noun is several: "mail to unknown users is not accepted".
func (c *clause) isPlural(to int) bool {
	noun := c.words[to-1].text
	return strings.HasSuffix(noun, "s") && !strings.HasSuffix(noun, "ss")
}

// ownsThing reports whether a predicate is said of what a recipient owns: "user's
// autoresponder does not exist".
func (c *clause) ownsThing(k, at int) bool {
	return k+1 < at && c.words[k+1].isName() && strings.HasSuffix(c.words[k].text, "'s")
}

// isYourKind reports whether a noun is the sender's, with a word that is not in
// the lexicon between: "your billing account", "your server's postmaster address".
func (c *clause) isYourKind(lo int) bool {
	for k := lo - 1; k >= 0 && k >= lo-4; k-- {
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
func (c *clause) isThing(k int) bool {
	w := c.words[k].text
	if len(w) < 6 || strings.ContainsAny(w, ".-#") {
		return false
	}
	for _, ending := range []string{"tion", "sion", "ment", "ness", "ance", "ence", "ship"} {
		if strings.HasSuffix(w, ending) {
			return true
		}
	}
	if strings.HasSuffix(w, "ing") && c.isWord(k-1, "address", "mailbox", "account", "recipient") {
		return true // "address rewriting"
	}
	after := k+1 < len(c.words) && c.words[k+1].role&recipient != 0
	return after && (strings.HasSuffix(w, "ing") || strings.HasSuffix(w, "ed"))
}

func (c *clause) hasNounBefore(at int) bool {
	for k := range at {
		if c.words[k].role&noun != 0 {
			return true
		}
	}
	return false
}

// sharedNoun returns the noun that follows a second quality, if the first one ends a
// clause: "unknown or illegal alias".
func (r *reader) sharedNoun(i, hi int) (from, to int, ok bool) {
	if hi < len(r.clauses[i].words) || i+1 == len(r.clauses) || !r.clauses[i+1].or {
		return 0, 0, false
	}
	next := &r.clauses[i+1]
	for k := range next.words {
		switch w := next.words[k].role; {
		case w&(missing|disabled) != 0:
			return next.nounAfter(k + 1)
		case w&(or|filler) == 0:
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
		if c.words[k].isName() {
			return 0, span{c.text, c.words[k].start, c.words[at-1].end()} // "jane does not exist"
		}
	}
	for k := i - 1; k >= 0 && r.clauses[k].sentence >= c.sentence-1; k-- {
		if t := r.topics[k]; t.subject != 0 && t.subject != mail {
			return t.subject, t.at
		}
	}
	return 0, span{}
}

// isAddress reports whether a clause begins with the word for e-mail, meaning an
// address: "this e-mail is no longer in use", "email not found".
func (c *clause) isAddress(at int) bool {
	for k := range at {
		if c.isWord(k, "email", "e-mail") {
			return true
		}
		if !c.isWord(k, "this", "that", "the") {
			return false
		}
	}
	return false
}
