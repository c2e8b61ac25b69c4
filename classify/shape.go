package classify

// Shape returns the form of a reply by which replies are grouped: what fold makes of
// it, and without the numbers of three digits that are neither its code nor part of
// an enhanced code. The rules need those, because they may be the code of another
// server's reply.
//
//	550 ticket 481 mailbox wedged   550 ticket # mailbox wedged
func Shape(reply string) string {
	folded := fold(nil, reply)
	out := folded[:0]
	code := ""
	for at := 0; at < len(folded); {
		end := at
		for end < len(folded) && digit[folded[end]] {
			end++
		}
		switch {
		case end == at:
			end++
			out = append(out, folded[at])
		case end-at != 3 || !standsAlone(folded, at, end):
			out = append(out, folded[at:end]...)
		case at == 0:
			code = string(folded[:end])
			out = append(out, code...)
		case string(folded[at:end]) == code:
			out = append(out, code...) // of another line
		default:
			out = append(out, '#')
		}
		at = end
	}
	return string(out)
}

// standsAlone reports whether a number is no part of a word, of a mark in brackets,
// or of a number with dots.
func standsAlone(text []byte, start, end int) bool {
	if start > 0 {
		if c := text[start-1]; alnum[c] || c == '[' || c == '_' || c >= 0x80 || c == '.' && start > 1 && digit[text[start-2]] {
			return false
		}
	}
	if end < len(text) {
		if c := text[end]; alnum[c] || c == ']' || c == '_' || c >= 0x80 || c == '.' && end+1 < len(text) && digit[text[end+1]] {
			return false
		}
	}
	return true
}
