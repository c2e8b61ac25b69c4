package classify

import (
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// vocabulary is made from the built-in lexicons.
type vocabulary struct {
	english   *lexicon
	languages []*lexicon
	// hints holds words, and beginnings of words, that English does not have, with a
	// bit for each place in languages that has it.
	hints map[string]uint32
	// words are all words of all languages.
	words map[string]bool
	// japanese and chinese are places in languages.
	japanese, chinese int
}

// builtIn returns the vocabulary. Reading the lexicons takes some milliseconds, and
// most commands classify nothing.
var builtIn = sync.OnceValue(func() *vocabulary {
	files, err := lexiconFiles.ReadDir("lexicon")
	if err != nil {
		panic(err)
	}
	v := &vocabulary{english: loadLexicon("en.yaml", nil), hints: make(map[string]uint32), words: make(map[string]bool)}
	for _, f := range files {
		if f.Name() != "en.yaml" {
			v.languages = append(v.languages, loadLexicon(f.Name(), v.english))
		}
	}
	v.findHints()
	v.findWords()
	v.japanese, v.chinese = v.languageWith('ユ'), v.languageWith('该')
	return v
})

func (v *vocabulary) languageWith(sign rune) int {
	return slices.IndexFunc(v.languages, func(l *lexicon) bool { return len(l.signs[sign]) > 0 })
}

// telling are the roles whose words tell a language.
const telling = recipient | mail | sender | place | domain | missing | known | disabled | active | not | none | temporary | verb | served

// findHints collects the words that tell a language.
func (v *vocabulary) findHints() {
	for i, l := range v.languages {
		for _, w := range l.telling() {
			if v.english.words[w] == 0 {
				v.hints[w] |= 1 << i
			}
		}
	}
	for w := range v.hints { // "domena" is a word of one language, and begins with a stem of others
		for i, l := range v.languages {
			if l.ofBeginnings(w)&telling != 0 {
				v.hints[w] |= 1 << i
			}
		}
	}
}

// telling returns the words, beginnings of words and signs that tell the language.
func (l *lexicon) telling() []string {
	var all []string
	for _, list := range []map[string]role{l.words, l.stems} {
		for w, r := range list {
			if r&telling != 0 {
				all = append(all, w)
			}
		}
	}
	for _, terms := range l.phrases {
		for _, t := range terms {
			if t.role&(missing|none|recipient) != 0 {
				all = append(all, slices.DeleteFunc(strings.Fields(t.text), func(w string) bool { return len(w) <= 3 })...)
			}
		}
	}
	for first := range l.signs {
		all = append(all, string(first))
	}
	return all
}

// findWords collects the words of all languages.
func (v *vocabulary) findWords() {
	for _, l := range append([]*lexicon{v.english}, v.languages...) {
		for w := range l.words {
			v.words[w] = true
		}
		for first, terms := range l.phrases {
			v.words[first] = true
			for _, t := range terms {
				for _, w := range t.rest {
					v.words[w] = true
				}
			}
		}
	}
}

// languageOf returns the lexicon of the language that a text is written in, nil if
// it is English, and how many words tell it.
func (v *vocabulary) languageOf(text string) (*lexicon, int) {
	c := census{vocabulary: v, best: -1}
	for at := 0; at < len(text); {
		r, n := utf8.DecodeRuneInString(text[at:])
		end := wordEnd(text, at)
		switch {
		case isSign(r):
			c.add(text[at : at+n])
			at += n
		case end == at:
			at += n
		default:
			c.addWord(text[at:end])
			at = end
		}
	}
	if c.best < 0 {
		return nil, 0
	}
	isKana := func(r rune) bool { return r >= 0x3040 && r <= 0x30FF }
	if c.best == v.japanese && c.words[v.chinese] == c.words[v.japanese] && !strings.ContainsFunc(text, isKana) {
		c.best = v.chinese // they share Han
	}
	return v.languages[c.best], c.words[c.best]
}

// census counts the words of a text that tell its language.
type census struct {
	vocabulary *vocabulary
	words      [32]int // by the place in languages
	best       int     // the language that first reached the most words, or -1
}

// addWord counts a word that English does not have, or else its longest beginning that
// tells a language.
func (c *census) addWord(word string) {
	if article, rest, ok := strings.Cut(word, "'"); ok && elided[article] {
		word = rest
	}
	if _, ok := c.vocabulary.english.words[word]; ok || c.add(word) {
		return
	}
	for n := len(word) - 1; n >= shortestStem; n-- {
		if c.add(word[:n]) {
			return
		}
	}
}

// add counts a word for each language that it tells, and reports whether it tells one.
func (c *census) add(word string) bool {
	languages, ok := c.vocabulary.hints[word]
	for i := 0; languages != 0; i, languages = i+1, languages>>1 {
		if languages&1 == 0 {
			continue
		}
		if c.words[i]++; c.best < 0 || c.words[i] > c.words[c.best] {
			c.best = i
		}
	}
	return ok
}
