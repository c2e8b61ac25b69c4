package address

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Spellings returns the spellings of a normalized address that other programs use:
// with its domain as A-labels and as U-labels. List programs store what a subscriber
// typed, and an SMTPUTF8 client sends U-labels. Most addresses have one spelling.
func Spellings(normal string) []string {
	at := strings.LastIndexByte(normal, '@')
	if at < 0 || !strings.Contains(normal[at:], "xn--") {
		return []string{normal}
	}
	domain := normal[at+1:]
	letters, err := idna.Lookup.ToUnicode(domain)
	if err != nil || letters == domain || hasEmptyLabel(letters) || strings.ContainsAny(letters, "ßς") {
		// Some programs map these two to other letters, which may give a different
		// domain.
		return []string{normal}
	}
	return []string{normal, normal[:at+1] + letters}
}

// hasEmptyLabel reports whether a label of a domain is empty. IDNA decodes the label
// "xn--" to nothing, so info@xn-- would become "info@", which Postfix's access(5) reads
// as that user at every domain.
func hasEmptyLabel(domain string) bool { return strings.Contains("."+domain+".", "..") }

// OneLine reports whether an address stays on one line of a text file in every
// program: it has no control character and no line separator.
func OneLine(address string) bool {
	return utf8.ValidString(address) && !strings.ContainsFunc(address, func(r rune) bool {
		return unicode.IsControl(r) || r == '\u2028' || r == '\u2029'
	})
}

// Unquoted reports whether an address is an unquoted local part at a host name: it
// has only the characters of atext (RFC 5322, RFC 6532), so no quotes, backslashes,
// spaces, brackets or commas. Dots are allowed anywhere in the local part, because
// some providers issued such addresses. Local users without a domain and addresses
// at an IP address are refused.
func Unquoted(address string) bool {
	at := strings.LastIndexByte(address, '@')
	return at > 0 && !strings.ContainsFunc(address[:at], func(r rune) bool { return !isLocal(r) }) && isHost(address[at+1:])
}

// Plain reports whether the validators of list programs accept an address: it is
// Unquoted, its local part is a dot-atom of RFC 5322, it is no longer than SMTP
// allows (RFC 5321, 4.5.3.1), and lower-casing does not change it. The last rule
// keeps "fran\u212a@" (Kelvin sign) from becoming the address of Frank.
func Plain(address string) bool {
	at := strings.LastIndexByte(address, '@')
	if !Unquoted(address) || at > 64 || len(address) > 254 || strings.ToLower(address) != address {
		return false
	}
	local := "." + address[:at] + "."
	return !strings.Contains(local, "..")
}

// isLocal reports whether a rune is allowed in an unquoted local part.
func isLocal(r rune) bool {
	if r >= utf8.RuneSelf {
		return r != utf8.RuneError && unicode.IsPrint(r)
	}
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune(".!#$%&'*+-/=?^_`{|}~", r)
}

// isHost reports whether a domain is a host name. Underscores are accepted: the
// standards forbid them, but such hosts exist.
func isHost(domain string) bool {
	if len(domain) > 255 || hasEmptyLabel(domain) {
		return false
	}
	return !strings.ContainsFunc(domain, func(r rune) bool {
		if r >= utf8.RuneSelf {
			return r == utf8.RuneError || !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r)
		}
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("._-", r))
	})
}
