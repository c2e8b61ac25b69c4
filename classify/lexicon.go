package classify

import (
	"embed"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// The lexicon names the words that decide what a sentence says, by language.
// Each file lists words and phrases under the part that they play, separated by
// commas. A word that ends in * stands for all words that begin with it.
//
//go:embed lexicon/*.yaml
var lexiconFiles embed.FS

// role is a set of parts that a word can play in a sentence.
type role uint64

const (
	recipient   role = 1 << iota // "mailbox", "user", and the recipient's own address
	mail                         // "message", "delivery": says nothing about anyone
	sender                       // "sender", "return-path", "outgoing"
	other                        // things that a sentence may be about instead: "IP", "login", "header"
	place                        // "server", "directory": a subject, or where something is
	domain                       // "domain"
	your                         // what follows is the sender's, but for "your message"
	you                          // a pronoun for a sender or a server
	addressee                    // after "your" still the recipient
	missing                      // "unknown", "does not exist" in one word
	known                        // negated, the subject is missing: "found", "valid"
	find                         // negated, the object is missing: "find", "have"
	disabled                     // "disabled", "closed"
	active                       // negated, the subject is disabled: "active"
	moved                        // "has moved"
	unavailable                  // "unavailable"
	not                          // "not", "unable to"
	none                         // "no such"
	gone                         // "no longer"
	filler                       // articles, auxiliary verbs, adverbs
	genitive                     // joins two nouns into one: Chinese 的, Japanese の
	possessive                   // a recipient as the owner of what stands before: "пользователя"
	preposition                  // "in", "from"
	takeover                     // a preposition that makes its noun the owner: "of", "from"
	hedge                        // "may", "if", "either"
	temporary                    // "temporarily", "busy", "try later"
	future                       // "will be"
	many                         // "too many": a count of addresses, not this one
	verb                         // verbs that end a subject: "accept", "refuse"
	advice                       // at the start of a clause: "please", "contact"
	or                           // joins alternatives
	cut                          // begins a clause: "but", "because"
	served                       // what a server does for a domain: "hosted", "handled"
	field                        // a part of the header of the message: "header", "Cc"
	login                        // how somebody logs in: "authentication"
	program                      // a program that handles mail: "autoresponder", "milter"
)

// roleNames are the keys of the lexicon files.
var roleNames = map[string]role{
	"recipient": recipient, "mail": mail, "sender": sender, "other": other, "place": place, "domain": domain, "your": your, "you": you,
	"addressee": addressee, "missing": missing, "known": known, "find": find, "disabled": disabled, "active": active, "moved": moved,
	"unavailable": unavailable, "not": not, "none": none, "gone": gone, "filler": filler, "genitive": genitive, "possessive": possessive, "preposition": preposition,
	"takeover": takeover, "hedge": hedge, "temporary": temporary, "future": future, "many": many, "verb": verb, "advice": advice, "or": or,
	"cut": cut, "served": served, "field": field, "login": login, "program": program,
}

// noun are the roles that can be the subject of a sentence.
const noun = recipient | mail | sender | other | place | domain | you

// foreign are the roles of words that name something other than the recipient, or doubt.
const foreign = sender | other | you | many | hedge | future

// lexicon holds the words of one language.
type lexicon struct {
	words   map[string]role   // single words
	stems   map[string]role   // words with *, without it
	phrases map[string][]term // phrases by their first word, longest first
	// signs holds the words of scripts without spaces, by their first letter.
	signs map[rune][]term
	// base is asked for what this lexicon does not hold: English.
	base *lexicon
}

// term is a phrase: its words after the first one, or its letters.
type term struct {
	rest []string
	text string
	role role
}

func loadLexicon(name string, base *lexicon) *lexicon {
	text, err := lexiconFiles.ReadFile(path.Join("lexicon", name))
	if err != nil {
		panic(err)
	}
	l := &lexicon{
		words: make(map[string]role), stems: make(map[string]role), phrases: make(map[string][]term), signs: make(map[rune][]term), base: base,
	}
	if err := l.add(text); err != nil {
		panic(fmt.Errorf("lexicon/%s: %w", name, err))
	}
	for w := range l.words { // a word plays the parts of its beginning too
		l.words[w] |= l.ofBeginnings(w)
	}
	return l
}

// add adds the words of a file.
func (l *lexicon) add(text []byte) error {
	var lists map[string]string
	if err := yaml.Unmarshal(text, &lists); err != nil {
		return err
	}
	for name, list := range lists {
		r, ok := roleNames[name]
		if !ok {
			return fmt.Errorf("there is no role %q", name)
		}
		for entry := range strings.SplitSeq(list, ",") {
			if entry = strings.TrimSpace(entry); entry == "" {
				return fmt.Errorf("%s: two commas in a row", name)
			}
			if !l.addEntry(entry, r) {
				return fmt.Errorf("%s: %q stands there twice", name, entry)
			}
		}
	}
	return nil
}

// addEntry adds an entry with a role, and reports whether it had not got it.
func (l *lexicon) addEntry(entry string, r role) (added bool) {
	first, _ := utf8.DecodeRuneInString(entry)
	stem, isStem := strings.CutSuffix(entry, "*")
	fields := strings.Fields(entry)
	switch {
	case isSign(first):
		l.signs[first], added = addTerm(l.signs[first], term{text: entry, role: r})
	case len(fields) > 1:
		l.phrases[fields[0]], added = addTerm(l.phrases[fields[0]], term{rest: fields[1:], text: entry, role: r})
	case isStem:
		added = l.stems[stem]&r == 0
		l.stems[stem] |= r
	default:
		added = l.words[entry]&r == 0
		l.words[entry] |= r
	}
	return added
}

// addTerm adds a term to a list that is ordered by length, longest first. A
// term that is in it already gets another role. added reports that it had not got it.
func addTerm(list []term, t term) (longer []term, added bool) {
	at := 0
	for ; at < len(list) && len(list[at].text) >= len(t.text); at++ {
		if list[at].text == t.text {
			added = list[at].role&t.role == 0
			list[at].role |= t.role
			return list, added
		}
	}
	return slices.Insert(list, at, t), true
}

// shortestStem is the length of the shortest beginning of a word, in bytes.
const shortestStem = 4

// of returns the roles of a word, 0 if it is not in the lexicon.
func (l *lexicon) of(word string) role {
	if r, ok := l.words[word]; ok {
		return r
	}
	if len(l.stems) > 0 {
		for n := len(word); n >= shortestStem; n-- {
			if r, ok := l.stems[word[:n]]; ok {
				return r
			}
		}
	}
	if l.base != nil {
		return l.base.of(word)
	}
	return 0
}

// Words that are made of several: names of errors such as "SenderNotInList".
const (
	shortestCompound = 9  // bytes
	longestPart      = 12 // bytes
	shortestPart     = 4  // bytes, but for joints
)

// joints are the short words within a compound.
var joints = map[string]bool{
	"by": true, "for": true, "from": true, "has": true, "in": true, "is": true, "no": true, "not": true, "of": true, "on": true, "per": true,
	"the": true, "to": true, "too": true,
}

// parts returns the lengths of the English words that a compound is made of, none if it is
// no compound.
func (l *lexicon) parts(word string) []int {
	if len(word) < shortestCompound {
		return nil
	}
	return l.english().split(word, 0)
}

// split returns the lengths of the words that a text is made of, none if it holds anything
// else. Behind two words that are known another one may stand that is not; before counts
// those that are known and no joints.
func (l *lexicon) split(text string, before int) []int {
	for n := min(len(text), longestPart); n > 1; n-- {
		first := text[:n]
		isJoint := joints[first]
		if !isJoint && (l.words[first] == 0 || n < shortestPart) {
			continue
		}
		if n == len(text) {
			return []int{n}
		}
		known := before
		if !isJoint {
			known++
		}
		if rest := l.split(text[n:], known); rest != nil {
			return append([]int{n}, rest...)
		}
	}
	if before >= 2 && len(text) >= shortestPart {
		return []int{len(text)}
	}
	return nil
}

// holds reports whether a long text holds a word with one of some roles. Shorter words than
// those of five letters are a part of too many others.
func (l *lexicon) holds(text string, roles role) bool {
	const shortest = 5
	if len(text) < shortestCompound {
		return false
	}
	for from := 0; from+shortest <= len(text); from++ {
		for n := shortest; n <= longestPart && from+n <= len(text); n++ {
			if l.words[text[from:from+n]]&roles != 0 {
				return true
			}
		}
	}
	return false
}

// english returns the lexicon that all others build on.
func (l *lexicon) english() *lexicon {
	for l.base != nil {
		l = l.base
	}
	return l
}

// ofBeginnings returns the roles of all beginnings of a word.
func (l *lexicon) ofBeginnings(word string) role {
	var all role
	for n := len(word); n >= shortestStem; n-- {
		all |= l.stems[word[:n]]
	}
	return all
}

// isSign reports whether a letter belongs to a script whose words are not
// separated by spaces, or stand together with their endings.
func isSign(r rune) bool {
	return r >= 0x0E00 && r <= 0x0E7F || // Thai
		r >= 0x3040 && r <= 0x30FF || // Hiragana, Katakana
		r >= 0x3400 && r <= 0x9FFF || // Han
		r >= 0xAC00 && r <= 0xD7AF // Hangul
}
