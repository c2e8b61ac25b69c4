package chart

import (
	"html/template"
	"strconv"
	"strings"
)

// Lines draws each series as a line, which is interrupted where a value is missing.
func (c *Chart) Lines() template.HTML {
	p := c.newPlot(false, false)
	every := max(1, p.n/24) // points with a mark
	for i := range c.Series {
		s := &c.Series[i]
		p.empty("path", "class", "line "+style(i), "d", s.path(p.n, p.x, p.y))
		for k := range p.n {
			v, ok := s.value(k)
			_, before := s.value(k - 1)
			_, after := s.value(k + 1)
			if ok && (k%every == 0 || !before && !after) {
				p.mark(i, p.x(k), p.y(v))
			}
		}
	}
	return p.done()
}

// path returns the path of a line through the values that are not missing. A value
// between two missing ones is a dot.
func (s *Series) path(n int, x func(int) float64, y func(float64) float64) string {
	var d strings.Builder
	connected := false
	for i := range n {
		v, ok := s.value(i)
		switch {
		case ok && connected:
			d.WriteString("L" + number(x(i)) + " " + number(y(v)))
		case ok:
			d.WriteString("M" + number(x(i)) + " " + number(y(v)) + "h0")
		}
		connected = ok
	}
	return d.String()
}

// Areas draws the series as areas, each on top of the one before it. A missing value
// counts as 0; where all are missing the areas are interrupted.
func (c *Chart) Areas() template.HTML {
	p := c.newPlot(true, false)
	base := make([]float64, p.n)
	for i := range c.Series {
		top := make([]float64, p.n)
		for k := range top {
			v, _ := c.Series[i].value(k)
			top[k] = base[k] + v
		}
		var d strings.Builder
		for first := 0; first < p.n; first++ {
			last := first
			for last < p.n && c.known(last) {
				last++
			}
			if last > first {
				p.area(&d, top, base, first, last)
				first = last
			}
		}
		if d.Len() > 0 {
			class, fill := c.fill(i)
			p.empty("path", "class", class, "fill", fill, "d", d.String())
		}
		base = top
	}
	return p.done()
}

// known reports whether any series has a value at a place.
func (c *Chart) known(i int) bool {
	for k := range c.Series {
		if _, ok := c.Series[k].value(i); ok {
			return true
		}
	}
	return false
}

// area adds the outline of the places from first to last to a path. A single place is
// drawn a few units wide.
func (p *plot) area(d *strings.Builder, top, base []float64, first, last int) {
	const half = 4
	point := func(x, v float64) { d.WriteString(number(x) + " " + number(p.y(v))) }
	if last-first == 1 {
		x := p.x(first)
		d.WriteByte('M')
		point(x-half, top[first])
		d.WriteByte('L')
		point(x+half, top[first])
		d.WriteByte('L')
		point(x+half, base[first])
		d.WriteByte('L')
		point(x-half, base[first])
		d.WriteByte('Z')
		return
	}
	command := byte('M')
	for i := first; i < last; i++ {
		d.WriteByte(command)
		point(p.x(i), top[i])
		command = 'L'
	}
	for i := last - 1; i >= first; i-- {
		d.WriteByte('L')
		point(p.x(i), base[i])
	}
	d.WriteByte('Z')
}

// Bars draws a bar for each label, in which the series stand on top of each other. The
// pointer shows the numbers. A value above 0 is always visible.
func (c *Chart) Bars() template.HTML {
	p := c.newPlot(true, true)
	w := min(0.7*(width-left-right)/float64(max(p.n, 1)), 60)
	for k := range p.n {
		sum := 0.0
		for i := range c.Series {
			v, ok := c.Series[i].value(k)
			if !ok || v == 0 {
				continue
			}
			h := max(p.y(sum)-p.y(sum+v), 1)
			class, fill := c.fill(i)
			p.open("rect", "class", class, "fill", fill, "x", p.x(k)-w/2, "y", p.y(sum)-h, "width", w, "height", h)
			p.element("title", c.label(k)+", "+c.Series[i].Name+": "+exact(v))
			p.end("rect")
			sum += v
		}
	}
	return p.done()
}

// Heat draws each series as a strip with a cell for each label. The larger the value,
// the darker and the higher is what fills the cell. The pointer shows the numbers.
func (c *Chart) Heat() template.HTML {
	const rowHeight, cellHeight, most = 22.0, 18.0, 20 // letters of a name
	n, longest := c.points(), 0
	for i := range c.Series {
		longest = max(longest, len([]rune(cut(c.Series[i].Name, most))))
	}
	p := &plot{Chart: c, n: n, inset: 0.5, left: 14 + 1.1*letter*float64(longest)}
	height := rowHeight * float64(len(c.Series))
	p.svg(c, max(height, rowHeight)+bottom)
	if c.noData() {
		p.drawNoData(rowHeight)
		return p.done()
	}
	largest, w := c.most(false), p.wide()/float64(n)
	for row := range c.Series {
		s, y := &c.Series[row], rowHeight*float64(row)
		p.element("text", cut(s.Name, most), "x", p.left-6, "y", y+13, "text-anchor", "end")
		p.empty("rect", "class", "strip", "x", p.left, "y", y, "width", p.wide(), "height", cellHeight)
		for i := range n {
			v, ok := s.value(i)
			x := p.x(i) - w/2
			level := heatLevel(v, largest)
			switch {
			case !ok:
				p.empty("path", "class", "missing", "d", "M"+number(x)+" "+number(y+cellHeight)+"L"+number(x+w)+" "+number(y))
			case level > 0:
				h := cellHeight * float64(level) / heatLevels
				p.open("rect", "class", "heat h"+strconv.Itoa(level), "x", x, "y", y+cellHeight-h, "width", w, "height", h)
				p.element("title", c.label(i)+", "+s.Name+": "+exact(v))
				p.end("rect")
			}
		}
	}
	p.top = height - plotHeight
	p.labels()
	return p.done()
}

// heatLevels is the number of shades of a heat strip, without the empty cell of 0.
const heatLevels = 4

func heatLevel(v, largest float64) int {
	if v <= 0 || largest <= 0 {
		return 0
	}
	return min(1+int(heatLevels*v/largest*(1-1e-9)), heatLevels)
}

// Spark draws values as a small line without axes, to stand in a line of text. The last
// value has a dot.
func Spark(title string, values []float64) template.HTML {
	const w, h, edge = 100.0, 20.0, 3.0
	c := Chart{Series: []Series{{Values: values}}}
	s, n := &c.Series[0], len(values)
	largest := c.most(false)
	x := func(i int) float64 { return edge + (w-2*edge)*float64(i)/float64(max(n-1, 1)) }
	y := func(v float64) float64 {
		if largest == 0 {
			return h - edge
		}
		return h - edge - (h-2*edge)*v/largest
	}
	out := &writer{}
	out.open("svg", "xmlns", namespace, "class", "spark", "viewBox", "0 0 100 20", "role", "img")
	out.element("title", title)
	if d := s.path(n, x, y); d != "" {
		out.empty("path", "class", "line s1", "d", d)
	}
	if v, ok := s.value(n - 1); ok {
		out.empty("circle", "class", "mark s1", "cx", x(n-1), "cy", y(v), "r", 2)
	}
	out.end("svg")
	return out.html()
}
