package chart

import "strconv"

// styles is how many styles there are for series. Later series use them again.
const styles = 6

// style is the class of a series: its colour, and the dashes of its line.
func style(series int) string { return "s" + strconv.Itoa(series%styles+1) }

// hatches are the patterns of areas, by style. The first is plain.
var hatches = [styles]string{
	"",
	"M-2 2L2 -2M0 8L8 0M6 10L10 6",
	"M2 2h2v2h-2zM6 6h2v2h-2z",
	"M6 -2L10 2M0 0L8 8M-2 6L2 10",
	"M0 4h8",
	"M0 4h8M4 0v8",
}

// patterns defines the hatches of the series of a chart.
func (w *writer) patterns(c *Chart) {
	if len(c.Series) < 2 {
		return
	}
	w.open("defs")
	for i := 1; i < min(len(c.Series), styles); i++ {
		w.open("pattern", "id", c.ID+"-"+style(i), "width", 8, "height", 8, "patternUnits", "userSpaceOnUse")
		w.empty("rect", "class", "area "+style(i), "width", 8, "height", 8)
		w.empty("path", "class", "hatch", "d", hatches[i])
		w.end("pattern")
	}
	w.end("defs")
}

// fill returns the attributes of an area of a series.
func (c *Chart) fill(series int) (class, fill string) {
	if series %= styles; series > 0 {
		return "edge", "url(#" + c.ID + "-" + style(series) + ")"
	}
	return "area edge " + style(0), "currentColor"
}

// marks are the marks of points, by style, around the point.
var marks = [styles]string{
	"m-3 0a3 3 0 1 0 6 0a3 3 0 1 0 -6 0z",
	"m-3 -3h6v6h-6z",
	"m0 -4l4 7h-8z",
	"m0 -4l4 4l-4 4l-4 -4z",
	"m-4 -3h8l-4 7z",
	"m-3 -3l6 6m0 -6l-6 6",
}

// mark draws a mark at a point.
func (w *writer) mark(series int, x, y float64) {
	w.empty("path", "class", "mark "+style(series), "d", "M"+number(x)+" "+number(y)+marks[series%styles])
}
