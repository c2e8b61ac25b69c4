package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/term"
	"golang.org/x/text/width"
)

// screen is where a command prints for people. Colour and width are those of
// the terminal, if it is one; a pipe gets plain text and whole lines.
type screen struct {
	out    io.Writer
	width  int // columns; 0 where it is no terminal
	colour bool
}

// screen returns standard output for people.
func (a *app) screen() *screen { return screenOf(a.stdout) }

func screenOf(w io.Writer) *screen {
	s := &screen{out: w}
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return s
	}
	s.width = 80
	if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
		s.width = width
	}
	// NO_COLOR: https://no-color.org
	s.colour = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return s
}

// The styles of paint (ECMA-48, Select Graphic Rendition).
const (
	bold   = "1"
	red    = "31"
	green  = "32"
	yellow = "33"
)

// paint puts a style around a text, on a terminal that may have it.
func (s *screen) paint(style, text string) string {
	if !s.colour || text == "" || style == "" {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

// printable replaces what a terminal would obey rather than show. What comes
// out of a log was cleaned when it was read; this is for everything else that
// strangers may have written, and once more for the log.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t', r == '\n':
			return ' '
		case r == utf8.RuneError, obeyed(r):
			return '?'
		}
		return r
	}, text)
}

// printableLines is printable for a text of several lines.
func printableLines(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = printable(lines[i])
	}
	return strings.Join(lines, "\n")
}

// obeyed reports what a terminal may obey: control characters, and marks that
// turn the direction of writing or are not seen.
func obeyed(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029'
}

// columns is how many columns of a terminal a text takes: letters of East Asia
// take two (UAX #11), marks that are set upon the letter before take none.
func columns(text string) int {
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

// cut shortens a text to n columns; 0 leaves it whole.
func cut(text string, n int) string {
	if n <= 0 || columns(text) <= n {
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

// grid gathers a table and prints it with its columns below one another. A
// column of numbers alone stands to the right, with separators. On a terminal
// the last column is cut at its edge.
type grid struct {
	screen *screen
	heads  []string
	rows   [][]string
	words  []bool // by column: it holds something else than numbers
}

func (s *screen) table(heads ...string) *grid {
	return &grid{screen: s, heads: heads, words: make([]bool, len(heads))}
}

// share is a part of a whole, between 0 and 1.
type share float64

// row adds a row; numbers, nil and text are told apart.
func (g *grid) row(cells ...any) {
	row := make([]string, len(g.heads))
	for i, cell := range cells {
		switch v := cell.(type) {
		case nil:
		case int:
			row[i] = thousands(int64(v))
		case int64:
			row[i] = thousands(v)
		case share:
			row[i] = fmt.Sprintf("%.1f %%", 100*v)
		default:
			row[i] = printable(fmt.Sprint(v))
			g.words[i] = true
		}
	}
	g.rows = append(g.rows, row)
}

// flush prints the table.
func (g *grid) flush() error {
	widths := make([]int, len(g.heads))
	for _, row := range append([][]string{g.heads}, g.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], columns(cell))
		}
	}
	var b strings.Builder
	line := func(row []string, style string) {
		var text strings.Builder
		used, last := 0, len(row)-1
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-columns(cell))
			switch {
			case !g.words[i] && len(g.rows) > 0:
				text.WriteString(pad + cell)
			case i == last:
				if g.screen.width > 0 {
					cell = cut(cell, max(20, g.screen.width-used))
				}
				text.WriteString(cell)
			default:
				text.WriteString(cell + pad)
			}
			if i < last {
				text.WriteString("  ")
				used += widths[i] + 2
			}
		}
		b.WriteString(g.screen.paint(style, strings.TrimRight(text.String(), " ")) + "\n")
	}
	if !slices.Equal(g.heads, make([]string, len(g.heads))) {
		line(g.heads, bold)
	}
	for _, row := range g.rows {
		line(row, "")
		if b.Len() > 1<<16 {
			if _, err := io.WriteString(g.screen.out, b.String()); err != nil {
				return err
			}
			b.Reset()
		}
	}
	_, err := io.WriteString(g.screen.out, b.String())
	return err
}

// objects writes one JSON object a line.
func (a *app) objects() *json.Encoder { return objects(a.stdout) }

func objects(w io.Writer) *json.Encoder {
	enc := json.NewEncoder(escaper{w})
	enc.SetEscapeHTML(false)
	return enc
}

// escaper escapes what a terminal may obey and encoding/json leaves as it is.
type escaper struct{ w io.Writer }

// Write takes whole lines of JSON, as its encoder writes them.
func (e escaper) Write(line []byte) (int, error) {
	strange := func(r rune) bool { return r != '\n' && obeyed(r) }
	if !bytes.ContainsFunc(line, strange) {
		return e.w.Write(line)
	}
	var b strings.Builder
	for _, r := range string(line) {
		if !strange(r) {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, "\\u%04x", unit)
		}
	}
	if _, err := io.WriteString(e.w, b.String()); err != nil {
		return 0, err
	}
	return len(line), nil
}

// printObjects prints each of some rows as a JSON object.
func printObjects[T any](a *app, rows []T) error {
	enc := a.objects()
	for i := range rows {
		if err := enc.Encode(&rows[i]); err != nil {
			return err
		}
	}
	return nil
}
