package logparse

import (
	"cmp"
	"iter"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// cutValue cuts a value off: a string with its quotes, a number, a word, an
// array, or an object that is nested too deeply to matter.
func cutValue(text string) (value, rest string, ok bool) {
	if text == "" {
		return "", "", false
	}
	switch text[0] {
	case '"':
		for end := 1; ; end++ {
			next := strings.IndexByte(text[end:], '"')
			if next < 0 {
				return "", "", false
			}
			end += next
			slashes := 0
			for text[end-1-slashes] == '\\' {
				slashes++
			}
			if slashes%2 == 0 {
				return text[:end+1], text[end+1:], true
			}
		}
	case '[', '{':
		return cutNested(text)
	}
	end := strings.IndexAny(text, ",}] \t\r\n")
	if end < 1 {
		return "", "", false
	}
	return text[:end], text[end:], true
}

// cutNested cuts an array or an object off.
func cutNested(text string) (value, rest string, ok bool) {
	depth := 0
	for at := 0; at < len(text); at++ {
		switch text[at] {
		case '[', '{':
			depth++
		case ']', '}':
			if depth--; depth == 0 {
				return text[:at+1], text[at+1:], true
			}
		case '"':
			quoted, _, ok := cutValue(text[at:])
			if !ok {
				return "", "", false
			}
			at += len(quoted) - 1
		}
	}
	return "", "", false
}

// cutKey cuts the name of a field off, without its quotes, and what separates it from
// the value.
func cutKey(text string) (key, rest string, ok bool) {
	if key, rest, ok = cutValue(text); !ok || key[0] != '"' {
		return "", "", false
	}
	rest = skipSpace(rest)
	after, ok := strings.CutPrefix(rest, ":")
	if !ok {
		after, ok = strings.CutPrefix(rest, "=>") // Fluent Bit's output to stdout
	}
	return key[1 : len(key)-1], skipSpace(after), ok
}

// elements returns the elements of an array. If it is malformed, the last is empty.
func elements(array string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for rest := skipSpace(array[1:]); !strings.HasPrefix(rest, "]"); {
			element, after, _ := cutValue(rest)
			if !yield(element) || element == "" {
				return
			}
			var more bool
			after = skipSpace(after)
			if rest, more = strings.CutPrefix(after, ","); !more && !strings.HasPrefix(after, "]") {
				yield("")
				return
			}
			rest = skipSpace(rest)
		}
	}
}

func skipSpace(text string) string {
	if text != "" && text[0] > ' ' {
		return text
	}
	return strings.TrimLeft(text, " \t\r\n")
}

// decodeText returns what a value holds as text. An array is that of its bytes,
// as journalctl writes what is no UTF-8, or of strings of which each is the first or
// its end, as Logstash keeps a line and its words: one with different strings could
// be read in several ways.
func decodeText(raw string) (string, bool) {
	switch {
	case raw == "" || raw == "null":
		return "", false
	case raw[0] == '"':
		return decodeString(raw[1 : len(raw)-1]), true
	case raw[0] != '[':
		return raw, true
	}
	var bytes []byte
	var text string
	n := 0
	for value := range elements(raw) {
		n++
		if strings.HasPrefix(value, `"`) {
			next := decodeString(value[1 : len(value)-1])
			if text != "" && (next == "" || !strings.HasSuffix(text, next)) {
				return "", false
			}
			text = cmp.Or(text, next)
			continue
		}
		c, err := strconv.Atoi(value) // an error for the mark of a malformed array, too
		if err != nil || c < -128 || c > 255 {
			return "", false
		}
		bytes = append(bytes, byte(c))
	}
	return text + string(bytes), n > 0 && (text == "" || len(bytes) == 0)
}

// decodeLine undoes the escapes of a line that Docker wrapped.
func decodeLine(s string) string { return strings.TrimSuffix(decodeString(s), "\n") }

// decodeString undoes the escapes of a JSON string.
func decodeString(s string) string {
	next := strings.IndexByte(s, '\\')
	if next < 0 {
		return s
	}
	var out strings.Builder
	out.Grow(len(s))
	for next >= 0 && next+1 < len(s) {
		out.WriteString(s[:next])
		c := s[next+1]
		s = s[next+2:]
		if c == 'u' {
			var r rune
			r, s = cutRune(s)
			out.WriteRune(r)
		} else if at := strings.IndexByte("ntrbf", c); at >= 0 {
			out.WriteByte("\n\t\r\b\f"[at])
		} else {
			out.WriteByte(c)
		}
		next = strings.IndexByte(s, '\\')
	}
	out.WriteString(s)
	return out.String()
}

// cutRune reads the digits of \u003c, and a second half behind the first of a
// character that has two.
func cutRune(s string) (rune, string) {
	first, ok := hex4(s)
	if !ok {
		return utf8.RuneError, s
	}
	s = s[4:]
	if utf16.IsSurrogate(first) && strings.HasPrefix(s, `\u`) {
		if second, ok := hex4(s[2:]); ok {
			return utf16.DecodeRune(first, second), s[6:]
		}
	}
	return first, s
}

func hex4(s string) (rune, bool) {
	if len(s) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range []byte(s[:4]) {
		switch {
		case isDigit(c):
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
