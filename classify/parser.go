package classify

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/bouncetail/bouncetail/internal/lazyre"
	"github.com/bouncetail/bouncetail/internal/oneof"
)

// byYou matches what a reply inserts between the recipient and what it says
// about it: "the email account that you tried to reach does not exist".
var byYou = lazyre.New(`(?:to (?:which|whom) )?(?:this|the|your) (?:e-?mail|message|mail) (?:was|is|has been) (?:sent|addressed|directed) to |` +
	`to (?:which|whom) your (?:mail ?)?(?:server|system|host) (?:tried|attempted|wants|wanted) to (?:deliver|send|write)` +
	`(?: (?:e-?mail|messages?|mail))? |` +
	`(?:(?:that|which|whom|who|to which|to whom) )?you(?: are| were| have|'re|'ve)? (?:` +
	`(?:tr(?:y|ied|ying)|attempt(?:ed|ing)?|want(?:ed)?|wish) to (?:reach|contact|e-?mail|mail|write|send|deliver)` +
	`(?: (?:your |an? |the )?(?:e-?mail|message|mail))?(?: to)?|` +
	`(?:writ(?:e|ing)|send(?:ing)?(?: (?:your |an? |the )?(?:e-?mail|message|mail))?|(?:e-?)?mailing) to|` +
	`contacting|addressing|looking for|` +
	`(?:entered|specified|supplied|typed|gave|provided|used|listed|addressed|wrote to|mailed|contacted|` +
	`sent (?:(?:your |an? |the )?(?:e-?mail|message|mail) )?to))(?: |$)`)

// maxClauses bounds the work for one reply. Nobody says more in one.
const maxClauses = 64

// parser cuts a text into clauses.
type parser struct {
	lexicon  *lexicon
	reply    string
	text     string // the reply, with what byYou matches blank
	at       int
	clauses  []clause
	open     []clause // around the parentheses that are open
	parts    []int    // lengths of the words that follow in a compound: "recipientnotfound"
	current  clause
	sentence int
}

// clausesOf cuts a reply in the form that rules read.
func clausesOf(reply string, l *lexicon) []clause {
	text := reply
	if strings.Contains(text, "you ") || strings.Contains(text, " to ") {
		text = byYou.ReplaceAllStringFunc(text, func(s string) string { return strings.Repeat(" ", len(s)) })
	}
	p := parser{lexicon: l, reply: reply, text: text, current: clause{text: reply}}
	for p.at < len(p.text) && len(p.clauses) < maxClauses {
		p.next()
	}
	for len(p.open) > 0 {
		p.close()
	}
	p.end(0)
	return p.clauses
}

// isDotFile reports whether the name of a hidden file begins here: ".forward".
func (p *parser) isDotFile() bool {
	return p.text[p.at] == '.' && strings.IndexByte(" /\"'", byteAt(p.text, p.at-1)) >= 0 && letter[byteAt(p.text, p.at+1)]
}

// next takes a word or a mark.
func (p *parser) next() {
	rest := p.text[p.at:]
	switch c := rest[0]; {
	case strings.HasPrefix(rest, "<>"):
		p.add(2, recipient)
		p.current.words[len(p.current.words)-1].address = true
	case strings.HasPrefix(rest, "<from>"):
		p.add(len("<from>"), sender)
	case strings.HasPrefix(rest, anotherPerson):
		p.add(len(anotherPerson), other)
		p.current.words[len(p.current.words)-1].address = true
	case strings.HasPrefix(rest, "(own)"):
		p.add(len("(own)"), domain)
	case strings.HasPrefix(rest, "(url)"):
		p.at += len("(url)")
	case c == '#':
		p.number()
	case digit[c]:
		p.digits()
	case letter[c] || c >= utf8.RuneSelf || p.isDotFile():
		p.word()
	default:
		p.punctuation(c)
	}
}

func (p *parser) add(n int, r role) {
	p.current.words = append(p.current.words, word{text: p.reply[p.at : p.at+n], start: p.at, role: r})
	p.at += n
}

// number takes #, which stands for an IP, an id or any other number. "Address #"
// is an IP's address, not a recipient's.
func (p *parser) number() {
	if n := len(p.current.words); n > 0 && strings.HasPrefix(p.text[p.current.words[n-1].start:], "address") {
		p.current.words[n-1].role = other
	}
	n := 1
	for p.isInNumber(p.at + n) {
		n++
	}
	p.add(n, 0)
}

// isInNumber reports whether an IP or an id that began with # goes on: "#-#-x@#".
func (p *parser) isInNumber(at int) bool {
	switch c := byteAt(p.text, at); c {
	case '#':
		return true
	case '-', '_', '.', ':', '/', '@':
		next := byteAt(p.text, at+1)
		return alnum[next] || next == '#'
	default:
		return alnum[c] && p.text[at-1] != '#'
	}
}

// digits takes a code of the reply, which is no word, or a mark.
func (p *parser) digits() {
	n := 0
	for alnum[byteAt(p.text, p.at+n)] || byteAt(p.text, p.at+n) == '.' && digit[byteAt(p.text, p.at+n+1)] {
		n++
	}
	if n == 3 && strings.IndexByte("45", p.text[p.at]) >= 0 && len(p.current.words) > 0 {
		p.end(':') // another reply
	}
	p.at += n
}

// word takes the longest phrase of the lexicon that begins here, or a word.
func (p *parser) word() {
	first, _ := utf8.DecodeRuneInString(p.text[p.at:])
	if isSign(first) {
		p.signs(first)
		return
	}
	end := wordEnd(p.text, p.at)
	if end == p.at {
		_, n := utf8.DecodeRuneInString(p.text[p.at:])
		p.at += n
		return
	}
	text := p.text[p.at:end]
	if first, _, ok := strings.Cut(text, "_"); ok && p.isSentence(text) {
		end = p.at + len(first)
		text = first
	}
	if len(p.parts) > 0 {
		end, p.parts = p.at+p.parts[0], p.parts[1:]
		text = p.text[p.at:end]
	}
	if article, noun, ok := strings.Cut(text, "'"); ok && elided[article] {
		if r := p.lexicon.of(article + "'"); r != 0 {
			p.add(len(article)+1, r) // "dell'utente"
		} else {
			p.at += len(article) + 1
		}
		text = noun
		if text == "" {
			return
		}
	}
	if last, r := p.phrase(text, end); last > 0 {
		p.found(last, r)
		return
	}
	r := p.lexicon.of(text)
	if text == "unknown" && strings.HasPrefix(p.text[end:], "[") {
		r = other // Postfix's name of a client without reverse DNS
	}
	if r == 0 {
		r = p.lexicon.of(strings.TrimSuffix(text, "'s"))
	}
	if r == 0 {
		end, r = p.firstPart(text)
	}
	p.found(end, r)
}

// firstPart returns where the first word of a compound ends, and its role. The other words
// are taken next. A word that is no compound is taken whole.
func (p *parser) firstPart(text string) (end int, r role) {
	parts := p.lexicon.parts(text)
	if parts == nil {
		return p.at + len(text), 0
	}
	p.parts = parts[1:]
	return p.at + parts[0], p.lexicon.of(text[:parts[0]])
}

// phrase returns where a phrase of the lexicon ends whose first word ends at end, and its
// role; 0 if none does.
func (p *parser) phrase(first string, end int) (last int, r role) {
	for l := p.lexicon; l != nil; l = l.base {
		for _, phrase := range l.phrases[first] {
			if last := p.phraseEnd(end, phrase.rest); last > 0 {
				return last, phrase.role
			}
		}
	}
	return 0, 0
}

// isSentence reports whether an identifier is made of words of the lexicon:
// "err_no_such_user".
func (p *parser) isSentence(identifier string) bool {
	for part := range strings.SplitSeq(identifier, "_") {
		if p.lexicon.of(part) == 0 {
			return false
		}
	}
	return true
}

// elided are articles and prepositions that lose their vowel before another.
var elided = map[string]bool{
	"l": true, "d": true, "qu": true, "dell": true, "nell": true, "all": true, "un": true, "sull": true, "quest": true,
	"c": true, "j": true, "s": true,
}

// found takes a word or phrase that ends at end.
func (p *parser) found(end int, r role) {
	if r&(cut|or) != 0 && len(p.current.words) > 0 {
		p.end(',')
	}
	p.current.or = p.current.or || r&or != 0
	p.add(end-p.at, r)
}

// phraseEnd returns where a phrase ends whose first word ends at end, 0 if other
// words stand there.
func (p *parser) phraseEnd(end int, rest []string) int {
	for _, w := range rest {
		if end >= len(p.text) || p.text[end] != ' ' {
			return 0
		}
		end++
		for end < len(p.text) && p.text[end] == ' ' {
			end++
		}
		w, isStem := strings.CutSuffix(w, "*")
		if !strings.HasPrefix(p.text[end:], w) {
			return 0
		}
		if isStem {
			end = wordEnd(p.text, end)
			continue
		}
		if end += len(w); end < len(p.text) && w != "#" && isInside(p.text, end) {
			return 0
		}
	}
	return end
}

// isInside reports whether a word goes on at a place.
func isInside(text string, at int) bool {
	r, _ := utf8.DecodeRuneInString(text[at:])
	return unicode.IsLetter(r) || unicode.IsDigit(r)
}

// wordEnd returns where the word at a place ends. Dots, hyphens and apostrophes
// inside belong to it.
func wordEnd(text string, at int) int {
	for at < len(text) {
		switch c := text[at]; {
		case alnum[c] || c == '_':
			at++
		case c == '.' || c == '-' || c == '\'':
			if next := byteAt(text, at+1); !alnum[next] && next < utf8.RuneSelf {
				return at
			}
			at++
		default:
			r, n := utf8.DecodeRuneInString(text[at:])
			if c < utf8.RuneSelf || isSign(r) || !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r) {
				return at
			}
			at += n
		}
	}
	return at
}

// signs takes the longest word of a script without spaces that begins here. The
// letters up to the next one that is known are a name.
func (p *parser) signs(first rune) {
	for _, t := range p.lexicon.signs[first] {
		if strings.HasPrefix(p.text[p.at:], t.text) {
			p.found(p.at+len(t.text), t.role)
			return
		}
	}
	n := utf8.RuneLen(first)
	if k := len(p.current.words); k > 0 && p.current.words[k-1].isName() && p.current.words[k-1].end() == p.at {
		p.at += n
		name := &p.current.words[k-1]
		name.text = p.reply[name.start:p.at]
		return
	}
	p.add(n, 0)
}

// punctuation takes a mark, and ends the clause if it is one that does.
func (p *parser) punctuation(c byte) {
	rest := p.text[p.at:]
	p.at++
	switch c {
	case '.', '!', '?', ';':
		if c == '?' && p.at < len(p.text) && p.text[p.at] != ' ' {
			return // a letter that could not be decoded
		}
		p.current.question = c == '?'
		p.end(c)
		if c != ';' {
			p.sentence++
		}
	case ':', ',', '|', '{', '}':
		p.end(c)
	case '%':
		before := strings.TrimRight(p.text[:p.at-1], " ")
		if last := byteAt(before, len(before)-1); last == '#' || digit[last] {
			p.current.words = append(p.current.words, word{text: "%", start: p.at - 1, role: many}) // "12 % of users unknown"
		}
	case '/':
		if strings.HasPrefix(rest, "/ ") && byteAt(p.text, p.at-2) == ' ' { // the same in another language
			p.end('.')
			p.sentence++
			p.current.sentence = p.sentence
		}
	case '-', '=':
		if len(p.current.words) > 0 && oneof.HasPrefix(rest, "=", "- ", "--", "->") {
			p.end(c)
		}
	case '(', '[':
		if len(p.open) < 8 {
			p.open = append(p.open, p.current)
			p.current = clause{text: p.reply, sentence: p.sentence, mark: '('}
		}
	case ')', ']':
		if len(p.open) > 0 {
			p.close()
		}
	}
}

// close ends what stands in parentheses, and goes on with what is around them.
func (p *parser) close() {
	inner := p.current
	p.current = p.open[len(p.open)-1]
	p.open = p.open[:len(p.open)-1]
	if len(inner.words) > 0 {
		p.clauses = append(p.clauses, inner)
	}
}

// end ends a clause. The next one comes after a mark.
func (p *parser) end(mark byte) {
	if len(p.current.words) > 0 {
		p.clauses = append(p.clauses, p.current)
	}
	p.current = clause{text: p.reply, sentence: p.sentence, mark: mark}
	if mark == '.' || mark == '!' || mark == '?' {
		p.current.sentence++
	}
}
