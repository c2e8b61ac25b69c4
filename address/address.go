// Package address normalizes addresses to the spelling in which they are compared,
// stored and looked up.
package address

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"github.com/bouncetail/bouncetail/bounce"
)

// Parse returns both spellings of an address as a log or a person wrote it, with or
// without angle brackets. It never fails, because everything that an MTA accepted
// as a recipient is stored. A domain that IDNA refuses is only lower-cased.
func Parse(logged string) bounce.Address {
	// A single bracket is part of the address: <jane@b.example is not jane@b.example.
	if n := len(logged); n > 1 && logged[0] == '<' && logged[n-1] == '>' {
		logged = logged[1 : n-1]
	}
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

// lower returns a local part in lower case. No letter is mapped to ASCII: a failure
// of "jİm@b.example", or of "frank@b.example" with a Kelvin sign, must not make the
// address of jim or frank bad.
func lower(local string) string {
	return strings.Map(func(r rune) rune {
		if l := unicode.ToLower(r); r < utf8.RuneSelf || l >= utf8.RuneSelf {
			return l
		}
		return r
	}, local)
}

// Domain returns the normalized spelling of a domain: lower case, without a final
// dot, as IDNA A-labels. Like in local parts, no other character becomes ASCII: an MTA
// without IDNA fails for "b。example", which says nothing about b.example. Nor does a
// failure of "b.example..", which no server can find, so only one dot is cut.
func Domain(logged string) string {
	if !strings.HasSuffix(logged, "..") {
		logged = strings.TrimSuffix(logged, ".")
	}
	if isLowerASCII(logged) {
		return logged
	}
	folded := lower(logged)
	ascii, err := idna.Lookup.ToASCII(logged)
	if err != nil || ascii == folded {
		return folded
	}
	if letters, err := idna.Lookup.ToUnicode(ascii); err != nil || letters != folded {
		return folded
	}
	return ascii
}

func spellings(normal, domain, logged string) bounce.Address {
	a := bounce.Address{Normal: normal, Domain: domain}
	if logged != normal {
		a.Logged = logged
	}
	return a
}

// isLowerASCII reports whether s needs no normalization, which holds for most
// domains and is much faster than IDNA. It tests eight bytes at a time; the last
// eight may overlap those before. A byte of 0x80 or more has its high bit set.
// Adding 0x3f to another byte sets that bit from 'A' on, adding 0x25 only after 'Z'.
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

// Unicode returns the normalized address with its domain as IDNA U-labels. Most
// addresses stay the same.
func Unicode(a bounce.Address) string {
	local, found := strings.CutSuffix(a.Normal, a.Domain)
	if domain, err := idna.ToUnicode(a.Domain); err == nil && found && !hasEmptyLabel(domain) {
		return local + domain
	}
	return a.Normal
}
