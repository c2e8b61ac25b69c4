package classify

import "strings"

// owned returns what a phrase is about if a noun behind it makes it something
// else: "address of the client", "unknown user in MAIL FROM", "unknown to the
// filter". Who disabled something does not own it.
func (r *reader) owned(c *clause, kind role, at int, predicate role) role {
	if kind != recipient && kind != domain {
		return kind
	}
	for k := at; k+1 < len(c.words); k++ {
		if predicate == disabled && r.isCharge(c, k) {
			return kind
		}
		if c.words[k].role&preposition == 0 || predicate == disabled &&
			(r.isWord(c, k, "due to", "because of", "without") || r.spans(c, "request")) || predicate == moved && c.words[k+1].address {
			continue // "suspended due to a policy violation", "deleted after a year without login", "closed at the owner's request", "moved to <>"
		}
		others := sender | you
		if kind == recipient && (predicate != disabled || !r.isFrom(c, k)) {
			others |= other
		}
		for n := k + 1; n < len(c.words); n++ {
			w := c.words[n].role
			if _, hi := c.phrase(n); w&noun != 0 && c.words[hi-1].role&place != 0 {
				break // "in relay recipient table"
			}
			if r.isWord(c, n, "permitted", "allowed", "approved", "authorized", "authorised", "trusted", "accepted") && n+1 < len(c.words) && r.isWord(c, n+1, "list", "lists", "senders") {
				return other // "not found in permitted list"
			}
			if predicate == disabled && r.isWord(c, n, "owner", "holder") {
				break // "closed after the death of its owner"
			}
			if w&your != 0 && c.isYours(n, n+1) || w&others != 0 && w&recipient == 0 {
				return other
			}
			if (c.words[n].isName() || r.isWord(c, n, "to")) && n+1 < len(c.words) && (c.words[n+1].role&field != 0 || r.isWord(c, n+1, "line")) {
				return other // "in Cc header"
			}
			if w&(filler|mail) == 0 && !strings.HasPrefix(r.text[c.words[n].end:], "/") {
				break // behind a path it goes on: "in /etc/procmailrc"
			}
		}
	}
	return kind
}

// subjectBefore looks for the subject of a predicate to the left of it. Names
// and places may stand between: "user jane in table aliases does not exist".
func (r *reader) subjectBefore(i, at int) (role, span, bool) {
	c := &r.clauses[i]
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
			if kind == recipient && (lo > 0 && c.words[lo-1].isName() && r.isThing(c, lo-1) || r.ownsThing(c, k, at) || r.isYourKind(c, lo)) {
				kind = other
			}
			named := r.span(c, lo, k+1)
			d := lo - 1
			for c.words[k].address && d >= 0 && c.words[d].role&recipient != 0 && !c.words[d].address {
				d-- // "backend for user <> unknown"
			}
			for d >= 0 && (c.words[d].role&filler != 0 || c.words[d].isName() && d > 0 && c.words[d-1].role&preposition != 0) && c.words[d].role&preposition == 0 {
				d--
			}
			if ofPlace && kind == recipient && r.text[c.words[k].start:c.words[k].end] == "address" {
				return other, named, true // "the address of this host"
			}
			if d < 0 || c.words[d].role&preposition == 0 {
				if kind == mail && toward != 0 && r.isWord(c, k, "delivery", "mail", "e-mail", "email", "reception") && !r.isWord(c, at, "expired", "deleted", "removed", "cancelled", "canceled") {
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
				if r.isFrom(c, d) {
					toward = other
				}
			}
			k = d
		case c.words[k].isName():
			if r.isThing(c, k) {
				return other, r.span(c, k, k+1), true
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
func (r *reader) isFrom(c *clause, at int) bool {
	switch r.text[c.words[at].start:c.words[at].end] {
	case "from", "by", "via", "through":
		return true
	}
	return false
}

// namesRecipient reports whether a clause that does not explain the one before it
// names the recipient by that word, so that words about the sender before it do not
// count: "sender known, recipient unknown", "sender ok, no such recipient".
func (r *reader) namesRecipient(c *clause) bool {
	switch c.mark {
	case ',', ';':
		return r.spans(c, "recipient", "addressee", "receiver")
	case '.':
		return r.isWord(c, 0, "recipient", "addressee", "receiver")
	}
	return false
}

// isError reports whether an error follows a noun: "unknown mailbox error".
func (r *reader) isError(c *clause, at int) bool {
	return at < len(c.words) && strings.HasPrefix(r.text[c.words[at].start:c.words[at].end], "error")
}

// isPlural reports whether a noun is several: "mail to unknown users is not accepted".
func (r *reader) isPlural(c *clause, to int) bool {
	w := c.words[to-1]
	return w.end > w.start+2 && r.text[w.end-1] == 's' && r.text[w.end-2] != 's'
}

// ownsThing reports whether a predicate is said of what a recipient owns: "user's
// autoresponder does not exist".
func (r *reader) ownsThing(c *clause, k, at int) bool {
	return k+1 < at && c.words[k+1].isName() && strings.HasSuffix(r.text[c.words[k].start:c.words[k].end], "'s")
}

// isYourKind reports whether a noun is the sender's, with a word that is not in
// the lexicon between: "your billing account", "your server's postmaster address".
func (r *reader) isYourKind(c *clause, lo int) bool {
	for k := lo - 1; k >= 0 && k >= lo-4; k-- {
		w := c.words[k]
		if w.role&your != 0 {
			return true
		}
		if !w.isName() && !strings.HasSuffix(r.text[w.start:w.end], "'s") && !strings.HasPrefix(r.text[w.end:], "'s") {
			return false
		}
	}
	return false
}

// isThing reports whether a word that is not in the lexicon is a thing or a
// quality, and no name, by its ending: "address verification", "archiving account".
func (r *reader) isThing(c *clause, k int) bool {
	w := r.text[c.words[k].start:c.words[k].end]
	if len(w) < 6 || strings.ContainsAny(w, ".-#") {
		return false
	}
	for _, ending := range []string{"tion", "sion", "ment", "ness", "ance", "ence", "ship"} {
		if strings.HasSuffix(w, ending) {
			return true
		}
	}
	if strings.HasSuffix(w, "ing") && k > 0 && r.isWord(c, k-1, "address", "mailbox", "account", "recipient") {
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
			return 0, span{r.text, c.words[k].start, c.words[at-1].end} // "jane does not exist"
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
func (r *reader) isAddress(c *clause, at int) bool {
	for k := range at {
		if r.isWord(c, k, "email", "e-mail") {
			return true
		}
		if !r.isWord(c, k, "this", "that", "the") {
			return false
		}
	}
	return false
}
