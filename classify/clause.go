package classify

import "slices"

// clause is a stretch of a reply that says one thing:
//
//	550 5.1.1 <>: recipient address rejected: user unknown, ask the postmaster
//	          ──  ──────────────────────────  ────────────  ──────────────────
//
// Replies are cut at punctuation and at conjunctions. Text in parentheses is a
// separate clause, and the words around it are one clause.
type clause struct {
	text     string // the whole reply
	words    []word
	sentence int
	mark     byte // the punctuation before the clause, 0 at the start
	or       bool // joined to the clause before it by "or"
	question bool // ends in a question mark
}

// word is a word or a phrase of the lexicon, or a name that is not in it.
type word struct {
	text    string
	start   int // in the reply
	role    role
	address bool // an address, which joins no noun phrase
}

// end returns where a word ends in the reply.
func (w *word) end() int { return w.start + len(w.text) }

// isName reports whether a word is not in the lexicon.
func (w *word) isName() bool { return w.role == 0 }

// isWord reports whether the word at a place is one of some words. No word stands
// outside the clause.
func (c *clause) isWord(at int, some ...string) bool {
	return at >= 0 && at < len(c.words) && slices.Contains(some, c.words[at].text)
}

// is reports whether the word at a place has one of some roles.
func (c *clause) is(at int, roles role) bool {
	return at >= 0 && at < len(c.words) && c.words[at].role&roles != 0
}

// isName reports whether the word at a place is not in the lexicon.
func (c *clause) isName(at int) bool {
	return at >= 0 && at < len(c.words) && c.words[at].isName()
}

// hasWord reports whether a clause holds one of some words.
func (c *clause) hasWord(some ...string) bool { return c.hasWordBefore(len(c.words), some...) }

// hasWordBefore reports whether one of some words stands before a place.
func (c *clause) hasWordBefore(at int, some ...string) bool {
	for k := range at {
		if slices.Contains(some, c.words[k].text) {
			return true
		}
	}
	return false
}

// span returns the words from lo to hi, without the last one.
func (c *clause) span(lo, hi int) span {
	return span{c.text, c.words[lo].start, c.words[hi-1].end()}
}

// roles returns the roles of all words.
func (c *clause) roles() role {
	var all role
	for i := range c.words {
		all |= c.words[i].role
	}
	return all
}

// rolesBefore returns the roles of the words that begin before a place in the reply.
func (c *clause) rolesBefore(at int) role {
	var all role
	for i := range c.words {
		if c.words[i].start < at {
			all |= c.words[i].role
		}
	}
	return all
}

// phrase returns the noun phrase around a noun: the nouns that stand together.
func (c *clause) phrase(i int) (lo, hi int) {
	lo, hi = i, i+1
	if c.words[i].address {
		return lo, hi
	}
	for c.is(lo-1, noun|your|genitive) && !c.words[lo-1].address {
		lo--
	}
	for c.is(hi, noun|genitive) && !c.words[hi].address && !c.is(hi, missing|known|disabled|find) {
		hi++
	}
	return lo, hi
}

// kind returns what a noun phrase names: its last noun, but for words that make
// it a thing of the sender's or of nobody's wherever they stand.
func (c *clause) kind(lo, hi int) role {
	if c.isYours(lo, hi) {
		return other
	}
	last := role(0)
	for i := lo; i < hi; i++ {
		r := c.words[i].role
		switch {
		case r&sender != 0:
			return sender
		case r&recipient != 0:
			last = recipient
		case r&(other|you) != 0:
			return other
		case r&place != 0:
			last = place
		case r&domain != 0:
			last = domain
		case r&mail != 0:
			last = mail
		}
	}
	return last
}

// isYours reports whether something between two words is the sender's: "your
// account", but not "your message" or "your recipient".
func (c *clause) isYours(lo, hi int) bool {
	for i := lo; i < hi; i++ {
		if c.words[i].role&your == 0 {
			continue
		}
		next := i + 1
		for c.is(next, filler) && !c.is(next, noun) {
			next++
		}
		isTheirs := c.is(next, mail|addressee)
		isMailThing := c.is(next, mail) && c.is(next+1, recipient|other|place|domain) // "your mail server"
		if !isTheirs || isMailThing {
			return true
		}
	}
	return false
}

// nounAfter returns the noun phrase that follows a quality: "unknown local user".
func (c *clause) nounAfter(at int) (lo, hi int, ok bool) {
	const most = 5 // words
	lo, hasName := -1, false
	for k := at; k < at+most; k++ {
		switch {
		case c.is(k, noun):
			if lo < 0 {
				lo = k
			}
			_, hi = c.phrase(k)
			return lo, hi, true
		case c.is(k, your):
			lo = k // "no such your account"
		case c.isName(k) && !hasName:
			hasName = true // "no b.example account"
		case !c.is(k, filler|missing|disabled|active|or|genitive):
			return 0, 0, false
		}
	}
	return 0, 0, false
}
