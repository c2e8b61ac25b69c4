package page

import (
	"io"
	"math"
	"strings"

	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/view/table"
)

// The length of the longest bar in text.
const (
	fewestBlocks = 8
	mostBlocks   = 20
)

// barText draws a bar of blocks. One above 0 has at least one block.
func barText(share float64, longest int) string {
	return strings.Repeat("█", int(math.Ceil(float64(longest)*share*(1-1e-9))))
}

// PrintText prints a page for a terminal or a mail, in lines of at most width
// columns. The style may be that of a terminal.
func (p *Page) PrintText(screen *table.Screen, width int) error {
	var b strings.Builder
	title := p.Title
	if pad := width - text.Columns(p.Title) - text.Columns(p.Subtitle); pad > 1 {
		title += strings.Repeat(" ", pad) + p.Subtitle
	} else {
		title += "\n" + text.Wrap(p.Subtitle, width, 0)
	}
	b.WriteString(screen.Paint(table.Bold, title) + "\n")
	for i := range p.Sections {
		s := &p.Sections[i]
		b.WriteString("\n" + screen.Paint(table.Bold, s.Title) + "\n")
		sentences(&b, "", s.Text, width)
		sentences(&b, "- ", s.Items, width)
		s.printRows(&b, width)
		sentences(&b, "", s.Notes, width)
	}
	_, err := io.WriteString(screen.Out, b.String())
	return err
}

// sentences prints each behind a mark, on lines that are indented by its width.
func sentences(b *strings.Builder, mark string, list []string, width int) {
	indent := len(mark)
	for _, sentence := range list {
		for word := range strings.FieldsSeq(sentence) {
			if text.Columns(word) > width-indent { // a foreign word may be of any length
				sentence = strings.ReplaceAll(sentence, word, text.Cut(word, width-indent))
			}
		}
		b.WriteString(mark + text.Wrap(sentence, width, indent) + "\n")
	}
}

// printRows prints the table of a section.
func (s *Section) printRows(b *strings.Builder, width int) {
	if len(s.Rows) == 0 {
		return
	}
	widths := s.fit(width)
	rows := s.Table()
	if s.HasHeads() {
		rows = append([][]Cell{s.Head()}, rows...)
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
func (s *Section) fit(width int) []int {
	widths := make([]int, len(s.Heads))
	left := width - 2*(len(widths)-1)
	bars := -1 // the column of bars
	numbers := s.numbers()
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
			if !numbers[i] && !c.IsBar && widths[i] > 1 && (longest < 0 || widths[i] > widths[longest]) {
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
