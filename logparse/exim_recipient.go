package logparse

import (
	"strings"
	"unicode/utf8"

	"github.com/bouncetail/bouncetail/internal/lazyre"
	"github.com/bouncetail/bouncetail/internal/oneof"
)

// Exim prints a recipient without the quotes and backslashes of its local part,
// so that the local part may hold anything, a whole line included. Where that
// differs from the address as it arrived, the latter follows in angle brackets,
// with its quotes (string_log_address in src/deliver.c):
//
//	john doe@b.example <"john doe"@b.example> R=dnslookup …
//	joe@b.example <"john doe"@a.example> R=dnslookup …              an alias
//	joe@b.example (list@a.example) <"john doe"@a.example> R=…       log_selector +all_parents
//	|/usr/bin/filter (list@a.example) <"john doe"@a.example> R=…    a program
//
// Whoever chooses the address chooses what stands before that bracket, but
// cannot avoid the bracket. So every place where it may stand is looked at, and
// a line that can be read in two ways is not read.

// eximRecipient is whom an Exim line is about.
type eximRecipient struct {
	to, original string
	quoted       bool   // it was found by the quotes of the address as it arrived
	elsewhere    string // the program, file or autoreply that is logged instead of an address
	rest         string // the fields and the message
}

// cutEximRecipient reads the recipient of a line in which it has quotes, or is behind
// a program, a file or an autoreply. The rest then begins with a word that stands for
// it. In other lines the expressions read it: to is empty, and the rest is the line.
// unclear is true if the line cannot be read in one way only.
func cutEximRecipient(line string) (who eximRecipient, unclear bool) {
	const recipient = "recipient"
	if who, who.quoted, unclear = cutEximQuoted(line); !who.quoted && !unclear {
		// A space in front of an address is a copy's: Exim would repeat such an
		// address with its quotes.
		line = strings.TrimLeft(line, " ")
		who, unclear = cutEximElsewhere(line)
	}
	if who.to == "" {
		return eximRecipient{rest: line}, unclear
	}
	who.rest = recipient + who.rest
	return who, unclear
}

// eximQuoted is a place where the address as it arrived may stand.
type eximQuoted struct {
	start, end int    // of ` <"john doe"@b.example>`
	address    string // "john doe"@b.example
	shown      string // what stands before it, without parents
	exact      bool   // and is the same address
}

// maxEximQuoted bounds the work on a line that is full of such places.
const maxEximQuoted = 50

// cutEximQuoted reads the recipient of a line in which an address with quotes or
// backslashes follows. found is false if there is none; unclear is true if the
// line cannot be read in one way only.
func cutEximQuoted(rest string) (who eximRecipient, found, unclear bool) {
	places, ok := eximQuotedPlaces(rest)
	if !ok {
		return who, false, true
	}
	if len(places) == 0 {
		return cutEximQuotedParents(rest)
	}
	last := places[len(places)-1]
	who.rest = rest[last.end:]
	if last.exact {
		// A server's reply can hold all that stands before it, and repeat it in
		// quotes. An address can hold a reply. Nothing tells one from the other.
		if unclear = eximHoldsReply(rest[:last.start]); unclear {
			return who, false, true
		}
		who.to = last.address
		return who, true, false
	}
	if len(places) > 1 {
		return who, false, true
	}
	who.original = last.address
	at := strings.LastIndexByte(last.shown, '@')
	switch {
	case eximIsElsewhere(last.shown):
		who.to, who.elsewhere = last.address, last.shown
	case strings.ContainsAny(last.shown, `:=<>"\|`):
		return who, false, true
	case at < 0:
		who.to = last.address // the name of a local user (log_as_local)
	default:
		who.to = quoteLocalPart(last.shown)
	}
	return who, true, false
}

// cutEximQuotedParents reads the recipient of a line in which only addresses between the
// first and the last one have quotes (log_selector +all_parents): a filter changed the
// address.
//
//	joe+my box ("joe+My Box"@b.example, joe@b.example) <joe@b.example> R=virtual_user …
func cutEximQuotedParents(rest string) (who eximRecipient, found, unclear bool) {
	if !strings.Contains(rest, `"@`) {
		return who, false, false
	}
	for at := 0; ; {
		end := indexFrom(rest, ") <", at) + len(")")
		if end == 0 {
			return who, found, false
		}
		at = end + len(" <")
		_, length, special := scanMailbox(rest[at:])
		after := at + length
		shown, parents := cutEximParents(rest[:end])
		if special || length == 0 || !parents || !strings.Contains(rest[len(shown):end], `"`) ||
			after == len(rest) || rest[after] != '>' || !eximContinues(rest[after+1:]) {
			continue
		}
		if found || eximField.MatchString(shown) || strings.ContainsAny(shown, `:=<>"\\`) {
			return who, false, true
		}
		found = true
		who.original, who.rest = rest[at:after], rest[after+1:]
		if who.to = quoteLocalPart(shown); !strings.Contains(shown, "@") {
			who.to = who.original
		}
	}
}

// eximQuotedPlaces returns the places where the address as it arrived may stand,
// and false if there are too many.
func eximQuotedPlaces(rest string) (places []eximQuoted, ok bool) {
	tried := 0
	for at := 0; ; {
		start := indexFrom(rest, " <", at)
		if start < 0 {
			return places, true
		}
		at = start + len(" <")
		local, length, special := scanMailbox(rest[at:])
		end := at + length
		if !special || length == 0 || end == len(rest) || rest[end] != '>' || !eximContinues(rest[end+1:]) {
			continue
		}
		if tried++; tried > maxEximQuoted {
			return nil, false
		}
		place := eximQuoted{start: start, end: end + 1, address: rest[at:end]}
		if n := len(places) - 1; n >= 0 && places[n].exact && places[n].repeats(rest, start) {
			continue
		}
		if place.judge(rest[:start], local) {
			places = append(places, place)
		}
	}
}

// repeats reports whether a place lies within this address itself, or within the
// same address in the command that was refused.
func (p *eximQuoted) repeats(rest string, start int) bool {
	if start < p.end {
		return true
	}
	at := strings.LastIndex(rest[:start], "<"+p.address[:min(len(p.address), 8)])
	return at >= p.end && strings.HasPrefix(rest[at+1:], p.address) && start < at+1+len(p.address)
}

// judge looks at what stands before a place, and reports whether an address, a
// program or a file may end there. local is the length of the local part.
func (p *eximQuoted) judge(before string, local int) bool {
	shown, parents := cutEximParents(before)
	p.exact = sameUnquoted(shown, p.address) || sameUnquoted(shown, p.address[:local])
	if parents && !p.exact && sameUnquoted(before, p.address[:local]) {
		shown, parents, p.exact = before, false, true // what looks like parents is part of it
	}
	p.shown = shown
	if p.exact || parents {
		return true
	}
	if eximIsElsewhere(shown) && !eximField.MatchString(shown) {
		return true
	}
	at := strings.LastIndexByte(shown, '@')
	if at < 0 {
		return !strings.ContainsAny(shown, ` :="`)
	}
	return at+1 < len(shown) && domainLength(shown[at+1:]) == len(shown)-at-1
}

// scanMailbox reads an address as read_local_part in src/parse.c does: atoms,
// quoted pairs and quoted strings up to the @, and the domain. It returns the
// lengths of the local part and of the whole, and whether there were quotes or
// backslashes.
func scanMailbox(s string) (local, length int, special bool) {
	for i := maskedName(s); i < len(s); i++ {
		switch c := s[i]; c {
		case '\\':
			special = true
			i++
		case '"':
			special = true
			for i++; i < len(s) && s[i] != '"'; i++ {
				if s[i] == '\\' {
					i++
				}
			}
		case '@':
			domain := domainLength(s[i+1:])
			if domain == 0 {
				return 0, 0, false
			}
			return i, i + 1 + domain, special
		case '<', '>', '(', ')', ',', ';', ':', '[', ']':
			return 0, 0, false
		default:
			if c <= ' ' {
				return 0, 0, false
			}
		}
	}
	return 0, 0, false
}

// domainLength returns how many bytes of a domain, or of an address literal in
// square brackets, a text begins with.
func domainLength(s string) int {
	if strings.HasPrefix(s, "[") {
		return strings.IndexByte(s, ']') + 1
	}
	for i := range len(s) {
		c := s[i]
		octal := c == '\\' && i+1 < len(s) && isOctal(s[i+1]) // how Exim writes what is not ASCII
		if !octal && (c <= ' ' || strings.IndexByte(`<>()[]",;:@\`, c) >= 0) {
			return i
		}
	}
	return len(s)
}

// eximContinues reports whether a text may follow the address as it arrived.
func eximContinues(s string) bool {
	return s == "" || strings.HasPrefix(s, ": ") || strings.HasPrefix(s, " : ") ||
		strings.HasPrefix(s, " defer (") || strings.HasPrefix(s, " routing ") || strings.HasPrefix(s, " transporting ") ||
		len(s) > 2 && s[0] == ' ' && 'A' <= s[1] && s[1] <= 'Z'
}

// cutEximParents takes " (list@a.example, "x y"@a.example)" off the end.
func cutEximParents(s string) (rest string, cut bool) {
	if !strings.HasSuffix(s, ")") {
		return s, false
	}
	for start := len(s); ; {
		if start = strings.LastIndex(s[:start], " ("); start < 0 {
			return s, false
		}
		for list := s[start+2 : len(s)-1]; ; {
			_, length, _ := scanMailbox(list)
			if length > 0 && length == len(list) {
				return s[:start], true
			}
			// A domain may not hold a comma, so the next address follows here.
			if length == 0 || !strings.HasPrefix(list[length:], ", ") {
				break
			}
			list = list[length+len(", "):]
		}
	}
}

// sameUnquoted reports whether two addresses differ in quotes, backslashes and
// case only. Exim makes the local part lower case, and writes what is not
// printable as \011 in both.
func sameUnquoted(shown, address string) bool {
	drop := strings.NewReplacer(`"`, "", `\`, "")
	return strings.EqualFold(drop.Replace(shown), drop.Replace(address))
}

// eximHoldsReply reports whether a server's reply may begin within a text.
func eximHoldsReply(s string) bool {
	return oneof.Contains(s, " H=", "MTP error", "PRDR error")
}

// quoteLocalPart gives a local part with a space its quotes again.
func quoteLocalPart(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at > 0 && strings.IndexByte(address[:at], ' ') >= 0 && strings.IndexByte(`"|/:`, address[0]) < 0 {
		return `"` + address[:at] + `"` + address[at:]
	}
	return address
}

// cutEximElsewhere reads the address behind a program, a file or an autoreply. Their
// text may quote what strangers chose, such as a sender. So a second address that the
// fields of a delivery follow makes the line unclear.
func cutEximElsewhere(rest string) (who eximRecipient, unclear bool) {
	m, ok := match(eximElsewhere, rest)
	if !ok {
		return who, false
	}
	what, after := m.raw("what"), m.raw("after")
	if eximField.MatchString(what) {
		own, _, _ := strings.Cut(rest, " H=") // a reply may quote anything
		return who, eximAddressAndRouter.MatchString(own)
	}
	return eximRecipient{to: m.raw("orig"), original: m.raw("orig"), elsewhere: what, rest: after}, eximAddressAndRouter.MatchString(after)
}

// eximAddressAndRouter matches an address and the fields that always follow it behind
// a program, a file or an autoreply.
var eximAddressAndRouter = lazyre.New(` <[^<>"\\@ ]+@[^<>"\\ ]+>(?: [FP]=<` + eximMailbox + `>)* R=`)

// eximIsElsewhere reports whether a program, a file or an autoreply stands in
// place of an address.
func eximIsElsewhere(shown string) bool { return eximElsewhereStart.MatchString(shown) }

var eximElsewhereStart = lazyre.New(`^(?:` + eximPlaces + `)`)

// mayHoldQuoted reports whether the address as it arrived may stand in a text
// with quotes or backslashes. It is true of all texts in which eximQuotedPlaces
// finds one.
func mayHoldQuoted(s string) bool {
	for {
		at := strings.IndexByte(s, '<')
		if at < 0 {
			return false
		}
		after := s[at+1:]
		if at > 0 && s[at-1] == ' ' {
			inside, _, _ := strings.Cut(after, ">")
			if strings.IndexByte(inside, '"') >= 0 || strings.IndexByte(inside, '\\') >= 0 {
				return true
			}
		}
		s = after
	}
}

// unescapeAddress returns an address without quotes. Exim writes what is not ASCII in
// octal numbers, unless print_topbitchars is set:
//
//	j\303\266rg@b\303\274cher.example
//
// A backslash of the address itself needs quotes, and the address as it arrived then
// follows; see cutEximQuoted.
func unescapeAddress(s string) string {
	if strings.IndexByte(s, '\\') < 0 || s[0] == '"' {
		return cleanAddress(s)
	}
	var out []byte
	for i := 0; i < len(s); i++ {
		if c, ok := octalByte(s[i:]); ok && c >= utf8.RuneSelf {
			out = append(out, c)
			i += 3
			continue
		}
		out = append(out, s[i])
	}
	if !utf8.Valid(out) {
		return cleanAddress(s)
	}
	return cleanAddress(string(out))
}
