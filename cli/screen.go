package cli

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

// row adds a row; numbers, nil and text are told apart.
func (g *grid) row(cells ...any) {
	row := make([]string, len(g.heads))
	for i, cell := range cells {
		switch v := cell.(type) {
		case nil:
		case int:
			row[i] = text.Thousands(int64(v))
		case int64:
			row[i] = text.Thousands(v)
		case share:
			row[i] = fmt.Sprintf("%.1f %%", 100*v)
		default:
			row[i] = text.Printable(fmt.Sprint(v))
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
				if g.screen.width > 0 {
					cell = text.Cut(cell, max(20, g.screen.width-used))
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
		b.WriteString(g.screen.paint(style, strings.TrimRight(out.String(), " ")) + "\n")
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

// proseWidth is the width to which sentences are wrapped: that of the terminal, at
// most 100, and 0 in a pipe, which gets whole lines.
func (a *app) proseWidth() int { return min(a.screen().width, 100) }
