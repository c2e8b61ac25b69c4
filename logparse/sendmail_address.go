package logparse

import (
	"strings"

	"github.com/bouncetail/bouncetail/internal/lazyre"
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
var sendmailListEnds = [...]string{", delay=", ", xdelay=", ", cdelay=", ", ctladdr=", ", size=", ", mailer=", ", relay=", ", dsn=", ", stat="}

// fieldOfSendmail matches a field without an address, or one that lost its name.
var fieldOfSendmail = lazyre.New(`^ *(?:[a-z_]+=[^@<>"]*|(?:\d+\+)?\d\d:\d\d:\d\d)$`)

// cutSendmailAddresses takes a list of addresses off the front of a line, up to
// the next field. It returns false if a quotation mark, a bracket or a parenthesis
// is not closed: a long list is cut at a comma, which may lie within quotes. It also
// returns false if what looks like a field is within the list, as in "<a@b>, to=<c@d>":
// Sendmail writes no such line, unless an address contains the rest of it. Words behind
// an address in brackets, or behind a comment, make it another address or none.
func cutSendmailAddresses(line string) (addresses []string, rest string, ok bool) {
	start := 0     // of the address
	bracket := ""  // what its last angle brackets hold
	found := false // there were some
	comment := -1  // where its first comment begins
	more := false  // words follow these
	for i := 0; i < len(line); i++ {
		end := i
		if strings.HasPrefix(line[i:], " [more], ") && i > 0 && line[i-1] != ',' {
			line = line[:i] + "," + line[i:] // of a copy: Sendmail cuts behind a comma
		}
		if (found || comment >= 0) && strings.IndexByte(" \t(<,", line[i]) < 0 {
			more = true
		}
		switch line[i] {
		case '\\':
			i++
		case '"':
			end = closing(line, i, '"')
		case '(':
			if comment < 0 {
				comment = i
			}
			end = closing(line, i, ')')
		case '<':
			if found || i > 0 && line[i-1] == '=' {
				return nil, line, false
			}
			if end = closing(line, i, '>'); end > i {
				bracket, found, more = line[i+1:end], true, false
			}
		case '>', ')':
			return nil, line, false
		case ',':
			text := line[start:i]
			if len(addresses) > 0 && fieldOfSendmail.MatchString(text) {
				return addresses, line[start-1:], true // a field that is not known, or behind two spaces
			}
			if more || !found && strings.Contains(text, " ctladdr=") && strings.IndexByte(text, '"') < 0 {
				return nil, line, false
			}
			if comment >= 0 {
				text = line[start:comment]
			}
			if text = strings.TrimSpace(text); found {
				text = bracket
			}
			addresses = append(addresses, text)
			if rest, ok := strings.CutPrefix(line[i:], ", [more]"); ok {
				return addresses, rest, true
			}
			for _, field := range sendmailListEnds {
				if strings.HasPrefix(line[i:], field) {
					return addresses, line[i:], true
				}
			}
			start, bracket, found, comment = i+1, "", false, -1
		}
		if end < 0 {
			return nil, line, false
		}
		i = max(i, end)
	}
	return nil, line, false
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
