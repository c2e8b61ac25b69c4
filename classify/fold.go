package classify

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// fold appends to dst the form of a reply by which verdicts are remembered and
// that rules read: lower case, one space, and without what differs from one
// message to the next.
//
//	550-5.1.1 The account a@b.example does not exist. 550 5.1.1 k9-20020a1a gsmtp
//	550 5.1.1 the account <> does not exist. #-# gsmtp
//
// Addresses and what stands in angle brackets become <>, queue IDs, IPs, times
// and other numbers #, a host before its [IP] too. SMTP codes, enhanced codes
// and marks such as [CS01], S3150 or OFR_417 stay. So the shapes are few, and
// what a rule may not depend on is gone before it can.
func fold(dst []byte, text string) []byte { return foldFor(dst, text, names{}) }

func foldFor(dst []byte, text string, n names) []byte {
	if strings.IndexByte(text, '&') >= 0 {
		text = entities.Replace(text)
	}
	f := folding{out: dst, in: text, names: n}
	for f.at < len(text) {
		switch c := text[f.at]; {
		case c >= utf8.RuneSelf:
			f.rune()
		case alnum[c]:
			f.word()
		case c <= ' ':
			f.space()
			f.at++
		case c == '<':
			f.bracket()
		case c == '@':
			f.address()
		case c == '[':
			f.literal()
		default:
			if c == '`' {
				c = '\''
			}
			f.put(c)
			f.at++
		}
	}
	return bytes.TrimSuffix(f.out, []byte(" "))
}

// folding is a reply on its way through fold.
type folding struct {
	out  []byte
	in   string
	at   int
	many bool // the reply has several lines, each with its code
	names
}

func (f *folding) put(c byte) { f.out = append(f.out, c) }

func (f *folding) space() {
	if n := len(f.out); n > 0 && f.out[n-1] != ' ' {
		f.put(' ')
	}
}

// rune takes over a letter of another alphabet.
func (f *folding) rune() {
	r, n := utf8.DecodeRuneInString(f.in[f.at:])
	f.at += n
	switch {
	case r == '’' || r == '‘' || r == '´':
		f.put('\'')
	case r == '“' || r == '”' || r == '„' || r == '«' || r == '»':
		f.put('"')
	case unicode.IsSpace(r):
		f.space()
	case fullWidth[r] != 0:
		f.put(fullWidth[r])
	default:
		f.out = utf8.AppendRune(f.out, unicode.ToLower(r))
	}
}

// fullWidth are the marks of Chinese and Japanese that separate clauses.
var fullWidth = map[rune]byte{'，': ',', '、': ',', '。': '.', '：': ':', '；': ';', '（': '(', '）': ')', '！': '!', '？': '?'}

// word takes a run of letters and digits: a word, a number, a mark or an id.
func (f *folding) word() {
	start := f.at
	if f.domain != "" && f.name() {
		return
	}
	end := start
	for end < len(f.in) && letter[f.in[end]] {
		end++
	}
	if end == len(f.in) || !digit[f.in[end]] { // a word, as nearly all are
		f.at = end
		f.lower(start)
		return
	}
	digits := end // where the digits behind the letters end
	for digit[byteAt(f.in, digits)] {
		digits++
	}
	f.at = digits
	for alnum[byteAt(f.in, f.at)] {
		f.at++
	}
	const longestMark = 9
	switch {
	case end == start && f.at == digits:
		f.number(start)
	case end > start && f.at == digits && f.at-start <= longestMark && !f.isLabel(start, f.at):
		f.lower(start) // a mark such as S3150
	default:
		f.put('#')
	}
}

// entities decodes the character references of HTML that replies hold.
var entities = strings.NewReplacer(
	"&#39;", "'", "&#x27;", "'", "&#X27;", "'", "&apos;", "'", "&#8217;", "'", "&rsquo;", "'", "&quot;", "\"", "&#34;", "\"",
	"&lt;", "<", "&gt;", ">", "&#60;", "<", "&#62;", ">", "&amp;", "&", "&nbsp;", " ", "&#160;", " ", "&#64;", "@", "&commat;", "@",
)

// lower takes letters from start on.
func (f *folding) lower(start int) {
	n := len(f.out)
	f.out = append(f.out, f.in[start:f.at]...)
	for i := n; i < len(f.out); i++ {
		f.out[i] |= 0x20
	}
}

// isLabel reports whether a word is a part of a host name or of an id.
func (f *folding) isLabel(start, end int) bool {
	joins := func(c byte) bool { return c == '.' || c == '-' }
	return end+1 < len(f.in) && joins(f.in[end]) && alnum[f.in[end+1]] ||
		start > 1 && joins(f.in[start-1]) && alnum[f.in[start-2]]
}

// number takes a run of digits that starts at start, with the numbers that
// follow it after dots.
func (f *folding) number(start int) {
	parts := 1
	for byteAt(f.in, f.at) == '.' && digit[byteAt(f.in, f.at+1)] {
		parts++
		for f.at++; digit[byteAt(f.in, f.at)]; f.at++ {
		}
	}
	n := f.in[start:f.at]
	ofReply := n[0] == '2' || n[0] == '4' || n[0] == '5'
	ofMark := byteAt(f.in, start-1) == '_' && (len(n) <= 3 || len(n) == 4 && n[:2] == "00")
	switch {
	case parts == 1 && ofReply && len(n) == 3:
		f.code(n)
	case parts == 1 && ofMark: // OFR004_104, XGEMAIL_0011
		f.out = append(f.out, n...)
	case parts == 3 && ofReply && n[1] == '.' && len(n) <= len("5.123.123"):
		f.out = append(f.out, n...)
	default:
		f.put('#')
	}
}

// code takes a number that may be an SMTP code. Those that open the further
// lines of a reply are left out: they would stand between the words.
func (f *folding) code(n string) {
	follows := byteAt(f.in, f.at)
	opens := len(f.out) == 0 || f.out[len(f.out)-1] == ' '
	switch {
	case follows == '-' && opens:
		if len(f.out) == 0 {
			f.out = append(append(f.out, n...), ' ')
			f.at++
			f.many = true
			return
		}
		f.at++
		f.skipEnhanced()
	case f.many && opens && follows == ' ' && string(f.out[:3]) == n:
		f.at++
		f.skipEnhanced()
	default:
		f.out = append(f.out, n...)
	}
}

// skipEnhanced leaves out an enhanced code that is the reply's own again.
func (f *folding) skipEnhanced() {
	rest := f.in[f.at:]
	if len(f.out) < 9 || f.out[5] != '.' {
		return
	}
	own := f.out[4:]
	if end := bytes.IndexByte(own, ' '); end > 0 && strings.HasPrefix(rest, string(own[:end])) {
		f.at += end
	}
}

// bracket takes <…> for an address.
func (f *folding) bracket() {
	const longest = 320 // RFC 3696, erratum 1690: 64 + 1 + 255
	end := strings.IndexAny(f.in[f.at+1:], "<> ")
	if end < 0 || end > longest || f.in[f.at+1+end] != '>' {
		f.put('<')
		f.at++
		return
	}
	inside := f.in[f.at+1 : f.at+1+end]
	f.takeAddress(inside)
	f.at += end + 2
}

// longestLocalPart is that of RFC 5321.
const longestLocalPart = 64

// address takes the word around an @ for an address.
func (f *folding) address() {
	n := len(f.out)
	for n > 0 && !strings.ContainsRune(" <(\"'[:;,=", rune(f.out[n-1])) {
		n--
	}
	end := f.at + 1
	for f.goesOn(end) || byteAt(f.in, end) >= utf8.RuneSelf {
		end++
	}
	start := f.at
	for start > 0 && f.at-start < longestLocalPart && f.in[start-1] > ' ' && strings.IndexByte("<(\"'[:;,=", f.in[start-1]) < 0 {
		start--
	}
	f.out = f.out[:n]
	f.takeAddress(f.in[start:end])
	f.at = end
}

// literal takes [IP] for #, and the name of the host that stands before it.
func (f *folding) literal() {
	end := f.at + 1
	for c := byteAt(f.in, end); alnum[c] || c == '.' || c == ':'; c = byteAt(f.in, end) {
		end++
	}
	inside := f.in[f.at+1 : end]
	isIP := strings.Count(inside, ".") == 3 || strings.Count(inside, ":") >= 2
	if byteAt(f.in, end) != ']' || !isIP {
		f.put('[')
		f.at++
		return
	}
	n := len(f.out)
	for n > 0 && (alnum[f.out[n-1]] || strings.IndexByte("#.-_", f.out[n-1]) >= 0) {
		n--
	}
	if host := string(f.out[n:]); strings.Contains(strings.TrimSuffix(host, "."), ".") {
		f.out = append(f.out[:n], '#')
	}
	f.out = append(f.out, '[', '#', ']')
	f.at = end + 1
}

// withoutURLs cuts the URLs out of a folded text, because their words are not
// the reply's: a link to /spam/policy says nothing of spam.
func withoutURLs(text string) string {
	for from := 0; ; {
		at := strings.Index(text[from:], "://")
		if at < 0 {
			return text
		}
		start := from + at
		for start > 0 && letter[text[start-1]] {
			start--
		}
		end := from + at
		for end < len(text) && strings.IndexByte(" >)\"", text[end]) < 0 {
			end++
		}
		text = text[:start] + "(url)" + text[end:]
		from = start + len("(url)")
	}
}
