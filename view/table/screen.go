package table

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf16"

	"golang.org/x/term"

	"github.com/bouncetail/bouncetail/internal/text"
)

// Screen is an output for people. Colour and width are those of the terminal, if it
// is one; a pipe gets plain text and whole lines.
type Screen struct {
	Out    io.Writer
	Width  int // columns; 0 where it is no terminal
	Colour bool
}

// ScreenOf returns an output for people.
func ScreenOf(w io.Writer) *Screen {
	s := &Screen{Out: w}
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return s
	}
	s.Width = 80
	if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
		s.Width = width
	}
	// NO_COLOR: https://no-color.org
	s.Colour = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return s
}

// The styles of Paint (ECMA-48, Select Graphic Rendition).
const (
	Bold   = "1"
	Red    = "31"
	Green  = "32"
	Yellow = "33"
)

// Paint puts a style around a text, on a terminal that may have it.
func (s *Screen) Paint(style, text string) string {
	if !s.Colour || text == "" || style == "" {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

// Grid gathers a table and prints it with aligned columns. A column of numbers is
// aligned to the right, with separators. On a terminal the last column is wrapped.
type Grid struct {
	screen *Screen
	heads  []string
	rows   [][]string
	words  []bool // by column: it holds something else than numbers
}

// Grid starts a table with headings, which may all be empty.
func (s *Screen) Grid(heads ...string) *Grid {
	return &Grid{screen: s, heads: heads, words: make([]bool, len(heads))}
}

// Row adds a row of numbers, shares and texts; nil is an empty cell.
func (g *Grid) Row(cells ...any) {
	row := make([]string, len(g.heads))
	for i, cell := range cells {
		switch v := cell.(type) {
		case nil:
		case int:
			row[i] = text.Thousands(int64(v))
		case int64:
			row[i] = text.Thousands(v)
		case Share:
			row[i] = fmt.Sprintf("%.1f %%", 100*v)
		default:
			row[i] = text.Printable(fmt.Sprint(v))
			g.words[i] = true
		}
	}
	g.rows = append(g.rows, row)
}

// Flush prints the table.
func (g *Grid) Flush() error {
	widths := make([]int, len(g.heads))
	for _, row := range append([][]string{g.heads}, g.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], text.Columns(cell))
		}
	}
	var b strings.Builder
	line := func(row []string, style string) {
		var out strings.Builder
		used, last := 0, len(row)-1
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-text.Columns(cell))
			switch {
			case !g.words[i] && len(g.rows) > 0:
				out.WriteString(pad + cell)
			case i == last:
				if g.screen.Width > 0 {
					cell = text.Wrap(cell, max(used+20, g.screen.Width), used)
				}
				out.WriteString(cell)
			default:
				out.WriteString(cell + pad)
			}
			if i < last {
				out.WriteString("  ")
				used += widths[i] + 2
			}
		}
		b.WriteString(g.screen.Paint(style, strings.TrimRight(out.String(), " ")) + "\n")
	}
	if !slices.Equal(g.heads, make([]string, len(g.heads))) {
		line(g.heads, Bold)
	}
	for _, row := range g.rows {
		line(row, "")
		if b.Len() > 1<<16 {
			if _, err := io.WriteString(g.screen.Out, b.String()); err != nil {
				return err
			}
			b.Reset()
		}
	}
	_, err := io.WriteString(g.screen.Out, b.String())
	return err
}

// Objects writes one JSON object a line.
func Objects(w io.Writer) *json.Encoder {
	enc := json.NewEncoder(escaper{w})
	enc.SetEscapeHTML(false)
	return enc
}

// escaper escapes what a terminal may obey and encoding/json leaves as it is.
type escaper struct{ w io.Writer }

// Write takes whole lines of JSON, as its encoder writes them.
func (e escaper) Write(line []byte) (int, error) {
	strange := func(r rune) bool { return r != '\n' && text.Obeyed(r) }
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

// PrintObjects prints each of some rows as a JSON object.
func PrintObjects[T any](w io.Writer, rows []T) error {
	enc := Objects(w)
	for i := range rows {
		if err := enc.Encode(&rows[i]); err != nil {
			return err
		}
	}
	return nil
}

// ProseWidth is the width to which sentences are wrapped: that of the terminal, at
// most 100, and 0 in a pipe, which gets whole lines.
func (s *Screen) ProseWidth() int { return min(s.Width, 100) }

// Hang returns a label and a sentence that is wrapped beside it.
func (s *Screen) Hang(label, sentence string) string {
	return label + text.Wrap(sentence, s.ProseWidth(), text.Columns(label))
}

// Prose returns a sentence, wrapped on a terminal.
func (s *Screen) Prose(sentence string) string { return s.Hang("", sentence) }

// Remarks returns a writer of remarks and errors for people, a line or more a call. On
// a terminal they are wrapped; see text.Fault.
func Remarks(w io.Writer) io.Writer { return remarks{ScreenOf(w)} }

type remarks struct{ screen *Screen }

func (r remarks) Write(p []byte) (int, error) {
	said, end := strings.CutSuffix(string(p), "\n")
	said = text.Fault(said, r.screen.ProseWidth())
	if end {
		said += "\n"
	}
	_, err := io.WriteString(r.screen.Out, said)
	return len(p), err
}
