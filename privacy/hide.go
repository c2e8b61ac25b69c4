package privacy

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/bouncetail/bouncetail/address"
	"github.com/bouncetail/bouncetail/bounce"
)

// Text returns a text with all addresses in it hashed, as replies and log lines
// write them:
//
//	550 5.1.1 <Jane@Example.COM>: user unknown        <h-864f…@Example.COM>
//	rcpt=jane@example.com, user=3Djane@example.com    rcpt=h-864f…@example.com, …
//	list-bounces+jane=example.com@lists.example       h-7b13…@lists.example
//	https://help.example/?to=jane%40example.com       ?to=h-864f…%40example.com
//
// Everything that may belong to a local part is hashed: a word too many is better
// than a name that remains.
func (h *Hasher) Text(text string) string { return h.hide(text, nil) }

// Line is Text for a line that was not parsed. It also hides the names of the people
// whose addresses are in it.
func (h *Hasher) Line(text string) string {
	var found []string
	text = h.hide(text, &found)
	return h.Name(text, found...)
}

// maxFound bounds the work for a line with thousands of addresses.
const maxFound = 8

// hide hashes the addresses in a text, and notes the first ones.
func (h *Hasher) hide(text string, found *[]string) string {
	if !strings.Contains(text, "@") && !strings.Contains(text, "%40") {
		return text
	}
	var out []byte
	done := 0 // how much of the text is in out
	for i := 0; i < len(text); i++ {
		start, at, sign := i, i, "@"
		switch {
		case text[i] == '"':
			if at = quotedEnd(text, i); at > i {
				start = localStart(text, done, i) // of words and quoted strings, joined by dots
			}
		case text[i] == '@':
			start = localStart(text, done, i)
		case strings.HasPrefix(text[i:], "%40"):
			start, sign = localStart(text, done, i), "%40"
		default:
			continue
		}
		if start == at {
			continue
		}
		end := domainEnd(text, at+len(sign))
		if end == at+len(sign) {
			continue
		}
		local, domain := text[start:at], text[at+len(sign):end]
		if plain, err := url.PathUnescape(local); err == nil && sign == "%40" {
			local = plain
		}
		if found != nil && len(*found) < maxFound {
			*found = append(*found, local+"@"+domain)
		}
		hashed := h.Hashed(address.Parse(local + "@" + domain)).Normal
		out = append(append(out, text[done:start]...), hashed[:hashedSize]...)
		out = append(out, text[at:end]...)
		done, i = end, end-1
	}
	if done == 0 {
		return text
	}
	return string(append(out, text[done:]...))
}

// longest is the maximal length of a local part in bytes. Mail servers accept no
// longer one, and a hostile reply must not cost more.
const longest = 512

// quotedEnd returns the end of the quoted local part that begins at start, or start if
// there is none.
func quotedEnd(text string, start int) int {
	for i := start + 1; i+1 < min(len(text), start+longest); i++ {
		switch {
		case text[i] == '\\':
			i++
		case text[i] == '"' && text[i+1] == '@':
			return i + 1
		case text[i] == '"':
			return start
		}
	}
	return start
}

// atext are the characters of a local part other than letters and digits (RFC 5322,
// section 3.2.3).
const atext = "!#$%&'*+-/=?^_`{|}~."

// localStart returns the start of the local part that ends before at.
func localStart(text string, from, at int) int {
	start := at
	for start > max(from, at-longest) {
		r, n := utf8.DecodeLastRuneInString(text[from:start])
		if !isLetter(r) && !strings.ContainsRune(atext, r) {
			break
		}
		start -= n
	}
	run := text[start:at]
	if start > from {
		switch before := text[start-1]; {
		case before == '\\' && run != "" && strings.IndexByte("nrt", run[0]) >= 0: // the end of a line
			run = run[1:]
		case before == ':' && strings.HasPrefix(run, "//"):
			last := strings.LastIndexAny(run, "/?&")
			parameter := run[last] != '/'
			run = run[last+1:]
			if _, value, found := strings.Cut(run, "="); found && parameter {
				run = value
			}
		}
	}
	run = withoutEscape(run)
	if key, value, found := strings.Cut(run, "="); found && isKey[strings.ToLower(key)] {
		run = strings.TrimPrefix(value, "3D") // of quoted-printable
	}
	return at - len(strings.TrimLeft(run, atext))
}

// isKey has the words before a = that name the value. Any other word may be part of
// the address, as VERP writes it.
var isKey = map[string]bool{
	"to": true, "orig_to": true, "rcpt": true, "rcptto": true, "recipient": true, "for": true, "envelope-to": true,
	"from": true, "mailfrom": true, "mfrom": true, "envelope-from": true, "sender": true,
	"user": true, "username": true, "login": true, "account": true, "mailbox": true, "id": true, "uid": true,
	"mail": true, "email": true, "e-mail": true, "address": true, "addr": true,
}

// withoutEscape cuts off everything up to the last character that is encoded as %XX in
// a URL and is not part of a local part, such as %3C for <.
func withoutEscape(run string) string {
	for at := len(run) - 3; at >= 0; at-- {
		if run[at] != '%' {
			continue
		}
		switch strings.ToUpper(run[at+1 : at+3]) {
		case "20", "22", "26", "28", "2C", "2F", "3A", "3B", "3C", "3D", "3F", "5B":
			return run[at+3:]
		}
	}
	return run
}

// domainEnd returns the end of the domain that begins at start.
func domainEnd(text string, start int) int {
	if rest := text[start:]; strings.HasPrefix(rest, "[") {
		end := 1
		for end < len(rest) && (isLetter(rune(rest[end])) && rest[end] < utf8.RuneSelf || strings.IndexByte(".:-", rest[end]) >= 0) {
			end++
		}
		if end < len(rest) && rest[end] == ']' {
			return start + end + 1
		}
		return start
	}
	end := start
	for end < len(text) {
		r, n := utf8.DecodeRuneInString(text[end:])
		if !isLetter(r) && r != '.' && r != '-' && r != '_' {
			break
		}
		end += n
	}
	return start + len(strings.TrimRight(text[start:end], ".-_"))
}

func isLetter(r rune) bool {
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r))
}

// shortestName is the least length of a local part that is replaced without its
// domain. shortestNumber is the same for one of digits and dots, which may be a code.
const (
	shortestName   = 3
	shortestNumber = 7
)

// Name hashes other forms of known addresses in a text: the local part without the
// domain, and how VERP and SRS write them.
//
//	550 5.1.1 unknown user: "jane"             unknown user: "h-864f…@example.com"
//	bounce+jane=example.com, example.com=jane  bounce+h-864f…@example.com, …
//
// A local part may also be a word of the reply. The caller makes sure that its meaning
// is kept.
func (h *Hasher) Name(text string, people ...string) string {
	for _, logged := range people {
		to := address.Parse(logged)
		if to.Normal == "" || IsHashed(to) {
			continue
		}
		local := to.Normal
		if to.Domain != "" {
			local = to.Normal[:len(to.Normal)-len(to.Domain)-1]
			text = h.replace(text, local+"="+to.Domain, to)
			text = h.replace(text, to.Domain+"="+local, to)
		}
		text = h.nameAlone(text, local, to)
		if base, _, tagged := strings.Cut(local, "+"); tagged && to.Domain != "" {
			text = h.nameAlone(text, base, address.Parse(base+"@"+to.Domain))
		}
	}
	return text
}

func (h *Hasher) nameAlone(text, local string, to bounce.Address) string {
	if len(local) < shortestName || len(local) < shortestNumber && strings.Trim(local, "0123456789.") == "" {
		return text
	}
	return h.replace(text, local, to)
}

// replace replaces a name in lower case by the hash of an address, wherever it is a
// separate word.
func (h *Hasher) replace(text, name string, to bounce.Address) string {
	lower := bounce.Lower(text)
	var out []byte
	done := 0
	for i := 0; ; {
		next := strings.Index(lower[i:], name)
		if next < 0 {
			break
		}
		start := i + next
		end := start + len(name)
		if i = start + 1; joinsBefore(lower[:start]) || joinsBehind(lower[end:]) {
			continue
		}
		out = append(append(out, text[done:start]...), h.Hashed(to).Normal...)
		done, i = end, end
	}
	if done == 0 {
		return text
	}
	return string(append(out, text[done:]...))
}

// joinsBefore reports whether the text before a name belongs to it: the name is part
// of the domain of another address, or of a longer name.
func joinsBefore(before string) bool {
	r, n := utf8.DecodeLastRuneInString(before)
	if r == '.' || r == '-' {
		r, _ = utf8.DecodeLastRuneInString(before[:len(before)-n])
		return isLetter(r)
	}
	return isLetter(r) || r == '_' || r == '@'
}

func joinsBehind(behind string) bool {
	r, n := utf8.DecodeRuneInString(behind)
	if r == '.' || r == '-' || r == '+' {
		r, _ = utf8.DecodeRuneInString(behind[n:])
		return isLetter(r)
	}
	return isLetter(r) || r == '_' || r == '@'
}
