package classify

import "slices"

// statement is what one clause of a reply says: that the recipient is missing,
// that the sender's account is disabled, and how sure that is.
//
//	550 <>: recipient address rejected: user unknown       recipient is missing
//	550 the mailbox may be closed                          recipient may be disabled
//	550 user unknown, try again later                      recipient is temporarily missing
//	550 your account has been suspended                    someone else is disabled
//	550 unknown                                            something is missing
type statement struct {
	subject   role // recipient, domain, sender, place, other, or 0 if nothing is named
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
	return s.subjectName() + [...]string{certain: " is ", passing: " is temporarily ", hedged: " may be "}[s.doubt] + s.predicateName()
}

func (s *statement) subjectName() string {
	switch s.subject {
	case recipient:
		return "recipient"
	case domain:
		return "domain"
	case sender:
		return "sender"
	case place:
		return "a server"
	case other, you, mail:
		return "someone else"
	default:
		return "something"
	}
}

func (s *statement) predicateName() string {
	switch s.predicate {
	case disabled:
		return "disabled"
	case moved:
		return "moved"
	case unavailable:
		return "unavailable"
	case served:
		return "not served"
	default:
		return "missing"
	}
}

// mayBeOfRecipient reports whether a statement is said of the recipient or its domain, or
// names nothing that it is said of.
func (s *statement) mayBeOfRecipient() bool { return s.subject&^(recipient|domain) == 0 }

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
	// mentioned reports that a word means the recipient, or is its address.
	mentioned bool
	// foreign reports that a word names something other than the recipient, or doubts.
	foreign bool
	// words counts the words of all clauses. knownWords counts the nouns and verbs among
	// them that are no addresses: without one, the language is not known.
	words, knownWords int
}

// undisputed reports whether nothing in the reply speaks against a code that says
// that the address is bad: no word about the sender, no doubt, nothing temporary. If the
// reply does not say itself that the recipient is bad, no word may name anything else.
func (r *reading) undisputed() bool {
	if r.passing || r.elsewhere || r.denied || r.strays() || !r.certain() && (r.foreign || r.hidesForeign()) {
		return false
	}
	for i := range r.statements {
		s := &r.statements[i]
		isAgainst := s.predicate == served || s.subject == domain && s.predicate == moved || s.subject&(sender|other|place) != 0
		if isAgainst || s.doubt != certain {
			return false
		}
	}
	return true
}

// hidesForeign reports whether a word for something other than the recipient is a part of a
// long word that is not in the lexicon: "InboundBlockedByAdmin".
func (r *reading) hidesForeign() bool {
	for i := range r.clauses {
		for k := range r.clauses[i].words {
			if w := &r.clauses[i].words[k]; w.isName() && builtIn().english.holds(w.text, foreign|place|verb) {
				return true
			}
		}
	}
	return false
}

// strays reports whether the reply says something, and nothing of the recipient:
// "550 5.1.1 rejected by rule 17 of the firewall". A short reply need not mention the
// recipient to be about it: "550 5.1.1 Rejected", "550 5.1.1 second server says no".
func (r *reading) strays() bool {
	isShort := r.words <= 4 || r.knownWords <= 1
	return !r.mentioned && len(r.statements) == 0 && !isShort
}

// holds returns the first statement of those that a rule names. A guess holds
// only if no statement about the recipient is certain.
func (r *reading) holds(names []string) (*statement, bool) {
	sure := r.certain()
	for i := range r.statements {
		s := &r.statements[i]
		if isGuess := s.doubt == hedged && sure; !isGuess && slices.Contains(names, s.String()) {
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
