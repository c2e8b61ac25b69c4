package classify

import "slices"

// span is a part of a text, such as the words that made a rule match.
type span struct {
	text       string
	start, end int
}

func (s span) String() string {
	if s.end <= s.start {
		return ""
	}
	return s.text[s.start:s.end]
}

// match reports whether the rule decides the reply, and by which words.
func (r *Rule) match(j *judged) (span, bool) {
	if !r.asks(j) {
		return span{}, false
	}
	by, ok := span{}, true
	if len(r.Match.States) > 0 {
		by, ok = r.matchStates(j)
	}
	if ok && r.Match.Undisputed {
		ok = j.reading().undisputed()
	}
	if ok && len(r.mark) > 0 {
		by, ok = spanOf(j.text, findAny(r.mark, j.text, j.textHas))
	}
	if ok && len(r.any) > 0 {
		by, ok = spanOf(j.words, findAllowed(r.any, r.not, j.words, j.wordsHas))
	}
	if !ok || r.isVetoed(j) {
		return span{}, false
	}
	return by, true
}

// asks reports whether the rule is for replies with these codes, at this stage and of
// this provider. It turns most replies away before their text is read.
func (r *Rule) asks(j *judged) bool {
	m := &r.Match
	switch {
	case m.Local && j.code != 0,
		r.code != nil && !r.code.MatchString(j.codeText),
		r.enhanced != nil && !r.enhanced.MatchString(j.enhanced),
		len(m.Stage) > 0 && !slices.Contains(m.Stage, j.stage),
		len(m.Provider) > 0 && !slices.Contains(m.Provider, j.provider):
		return false
	}
	return true
}

// matchStates finds a statement that the rule names, in a sentence that no expression of
// not vetoes.
func (r *Rule) matchStates(j *judged) (span, bool) {
	s, ok := j.reading().holds(r.Match.States)
	if !ok || !allowed(r.not, j.words, j.wordsHas, s.says) {
		return span{}, false
	}
	return s.says, true
}

// isVetoed reports whether an expression that forbids the rule matches the reply, or none
// does of those that it needs. If the rule names statements or expressions, those of not
// were looked for in their sentences.
func (r *Rule) isVetoed(j *judged) bool {
	if len(r.any)+len(r.Match.States) == 0 && j.matchesAny(r.not) {
		return true
	}
	return j.matchesAny(r.without) || len(r.with) > 0 && !j.matchesAny(r.with)
}

// matchesAny reports whether an expression of a list matches the words of the reply.
func (j *judged) matchesAny(list []expression) bool {
	return findAny(list, j.words, j.wordsHas) != nil
}

// spanOf returns the span of a match, if there is one.
func spanOf(text string, at []int) (span, bool) {
	if at == nil {
		return span{}, false
	}
	return span{text, at[0], at[1]}, true
}

// findAny returns the first match of a list, or nil.
func findAny(list []expression, text string, has *trigrams) []int {
	for i := range list {
		if at := list[i].find(text, has); at != nil {
			return at
		}
	}
	return nil
}

// findAllowed returns the first match of a list that no expression of not vetoes, or nil.
func findAllowed(list, not []expression, text string, has *trigrams) []int {
	const most = 8 // tries for an expression
	for i := range list {
		at := list[i].find(text, has)
		for tries := 0; at != nil && tries < most; tries++ {
			if allowed(not, text, has, span{text, at[0], at[1]}) {
				return at
			}
			end := at[1]
			if at = list[i].re.FindStringIndex(text[end:]); at != nil {
				at = []int{end + at[0], end + at[1]}
			}
		}
	}
	return nil
}

// allowed reports whether no expression of not matches in the sentence of a
// match. What other sentences say vetoes nothing.
func allowed(not []expression, text string, has *trigrams, match span) bool {
	if len(not) == 0 {
		return true
	}
	around := sentence(text, match)
	for i := range not {
		if not[i].possible(text, has) && not[i].re.MatchString(around) {
			return false
		}
	}
	return true
}

// sentence returns the sentence around a match.
func sentence(text string, match span) string {
	start, end := match.start, match.end
	for start > 0 && !endsSentence(text, start-1) {
		start--
	}
	for end < len(text) && !endsSentence(text, end) {
		end++
	}
	return text[start:end]
}

func endsSentence(text string, at int) bool {
	switch text[at] {
	case '.', '!', '?':
		return at+1 < len(text) && text[at+1] == ' '
	}
	return false
}
