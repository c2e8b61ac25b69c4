package privacy

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/bouncetail/bouncetail/bounce"
)

// gone replaces an address that was forgotten.
const gone = "[forgotten]"

// Traces finds the addresses of some people in texts, in the forms in which logs and
// replies write them:
//
//	550 5.1.1 <Jane@Example.COM>: user unknown
//	list-bounces+jane=example.com@lists.example    VERP, in senders
//	SRS0=Xy1z=AB=example.com=jane@forward.example  SRS, in senders
//	https://help.example/?to=jane%40example.com
//
// The work for a text does not grow with the number of addresses. A local part
// without its domain ("no mailbox jane here") is not found: it may be somebody
// else's, or a word.
type Traces struct {
	locals map[string][]string // by domain, both in lower case
	users  map[string]struct{} // local users, who have no domain
}

// NewTraces returns the traces of people. Spellings are further ways to write their
// addresses.
func NewTraces(people []bounce.Address, spellings []string) *Traces {
	t := &Traces{locals: make(map[string][]string), users: make(map[string]struct{})}
	for _, p := range people {
		t.add(p.Normal)
	}
	for _, s := range spellings {
		t.add(s)
	}
	return t
}

func (t *Traces) add(address string) {
	address = strings.ToLower(address)
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		t.users[address] = struct{}{}
		return
	}
	local, domain := address[:at], address[at+1:]
	t.locals[domain] = append(t.locals[domain], local)
}

// Scrub replaces each address in a text and reports whether there was one.
func (t *Traces) Scrub(text string) (string, bool) {
	lower := bounce.Lower(text)
	if _, found := t.users[strings.Trim(lower, "<>")]; found {
		return gone, true
	}
	var out strings.Builder
	done := 0
	for i := 0; i < len(lower); i++ {
		start, end, found := t.at(lower, i)
		if !found || start < done {
			continue
		}
		out.WriteString(text[done:start])
		out.WriteString(gone)
		done = end
		i = end - 1
	}
	if done == 0 {
		return text, false
	}
	out.WriteString(text[done:])
	return out.String(), true
}

// at finds the address whose @, or its substitute, is at i.
func (t *Traces) at(lower string, i int) (start, end int, found bool) {
	after := i + 1
	switch {
	case lower[i] == '@':
	case lower[i] == '=':
		if start, end, found = t.reversed(lower, i); found {
			return start, end, true
		}
	case strings.HasPrefix(lower[i:], "%40"):
		after = i + 3
	default:
		return 0, 0, false
	}
	for _, end := range domainEnds(lower, after) {
		for _, local := range t.locals[lower[after:end]] {
			if start := i - len(local); strings.HasSuffix(lower[:i], local) && beginsAt(lower, start, lower[i]) {
				return start, end, true
			}
		}
	}
	return 0, 0, false
}

// reversed finds domain=local, as SRS writes it, around the = at i.
func (t *Traces) reversed(lower string, i int) (start, end int, found bool) {
	start = i
	for start > 0 && inDomain(lower[start-1]) {
		start--
	}
	for _, local := range t.locals[lower[start:i]] {
		end = i + 1 + len(local)
		if strings.HasPrefix(lower[i+1:], local) && (end == len(lower) || !inLocal(lower[end])) {
			return start, end, true
		}
	}
	return 0, 0, false
}

// domainEnds returns where a domain that begins at start may end. Bytes that are not
// ASCII may be part of it, or a quotation mark.
func domainEnds(lower string, start int) [2]int {
	end := start
	for end < len(lower) && inDomain(lower[end]) {
		end++
	}
	ascii := start
	for ascii < end && lower[ascii] < 0x80 {
		ascii++
	}
	return [2]int{
		start + len(strings.TrimRight(lower[start:end], ".-")),
		start + len(strings.TrimRight(lower[start:ascii], ".-")),
	}
}

func inDomain(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '.' || c == '-' || c == '_' || c >= 0x80
}

func inLocal(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("._-+%", c) >= 0
}

// beginsAt reports whether no longer local part ends with the one at start.
func beginsAt(lower string, start int, separator byte) bool {
	if start == 0 || !inLocal(lower[start-1]) {
		return true
	}
	switch separator {
	case '=': // of VERP, after + or -
		return lower[start-1] == '+' || lower[start-1] == '-'
	case '%': // an encoded < or quotation mark
		return start >= 3 && lower[start-3] == '%'
	}
	return false
}

// HasLocalUsers reports whether one of the people is a local user, who has no domain.
func (t *Traces) HasLocalUsers() bool { return len(t.users) > 0 }

// FoundIn reports whether the bytes of an address, with its domain, are anywhere in a
// file. It may mistake one address for another that ends with it.
func (t *Traces) FoundIn(file io.Reader) (bool, error) {
	var forms [][]byte
	longest := 0
	for domain, locals := range t.locals {
		for _, local := range locals {
			for _, form := range []string{local + "@" + domain, local + "=" + domain, domain + "=" + local, local + "%40" + domain} {
				forms = append(forms, []byte(form))
				longest = max(longest, len(form))
			}
		}
	}
	const size = 1 << 20
	buffer := make([]byte, 0, size+longest)
	for {
		n, err := io.ReadFull(file, buffer[len(buffer):len(buffer)+size])
		buffer = buffer[:len(buffer)+n]
		lower := []byte(bounce.LowerASCII(string(buffer)))
		for _, form := range forms {
			if bytes.Contains(lower, form) {
				return true, nil
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		buffer = buffer[:copy(buffer, buffer[len(buffer)-min(longest, len(buffer)):])]
	}
}
