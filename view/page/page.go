// Package page arranges what people read as sections of sentences, tables and charts,
// and prints it as text, as an HTML file, as the HTML of a mail, or as a page of the
// web interface:
//
//	p := page.Page{Title: "Senders"}
//	s := page.NewSection("Last 7 days", "sender", "failed")
//	s.Row(page.Link{Text: sender, Href: "senders?name=" + url.QueryEscape(sender)}, 12)
//	p.Sections = append(p.Sections, s)
//
// Every text passes through shown when it is put into a section, so that control
// characters of strangers are visible and markup is only text.
package page

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"

	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/view/chart"
	"github.com/bouncetail/bouncetail/view/table"
)

// Page is a title with sections.
type Page struct {
	Title    string
	Subtitle string
	Sections []Section
	// Base is the URL of the web interface, with a slash at the end. HTML files and mails
	// link its pages, unless it is empty.
	Base string
}

// New starts a page.
func New(title, subtitle string) *Page {
	return &Page{Title: shown(title), Subtitle: shown(subtitle)}
}

// Add adds sections.
func (p *Page) Add(sections ...Section) { p.Sections = append(p.Sections, sections...) }

// Section is a part of a page: sentences, then figures or a table, then notes.
type Section struct {
	Title   string
	Text    []string
	Items   []string        // sentences of a list
	Half    bool            // two such sections are next to each other on a large screen
	Form    *Form           // shown by the web interface
	Figures []template.HTML // shown by HTML files and the web interface in the place of the table
	Heads   []string
	Rows    [][]Cell
	Code    []string // lines, shown by the web interface as they are
	Notes   []string
	More    *Cell  // a link to the next rows
	Links   []Link // shown by the web interface below the table
}

// Cell is a cell of a table: a text, a number, a line or a bar.
type Cell struct {
	Text   string
	Number bool    // aligned to the right
	Href   string  // a link of the web interface, relative to its root
	IsBar  bool    // drawn
	Bar    float64 // between 0 and 1
	// Spark is a drawing of Text for HTML files and the web interface.
	Spark template.HTML
	Head  string // of its column, see Table
	Class string // how it is drawn: see State and page.css
}

// Form asks for what a page shows.
type Form struct {
	Action string // relative to the root
	Fields []Field
	Button string // Show, if it is empty
	// Token of the browser. A form with one is sent by POST; it changes something.
	Token string
}

// Field is a field of a form.
type Field struct {
	Label, Name, Value string
	Options            []string // empty is any text
	Type               string   // hidden or password; empty is a text that is shown
	Complete           string   // what the browser may fill in, as the attribute autocomplete
}

// The values of cells beside numbers and texts.
type (
	// Bar is the length of a bar between 0 and 1.
	Bar float64
	// Spark is a small line of numbers.
	Spark []int64
	// Delta is a change that may be unknown: 0.5 is half more.
	Delta struct{ Share *float64 }
	// State is the state of an address.
	State string
	// Link is a text with a page, relative to the root of the web interface.
	Link struct{ Text, Href string }
)

// String writes a change in whole percents, and large ones as a factor.
func (d Delta) String() string {
	switch {
	case d.Share == nil:
		return ""
	case *d.Share >= 9.995:
		return "× " + text.Thousands(int64(math.Round(*d.Share+1)))
	}
	switch n := int64(math.Round(100 * *d.Share)); {
	case n > 0:
		return "+" + text.Thousands(n) + " %"
	case n < 0:
		return "−" + text.Thousands(-n) + " %"
	}
	return "±0 %"
}

// NewSection starts a section. The headings may all be empty.
func NewSection(title string, heads ...string) Section {
	return Section{Title: shown(title), Heads: heads}
}

// Say adds a sentence.
func (s *Section) Say(format string, args ...any) {
	s.Text = append(s.Text, shown(fmt.Sprintf(format, args...)))
}

// Item adds a sentence to the list.
func (s *Section) Item(format string, args ...any) {
	s.Items = append(s.Items, shown(fmt.Sprintf(format, args...)))
}

// Note adds a sentence below the table.
func (s *Section) Note(format string, args ...any) {
	s.Notes = append(s.Notes, shown(fmt.Sprintf(format, args...)))
}

// Sampled notes that the rows are of the last n of all; 0 is that they are of all.
func (s *Section) Sampled(n int, what string) {
	if n > 0 {
		s.Note("Of the last %s %s.", text.Thousands(int64(n)), what)
	}
}

// OrElse adds a sentence to a section without rows.
func (s Section) OrElse(sentence string) Section {
	if len(s.Rows) == 0 {
		s.Say("%s", sentence)
	}
	return s
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

// Shown returns a foreign text as pages show it, at most width columns of it.
func Shown(foreign string, width int) string { return text.Cut(shown(foreign), width) }

// Lines returns the lines of a text for Section.Code.
func Lines(code string) []string {
	var lines []string
	for line := range strings.SplitSeq(strings.TrimRight(code, "\n"), "\n") {
		lines = append(lines, shown(line))
	}
	return lines
}

// Row adds a row of texts, numbers, shares, changes, bars, small lines and links.
func (s *Section) Row(values ...any) {
	row := make([]Cell, len(values))
	for i, value := range values {
		row[i] = cellOf(value)
	}
	s.Rows = append(s.Rows, row)
}

func cellOf(value any) Cell {
	switch v := value.(type) {
	case int:
		return Cell{Text: text.Thousands(int64(v)), Number: true}
	case int64:
		return Cell{Text: text.Thousands(v), Number: true}
	case Delta:
		return Cell{Text: v.String(), Number: true}
	case table.Share:
		return Cell{Text: fmt.Sprintf("%.0f %%", 100*float64(v)), Number: true}
	case Spark:
		values := make([]float64, len(v))
		for k, n := range v {
			values[k] = float64(n)
		}
		return Cell{Text: text.Sparkline(v), Spark: chart.Spark("by day", values)}
	case Bar:
		return Cell{IsBar: true, Bar: min(max(float64(v), 0), 1)}
	case State:
		return Cell{Text: string(v), Class: "short state " + string(v)}
	case Link:
		return Cell{Text: shown(v.Text), Href: v.Href}
	}
	return Cell{Text: shown(fmt.Sprint(value))}
}

// numbers reports of each column whether it is aligned to the right: it has numbers and
// nothing else.
func (s Section) numbers() []bool {
	numbers := make([]bool, len(s.Heads))
	for i := range numbers {
		for _, row := range s.Rows {
			if row[i].Number {
				numbers[i] = true
			} else if row[i].Text != "" {
				numbers[i] = false
				break
			}
		}
	}
	return numbers
}

// Table returns the rows, with the heading of each cell.
func (s Section) Table() [][]Cell {
	numbers := s.numbers()
	rows := make([][]Cell, len(s.Rows))
	for i, row := range s.Rows {
		rows[i] = slices.Clone(row)
		for k := range row {
			c := &rows[i][k]
			c.Number, c.Head = numbers[k], s.Heads[k]
			if c.Number {
				c.Class = "number"
			} else if c.Class == "" && text.Columns(c.Text) <= shortText {
				c.Class = "short"
			}
		}
	}
	return rows
}

// shortText is the length of a text that is not broken into lines on a large screen.
const shortText = 24

// Head returns the headings, each aligned as its column.
func (s Section) Head() []Cell {
	heads := make([]Cell, len(s.Heads))
	numbers := s.numbers()
	for i, head := range s.Heads {
		heads[i] = Cell{Text: head, Number: numbers[i]}
	}
	return heads
}

// HasHeads reports whether a column has a heading.
func (s Section) HasHeads() bool { return strings.Join(s.Heads, "") != "" }

// Cards reports whether the table has too many columns for a telephone, which shows each
// row as a paragraph.
func (s Section) Cards() bool { return len(s.Heads) > 3 || len(s.Heads) == 3 && !s.HasHeads() }

// Percent is the length of a bar. One above 0 is visible.
func (c Cell) Percent() int { return int(math.Ceil(100 * c.Bar * (1 - 1e-9))) }
