package logparse

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// clean returns bytes from a log as text that is safe to store and to show:
// valid UTF-8 without control characters, line separators, or marks that change
// the direction of what follows.
func clean[T ~string | ~[]byte](raw T) string {
	s := string(raw)
	if isPrintable(s) {
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

// cleanAddress returns an address as text that is safe to store and to show. What
// clean would delete or replace is written as an escape such as \u200b, because
// without it the text would be another address: vic\u200btim@b.example must not
// speak for victim@b.example.
func cleanAddress(raw string) string {
	if isPrintable(raw) || clean(raw) == raw {
		return raw
	}
	var b strings.Builder
	for len(raw) > 0 {
		r, size := utf8.DecodeRuneInString(raw)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, raw[0])
		case clean(raw[:size]) != raw[:size]:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteString(raw[:size])
		}
		raw = raw[size:]
	}
	return b.String()
}

// isPrintable reports whether s is only printable ASCII. It tests eight bytes at a
// time: the highest bit of a byte gets set if it is 0x80 or more, if subtracting
// 0x20 underflows, or if adding 1 gives 0x80.
func isPrintable(s string) bool {
	const each = 0x0101010101010101
	for len(s) >= 8 {
		b := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
			uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
		if (b|(b-0x20*each)|(b+each))&(0x80*each) != 0 {
			return false
		}
		if len(s) == 8 {
			return true
		}
		s = s[min(8, len(s)-8):]
	}
	for i := range len(s) {
		if s[i] < 0x20 || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// undecorate takes a byte order mark and colours off a line, and what may stand around
// a whole line: the mark of a quotation, of a clock, quotes.
//
//	\x1b[36mpostfix-1  |\x1b[0m Nov 23 …
func undecorate(text string) string {
	text = strings.TrimPrefix(strings.TrimLeft(withoutColours(text), " \t\r\x1e>"), "< ") // diff
	if text != "" && strings.IndexByte("*.|`", text[0]) < 0 {
		text = strings.TrimLeftFunc(text, isOrnament)
	}
	if len(text) > 2 && (text[0] == '[' || text[0] == '<') && !isDigit(text[1]) {
		text = withoutFrame(text)
	}
	if len(text) > 2 && (text[0] == '*' && text[1] != '*' || text[0] == '.' && !isDigit(text[1]) && text[1] != ' ') {
		return text[1:] // a clock that is not synchronised, as routers mark it
	}
	for _, around := range [...][2]string{{"b'", "'"}, {"'", "'"}, {"`", "`"}, {"**", "**"}, {"| ", " |"}} {
		if inside, found := strings.CutPrefix(text, around[0]); found {
			if inside, found = strings.CutSuffix(strings.TrimRight(inside, ",;]"), around[1]); found {
				return inside
			}
		}
	}
	return text
}

// withoutColours takes a byte order mark and colours off a text. Unlike those of a line,
// the marks around a text within an object are those of the program that wrote it: a
// stranger may have chosen what it quotes.
func withoutColours(text string) string {
	if strings.IndexByte(text, 0) >= 0 {
		text = fromUTF16(text)
	}
	if strings.Contains(text, "\x1b[") || strings.Contains(text, "#033[") {
		// Not in an address or a reply: what an escape sequence hides there is part of it.
		end := strings.IndexAny(text, "=*<>")
		if end < 0 {
			end = len(text)
		}
		text = cutColours(text[:end]) + text[end:]
	}
	return strings.TrimLeft(text, "\ufeff \t\r\x1e")
}

// fromUTF16 takes the zero bytes and the byte order mark out of a line of a file in
// UTF-16, as PowerShell writes what is redirected. Characters that are not ASCII are
// lost.
func fromUTF16(text string) string {
	if zeros := strings.Count(text, "\x00"); zeros < len(text)/3 {
		return text
	}
	text = strings.TrimSuffix(strings.ReplaceAll(text, "\x00", ""), "\r")
	return strings.TrimPrefix(strings.TrimPrefix(text, "\xff\xfe"), "\xfe\xff")
}

// cutColours takes escape sequences for colours out of a line, also as rsyslog
// writes them.
func cutColours(text string) string {
	text = strings.ReplaceAll(text, "#033[", "\x1b[")
	var out strings.Builder
	for {
		before, after, found := strings.Cut(text, "\x1b[")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		text = strings.TrimLeft(after, "0123456789;?")
		if text != "" {
			text = text[1:]
		}
	}
}
