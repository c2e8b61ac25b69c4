// Package address brings the addresses of a log into the spelling by which
// they are compared, stored and looked up.
package address

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"github.com/bouncetail/bouncetail/bounce"
)

// Parse returns both spellings of an address as a log or a person wrote it,
// with or without angle brackets. It never fails: whatever an MTA accepted as
// a recipient is stored, with its domain in lower case where IDNA does not
// know what to do with it.
func Parse(logged string) bounce.Address {
	logged = strings.TrimSuffix(strings.TrimPrefix(logged, "<"), ">")
	at := strings.LastIndexByte(logged, '@')
	if at < 0 {
		return spellings(lower(logged), "", logged)
	}
	if at+1 < len(logged) && logged[len(logged)-1] != '.' && isLowerASCII(logged) {
		return bounce.Address{Normal: logged, Domain: logged[at+1:]}
	}
	domain := Domain(logged[at+1:])
	return spellings(lower(logged[:at])+"@"+domain, domain, logged)
}

// lower returns a local part in lower case. No letter becomes one of ASCII:
// whoever writes to "jİm@b.example" or "frank@b.example" with a Kelvin sign must
// not make jim's or frank's address bad.
func lower(local string) string {
	return strings.Map(func(r rune) rune {
		if l := unicode.ToLower(r); r < utf8.RuneSelf || l >= utf8.RuneSelf {
			return l
		}
		return r
	}, local)
}

// Domain returns a domain in the spelling by which it is compared: lower case,
// without a final dot, as IDNA A-labels.
func Domain(logged string) string {
	logged = strings.TrimSuffix(logged, ".")
	if isLowerASCII(logged) {
		return logged
	}
	if ascii, err := idna.Lookup.ToASCII(logged); err == nil {
		return ascii
	}
	return strings.ToLower(logged)
}

func spellings(normal, domain, logged string) bounce.Address {
	a := bounce.Address{Normal: normal, Domain: domain}
	if logged != normal {
		a.Logged = logged
	}
	return a
}

// isLowerASCII turns away most domains before the tables of IDNA are asked. It
// looks at eight bytes at a time, the last eight last: the highest bit is set in
// one that is 0x80 or more, and, of the others, in one that is at least A where
// 0x3f is added, and not where it is Z at most and 0x25 is.
func isLowerASCII(s string) bool {
	const each = 0x0101010101010101
	for len(s) >= 8 {
		b := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
			uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
		low := b & (0x7f * each)
		if (b|(low+0x3f*each)&^(low+0x25*each))&(0x80*each) != 0 {
			return false
		}
		if len(s) == 8 {
			return true
		}
		s = s[min(8, len(s)-8):]
	}
	for i := range len(s) {
		if c := s[i]; c >= 0x80 || 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return true
}

// Unicode returns the normal spelling of an address with its domain as a
// person writes it, which is the same for most.
func Unicode(a bounce.Address) string {
	local, found := strings.CutSuffix(a.Normal, a.Domain)
	if domain, err := idna.ToUnicode(a.Domain); err == nil && found {
		return local + domain
	}
	return a.Normal
}
