package logparse

import (
	"strings"

	"github.com/bouncetail/bouncetail/internal/lazyre"
	"github.com/bouncetail/bouncetail/internal/oneof"
)

// Sendmail logs recipients and senders as the submitter wrote them, so there may
// be display names and comments, and commas within quotes and brackets:
//
//	to=<a@b.example>,<c@d.example>, delay=…
//	to="Doe, John" <jdoe@b.example>, joe@b.example (Joe, me), delay=…
//	to=[M0000001]<j1@b.example>, delay=…
//	to=<"x, delay=00:00:01, stat=Sent"@b.example>, delay=…
//	to=<a@b.example>, [more], delay=…                 a long list goes on in another line

// sendmailListEnds are the fields that may follow a list of addresses.
var sendmailListEnds = []string{
	", delay=", ", xdelay=", ", cdelay=", ", ctladdr=", ", size=", ", mailer=", ", relay=", ", dsn=", ", stat=",
}

// sendmailMore ends a list that goes on in another line. Sendmail puts it behind a comma,
// which copies lack.
const sendmailMore = " [more]"

// fieldOfSendmail matches a field without an address, or one that lost its name.
var fieldOfSendmail = lazyre.New(`^ *(?:[a-z_]+=[^@<>"]*|(?:\d+\+)?\d\d:\d\d:\d\d)$`)

// cutSendmailAddresses takes a list of addresses off the front of a line, up to
// the next field. It returns false if what looks like a field is within the list, as in
// "<a@b>, to=<c@d>": Sendmail writes no such line, unless an address contains the rest
// of it.
func cutSendmailAddresses(line string) (addresses []string, rest string, ok bool) {
	for start := 0; ; {
		a, ok := sendmailAddressOf(line[start:])
		if !ok {
			return nil, line, false
		}
		if len(addresses) > 0 && fieldOfSendmail.MatchString(a.text) {
			return addresses, line[start-1:], true // a field that is not known, or behind two spaces
		}
		if a.wordsBehind || a.lostComma() {
			return nil, line, false
		}
		addresses = append(addresses, a.address)
		start += len(a.text)
		if rest, more := strings.CutPrefix(strings.TrimPrefix(line[start:], ","), sendmailMore); more {
			return addresses, rest, true
		}
		if oneof.HasPrefix(line[start:], sendmailListEnds...) {
			return addresses, line[start:], true
		}
		start++
	}
}

// sendmailAddress is an element of such a list.
type sendmailAddress struct {
	text        string // all of it, up to the comma or sendmailMore
	address     string // what its angle brackets hold, or its words without a comment
	bracketed   bool
	wordsBehind bool // behind the brackets or a comment, so that it is another address or none
}

// sendmailAddressOf returns the address that a text begins with. It returns false if a
// quotation mark, a bracket or a parenthesis is not closed before the comma: a long list
// is cut at a comma, which may lie within quotes.
func sendmailAddressOf(text string) (a sendmailAddress, ok bool) {
	ended := false // by brackets or a comment
	for i := 0; i < len(text); i++ {
		if text[i] == ',' || i > 0 && strings.HasPrefix(text[i:], sendmailMore+", ") {
			if a.text = text[:i]; !ended {
				a.address = strings.TrimSpace(a.text)
			}
			return a, true
		}
		if ended && strings.IndexByte(" \t(<", text[i]) < 0 {
			a.wordsBehind = true
		}
		end := i
		switch text[i] {
		case '\\':
			end++
		case '"':
			end = closing(text, i, '"')
		case '(':
			if !ended {
				a.address, ended = strings.TrimSpace(text[:i]), true
			}
			end = closing(text, i, ')')
		case '<':
			if a.bracketed || i > 0 && text[i-1] == '=' {
				return a, false
			}
			if end = closing(text, i, '>'); end > i {
				a.address, a.bracketed, a.wordsBehind, ended = text[i+1:end], true, false, true
			}
		case '>', ')':
			return a, false
		}
		if end < 0 {
			return a, false
		}
		i = end
	}
	return a, false
}

// lostComma reports whether a copy lost the comma before the next field:
//
//	to=joe ctladdr=joe (1000/1000), delay=…
func (a *sendmailAddress) lostComma() bool {
	return !a.bracketed && strings.Contains(a.text, " ctladdr=") && strings.IndexByte(a.text, '"') < 0
}

// closing returns where the quotation mark, bracket or parenthesis at start is
// closed, or -1.
func closing(s string, start int, by byte) int {
	depth := 0
	for i := start + 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			i++
		case c == by && depth == 0:
			return i
		case by == '"':
		case c == '"':
			if i = closing(s, i, '"'); i < 0 {
				return -1
			}
		case by == ')' && c == '(':
			depth++
		case by == ')' && c == ')':
			depth--
		case by == '>' && c == '<':
			return -1
		}
	}
	return -1
}
