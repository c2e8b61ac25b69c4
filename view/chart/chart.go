// Package chart draws numbers as SVG: lines, stacked areas, stacked bars, heat strips
// and sparklines. The same text is used in a page, a report and on paper. It needs no
// script and no other file.
//
// A Chart holds numbers and the words around them. Lines, Areas, Bars and Heat draw it;
// Figure adds a caption and a table of the numbers:
//
//	c := chart.Chart{
//		ID: "failed", Title: "Failed attempts by day", Unit: "attempts",
//		Labels: []string{"Mon 23", "Tue 24"},
//		Series: []chart.Series{{"deferred", []float64{12, 8}}, {"bounced", []float64{3, 5}}},
//	}
//	html := c.Figure(c.Bars())
//
// The elements have class names and no colours; CSS has the colours, as variables for
// light and dark. Series also differ in dashes, marks and patterns, so that a chart can
// be read without colour.
//
// Numbers are at least 0; a negative one is drawn as 0. NaN and infinities are missing.
// Markup in titles, labels and names is escaped. Characters that change the direction of
// writing are not: the caller replaces them in foreign text.
package chart

import (
	_ "embed"
	"html/template"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// CSS is the style of all charts.
//
//go:embed chart.css
var CSS string

// Chart is what a chart shows.
type Chart struct {
	ID     string   // unique in the page: a letter, then letters, digits and hyphens
	Title  string   // what is shown, in a few words
	Desc   string   // what can be seen, in a sentence
	Unit   string   // of the values, such as "attempts" or "%"
	Labels []string // of the values, in their order
	Series []Series
}

// Series is a row of values. One that is shorter than the labels lacks the last ones.
type Series struct {
	Name   string
	Values []float64
}

// value returns a value as it is drawn; ok is false if it is missing.
func (s *Series) value(i int) (v float64, ok bool) {
	if i < 0 || i >= len(s.Values) || math.IsNaN(s.Values[i]) || math.IsInf(s.Values[i], 0) {
		return 0, false
	}
	return max(s.Values[i], 0), true
}

// points returns the number of places on the horizontal axis.
func (c *Chart) points() int {
	n := len(c.Labels)
	for i := range c.Series {
		n = max(n, len(c.Series[i].Values))
	}
	return n
}

func (c *Chart) label(i int) string {
	if i < len(c.Labels) {
		return c.Labels[i]
	}
	return ""
}

// noData reports whether there is no value at all.
func (c *Chart) noData() bool {
	for i := range c.Series {
		for k := range c.Series[i].Values {
			if _, ok := c.Series[i].value(k); ok {
				return false
			}
		}
	}
	return true
}

// most returns the largest value, or the largest sum of a place if the series are
// stacked.
func (c *Chart) most(stacked bool) (most float64) {
	for i := range c.points() {
		sum := 0.0
		for k := range c.Series {
			v, _ := c.Series[k].value(i)
			if !stacked {
				most = max(most, v)
			}
			sum += v
		}
		if stacked {
			most = max(most, sum)
		}
	}
	return min(most, math.MaxFloat64/2)
}

// whole reports whether all values are whole numbers, which have no tick between them.
func (c *Chart) whole() bool {
	for i := range c.Series {
		for k := range c.Series[i].Values {
			if v, _ := c.Series[i].value(k); v != math.Trunc(v) {
				return false
			}
		}
	}
	return true
}

// Figure puts a drawing of the chart into a figure, with a caption and the numbers.
func (c *Chart) Figure(drawing template.HTML) template.HTML {
	w := &writer{}
	w.open("figure", "class", "chart")
	w.open("figcaption")
	w.element("strong", c.Title)
	w.text(" " + c.Desc)
	w.end("figcaption")
	w.raw(string(drawing))
	w.open("details")
	w.element("summary", "Numbers")
	w.raw(string(c.Table()))
	w.end("details")
	w.end("figure")
	return w.html()
}

// Table returns the numbers as a table, a row for each label.
func (c *Chart) Table() template.HTML {
	w := &writer{}
	w.open("table")
	caption := c.Title
	if c.Unit != "" {
		caption += " (" + c.Unit + ")"
	}
	w.element("caption", caption)
	w.open("thead")
	w.open("tr")
	w.element("td", "")
	for i := range c.Series {
		w.element("th", c.Series[i].Name, "scope", "col")
	}
	w.end("tr")
	w.end("thead")
	w.open("tbody")
	for i := range c.points() {
		w.open("tr")
		w.element("th", c.label(i), "scope", "row")
		for k := range c.Series {
			shown := "–"
			if v, ok := c.Series[k].value(i); ok {
				shown = exact(v)
			}
			w.element("td", shown)
		}
		w.end("tr")
	}
	w.end("tbody")
	w.end("table")
	return w.html()
}

// exact writes a number in full, with separators and at most two decimals.
func exact(v float64) string {
	whole, fraction, _ := strings.Cut(strconv.FormatFloat(v, 'f', 2, 64), ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if fraction = strings.TrimRight(fraction, "0"); fraction != "" {
		whole += "." + fraction
	}
	return whole
}

// cut shortens a text that would not fit.
func cut(text string, most int) string {
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most-1]) + "…"
}

// Hours returns the beginning of each hour of a day, in the zone of day, with labels.
// A day on which the clock changes has 23 or 25 hours. An hour whose label would occur
// twice is labelled with its zone.
func Hours(day time.Time) (starts []time.Time, labels []string) {
	const clock = "15:04"
	times := make(map[string]int)
	for at := dayStart(day, 0); at.Before(dayStart(day, 1)); at = at.Add(time.Hour) {
		starts = append(starts, at)
		times[at.Format(clock)]++
	}
	for _, at := range starts {
		label := at.Format(clock)
		if times[label] > 1 {
			label = at.Format(clock + " MST")
		}
		labels = append(labels, label)
	}
	return starts, labels
}

// dayStart returns the first instant of a day, a number of days after another one. It is
// not always midnight, and there may be two midnights.
func dayStart(day time.Time, offset int) time.Time {
	noon := time.Date(day.Year(), day.Month(), day.Day()+offset, 12, 0, 0, 0, day.Location())
	at := time.Date(noon.Year(), noon.Month(), noon.Day(), 0, 0, 0, 0, noon.Location())
	if at.Day() != noon.Day() {
		return at.Add(time.Hour)
	}
	if earlier := at.Add(-time.Hour); earlier.Day() == noon.Day() {
		return earlier
	}
	return at
}
