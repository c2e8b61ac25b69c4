package logparse

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// What all readers of lines share: numbers, words, quotes, and searching.

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// digits returns the value of a text, and false if it has other bytes than digits.
func digits(text string) (n int, ok bool) {
	for _, c := range text {
		if c < '0' || '9' < c {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return n, true
}

// leadingDigits cuts at most 20 digits off.
func leadingDigits(text string) (digits, rest string) {
	n := 0
	for n < len(text) && n < 20 && isDigit(text[n]) {
		n++
	}
	return text[:n], text[n:]
}

// leading returns how many digits a text begins with.
func leading(text string) int {
	digits, _ := leadingDigits(text)
	return len(digits)
}

// isNumber reports whether a text has digits only, at most 20.
func isNumber(text string) bool { return leading(text) == len(text) }

// number is the value of digits.
func number(s string) int {
	n, _ := digits(s)
	return n
}

// isAlphanumeric is true for the bytes of queue IDs.
var isAlphanumeric = func() (is [256]bool) {
	for c := range 256 {
		is[c] = '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
	}
	return
}()

// allAlphanumeric reports whether a text has such bytes only.
func allAlphanumeric(s string) bool { return s != "" && alphanumerics(s) == len(s) }

// alphanumerics returns how many such bytes a text begins with.
func alphanumerics(s string) int {
	n := 0
	for n < len(s) && isAlphanumeric[s[n]] {
		n++
	}
	return n
}

// cutWord cuts what stands before the next space or delimiter off. It returns no
// word if that is longer than anything in a header.
func cutWord(text string) (word, rest string) {
	for i, r := range text[:min(len(text), maxName+1)] {
		if r == utf8.RuneError || unicode.IsSpace(r) || strings.ContainsRune(`|,;"[](){}`, r) {
			return text[:i], text[i:]
		}
	}
	if len(text) > maxName {
		return "", text
	}
	return text, ""
}

// isOneWord reports whether s is not empty and holds no space of any kind.
func isOneWord(s string) bool {
	if isPrintable(s) {
		return s != "" && strings.IndexByte(s, ' ') < 0
	}
	for i := range len(s) {
		if s[i] <= ' ' {
			return false
		}
	}
	return s != ""
}

// isPlainWords reports whether a text has lower-case letters and spaces only, as no queue
// ID has. What follows "warning: " may quote anything.
func isPlainWords(text string) bool {
	for i := range len(text) {
		if (text[i] < 'a' || 'z' < text[i]) && text[i] != ' ' {
			return false
		}
	}
	return true
}

// cutBracketed cuts addresses in brackets off, with quotes in which brackets may
// stand.
func cutBracketed(text string) (list, rest string) {
	rest = text
	for strings.HasPrefix(rest, "<") {
		end := unquotedIndex(rest, '>')
		if end < 0 {
			return "", text
		}
		rest = rest[end+1:]
		if strings.HasPrefix(rest, ",<") {
			rest = rest[1:]
		}
	}
	return text[:len(text)-len(rest)], rest
}

// unquotedIndex returns where a byte stands that is neither between quotation marks nor
// behind a backslash, or -1.
func unquotedIndex(text string, c byte) int {
	quoted := false
	for at := 0; at < len(text); at++ {
		switch {
		case text[at] == c && !quoted:
			return at
		case text[at] == '"':
			quoted = !quoted
		case text[at] == '\\':
			at++
		}
	}
	return -1
}

// indexFrom returns where a text stands at from or behind it, or -1.
func indexFrom(s, text string, from int) int {
	at := strings.Index(s[from:], text)
	if at < 0 {
		return -1
	}
	return from + at
}

// hasByte is strings.ContainsAny for a few bytes of ASCII, for which it is faster.
func hasByte(s string, some ...byte) bool {
	for _, c := range some {
		if strings.IndexByte(s, c) >= 0 {
			return true
		}
	}
	return false
}
