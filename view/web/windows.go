package web

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/bouncetail/bouncetail/bounce"
	"github.com/bouncetail/bouncetail/internal/text"
	"github.com/bouncetail/bouncetail/sqlite/query"
	"github.com/bouncetail/bouncetail/view/chart"
	"github.com/bouncetail/bouncetail/view/page"
	"github.com/bouncetail/bouncetail/view/table"
)

// windowDays is for how many days windows are kept that are shorter than an hour.
const windowDays = 14

// traffic is what the windows of the last 24 hours say about a provider.
type traffic struct{ sent, tried, refused int64 }

// traffics returns the traffic of the providers by name. Domains with separate windows
// belong to "other".
func (q *request) traffics() (map[string]*traffic, error) {
	sums, err := q.r.ProviderSums(q.Context(), q.now.Add(-24*time.Hour))
	byName := make(map[string]*traffic)
	for i := range sums {
		s := &sums[i]
		name := s.Provider
		if strings.Contains(name, ".") {
			name = "other"
		}
		t := byName[name]
		if t == nil {
			t = &traffic{}
			byName[name] = t
		}
		t.sent, t.tried, t.refused = t.sent+s.Sent, t.tried+s.Tried, t.refused+s.Refused
	}
	return byName, err
}

// failedDays returns the failures of the last 14 days by provider.
func (q *request) failedDays() (map[string]page.Spark, error) {
	from := q.now.UTC().Truncate(24*time.Hour).AddDate(0, 0, 1-windowDays)
	days, err := q.r.FailureDays(q.Context(), from.Format(time.DateOnly))
	byName := make(map[string]page.Spark)
	for _, d := range days {
		at, _ := time.Parse(time.DateOnly, d.Day) // of the database
		if byName[d.Provider] == nil {
			byName[d.Provider] = make(page.Spark, windowDays)
		}
		if day := int(at.Sub(from) / (24 * time.Hour)); day < windowDays { // else a clock is ahead
			byName[d.Provider][day] += d.Failures
		}
	}
	return byName, err
}

// reasonDays draws the reasons of a provider by day, the most frequent ones by name.
func (q *request) reasonDays(name string) (page.Section, error) {
	const named = 5
	s := page.NewSection("Reasons by day (UTC)")
	from := q.now.UTC().AddDate(0, 0, 1-windowDays)
	days, err := q.r.ReasonDays(q.Context(), name, from.Format(time.DateOnly))
	total := make(map[bounce.Reason]int)
	sum := 0
	for _, d := range days {
		total[d.Reason] += d.Failures
		sum += d.Failures
	}
	order := slices.SortedFunc(maps.Keys(total), func(a, b bounce.Reason) int {
		return cmp.Or(cmp.Compare(total[b], total[a]), cmp.Compare(a, b))
	})
	c := chart.Chart{
		ID:    "reasons",
		Title: "Failed attempts by day and reason.",
		Unit:  "attempts",
		Desc:  fmt.Sprintf("%s in %d days.", text.Amount(sum, "failed attempt"), windowDays),
	}
	place := make(map[string]int)
	for i := range windowDays {
		day := from.AddDate(0, 0, i)
		place[day.Format(time.DateOnly)] = i
		c.Labels = append(c.Labels, day.Format("Mon 2 Jan"))
	}
	series := make(map[bounce.Reason]int)
	for i, reason := range order {
		series[reason] = min(i, named)
		if i < named {
			c.Series = append(c.Series, chart.Series{Name: string(reason), Values: make([]float64, windowDays)})
		} else if i == named {
			c.Series = append(c.Series, chart.Series{Name: "others", Values: make([]float64, windowDays)})
		}
	}
	for _, d := range days {
		if i, shown := place[d.Day]; shown {
			c.Series[series[d.Reason]].Values[i] += float64(d.Failures)
		}
	}
	s.Figures = append(s.Figures, c.Figure(c.Areas()))
	return s, err
}

// halfHours draws the attempts of the last 24 hours.
func (q *request) halfHours() (page.Section, error) {
	const part, parts = 30 * time.Minute, 48
	s := page.NewSection("24 hours (" + q.zone.Name() + ")")
	from := q.now.Truncate(part).Add((1 - parts) * part)
	sums, err := q.r.PartSums(q.Context(), "", from, from.Add(parts*part), part)
	delivered := chart.Series{Name: "delivered", Values: make([]float64, parts)}
	failed := chart.Series{Name: "failed", Values: make([]float64, parts)}
	var nDelivered, nFailed int64
	for i := range sums {
		at := int(time.Unix(sums[i].Start, 0).Sub(from) / part)
		delivered.Values[at] += float64(sums[i].Sent)
		failed.Values[at] += float64(sums[i].Failed)
		nDelivered, nFailed = nDelivered+sums[i].Sent, nFailed+sums[i].Failed
	}
	c := chart.Chart{
		ID: "hours", Title: "Attempts by half hour.", Unit: "attempts", Series: []chart.Series{delivered, failed},
		Desc: fmt.Sprintf("%s delivered, %s failed.", text.Thousands(nDelivered), text.Thousands(nFailed)),
	}
	for i := range parts {
		c.Labels = append(c.Labels, from.Add(time.Duration(i)*part).In(q.zone.Location).Format("15:04"))
	}
	s.Figures = append(s.Figures, c.Figure(c.Lines()))
	return s, err
}

// share is a share that is empty if there is nothing to divide by.
func share(n, of int64) any {
	if of == 0 {
		return ""
	}
	return table.Share(float64(n) / float64(of))
}

// byHour returns a series for each day, the last first, with a value for each hour of the
// clock. An hour that a day does not have, or that has not come, is missing. One that a
// day has twice is added up.
func byHour(from, now time.Time, sums []query.ProviderSum) (series []chart.Series, total int64) {
	failed := make(map[string]float64)
	const hour = "2006-01-02 15"
	for i := range sums {
		failed[time.Unix(sums[i].Start, 0).In(from.Location()).Format(hour)] += float64(sums[i].Failed)
		total += sums[i].Failed
	}
	for back := range windowDays {
		day := from.AddDate(0, 0, windowDays-1-back)
		s := chart.Series{Name: day.Format("Mon 2 Jan"), Values: make([]float64, 24)}
		for h := range s.Values {
			s.Values[h] = math.NaN()
		}
		starts, _ := chart.Hours(day)
		for _, at := range starts {
			if !at.After(now) {
				s.Values[at.Hour()] = failed[at.Format(hour)]
			}
		}
		series = append(series, s)
	}
	return series, total
}

// hours draws the failures of a provider by day and hour of the reader's zone, the last
// days first: the windows of a provider are far from each other in the file.
func (q *request) hours(name string) (page.Section, error) {
	s := page.NewSection("Failed attempts by hour (" + q.zone.Name() + ")")
	from := time.Date(q.now.Year(), q.now.Month(), q.now.Day()+1-windowDays, 0, 0, 0, 0, q.now.Location())
	var sums []query.ProviderSum
	days := 0
	for begun := time.Now(); days < windowDays && (days == 0 || time.Since(begun) < readTime/2); days++ {
		day := from.AddDate(0, 0, windowDays-1-days)
		parts, err := q.r.PartSums(q.Context(), name, day, day.AddDate(0, 0, 1), 30*time.Minute) // some zones differ by half an hour
		if err != nil {
			return s, err
		}
		sums = append(sums, parts...)
	}
	c := chart.Chart{ID: "hours", Title: "Failed attempts by day and hour.", Unit: "attempts"}
	for hour := range 24 {
		c.Labels = append(c.Labels, fmt.Sprintf("%02d:00", hour))
	}
	series, total := byHour(from, q.now, sums)
	c.Series = series[:days]
	c.Desc = fmt.Sprintf("%s in %s.", text.Amount(int(total), "failed attempt"), text.Amount(days, "day"))
	if days < windowDays {
		s.Note("Only %s could be read in time.", text.Amount(days, "day"))
	}
	if len(sums) == 0 && days == windowDays {
		s.Say("Not known: hours are counted since the version that has this page.")
		return s, nil
	}
	s.Figures = append(s.Figures, c.Figure(c.Heat()))
	return s, nil
}
