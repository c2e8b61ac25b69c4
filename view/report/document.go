package report

import (
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"

	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/view/chart"
	"github.com/bouncetail/bouncetail/view/table"
)

// document is a report as sections of sentences and tables, which are printed as text
// or as HTML. Control characters in foreign text are replaced when it is put in.
type document struct {
	Title    string
	Subtitle string
	Sections []section
}

type section struct {
	Title   string
	Text    []string
	Figures []template.HTML // shown by HTML files in the place of the table
	Heads   []string
	Rows    [][]cell
	Notes   []string // below the table
}

// cell is a cell of a table: a text, a number, or a bar.
type cell struct {
	Text   string
	Number bool    // aligned to the right
	IsBar  bool    // drawn
	Bar    float64 // between 0 and 1
	// Spark is a drawing of Text for HTML files.
	Spark template.HTML
}

// spark is a small line of numbers.
type spark []int64

// Head returns the headings, each aligned as its column.
func (s section) Head() []cell {
	heads := make([]cell, len(s.Heads))
	for i, head := range s.Heads {
		heads[i] = cell{Text: head, Number: s.Rows[0][i].Number}
	}
	return heads
}

// HasHeads reports whether a column has a heading.
func (s section) HasHeads() bool { return strings.Join(s.Heads, "") != "" }

// bar is the length of a bar between 0 and 1.
type bar float64

// delta is a change that may be unknown: 0.5 is half more.
type delta struct{ share *float64 }

// String writes a change in whole percents, and large ones as a factor.
func (c delta) String() string {
	switch {
	case c.share == nil:
		return ""
	case *c.share >= 9.995:
		return "× " + text.Thousands(int64(math.Round(*c.share+1)))
	}
	switch n := int64(math.Round(100 * *c.share)); {
	case n > 0:
		return "+" + text.Thousands(n) + " %"
	case n < 0:
		return "−" + text.Thousands(-n) + " %"
	}
	return "±0 %"
}

// newSection starts a section.
func newSection(title string, heads ...string) section { return section{Title: title, Heads: heads} }

// say adds a sentence.
func (s *section) say(format string, args ...any) {
	s.Text = append(s.Text, shown(fmt.Sprintf(format, args...)))
}

// note adds a sentence below the table.
func (s *section) note(format string, args ...any) {
	s.Notes = append(s.Notes, shown(fmt.Sprintf(format, args...)))
}

// shown returns a foreign text as it is shown: without control characters, and not
// longer than a page can bear.
func shown(foreign string) string {
	const most = 2000 // bytes
	if len(foreign) > most {
		foreign = strings.ToValidUTF8(foreign[:most], "") + "…"
	}
	return text.Printable(foreign)
}

// row adds a row of texts, numbers, changes, bars and small lines.
func (s *section) row(values ...any) {
	row := make([]cell, len(values))
	for i, value := range values {
		switch v := value.(type) {
		case int:
			row[i] = cell{Text: text.Thousands(int64(v)), Number: true}
		case int64:
			row[i] = cell{Text: text.Thousands(v), Number: true}
		case delta:
			row[i] = cell{Text: v.String(), Number: true}
		case table.Share:
			row[i] = cell{Text: fmt.Sprintf("%.0f %%", 100*float64(v)), Number: true}
		case spark:
			values := make([]float64, len(v))
			for k, n := range v {
				values[k] = float64(n)
			}
			row[i] = cell{Text: Sparkline(v), Spark: chart.Spark("by day", values)}
		case bar:
			row[i] = cell{IsBar: true, Bar: min(max(float64(v), 0), 1)}
		default:
			row[i] = cell{Text: shown(fmt.Sprint(v))}
		}
	}
	s.Rows = append(s.Rows, row)
}

// The length of the longest bar in text.
const (
	fewestBlocks = 8
	mostBlocks   = 20
)

// barText draws a bar of blocks. One above 0 has at least one block.
func barText(share float64, longest int) string {
	return strings.Repeat("█", int(math.Ceil(float64(longest)*share*(1-1e-9))))
}

// printText prints a document for a terminal or a mail, in lines of at most width
// columns. The style may be that of a terminal.
func (d *document) printText(out io.Writer, screen *table.Screen, width int) error {
	var b strings.Builder
	title := d.Title
	if pad := width - text.Columns(d.Title) - text.Columns(d.Subtitle); pad > 1 {
		title += strings.Repeat(" ", pad) + d.Subtitle
	} else {
		title += "\n" + text.Wrap(d.Subtitle, width, 0)
	}
	b.WriteString(screen.Paint(table.Bold, title) + "\n")
	for i := range d.Sections {
		s := &d.Sections[i]
		b.WriteString("\n" + screen.Paint(table.Bold, s.Title) + "\n")
		sentences(&b, s.Text, width)
		s.printRows(&b, width)
		sentences(&b, s.Notes, width)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func sentences(b *strings.Builder, list []string, width int) {
	for _, sentence := range list {
		for word := range strings.FieldsSeq(sentence) {
			if text.Columns(word) > width { // a foreign word may be of any length
				sentence = strings.ReplaceAll(sentence, word, text.Cut(word, width))
			}
		}
		b.WriteString(text.Wrap(sentence, width, 0) + "\n")
	}
}

// printRows prints the table of a section.
func (s *section) printRows(b *strings.Builder, width int) {
	if len(s.Rows) == 0 {
		return
	}
	widths := s.fit(width)
	rows := s.Rows
	if s.HasHeads() {
		rows = append([][]cell{s.Head()}, rows...)
	}
	for _, row := range rows {
		var line strings.Builder
		for i, c := range row {
			content := text.Cut(c.Text, widths[i])
			if c.IsBar {
				content = barText(c.Bar, widths[i])
			}
			pad := strings.Repeat(" ", widths[i]-text.Columns(content))
			if c.Number {
				line.WriteString(pad + content + "  ")
			} else {
				line.WriteString(content + pad + "  ")
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

// fit returns the widths of the columns. The widest columns of text are narrowed until
// a line fits; bars take what is left.
func (s *section) fit(width int) []int {
	widths := make([]int, len(s.Heads))
	left := width - 2*(len(widths)-1)
	bars := -1 // the column of bars
	for i := range widths {
		widths[i] = text.Columns(s.Heads[i])
		for _, row := range s.Rows {
			widths[i] = max(widths[i], text.Columns(row[i].Text))
		}
		if s.Rows[0][i].IsBar {
			bars, widths[i] = i, max(widths[i], fewestBlocks)
		}
		left -= widths[i]
	}
	for ; left < 0; left++ {
		longest := -1
		for i, c := range s.Rows[0] {
			if !c.Number && !c.IsBar && widths[i] > 1 && (longest < 0 || widths[i] > widths[longest]) {
				longest = i
			}
		}
		if longest < 0 {
			break
		}
		widths[longest]--
	}
	if bars >= 0 && left > 0 {
		widths[bars] = min(widths[bars]+left, max(widths[bars], mostBlocks))
	}
	return widths
}
