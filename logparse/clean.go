package logparse

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// clean returns bytes from a log as text that is safe to store and to show:
// valid UTF-8 without control characters, line separators, or marks that change
// the direction of what follows.
func clean[T ~string | ~[]byte](raw T) string {
	s := string(raw)
	plain := true
	for i := range len(s) {
		if s[i] < 0x20 || s[i] >= 0x7f {
			plain = false
			break
		}
	}
	if plain {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r == utf8.RuneError, unicode.IsControl(r):
			return '?'
		case unicode.Is(unicode.Cf, r), r == '\u2028', r == '\u2029':
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}
