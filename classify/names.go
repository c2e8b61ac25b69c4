package classify

import (
	"bytes"
	"slices"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
)

// names are those that fold replaces by how they relate to the recipient: its
// local part by <> like the whole address, its domain by (own), the sender's
// address by <from>, another person's by <}, and in the words of our own mail
// server the names of other hosts by (other).
//
// Rules read <} as <>.
type names struct {
	domain, user, sender string // user is the local part
	original             string // the address before it was rewritten
	ours                 bool
}

// anotherPerson stands for an address of neither the recipient nor the sender.
const anotherPerson = "<}"

func namesOf(d *bounce.Delivery, s speaker) names {
	n := names{sender: d.Sender, ours: s == ourMTA}
	if at := strings.LastIndexByte(d.Recipient, '@'); at >= 0 {
		n.domain, n.user, n.original = d.Recipient[at+1:], d.Recipient[:at], d.OriginalRecipient
		n.ours = n.ours || s == nobody
		if strings.EqualFold(d.Recipient, d.Sender) {
			n.sender = ""
		}
	} else {
		n.ours = false
	}
	return n
}

// name takes the recipient's domain for (own) and, in the words of our own mail
// server, another host that was looked up for (other).
func (f *folding) name() bool {
	start := f.at
	rest := f.in[start:]
	if first := rest[0] | 0x20; !f.ours && first != f.domain[0]|0x20 && (f.user == "" || first != f.user[0]|0x20) {
		return false // as nearly all words are
	}
	if before := byteAt(f.in, start-1); alnum[before] || strings.IndexByte(".-_@", before) >= 0 {
		return false
	}
	if f.isHere(f.domain) {
		f.out = append(f.out, "(own)"...)
		f.at += len(f.domain)
		return true
	}
	if f.user != "" && f.isHere(f.user) && f.isUser(len(f.user)) {
		f.out = append(f.out, '<', '>')
		f.at += len(f.user)
		return true
	}
	if !f.ours || !f.isLookedUp() {
		return false
	}
	f.out = append(f.out, "(other)"...)
	for f.goesOn(f.at) {
		f.at++
	}
	return true
}

// isHere reports whether the next word is a name, in any case.
func (f *folding) isHere(name string) bool {
	rest := f.in[f.at:]
	return len(rest) >= len(name) && rest[0]|0x20 == name[0]|0x20 && strings.EqualFold(rest[:len(name)], name) && !f.goesOn(f.at+len(name))
}

// isUser reports whether the next n bytes, which read like the local part, mean the
// recipient: in quotes always, else if they are no word such as "user" and too long to
// stand there by chance.
func (f *folding) isUser(n int) bool {
	end := f.at + n
	next := byteAt(f.in, end)
	if isQuote := next == '"' || next == '\''; isQuote && byteAt(f.in, f.at-1) == next {
		return true
	}
	if n < 3 || next == '@' {
		return false
	}
	user := bounce.LowerASCII(f.user)
	return builtIn().english.words[user] == 0 || commonNames[user] && (strings.HasPrefix(f.in[end:], "...") || f.isAfterNoun())
}

// commonNames are local parts that many domains have (RFC 2142) and that the lexicon
// has for other things. Where they stand behind a noun for the recipient, they are
// its name: "user info unknown", "invalid recipient: office".
var commonNames = map[string]bool{
	"abuse": true, "admin": true, "contact": true, "help": true, "info": true, "office": true, "support": true,
}

// nouns are words for the recipient that its name may follow.
var nouns = []string{" user", " mailbox", " recipient", " account", " address", " alias"}

// isAfterNoun reports whether a noun for the recipient stands before this place.
func (f *folding) isAfterNoun() bool {
	before := strings.TrimRight(string(f.out), " :(")
	return slices.ContainsFunc(nouns, func(noun string) bool { return strings.HasSuffix(before, noun) })
}

// goesOn reports whether a host name goes on at a place.
func (f *folding) goesOn(at int) bool {
	c := byteAt(f.in, at)
	return alnum[c] || c == '-' || c == '_' || c == '.' && alnum[byteAt(f.in, at+1)]
}

// lookups are the words before a name that our own mail server looked up.
var lookups = []string{
	"name=", "name server: ", "mail for ", "any host named ", "lookup of host \"", "lookup of ", "mail domain \"",
	"unable to look up host ", "hosts for '",
}

// isLookedUp reports whether the name that comes next was looked up.
func (f *folding) isLookedUp() bool {
	n := len(f.out)
	if n == 0 || strings.IndexByte("= \"'", f.out[n-1]) < 0 {
		return false
	}
	if bytes.HasSuffix(f.out, []byte("domain ")) { // "Domain X does not accept mail", not "domain or host"
		end := f.at
		for alnum[byteAt(f.in, end)] {
			end++
		}
		return byteAt(f.in, end) == '.' || byteAt(f.in, end) == '-'
	}
	return slices.ContainsFunc(lookups, func(before string) bool { return bytes.HasSuffix(f.out, []byte(before)) })
}

// takeAddress puts <from> for the sender's address and <> for any other one.
func (f *folding) takeAddress(address string) {
	if len(address) == len(f.sender) && len(address) > 0 && strings.EqualFold(address, f.sender) {
		f.out = append(f.out, "<from>"...)
		return
	}
	if f.isAnother(address) {
		f.out = append(f.out, anotherPerson...)
		return
	}
	f.out = append(f.out, '<', '>')
}

// isAnother reports whether an address is neither the recipient's nor one that
// the recipient's may have been rewritten to: the other side does that within
// the domain, or keeps the local part.
func (f *folding) isAnother(address string) bool {
	at := strings.LastIndexByte(address, '@')
	if f.domain == "" || at < 0 || strings.EqualFold(address, f.original) || strings.EqualFold(address[:at], f.user) {
		return false
	}
	domain := address[at+1:]
	return strings.Contains(domain, ".") && !isWithin(domain, f.domain) && !isWithin(f.domain, domain)
}

// isWithin reports whether a domain is another one or below it.
func isWithin(domain, other string) bool {
	n := len(domain) - len(other)
	return n >= 0 && strings.EqualFold(domain[n:], other) && (n == 0 || domain[n-1] == '.')
}
