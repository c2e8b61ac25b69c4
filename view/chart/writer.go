package chart

import (
	"encoding/xml"
	"html/template"
	"strconv"
	"strings"
)

// writer writes elements and escapes every text. What it writes is both XML and HTML.
type writer struct{ b strings.Builder }

func (w *writer) html() template.HTML { return template.HTML(w.b.String()) } //nolint:gosec // every text is escaped

// open begins an element. Attributes are pairs of a name and a value, which is a string
// or a number; numbers have at most one decimal.
func (w *writer) open(name string, attributes ...any) {
	w.begin(name, attributes)
	w.b.WriteByte('>')
}

func (w *writer) end(name string) { w.b.WriteString("</" + name + ">") }

// empty writes an element without content. It is only for SVG: in HTML a slash does not
// close an element.
func (w *writer) empty(name string, attributes ...any) {
	w.begin(name, attributes)
	w.b.WriteString("/>")
}

// element writes an element that contains a text.
func (w *writer) element(name, text string, attributes ...any) {
	w.open(name, attributes...)
	w.text(text)
	w.end(name)
}

func (w *writer) begin(name string, attributes []any) {
	w.b.WriteString("<" + name)
	for i := 0; i+1 < len(attributes); i += 2 {
		w.b.WriteString(" " + attributes[i].(string) + `="`)
		switch v := attributes[i+1].(type) {
		case string:
			w.text(v)
		case float64:
			w.b.WriteString(number(v))
		case int:
			w.b.WriteString(strconv.Itoa(v))
		}
		w.b.WriteByte('"')
	}
}

// text writes a text or the value of an attribute. Characters that XML forbids, such as
// NUL and ESC, become U+FFFD.
func (w *writer) text(text string) {
	_ = xml.EscapeText(&w.b, []byte(text)) // a Builder returns no error
}

// raw writes markup of this package.
func (w *writer) raw(markup string) { w.b.WriteString(markup) }

// number writes a coordinate with at most one decimal.
func number(v float64) string {
	return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0")
}
