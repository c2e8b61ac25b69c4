package classify

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"sync"
)

// expression is a regular expression behind the literals of which a text must
// hold one before it is asked. Most expressions are turned away by them.
type expression struct {
	pattern  string
	re       func() *regexp.Regexp // compiled when it is first asked, as most never are
	literals []string              // empty where the expression has none worth asking for
}

func compile(pattern string) (expression, error) {
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return expression{}, fmt.Errorf("expression %q: %w", pattern, err)
	}
	literals, _ := mandatory(tree.Simplify())
	return expression{pattern, sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) }), literals}, nil
}

// find returns where in the text the expression matches, or nil.
func (e *expression) find(text string, has *trigrams) []int {
	if !e.possible(text, has) {
		return nil
	}
	return e.re().FindStringIndex(text)
}

func (e *expression) possible(text string, has *trigrams) bool {
	if len(e.literals) == 0 {
		return true
	}
	for _, l := range e.literals {
		if has.mayHold(l) && strings.Contains(text, l) {
			return true
		}
	}
	return false
}

// mandatory returns literals of which one stands in every text that the
// expression matches. It gives none where it knows of none, which is always
// safe: the expression is asked then.
func mandatory(e *syntax.Regexp) (literals []string, ok bool) {
	const most = 24 // more literals cost more than the expression
	switch e.Op {
	case syntax.OpLiteral:
		if e.Flags&syntax.FoldCase != 0 {
			return nil, false
		}
		return []string{string(e.Rune)}, true
	case syntax.OpCapture, syntax.OpPlus:
		return mandatory(e.Sub[0])
	case syntax.OpRepeat:
		if e.Min > 0 {
			return mandatory(e.Sub[0])
		}
	case syntax.OpConcat:
		// The part whose shortest literal is the longest turns away the most.
		for _, sub := range e.Sub {
			if l, known := mandatory(sub); known && shortest(l) > shortest(literals) {
				literals, ok = l, true
			}
		}
		return literals, ok
	case syntax.OpAlternate:
		for _, sub := range e.Sub {
			l, known := mandatory(sub)
			if !known || len(literals)+len(l) > most {
				return nil, false
			}
			literals = append(literals, l...)
		}
		return literals, true
	default: // what may match nothing, or any of many letters
	}
	return nil, false
}

func shortest(literals []string) int {
	if len(literals) == 0 {
		return 0
	}
	n := len(literals[0])
	for _, l := range literals {
		n = min(n, len(l))
	}
	return n
}

// trigrams tells which sequences of three bytes a text may hold.
type trigrams [1 << 13 / 64]uint64

func trigramsOf(text string) *trigrams {
	t := new(trigrams)
	for i := range max(len(text)-2, 0) {
		h := trigram(text[i:])
		t[h/64] |= 1 << (h % 64)
	}
	return t
}

func (t *trigrams) mayHold(literal string) bool {
	if len(literal) < 3 {
		return true
	}
	first, last := trigram(literal), trigram(literal[len(literal)-3:])
	return t[first/64]&(1<<(first%64)) != 0 && t[last/64]&(1<<(last%64)) != 0
}

func trigram(s string) uint {
	return (uint(s[0])*0x9E5 + uint(s[1])*0x71 + uint(s[2])) & (1<<13 - 1)
}
