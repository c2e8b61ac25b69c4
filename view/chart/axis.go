package chart

import (
	"html/template"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The size of a drawing, in units of its viewBox. CSS scales it to its place.
const (
	width      = 480.0
	plotHeight = 150.0
	left       = 52.0 // of the plot: labels of the vertical axis
	right      = 12.0
	bottom     = 28.0 // labels of the horizontal axis
	legendLine = 20.0
	letter     = 8.8 // estimated width of a letter on a telephone, where they are largest
)

const namespace = "http://www.w3.org/2000/svg"

// plot is the area in which a chart is drawn.
type plot struct {
	*Chart
	writer
	left  float64
	top   float64 // below the legend
	scale float64 // the value at the top of the vertical axis
	n     int     // places on the horizontal axis
	inset float64 // of the first place and the last, as a share of a place
}

// wide returns the width of the plot.
func (p *plot) wide() float64 { return width - p.left - right }

// x returns the middle of a place on the horizontal axis.
func (p *plot) x(i int) float64 {
	return p.left + p.wide()*(float64(i)+p.inset)/max(float64(p.n-1)+2*p.inset, 1)
}

// y returns the height of a value.
func (p *plot) y(v float64) float64 { return p.top + plotHeight*(1-min(v/p.scale, 1)) }

// newPlot begins a drawing: texts, legend and axes. Bars take the whole of a place, so
// that the first and the last are inset by a half.
func (c *Chart) newPlot(stacked, bars bool) *plot {
	p := &plot{Chart: c, left: left, n: c.points(), scale: 1}
	if bars || p.n == 1 {
		p.inset = 0.5
	}
	legend := c.legend()
	p.top = 10 + legendLine*float64(len(legend))
	p.svg(c, p.top+plotHeight+bottom)
	if c.noData() {
		p.drawNoData(p.top + plotHeight/2)
		return p
	}
	if stacked {
		p.patterns(c)
	}
	p.drawLegend(legend, stacked)
	ticks := Ticks(c.most(stacked), 5, c.whole())
	p.scale = ticks[len(ticks)-1]
	for _, v := range ticks {
		y := p.y(v)
		p.empty("line", "class", "grid", "x1", p.left, "x2", width-right, "y1", y, "y2", y)
		p.element("text", p.tick(v), "x", p.left-6, "y", y+4, "text-anchor", "end")
	}
	p.labels()
	return p
}

// svg begins a drawing and writes its title and description.
func (w *writer) svg(c *Chart, height float64) {
	w.open("svg", "xmlns", namespace, "viewBox", "0 0 "+number(width)+" "+number(height),
		"role", "img", "aria-labelledby", c.ID+"-title "+c.ID+"-desc")
	w.element("title", c.Title, "id", c.ID+"-title")
	w.element("desc", c.Desc, "id", c.ID+"-desc")
}

func (p *plot) drawNoData(y float64) {
	p.element("text", "No data", "class", "none", "x", width/2, "y", y, "text-anchor", "middle")
}

func (p *plot) done() template.HTML {
	p.end("svg")
	return p.html()
}

// tick writes a value of the vertical axis.
func (p *plot) tick(v float64) string {
	if p.Unit == "%" {
		return Short(v) + " %"
	}
	return Short(v)
}

// labels writes as many labels of the horizontal axis as fit.
func (p *plot) labels() {
	const most = 16 // letters
	longest := 1
	for _, label := range p.Labels {
		longest = max(longest, utf8.RuneCountInString(cut(label, most)))
	}
	fit := max(1, int(p.wide()/(letter*float64(longest)+12)))
	every := (p.n + fit - 1) / fit
	for i := 0; i < p.n; i += every {
		label, x, anchor := cut(p.label(i), most), p.x(i), "middle"
		if half := letter / 2 * float64(utf8.RuneCountInString(label)); x+half > width {
			x, anchor = width, "end"
		}
		p.element("text", label, "x", x, "y", p.top+plotHeight+18, "text-anchor", anchor)
	}
}

// legend arranges the names of the series in lines. A single series needs none.
func (c *Chart) legend() (lines [][]int) {
	if len(c.Series) < 2 {
		return nil
	}
	used := width
	for i := range c.Series {
		w := legendWidth(c.Series[i].Name)
		if used += w; used > width-left-right {
			lines, used = append(lines, nil), w
		}
		last := len(lines) - 1
		lines[last] = append(lines[last], i)
	}
	return lines
}

const legendLetters = 28 // of a name

func legendWidth(name string) float64 {
	return 44 + letter*float64(utf8.RuneCountInString(cut(name, legendLetters)))
}

// drawLegend shows the pattern of each series, or its line with a mark.
func (p *plot) drawLegend(lines [][]int, areas bool) {
	for row, series := range lines {
		x, y := p.left, 2+legendLine*float64(row)
		for _, i := range series {
			if areas {
				class, fill := p.fill(i)
				p.empty("rect", "class", class, "fill", fill, "x", x, "y", y, "width", 24, "height", 12)
			} else {
				p.empty("path", "class", "line "+style(i), "d", "M"+number(x)+" "+number(y+6)+"h24")
				p.mark(i, x+12, y+6)
			}
			p.element("text", cut(p.Series[i].Name, legendLetters), "x", x+30, "y", y+10)
			x += legendWidth(p.Series[i].Name)
		}
	}
}

// Ticks returns the values of an axis from 0 to at least most: multiples of 1, 2 or 5
// times a power of ten, at most count steps. The ticks of whole numbers are whole.
func Ticks(most float64, count int, whole bool) []float64 {
	if !(most > 0) {
		return []float64{0, 1}
	}
	const slightly = 1e-9 // rounding
	least := most / float64(count)
	power := math.Pow(10, math.Floor(math.Log10(least)))
	step := 10 * power
	for _, factor := range []float64{5, 2, 1} {
		if factor*power >= least*(1-slightly) {
			step = factor * power
		}
	}
	if whole {
		step = max(step, 1)
	}
	ticks := []float64{0}
	for i := 1; ticks[len(ticks)-1] < most*(1-slightly); i++ {
		ticks = append(ticks, float64(i)*step)
	}
	return ticks
}

// Short writes a number in little space: 950, 1.2 k, 3 M, 1 G.
func Short(v float64) string {
	unit := ""
	for _, larger := range []string{" k", " M", " G", " T"} {
		if v < 1000 {
			break
		}
		v, unit = v/1000, larger
	}
	if v >= 1e6 || v > 0 && v < 0.01 {
		return strconv.FormatFloat(v, 'g', 3, 64) + unit
	}
	return strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(v, 'f', 2, 64), "0"), ".") + unit
}
