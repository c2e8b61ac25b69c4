// Package when parses times as people write them: 24h, 7d, 2w, yesterday, monday,
// 2026-11-01, 2026-11-01 10:00, RFC 3339.
package when

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Forms names the forms for the help of a flag.
const Forms = "24h, 7d, 2w, yesterday, monday, 2026-11-01, '2026-11-01 10:00', or RFC 3339"

// Past returns the time that s names as End does, but a time of day is the last one that
// was.
func Past(s string, now time.Time) (time.Time, error) {
	if t, ok := today(s, now); ok && t.After(now) {
		return t.AddDate(0, 0, -1), nil
	}
	return End(s, now)
}

// End returns the time that s names as the end of a span, relative to now and in the zone
// of now. It may be after now. Durations count back. Days are calendar days: 180d keeps
// the time of day across a change of daylight saving time. A weekday is the last one
// before today, and a time of day is that of today.
func End(s string, now time.Time) (time.Time, error) {
	if days, ok := Days(s); ok {
		return now.AddDate(0, 0, -days), nil
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location())
	switch word := strings.ToLower(s); word {
	case "now":
		return now, nil
	case "today":
		return midnight, nil
	case "yesterday":
		return midnight.AddDate(0, 0, -1), nil
	default:
		for day := time.Sunday; day <= time.Saturday; day++ {
			if name := strings.ToLower(day.String()); word == name || word == name[:3] {
				back := (int(now.Weekday()) - int(day) + 7) % 7
				if back == 0 {
					back = 7
				}
				return midnight.AddDate(0, 0, -back), nil
			}
		}
	}
	if t, ok := absolute(s, now); ok {
		return t, nil
	}
	return time.Time{}, fmt.Errorf("%q is not a time; write %s", s, Forms)
}

// Future returns the time that s names. Durations count from now. A time that is not
// after now is an error.
func Future(s string, now time.Time) (time.Time, error) {
	var t time.Time
	if days, ok := Days(s); ok {
		t = now.AddDate(0, 0, days)
	} else if d, err := time.ParseDuration(s); err == nil {
		t = now.Add(d)
	} else if at, ok := absolute(s, now); ok {
		t = at
	} else {
		return t, fmt.Errorf("%q is not a time; write 30d, 2w, 2026-12-31, '2026-12-31 10:00', or RFC 3339", s)
	}
	if !t.After(now) {
		return t, fmt.Errorf("%s is in the past; name a future time, such as 30d", s)
	}
	return t, nil
}

// absolute parses a date, a date and time in the zone of now, a time of today, or RFC
// 3339.
func absolute(s string, now time.Time) (time.Time, bool) {
	for _, layout := range []string{time.DateOnly, "2006-01-02 15:04", "2006-01-02T15:04", time.DateTime, "2006-01-02T15:04:05", time.RFC3339} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, true
		}
	}
	return today(s, now)
}

// today parses a time of today, such as 10:00.
func today(s string, now time.Time) (time.Time, bool) {
	t, err := time.ParseInLocation("15:04", s, now.Location())
	return time.Date(now.Year(), now.Month(), now.Day(), t.Hour(), t.Minute(), 0, 0, now.Location()), err == nil
}

// Days parses a number of days or weeks, such as 30d or 2w.
func Days(s string) (n int, ok bool) {
	factor := 1
	digits, ok := strings.CutSuffix(s, "d")
	if !ok {
		if digits, ok = strings.CutSuffix(s, "w"); !ok {
			return 0, false
		}
		factor = 7
	}
	n, err := strconv.Atoi(digits)
	const most = 100_000 // days: RFC 3339 has only years of four digits
	return n * factor, err == nil && n >= 0 && n <= most/factor
}
