package web

import (
	"math"
	"testing"
	"time"

	"github.com/bouncetail/bouncetail/sqlite/query"
)

// The strip of a day has 24 cells, also if the clock changes on it.
func TestHoursOfDaysOnWhichTheClockChanges(t *testing.T) {
	vienna, err := time.LoadLocation("Europe/Vienna")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		day     string
		at      []string // failures, in UTC
		hour    int
		want    float64
		missing int
	}{
		{"2026-10-25", []string{"2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"}, 2, 2, -1}, // 2:30 twice
		{"2026-03-29", []string{"2026-03-29T01:00:00Z"}, 3, 1, 2},                          // no 2:00
		{"2028-02-29", []string{"2028-02-29T22:59:00Z"}, 23, 1, -1},
	} {
		day, err := time.ParseInLocation(time.DateOnly, c.day, vienna)
		if err != nil {
			t.Fatal(err)
		}
		var sums []query.ProviderSum
		for _, at := range c.at {
			stamp, err := time.Parse(time.RFC3339, at)
			if err != nil {
				t.Fatal(err)
			}
			sums = append(sums, query.ProviderSum{Start: stamp.Unix(), Failed: 1})
		}
		series, total := byHour(day.AddDate(0, 0, 1-windowDays), day.AddDate(0, 0, 2), sums)
		today := series[0]
		if len(series) != windowDays || len(today.Values) != 24 || total != int64(len(c.at)) {
			t.Errorf("%s: %d days, %d hours, %d failures", c.day, len(series), len(today.Values), total)
		}
		for hour, v := range today.Values {
			want := 0.0
			if hour == c.hour {
				want = c.want
			}
			if missing := math.IsNaN(v); missing != (hour == c.missing) || !missing && v != want {
				t.Errorf("%s: %v at %d:00, want %v", c.day, v, hour, want)
			}
		}
	}
}

func TestHoursThatHaveNotComeAreMissing(t *testing.T) {
	now := time.Date(2026, 11, 26, 7, 30, 0, 0, time.UTC)
	series, _ := byHour(now.Truncate(24*time.Hour).AddDate(0, 0, 1-windowDays), now, nil)
	if v := series[0].Values; math.IsNaN(v[7]) || !math.IsNaN(v[8]) {
		t.Errorf("the hours of today are %v at 7:30", v)
	}
}
