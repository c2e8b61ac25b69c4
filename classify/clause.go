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

// whole returns the span of a clause.
func (c *clause) whole() span { return c.span(0, len(c.words)) }

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
	for lo > 0 && !c.words[lo-1].address && c.words[lo-1].role&(noun|your|genitive) != 0 && c.words[lo-1].role&(not|none) == 0 {
		lo--
	}
	for hi < len(c.words) && !c.words[hi].address && c.words[hi].role&(noun|genitive) != 0 && c.words[hi].role&(missing|known|disabled|not|none|find) == 0 {
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
		case r&recipient != 0: // "user name" may be in two lists
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
		for next < len(c.words) && c.words[next].role&filler != 0 && c.words[next].role&noun == 0 {
			next++
		}
		if next == len(c.words) || c.words[next].role&(mail|addressee) == 0 || c.words[next].role&mail != 0 && next+1 < len(c.words) && c.words[next+1].role&(recipient|other|place|domain) != 0 {
			return true
		}
	}
	return false
}

// nounAfter returns the noun phrase that follows a quality: "unknown local user".
func (c *clause) nounAfter(at int) (lo, hi int, ok bool) {
	names, first := 0, -1
	for k := at; k < len(c.words) && k < at+5; k++ {
		r := c.words[k].role
		if r&noun != 0 {
			_, hi = c.phrase(k)
			if first < 0 {
				first = k
			}
			return first, hi, true
		}
		if r&your != 0 {
			first = k // "no such your account"
		}
		if c.words[k].isName() && names == 0 {
			names++ // "no b.example account"
			continue
		}
		if r&(filler|your|missing|disabled|active|or|genitive) == 0 {
			break
		}
	}
	return 0, 0, false
}
