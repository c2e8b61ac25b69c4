// Package text formats text and numbers for people, on a terminal or in a log.
package text

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// Printable makes characters visible that control a terminal or hide text: ESC becomes
// \x1b, a change of the direction \u202e, a byte that is not UTF-8 \xff. Tabs and line
// ends become spaces. Replies, addresses and file names can come from an attacker. What
// is shown to a person passes through this function, also in HTML.
func Printable(text string) string {
	if utf8.ValidString(text) && !strings.ContainsFunc(text, Obeyed) {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		switch {
		case r == '\t', r == '\n':
			b.WriteByte(' ')
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case !Obeyed(r):
			b.WriteRune(r)
		case r < utf8.RuneSelf:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r > 0xFFFF:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// PrintableLines is Printable for a text of several lines.
func PrintableLines(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = Printable(lines[i])
	}
	return strings.Join(lines, "\n")
}

// Obeyed reports whether r may control a terminal or hide text: control
// characters, and format characters such as those that change the direction of
// writing.
func Obeyed(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029'
}

// Columns returns the width of a text in columns of a terminal. East Asian wide
// characters take two (UAX #11), combining marks none.
func Columns(text string) int {
	n := 0
	for _, r := range text {
		n += runeColumns(r)
	}
	return n
}

func runeColumns(r rune) int {
	switch kind := width.LookupRune(r).Kind(); {
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case kind == width.EastAsianWide || kind == width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// Cut shortens a text to n columns; 0 leaves it whole.
func Cut(text string, n int) string {
	if n <= 0 || Columns(text) <= n {
		return text
	}
	used := 0
	for i, r := range text {
		if used += runeColumns(r); used >= n {
			return text[:i] + "…"
		}
	}
	return text
}

// Amount writes a number with its noun: 1 line, 3 lines.
func Amount(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	if strings.HasSuffix(of, "s") {
		of += "e"
	}
	return fmt.Sprintf("%s %ss", Thousands(int64(n)), of)
}

// Verb returns the form of a verb that agrees with n.
func Verb(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// Thousands writes a number with separators: 1,234,567.
func Thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Sparkline draws numbers as blocks of eight heights. A number above 0 is never
// drawn as 0.
func Sparkline(numbers []int64) string {
	const blocks = "▁▂▃▄▅▆▇█"
	heights := []rune(blocks)
	var most int64
	for _, n := range numbers {
		most = max(most, n)
	}
	line := make([]rune, len(numbers))
	for i, n := range numbers {
		switch n {
		case 0:
			line[i] = '·'
		default:
			line[i] = heights[(n*int64(len(heights))-1)/max(most, 1)]
		}
	}
	return string(line)
}

// Age writes a duration in its largest unit: 12 s, 5 min, 3 h, 12 days.
func Age(d time.Duration) string {
	switch {
	case d < 0:
		return "0 s"
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// Wrap breaks a text into lines of at most width columns; the second and later lines
// are indented. The caller has printed the indent of the first. A width of 0 leaves
// one line.
func Wrap(text string, width, indent int) string { return wrap(text, width, indent, indent) }

// Reflow wraps the paragraphs of a text at a width. Lines that begin with a space or an
// asterisk, as those of a list, are not changed.
func Reflow(text string, width int) string {
	var out, paragraph []string
	flush := func() {
		if len(paragraph) > 0 {
			out = append(out, Wrap(strings.Join(paragraph, " "), width, 0))
		}
		paragraph = nil
	}
	for line := range strings.SplitSeq(text, "\n") {
		if line == "" || line[0] == ' ' || line[0] == '*' {
			flush()
			out = append(out, line)
		} else {
			paragraph = append(paragraph, line)
		}
	}
	flush()
	return strings.Join(out, "\n")
}

// wrap is Wrap if the first line begins after used columns.
func wrap(text string, width, used, indent int) string {
	if width <= 0 || used+Columns(text) <= width {
		return text
	}
	var b strings.Builder
	for i, word := range words(text, width-indent) {
		w := Columns(word)
		switch {
		case i == 0:
		case used+1+w > width:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			used = indent
		default:
			b.WriteByte(' ')
			used++
		}
		b.WriteString(word)
		used += w
	}
	return b.String()
}

// words splits a text at its spaces. A word that is longer than a line is a name or a
// URL to be copied and stays whole, unless it is in a script that has no spaces.
func words(text string, width int) []string {
	var all []string
	for word := range strings.FieldsSeq(text) {
		for width > 1 && Columns(word) > width && strings.ContainsFunc(word, func(r rune) bool { return runeColumns(r) == 2 }) {
			end, used := 0, 0
			for i, r := range word {
				if used += runeColumns(r); used > width {
					break
				}
				end = i + utf8.RuneLen(r)
			}
			all, word = append(all, word[:end]), word[end:]
		}
		all = append(all, word)
	}
	return all
}

// Fault arranges an error message that is longer than a line: the fault first, then
// each next step, which follows a semicolon, on a separate line. A width of 0 leaves
// the message as it is.
func Fault(message string, width int) string {
	if width <= 0 {
		return message
	}
	var lines []string
	for line := range strings.SplitSeq(message, "\n") {
		if Columns(line) <= width {
			lines = append(lines, line)
			continue
		}
		indent := len(line) - len(strings.TrimLeft(line, " "))
		for i, part := range strings.Split(strings.TrimLeft(line, " "), "; ") {
			label := strings.Repeat(" ", indent)
			if i > 0 {
				label += "  "
			}
			lines = append(lines, label+wrap(part, width, len(label), indent+2))
		}
	}
	return strings.Join(lines, "\n")
}

// ShellQuote returns a text as one word of a shell command, without control characters.
func ShellQuote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("@.-_+", r)
	}
	if s == "" || s[0] == '-' || strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
		return "'" + strings.ReplaceAll(Printable(s), "'", `'\''`) + "'"
	}
	return s
}
