package classify

import (
	"slices"
	"strings"
)

// alnum, digit and letter are sets of bytes.
var alnum, digit, letter = func() (w, d, l [256]bool) {
	for c := range 256 {
		d[c] = '0' <= c && c <= '9'
		l[c] = 'a' <= c|0x20 && c|0x20 <= 'z'
		w[c] = d[c] || l[c]
	}
	return
}()

// byteAt returns the byte at a place, and 0 outside the text.
func byteAt(text string, at int) byte {
	if at < 0 || at >= len(text) {
		return 0
	}
	return text[at]
}

// containsAny reports whether a text holds one of some parts.
func containsAny(text string, parts ...string) bool {
	return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(text, part) })
}

// hasAnyPrefix reports whether a text begins with one of some prefixes.
func hasAnyPrefix(text string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(text, prefix) })
}
