package chart

import (
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"html/template"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var nan = math.NaN()

// week is a week of failures.
var week = Chart{
	ID: "failed", Title: "Failed attempts by day", Desc: "38 of 61 failures were on Thursday.", Unit: "attempts",
	Labels: []string{"Mon 23", "Tue 24", "Wed 25", "Thu 26", "Fri 27", "Sat 28", "Sun 29"},
	Series: []Series{
		{"deferred", []float64{4, 3, 0, 20, 5, 0, 1}},
		{"bounced", []float64{1, 2, 0, 18, 4, 0, 1}},
		{"expired", []float64{0, 0, 0, 0, 2}},
	},
}

func TestDrawings(t *testing.T) {
	six := week
	six.Series = nil
	for i := range 7 {
		six.Series = append(six.Series, Series{fmt.Sprintf("provider number %d with a long name", i), []float64{float64(i), 2, 7, nan, 3, 1, float64(7 - i)}})
	}
	gaps := week
	gaps.Series = []Series{{"refused", []float64{nan, 3, nan, 0, 5, math.Inf(1), 2}}, {"usual", []float64{nan, 1, nan, 1, -1, nan}}}
	one := Chart{ID: "one", Title: "One", Desc: "One day.", Labels: []string{"29 February"}, Series: []Series{{"bounced", []float64{7}}}}
	nothing := Chart{ID: "nothing", Title: "Nothing", Desc: "No mail was sent.", Labels: week.Labels, Series: []Series{{"bounced", []float64{nan}}, {Name: "deferred"}}}
	huge := week
	huge.Series = []Series{{"sent", []float64{1e9, 2.5e8, 0, 1, 9.99e8, 1e3, 12}}}
	share := week
	share.Unit, share.Series = "%", []Series{{"refused", []float64{0.5, 12.25, 100, 0, 99.9, nan, 3}}}
	for name, got := range map[string]template.HTML{
		"lines": week.Lines(), "lines-seven": six.Lines(), "lines-gaps": gaps.Lines(), "lines-one": one.Lines(), "lines-share": share.Lines(),
		"areas": week.Areas(), "areas-seven": six.Areas(), "areas-gaps": gaps.Areas(), "areas-one": one.Areas(),
		"bars": week.Bars(), "bars-huge": huge.Bars(), "bars-nothing": nothing.Bars(), "bars-one": one.Bars(),
		"heat": week.Heat(), "heat-gaps": gaps.Heat(), "heat-nothing": nothing.Heat(), "heat-no-series": (&Chart{ID: "x"}).Heat(),
		"spark": Spark("7 days", week.Series[0].Values), "spark-gaps": Spark("7 days", gaps.Series[0].Values), "spark-nothing": Spark("", nil),
		"figure": week.Figure(week.Bars()),
	} {
		t.Run(name, func(t *testing.T) {
			wellFormed(t, got)
			file := filepath.Join("testdata", name+".svg")
			// A line for each element makes differences readable.
			lines := strings.ReplaceAll(string(got), "><", ">\n<") + "\n"
			if *update {
				if err := os.WriteFile(file, []byte(lines), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if lines != string(want) {
				t.Errorf("differs from %s; go test ./view/chart -update rewrites it; got\n%s", file, lines)
			}
		})
	}
}

// wellFormed checks that markup is XML whose numbers can be drawn, and returns its
// elements and its text.
func wellFormed(t *testing.T, markup template.HTML) (elements []string, text string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(string(markup)))
	var b strings.Builder
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return elements, b.String()
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, markup)
		}
		switch token := token.(type) {
		case xml.StartElement:
			elements = append(elements, token.Name.Local)
			for _, a := range token.Attr {
				if strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") || strings.HasPrefix(a.Value, "-") && a.Name.Local != "d" {
					t.Errorf("<%s %s=%q> cannot be drawn", token.Name.Local, a.Name.Local, a.Value)
				}
				if strings.HasPrefix(a.Name.Local, "on") || a.Name.Local == "style" || a.Name.Local == "href" {
					t.Errorf("<%s %s=%q>: the content security policy of a page forbids it", token.Name.Local, a.Name.Local, a.Value)
				}
			}
		case xml.CharData:
			b.Write(token)
		}
	}
}

func TestForeignTextIsOnlyText(t *testing.T) {
	const hostile = "</title></svg><script>alert(1)</script>\" onload='alert(2)' &amp; ]]> \x00\x1b[31m \xff"
	c := Chart{
		ID: "x", Title: hostile, Desc: hostile, Unit: hostile, Labels: []string{hostile, hostile},
		Series: []Series{{hostile, []float64{1, nan}}, {hostile, []float64{1, 2}}},
	}
	for name, got := range map[string]template.HTML{
		"lines": c.Figure(c.Lines()), "areas": c.Areas(), "bars": c.Bars(), "heat": c.Heat(), "spark": Spark(hostile, []float64{1}),
	} {
		elements, text := wellFormed(t, got)
		if slices.Contains(elements, "script") {
			t.Errorf("%s has a script:\n%s", name, got)
		}
		if !strings.Contains(text, "<script>alert(1)</script>\" onload='alert(2)' &amp; ]]> \uFFFD\uFFFD[31m") {
			t.Errorf("%s does not show the text:\n%s", name, text)
		}
	}
}

func TestTableShowsEveryNumberInFull(t *testing.T) {
	c := Chart{ID: "x", Title: "Sent", Unit: "messages", Labels: []string{"a", "b", "c"}, Series: []Series{{"sent", []float64{1234567890, 0.125, nan}}, {"bounced", []float64{-3}}}}
	_, text := wellFormed(t, c.Table())
	if want := "Sent (messages)sentbounceda1,234,567,8900b0.12–c––"; text != want {
		t.Errorf("the table reads %q, want %q", text, want)
	}
}

func TestTicksAreRoundAndCoverTheLargestValue(t *testing.T) {
	for _, c := range []struct {
		most  float64
		whole bool
		want  string
	}{
		{0, true, "[0 1]"},
		{nan, true, "[0 1]"},
		{1, true, "[0 1]"},
		{1, false, "[0 0.2 0.4 0.6000000000000001 0.8 1]"},
		{3, true, "[0 1 2 3]"},
		{7, true, "[0 2 4 6 8]"},
		{38, true, "[0 10 20 30 40]"},
		{100, false, "[0 20 40 60 80 100]"},
		{101, false, "[0 50 100 150]"},
		{1e9, true, "[0 2e+08 4e+08 6e+08 8e+08 1e+09]"},
	} {
		if got := fmt.Sprint(Ticks(c.most, 5, c.whole)); got != c.want {
			t.Errorf("Ticks(%v, 5, %v) = %s, want %s", c.most, c.whole, got, c.want)
		}
	}
	for _, most := range []float64{1e-300, 1e-9, 0.3, 12, 12345, 7e12, 1e300, math.MaxFloat64 / 2} {
		ticks := Ticks(most, 5, false)
		if last := ticks[len(ticks)-1]; last < most*0.999 || len(ticks) < 2 || len(ticks) > 6 {
			t.Errorf("Ticks(%v) = %v, want at most 6 up to the value", most, ticks)
		}
	}
}

func TestShortNumbers(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.6000000000000001: "0.6", 950: "950", 1200: "1.2 k", 20000: "20 k", 3e6: "3 M", 1e9: "1 G", 2e12: "2 T", 1e30: "1e+18 T", 1e-5: "1e-05"} {
		if got := Short(v); got != want {
			t.Errorf("Short(%v) = %q, want %q", v, got, want)
		}
	}
}

func TestHoursOfADay(t *testing.T) {
	load := func(name string) *time.Location {
		l, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	for _, c := range []struct {
		zone  string
		day   string
		hours int
		has   []string
		lacks string
	}{
		{"Europe/Vienna", "2026-11-26", 24, []string{"00:00", "02:00", "23:00"}, "24:00"},
		{"Europe/Vienna", "2026-03-29", 23, []string{"01:00", "03:00"}, "02:00"},
		{"Europe/Vienna", "2026-10-25", 25, []string{"01:00", "02:00 CEST", "02:00 CET", "03:00"}, "02:00"},
		{"America/Havana", "2026-03-08", 23, []string{"01:00", "23:00"}, "00:00"}, // has no midnight
		{"America/Havana", "2026-11-01", 25, []string{"00:00 CDT", "00:00 CST", "23:00"}, "00:00"},
		{"Australia/Lord_Howe", "2026-04-05", 25, []string{"00:00"}, "24:00"}, // the clock changes by half an hour
		{"UTC", "2028-02-29", 24, []string{"00:00", "23:00"}, "24:00"},
	} {
		day, err := time.ParseInLocation(time.DateOnly, c.day, load(c.zone))
		if err != nil {
			t.Fatal(err)
		}
		starts, labels := Hours(day.Add(12 * time.Hour))
		if len(starts) != c.hours || len(labels) != c.hours {
			t.Errorf("%s in %s has %d hours and %d labels, want %d", c.day, c.zone, len(starts), len(labels), c.hours)
		}
		for _, label := range c.has {
			if !slices.Contains(labels, label) {
				t.Errorf("%s in %s: no label %q in %q", c.day, c.zone, label, labels)
			}
		}
		if slices.Contains(labels, c.lacks) {
			t.Errorf("%s in %s: label %q in %q", c.day, c.zone, c.lacks, labels)
		}
	}
}

// A week of half hours in three series has to stay small, since a page holds several.
func TestDrawingOfAWeekIsSmall(t *testing.T) {
	c := Chart{ID: "w", Title: "t", Desc: "d"}
	for s := range 3 {
		values := make([]float64, 7*48)
		for i := range values {
			values[i] = float64((i*7919 + s*104729) % 1000)
		}
		c.Series = append(c.Series, Series{fmt.Sprint(s), values})
	}
	if n := len(c.Lines()); n > 20_000 {
		t.Errorf("a week takes %d bytes, want at most 20,000", n)
	}
}

func TestEverySeriesHasAStyleInTheCSS(t *testing.T) {
	for i := range styles {
		for _, class := range []string{"." + style(i) + ".line", "." + style(i) + ".area", "." + style(i) + ".mark"} {
			if !strings.Contains(CSS, class) {
				t.Errorf("the CSS lacks %s", class)
			}
		}
	}
	for level := 1; level <= heatLevels; level++ {
		if !strings.Contains(CSS, fmt.Sprintf(".h%d ", level)) {
			t.Errorf("the CSS lacks level %d of heat", level)
		}
	}
}
