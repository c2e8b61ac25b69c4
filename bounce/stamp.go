package bounce

import "time"

// StampFormat is the format of stored times: RFC 3339, UTC, milliseconds. They sort
// as text.
const StampFormat = "2006-01-02T15:04:05.000Z"

// Stamp formats a time as StampFormat.
func Stamp(t time.Time) string {
	var b [len(StampFormat)]byte
	return string(AppendStamp(b[:0], t))
}

// AppendStamp appends a time as StampFormat. It formats the milliseconds itself,
// because package time has a fast path only for RFC 3339 with whole seconds. Times before
// the year 0 and after 9999 become the first and the last that StampFormat has.
func AppendStamp(b []byte, t time.Time) []byte {
	t = t.UTC()
	start := len(b)
	b = t.AppendFormat(b, time.RFC3339)
	if len(b)-start != len("2006-01-02T15:04:05Z") {
		if t.Year() < 0 {
			return append(b[:start], "0000-01-01T00:00:00.000Z"...)
		}
		return append(b[:start], "9999-12-31T23:59:59.999Z"...)
	}
	n := t.Nanosecond() / int(time.Millisecond)
	return append(b[:len(b)-1], '.', '0'+byte(n/100), '0'+byte(n/10%10), '0'+byte(n%10), 'Z')
}

// ParseStamp returns a stored time, or the zero time if the text is not in
// StampFormat, for example because it was written by hand.
func ParseStamp(s string) time.Time {
	format := StampFormat
	if len(s) == len(StampFormat) && s[19] == '.' && s[23] == 'Z' {
		format = time.RFC3339 // for which package time has a fast path
	}
	t, err := time.Parse(format, s)
	if err != nil {
		return time.Time{}
	}
	return t
}

// EpochDay returns the day of a time in Unix milliseconds, as the number of days
// since 1970 in UTC.
func EpochDay(ms int64) int {
	const day = 24 * 60 * 60 * 1000
	if ms%day < 0 {
		return int(ms/day - 1)
	}
	return int(ms / day)
}

// DayName returns the date of a day that EpochDay returned, as YYYY-MM-DD.
func DayName(day int) string {
	return time.Unix(int64(day)*86400, 0).UTC().Format(time.DateOnly)
}
