package classify

import (
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/bouncetail/bouncetail/internal/lazyre"
)

// expression is a regular expression behind lists of literals: a text must hold
// one of each list before it is asked. Most expressions are turned away by them.
type expression struct {
	pattern  string
	re       *lazyre.Regexp // most are never asked
	literals [][]string     // none where the expression has none worth asking for
}

func compile(pattern string) (expression, error) {
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return expression{}, fmt.Errorf("expression %q: %w", pattern, err)
	}
	return expression{pattern, lazyre.Valid(pattern), mandatory(tree)}, nil
}

func mustCompile(pattern string) expression {
	e, err := compile(pattern)
	if err != nil {
		panic(err)
	}
	return e
}

// find returns where in the text the expression matches, or nil.
func (e *expression) find(text string, has *trigrams) []int {
	if !e.possible(text, has) {
		return nil
	}
	return e.re.FindStringIndex(text)
}

// groups returns the groups of the first match, or nil.
func (e *expression) groups(text string, has *trigrams) []string {
	if !e.possible(text, has) {
		return nil
	}
	return e.re.FindStringSubmatch(text)
}

func (e *expression) possible(text string, has *trigrams) bool {
	for _, list := range e.literals {
		if !has.holdOne(text, list) {
			return false
		}
	}
	return true
}

// mandatory returns lists of literals: each text that the expression matches
// holds one of each. The list that turns away the most comes first. None, where
// it knows of none, is always safe: the expression is asked then.
func mandatory(e *syntax.Regexp) [][]string {
	const most = 96 // more literals cost more than the expression
	switch e.Op {
	case syntax.OpLiteral:
		if e.Flags&syntax.FoldCase == 0 {
			return [][]string{{string(e.Rune)}}
		}
	case syntax.OpCapture, syntax.OpPlus:
		return mandatory(e.Sub[0])
	case syntax.OpRepeat:
		if e.Min > 0 {
			return mandatory(e.Sub[0])
		}
	case syntax.OpConcat:
		var all [][]string
		for _, sub := range e.Sub {
			all = append(all, mandatory(sub)...)
		}
		slices.SortStableFunc(all, func(a, b []string) int { return shortest(b) - shortest(a) })
		return all
	case syntax.OpAlternate:
		var one []string
		for _, sub := range e.Sub {
			lists := mandatory(sub)
			if len(lists) == 0 || len(one)+len(lists[0]) > most {
				return nil
			}
			one = append(one, lists[0]...)
		}
		return [][]string{one}
	default: // what may match nothing, or any of many letters
	}
	return nil
}

func shortest(literals []string) int {
	n := len(literals[0])
	for _, l := range literals {
		n = min(n, len(l))
	}
	return n
}

// trigrams is a set of the sequences of three bytes that a text may hold.
type trigrams [1 << 13 / 64]uint64

func trigramsOf(text string) *trigrams {
	t := new(trigrams)
	for i := range max(len(text)-2, 0) {
		h := trigram(text[i:])
		t[h/64] |= 1 << (h % 64)
	}
	return t
}

// holdOne reports whether a text, of which these are the trigrams, holds one of
// the literals.
func (t *trigrams) holdOne(text string, literals []string) bool {
	for _, l := range literals {
		if t.mayHold(l) && strings.Contains(text, l) {
			return true
		}
	}
	return false
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
