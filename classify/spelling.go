package classify

import (
	_ "embed"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/bouncetail/bouncetail/internal/lazyre"
)

// plain returns a folded text in the form that rules read: contractions written
// out and words that are misspelt by one letter corrected, so that both change
// no verdict.
//
//	550 usr doesn't exist    550 user does not exist
func plain(text string) string {
	text = written(text)
	if strings.Contains(text, " any") {
		text = anyMore.ReplaceAllStringFunc(text, func(said string) string {
			if m := anyMore.FindStringSubmatch(said); m[2] == "" {
				return "no longer " + m[1]
			}
			return said // "can not receive any more mail" says how much, and not how long
		})
	}
	return text
}

// anyMore finds a negation whose end stands behind its verb: "does not accept mail anymore".
var anyMore = lazyre.New(`\b(?:(?:do|does|can|will) )?not ((?:[a-z]+ ){1,5})any ?(?:more|longer)\b( (?:e-?mails?|mails?|messages?)\b)?`)

// written returns a text with contractions written out and misspellings corrected.
func written(text string) string {
	var out strings.Builder
	done := 0
	for at := 0; at < len(text); {
		if !letter[text[at]] {
			at++
			continue
		}
		end := at
		for letter[byteAt(text, end)] || byteAt(text, end) == '\'' && letter[byteAt(text, end+1)] {
			end++
		}
		if w := text[at:end]; !isPart(text, at, end) {
			if full := correct(w); full != w {
				out.WriteString(text[done:at])
				out.WriteString(full)
				done = end
			}
		}
		at = end
	}
	if done == 0 {
		return text
	}
	out.WriteString(text[done:])
	return out.String()
}

// isPart reports whether letters are only a part of a host name, an id or a word with
// other letters.
func isPart(text string, start, end int) bool {
	joins := func(c byte) bool { return c == '_' || c >= utf8.RuneSelf || digit[c] }
	before, next := byteAt(text, start-1), byteAt(text, end)
	return joins(before) || before == '.' || before == '-' ||
		joins(next) || (next == '.' || next == '-') && letter[byteAt(text, end+1)]
}

// correct returns a word without contraction and misspelling.
func correct(w string) string {
	if full, ok := contracted[w]; ok {
		return full
	}
	if verb, ok := strings.CutSuffix(w, "n't"); ok && verb != "" {
		return verb + " not"
	}
	if verb, ok := strings.CutSuffix(w, "nt"); ok && negatable[verb] {
		return verb + " not"
	}
	s := spelled()
	if len(w) < 4 || strings.HasSuffix(w, "'s") || len(w) > s.longest+1 || s.corrects[w] || s.similar[w] || builtIn().words[w] {
		return w
	}
	for _, near := range s.deletions[w] { // a letter is missing
		return near
	}
	for i := range w {
		short := w[:i] + w[i+1:]
		if s.corrects[short] { // a letter too many
			return short
		}
		for _, near := range s.deletions[short] { // another letter, or two exchanged
			if differsByOne(w, near) {
				return near
			}
		}
	}
	return w
}

// contracted are words that are written out by no rule.
var contracted = map[string]string{
	"cannot": "can not", "can't": "can not", "cant": "can not", "won't": "will not", "wont": "will not", "ain't": "is not",
	"there's": "there is", "it's": "it is", "usr": "user",
}

// negatable are the verbs that are contracted without an apostrophe too.
var negatable = map[string]bool{
	"do": true, "does": true, "did": true, "is": true, "was": true, "are": true, "were": true, "could": true, "would": true, "should": true,
	"has": true, "have": true, "had": true,
}

//go:embed lexicon/spelling.txt
var spelling string

// spellings are the words whose misspellings are corrected. They are in
// lexicon/spelling.txt, before a line of ---, and words that are not misspelt
// behind it.
type spellings struct {
	corrects  map[string]bool     // recognized with one letter wrong
	similar   map[string]bool     // differ from one of them by a letter, and are correct
	deletions map[string][]string // corrects by each form that lacks a letter
	longest   int                 // the length of the longest in corrects
}

// spelled returns the spellings. Most commands need none.
var spelled = sync.OnceValue(func() *spellings {
	words, others, _ := strings.Cut(spelling, "---")
	s := &spellings{make(map[string]bool), make(map[string]bool), make(map[string][]string), 0}
	for w := range strings.FieldsSeq(words) {
		s.corrects[w] = true
		s.longest = max(s.longest, len(w))
		for i := range w {
			short := w[:i] + w[i+1:]
			s.deletions[short] = append(s.deletions[short], w)
		}
	}
	for w := range strings.FieldsSeq(others) {
		s.similar[w] = true
	}
	return s
})

// differsByOne reports whether two words differ by one letter or by two that are
// exchanged. In words of four letters only an exchange counts: too many others
// are one letter away.
func differsByOne(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	if i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:] {
		return true
	}
	return len(a) > 4 && i < len(a) && a[i+1:] == b[i+1:]
}
